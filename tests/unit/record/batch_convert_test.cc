#include "record/batch_convert.h"

#include "record/compression.h"
#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

TEST(ConvertBatch, ToTheSameCodecGivesTheSameBytes) {
  const auto converted = convert_batch(header_of(kE2), Bytes(kE2).subspan(kHeaderBytes), {});
  ASSERT_THAT(converted, Succeeds());
  EXPECT_EQ(to_hex(raw_batch(converted->header, converted->record_bytes)), to_hex(kE2));
  EXPECT_EQ(converted->header.crc, 0x527b05a0u);
}

TEST(ConvertBatch, KeepsProducerAndTransactionalBit) {
  for (int codec = 1; codec <= 4; ++codec) {
    const auto converted = convert_batch(header_of(kE2), Bytes(kE2).subspan(kHeaderBytes),
                                         {.codec = static_cast<Codec>(codec)});
    ASSERT_THAT(converted, Succeeds());
    const BatchHeader& header = converted->header;
    EXPECT_EQ(header.attributes, 0x10 | codec);
    EXPECT_EQ(header.producer_id, ProducerId(4000));
    EXPECT_EQ(header.producer_epoch, ProducerEpoch(2));
    EXPECT_EQ(header.base_sequence, Sequence(2147483646));
    EXPECT_EQ(header.record_count, 3);
    EXPECT_EQ(header.last_offset_delta, 2);
    EXPECT_EQ(header.max_timestamp, kTime + 5);
    const auto plain = decompress(static_cast<std::uint8_t>(codec), converted->record_bytes, {});
    ASSERT_THAT(plain, Succeeds());
    EXPECT_EQ(to_hex(plain->bytes()), to_hex(Bytes(kE2).subspan(kHeaderBytes)));
  }
}

TEST(ConvertBatch, RebasesDeltasOnTheFirstRecord) {
  // Records 101 and 102 of E3 stand far from the horizon in the header.
  const auto converted = convert_batch(header_of(kE3), Bytes(kE3).subspan(kHeaderBytes), {});
  ASSERT_THAT(converted, Succeeds());
  EXPECT_EQ(converted->header.base_timestamp, kTime + 5);
  EXPECT_EQ(converted->header.attributes, 0x10);
  EXPECT_EQ(to_hex(Bytes(converted->record_bytes).first(8)), "0e00000002620100");
}

TEST(ConvertBatch, GivesTheLogsTimeToTheHeaderAndKeepsTheRecords) {
  const auto converted = convert_batch(header_of(kE2), Bytes(kE2).subspan(kHeaderBytes),
                                       {.append_time = Timestamp(99)});
  ASSERT_THAT(converted, Succeeds());
  EXPECT_EQ(converted->header.timestamp_type(), TimestampType::kLogAppendTime);
  EXPECT_EQ(converted->header.max_timestamp, Timestamp(99));
  EXPECT_EQ(converted->header.base_timestamp, kTime);
  EXPECT_EQ(to_hex(converted->record_bytes), to_hex(Bytes(kE2).subspan(kHeaderBytes)));
}

TEST(ConvertBatch, WritesMinimalFormsAndNoRecordAttributes) {
  const ByteList odd = from_hex("1a ff 8000 808000 02 6b 8200 76 8000");
  const auto converted = convert_batch(client_header(1), odd, {});
  ASSERT_THAT(converted, Succeeds());
  EXPECT_EQ(to_hex(converted->record_bytes), "10000000026b027600");
}

TEST(ConvertBatch, RefusesTimesThatNoWriterMayWrite) {
  const ByteList records = from_hex("10 00 00 00 026b 0276 00");
  BatchHeader header = client_header(1);
  header.base_timestamp = Timestamp(-5);
  EXPECT_THAT(convert_batch(header, records, {}), FailsWith(ErrorCode::INVALID_RECORD));
}

}  // namespace
}  // namespace oncelog::record
