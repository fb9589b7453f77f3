#include <limits>

#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

constexpr NewRecord::Header kHeaders[] = {{.key = "h", .value = {}}, {.key = "n", .value = {}}};

RecordBatchBuilder builder_of_e2() {
  return RecordBatchBuilder({.base_offset = Offset(100),
                             .leader_epoch = LeaderEpoch(3),
                             .is_transactional = true,
                             .producer_id = ProducerId(4000),
                             .producer_epoch = ProducerEpoch(2),
                             .base_sequence = Sequence(2147483646)});
}

TEST(RecordBatchBuilder, BuildsE1) {
  RecordBatchBuilder builder;
  EXPECT_THAT(builder.add({.timestamp = kTime, .key = as_bytes("k"), .value = as_bytes("v")}),
              Succeeds());
  EXPECT_EQ(builder.plain_bytes(), 70);
  EXPECT_EQ(to_hex(*builder.build()), to_hex(kE1));
}

TEST(RecordBatchBuilder, BuildsE2) {
  NewRecord::Header headers[] = {kHeaders[0], kHeaders[1]};
  headers[0].value = as_bytes("x");
  RecordBatchBuilder builder = builder_of_e2();
  EXPECT_THAT(builder.add({.timestamp = kTime, .key = as_bytes("a"), .value = as_bytes("1")}),
              Succeeds());
  EXPECT_THAT(builder.add({.timestamp = kTime + 5, .key = as_bytes("b")}), Succeeds());
  EXPECT_THAT(builder.add({.timestamp = kTime + 3,
                           .key = as_bytes("a"),
                           .value = as_bytes("22"),
                           .headers = headers}),
              Succeeds());
  EXPECT_EQ(builder.record_count(), 3);
  EXPECT_EQ(to_hex(*builder.build()), to_hex(kE2));
}

TEST(RecordBatchBuilder, BuildsTheMarkersOfE5) {
  MarkerFields fields{.base_offset = Offset(103),
                      .leader_epoch = LeaderEpoch(3),
                      .type = MarkerType::kCommit,
                      .producer_id = ProducerId(4000),
                      .producer_epoch = ProducerEpoch(2),
                      .coordinator_epoch = CoordinatorEpoch(5),
                      .timestamp = kTime + 9};
  EXPECT_EQ(to_hex(build_marker(fields)), to_hex(kCommit));
  fields.type = MarkerType::kAbort;
  EXPECT_EQ(to_hex(build_marker(fields)), to_hex(kAbort));
}

TEST(RecordBatchBuilder, CompressedBatchesOfE1HoldTheExamplesOfTheFormat) {
  const std::string_view streams[] = {
      "1f8b08000000000000ff1360606060ca662a630000a37fcfa609000000",
      "82534e415050590000000001000000010000000b092010000000026b027600",
      "04224d186040820900008010000000026b02760000000000",
      "28b52ffd005848000010000000026b027600010000"};
  for (int codec = 1; codec <= 4; ++codec) {
    RecordBatchBuilder builder({.codec = static_cast<Codec>(codec)});
    EXPECT_THAT(builder.add({.timestamp = kTime, .key = as_bytes("k"), .value = as_bytes("v")}),
                Succeeds());
    const ByteList bytes = *builder.build();
    EXPECT_EQ(to_hex(Bytes(bytes).subspan(kHeaderBytes)), streams[codec - 1]);
    const auto batch = RecordBatchView::parse(bytes);
    ASSERT_THAT(batch, Succeeds());
    EXPECT_THAT(batch->check_crc(), Succeeds());
    EXPECT_EQ(batch->codec_bits(), codec);
    EXPECT_EQ(batch->record_count(), 1);
  }
}

TEST(RecordBatchBuilder, IsEmptyAgainWithTheSameFieldsAfterBuild) {
  RecordBatchBuilder builder = builder_of_e2();
  EXPECT_THAT(builder.add({.timestamp = kTime, .value = as_bytes("1")}), Succeeds());
  const ByteList first = *builder.build();
  EXPECT_EQ(builder.record_count(), 0);
  EXPECT_EQ(builder.plain_bytes(), kBatchHeaderBytes);
  EXPECT_THAT(builder.add({.timestamp = kTime, .value = as_bytes("1")}), Succeeds());
  EXPECT_EQ(to_hex(*builder.build()), to_hex(first));
}

TEST(RecordBatchBuilder, RefusesToBuildWithoutARecord) {
  EXPECT_THAT(RecordBatchBuilder().build(), FailsWith(ErrorCode::INVALID_RECORD));
}

TEST(RecordBatchBuilder, TimesMayGoBackAndBeNone) {
  RecordBatchBuilder builder;
  EXPECT_THAT(builder.add({.timestamp = Timestamp(100)}), Succeeds());
  EXPECT_THAT(builder.add({.timestamp = kNoTimestamp}), Succeeds());
  EXPECT_THAT(builder.add({.timestamp = Timestamp(std::numeric_limits<std::int64_t>::max())}),
              Succeeds());
  const ByteList bytes = *builder.build();
  EXPECT_EQ(header_of(bytes).base_timestamp, Timestamp(100));
  EXPECT_EQ(header_of(bytes).max_timestamp, Timestamp(std::numeric_limits<std::int64_t>::max()));
}

TEST(RecordBatchBuilder, RefusesATimeBelowNoneAndIsAsBefore) {
  RecordBatchBuilder builder;
  EXPECT_THAT(builder.add({.timestamp = Timestamp(-2)}), FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_EQ(builder.record_count(), 0);
  EXPECT_THAT(builder.add({.timestamp = kTime, .key = as_bytes("k"), .value = as_bytes("v")}),
              Succeeds());
  EXPECT_EQ(to_hex(*builder.build()), to_hex(kE1));
}

TEST(RecordBatchBuilder, RefusesALevelThatTheCodecDoesNotHave) {
  RecordBatchBuilder builder({.codec = Codec::kGzip, .compression_level = 10});
  EXPECT_THAT(builder.add({.timestamp = kTime}), Succeeds());
  EXPECT_THAT(builder.build(), FailsWith(ErrorCode::INVALID_CONFIG));
}

TEST(RecordBatchBuilder, SetsTheLogAppendTimeBit) {
  const ByteList bytes = batch_of({"a"}, {.timestamp_type = TimestampType::kLogAppendTime});
  EXPECT_EQ(header_of(bytes).timestamp_type(), TimestampType::kLogAppendTime);
  EXPECT_EQ(header_of(bytes).max_timestamp, kTime);
}

TEST(RecordBatchBuilder, RefusesLengthsBeyond32Bits) {
  // The bytes are only counted, never read: the record is refused by its size.
  const std::byte byte{};
  const Bytes huge(&byte, std::size_t{1} << 32);
  RecordBatchBuilder builder;
  EXPECT_THAT(builder.add({.timestamp = kTime, .value = huge}),
              FailsWith(ErrorCode::INVALID_RECORD));
  const NewRecord::Header header{.key = "h", .value = huge};
  EXPECT_THAT(builder.add({.timestamp = kTime, .headers = std::span(&header, 1)}),
              FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_EQ(builder.record_count(), 0);
}

TEST(RecordBatchBuilder, RefusesABatchBeyond32Bits) {
  const std::byte byte{};
  const Bytes almost(&byte, (std::size_t{1} << 31) - 30);
  RecordBatchBuilder builder;
  EXPECT_THAT(builder.add({.timestamp = kTime, .value = almost}),
              FailsWith(ErrorCode::MESSAGE_TOO_LARGE));
  EXPECT_EQ(builder.record_count(), 0);
}

}  // namespace
}  // namespace oncelog::record
