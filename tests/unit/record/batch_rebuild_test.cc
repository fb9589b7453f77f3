// The examples are those of the formats' section 1.8 to 1.10.
#include "record/batch_rebuild.h"

#include <gmock/gmock.h>

#include "support/keyed_batches.h"

namespace oncelog::record {
namespace {

using test::Buffer;
using test::from_hex;
using test::to_hex;
using test::value_of;
using test::view_of;
using testing::ElementsAre;

const Buffer kOriginal = from_hex(
    "00 00 00 00 00 00 00 64 00 00 00 53 00 00 00 03 02 52 7b 05 a0 00 10 00 00 00 02 00 00 01 8b "
    "cf e5 68 00 00 00 01 8b cf e5 68 05 00 00 00 00 00 00 0f a0 00 02 7f ff ff fe 00 00 00 03 10 "
    "00 00 00 02 61 02 31 00 0e 00 0a 02 02 62 01 00 20 00 06 04 02 61 04 32 32 04 02 68 02 78 02 "
    "6e 01");

Buffer bytes_of(const NewBatch& batch) {
  Buffer bytes(static_cast<std::size_t>(batch.header.size_bytes()));
  encode_batch_header(batch.header, std::span(bytes).first<kHeaderBytes>());
  std::ranges::copy(batch.record_bytes, bytes.begin() + kBatchHeaderBytes);
  return bytes;
}

class BatchRebuildTest : public testing::Test {
 protected:
  /// The batch with the records from this one on.
  static Buffer rebuild(const Buffer& from, std::size_t first, std::optional<Timestamp> horizon) {
    RecordReader reader = value_of(RecordReader::open(view_of(from)));
    std::vector<RecordView> records;
    while (const auto record = value_of(reader.next())) records.push_back(*record);
    return bytes_of(
        value_of(rebuild_batch(test::header_of(from), std::span(records).subspan(first), horizon)));
  }
};

TEST_F(BatchRebuildTest, ADeleteHorizonTakesThePlaceOfTheBaseTimestamp) {
  const Buffer expected = from_hex(
      "00 00 00 00 00 00 00 64 00 00 00 50 00 00 00 03 02 80 8e e5 04 00 50 00 00 00 02 00 00 01 "
      "8b d5 0b c4 7b 00 00 01 8b cf e5 68 05 00 00 00 00 00 00 0f a0 00 02 7f ff ff fe 00 00 00 "
      "02 14 00 eb f1 b2 52 02 02 62 01 00 26 00 ef f1 b2 52 04 02 61 04 32 32 04 02 68 02 78 02 "
      "6e 01");
  EXPECT_EQ(to_hex(rebuild(kOriginal, 1, Timestamp(1'700'086'400'123))), to_hex(expected));
}

TEST_F(BatchRebuildTest, WithoutAHorizonTheFirstRecordGivesTheBaseTimestamp) {
  const Buffer expected = from_hex(
      "00 00 00 00 00 00 00 64 00 00 00 42 00 00 00 03 02 1b f8 09 2a 00 10 00 00 00 02 00 00 01 "
      "8b cf e5 68 03 00 00 01 8b cf e5 68 03 00 00 00 00 00 00 0f a0 00 02 7f ff ff fe 00 00 00 "
      "01 20 00 00 04 02 61 04 32 32 04 02 68 02 78 02 6e 01");
  EXPECT_EQ(to_hex(rebuild(kOriginal, 2, std::nullopt)), to_hex(expected));
}

TEST_F(BatchRebuildTest, AnEmptyBatchIsAHeaderThatKeepsSequencesAndLargestTimestamp) {
  const Buffer expected = from_hex(
      "00 00 00 00 00 00 00 64 00 00 00 31 00 00 00 03 02 57 b6 5e 29 00 10 00 00 00 02 ff ff ff "
      "ff ff ff ff ff 00 00 01 8b cf e5 68 05 00 00 00 00 00 00 0f a0 00 02 7f ff ff fe 00 00 00 "
      "00");
  EXPECT_EQ(to_hex(bytes_of(empty_batch(test::header_of(kOriginal)))), to_hex(expected));
}

TEST_F(BatchRebuildTest, TheCodecStays) {
  for (const Codec codec : {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    const Buffer batch = test::make_keyed({{"a", "1"}, {"b", "2"}, {"c", "3"}}, {.codec = codec});
    const Buffer left = rebuild(batch, 1, std::nullopt);
    EXPECT_EQ(view_of(left).codec_bits(), static_cast<std::uint8_t>(codec));
    EXPECT_THAT(view_of(left).check_crc(), test::Succeeds());
    EXPECT_THAT(test::records_of(view_of(left)), ElementsAre("1 b=2", "2 c=3"));
  }
}

}  // namespace
}  // namespace oncelog::record
