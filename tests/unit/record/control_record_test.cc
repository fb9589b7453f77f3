#include "record/control_record.h"

#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

Result<ControlRecord> decode(std::string_view key_hex, std::string_view value_hex) {
  const ByteList key = from_hex(key_hex);
  const ByteList value = from_hex(value_hex);
  return decode_control_record({.key = Bytes(key), .value = Bytes(value)});
}

TEST(ControlRecord, EncodesWhatMarkersHold) {
  EXPECT_EQ(to_hex(encode_control_key(MarkerType::kAbort)), "00000000");
  EXPECT_EQ(to_hex(encode_control_key(MarkerType::kCommit)), "00000001");
  EXPECT_EQ(to_hex(encode_marker_value(CoordinatorEpoch(5))), "000000000005");
}

TEST(ControlRecord, DecodesMarkers) {
  const auto abort = decode("00000000", "000000000005");
  ASSERT_THAT(abort, Succeeds());
  EXPECT_TRUE(abort->is_marker() && abort->is_abort());
  EXPECT_EQ(abort->coordinator_epoch, CoordinatorEpoch(5));
  const auto commit = decode("00000001", "0000ffffffff");
  ASSERT_THAT(commit, Succeeds());
  EXPECT_TRUE(commit->is_marker() && !commit->is_abort());
  EXPECT_EQ(commit->coordinator_epoch, CoordinatorEpoch(-1));
}

TEST(ControlRecord, ToleratesLongerFormsAndLaterVersions) {
  const auto marker = decode("7fff0001ffff", "7fff000000090000");
  ASSERT_THAT(marker, Succeeds());
  EXPECT_EQ(marker->type, 1);
  EXPECT_EQ(marker->coordinator_epoch, CoordinatorEpoch(9));
}

TEST(ControlRecord, ToleratesUnknownTypesWithAnyValue) {
  for (const std::string_view key : {"00000002", "00006310", "0000ffff"}) {
    const auto control = decode(key, "");
    ASSERT_THAT(control, Succeeds());
    EXPECT_FALSE(control->is_marker());
    EXPECT_EQ(control->coordinator_epoch, kNoCoordinatorEpoch);
  }
}

TEST(ControlRecord, RefusesAShortOrNegativeKey) {
  EXPECT_THAT(decode("000000", "000000000005"), FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(decode("ffff0001", "000000000005"), FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(decode_control_record({}), FailsWith(ErrorCode::INVALID_RECORD));
}

TEST(ControlRecord, RefusesAShortOrNegativeMarkerValue) {
  EXPECT_THAT(decode("00000001", "0000000000"), FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(decode("00000000", ""), FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(decode("00000000", "ffff00000005"), FailsWith(ErrorCode::INVALID_RECORD));
}

}  // namespace
}  // namespace oncelog::record
