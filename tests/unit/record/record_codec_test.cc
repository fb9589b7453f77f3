#include "record/record_codec.h"

#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

RecordFault fault_of(std::string_view hex) {
  const ByteList bytes = from_hex(hex);
  base::ByteCursor cursor{Bytes(bytes)};
  StoredRecord record;
  return decode_record(cursor, record);
}

TEST(RecordCodec, DecodesTheRecordOfE1) {
  base::ByteCursor cursor(Bytes(kE1).subspan(kHeaderBytes));
  StoredRecord record;
  ASSERT_EQ(decode_record(cursor, record), RecordFault::kNone);
  EXPECT_EQ(cursor.left(), 0u);
  EXPECT_EQ(record.timestamp_delta, 0);
  EXPECT_EQ(record.offset_delta, 0);
  EXPECT_EQ(as_text(*record.key), "k");
  EXPECT_EQ(as_text(*record.value), "v");
  EXPECT_EQ(record.header_count, 0);
}

TEST(RecordCodec, EncodesWhatItDecoded) {
  for (const ByteList& batch : {kE1, kE2, kE3, kE3Later, kCommit, kAbortHorizon, kLeaderChange}) {
    const Bytes records = Bytes(batch).subspan(kHeaderBytes);
    base::ByteCursor cursor(records);
    ByteList out;
    std::int64_t size_bytes = 0;
    while (cursor.left() > 0) {
      StoredRecord record;
      ASSERT_EQ(decode_record(cursor, record), RecordFault::kNone);
      encode_record(record, out);
      size_bytes += record_size_bytes(record);
      EXPECT_EQ(size_bytes, static_cast<std::int64_t>(out.size()));
    }
    EXPECT_EQ(to_hex(out), to_hex(records));
  }
}

TEST(RecordCodec, NegativeLengthsAreNull) {
  const ByteList bytes = from_hex("14 00 00 00 0d ffffffff0f 00");
  base::ByteCursor cursor{Bytes(bytes)};
  StoredRecord record;
  ASSERT_EQ(decode_record(cursor, record), RecordFault::kNone);
  EXPECT_EQ(record.key, std::nullopt);
  EXPECT_EQ(record.value, std::nullopt);
}

TEST(RecordCodec, AnEmptyKeyIsAKey) {
  const ByteList bytes = from_hex("0c 00 00 00 00 01 00");
  base::ByteCursor cursor{Bytes(bytes)};
  StoredRecord record;
  ASSERT_EQ(decode_record(cursor, record), RecordFault::kNone);
  ASSERT_TRUE(record.key);
  EXPECT_TRUE(record.key->empty());
}

TEST(RecordCodec, ReadsFormsLongerThanNeeded) {
  EXPECT_EQ(fault_of("1a 00 8000 808000 02 6b 8200 76 8000"), RecordFault::kNone);
}

TEST(RecordCodec, IgnoresTheAttributesByte) {
  EXPECT_EQ(fault_of("10 ff 00 00 026b 0276 00"), RecordFault::kNone);
}

TEST(RecordCodec, RefusesALengthThatIsNotThere) {
  EXPECT_EQ(fault_of(""), RecordFault::kNoRecord);
  EXPECT_EQ(fault_of("12 00 00 00 026b 0276 00"), RecordFault::kLength);
  EXPECT_EQ(fault_of("feffffff0f 00 00 00 026b 0276 00"), RecordFault::kLength);
  EXPECT_EQ(fault_of("00 00 00 00 026b 0276 00"), RecordFault::kLength);
  EXPECT_EQ(fault_of("01 00 00 00 026b 0276 00"), RecordFault::kLength);
  EXPECT_EQ(fault_of("ffffffff8f 00"), RecordFault::kLength);
}

TEST(RecordCodec, RefusesFieldsThatDoNotFillTheLength) {
  EXPECT_EQ(fault_of("0e 00 00 00 026b 0276 00"), RecordFault::kBrokenOff);
  EXPECT_EQ(fault_of("12 00 00 00 026b 0276 00 00"), RecordFault::kBytesLeft);
  EXPECT_EQ(fault_of("10 00 00 00 126b 0276 00"), RecordFault::kBrokenOff);
  EXPECT_EQ(fault_of("10 00 00 00 026b 7e76 00"), RecordFault::kBrokenOff);
}

TEST(RecordCodec, RefusesMalformedVarints) {
  EXPECT_EQ(fault_of("1e 00 ffffffffffffffffffff01 00 01 01 00"), RecordFault::kBrokenOff);
  EXPECT_EQ(fault_of("16 00 00 ffffffffff01 01 01 00"), RecordFault::kBrokenOff);
}

TEST(RecordCodec, RefusesImpossibleHeaderCounts) {
  EXPECT_EQ(fault_of("10 00 00 00 026b 0276 01"), RecordFault::kHeaderCount);
  EXPECT_EQ(fault_of("10 00 00 00 026b 0276 02"), RecordFault::kHeaderCount);
  EXPECT_EQ(fault_of("14 00 00 00 026b 0276 06 00 01"), RecordFault::kHeaderCount);
}

TEST(RecordCodec, RefusesMalformedHeaders) {
  EXPECT_EQ(fault_of("14 00 00 00 026b 0276 02 01 01"), RecordFault::kHeaderKey);
  EXPECT_EQ(fault_of("16 00 00 00 026b 0276 02 0668 01"), RecordFault::kBrokenOff);
  EXPECT_EQ(fault_of("16 00 00 00 026b 0276 02 0268 02"), RecordFault::kBrokenOff);
  EXPECT_EQ(fault_of("14 00 00 00 026b 0276 02 0268"), RecordFault::kBrokenOff);
  EXPECT_EQ(fault_of("16 00 00 00 026b 0276 02 00 01 00"), RecordFault::kBytesLeft);
}

TEST(RecordCodec, NegativeHeaderValueLengthsAreNull) {
  EXPECT_EQ(fault_of("16 00 00 00 026b 0276 02 0268 0d"), RecordFault::kNone);
}

TEST(RecordCodec, RefusesEveryCutOfARecord) {
  const ByteList record = from_hex("20 00 06 04 0261 043232 04 0268 0278 026e 01");
  for (std::size_t count = 0; count < record.size(); ++count) {
    ByteList bytes(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(count));
    base::ByteCursor cursor{Bytes(bytes)};
    StoredRecord stored;
    EXPECT_NE(decode_record(cursor, stored), RecordFault::kNone) << count;
    if (count < 2) continue;
    bytes[0] = static_cast<std::byte>((count - 1) * 2);  // the length agrees, the fields do not
    base::ByteCursor shorter{Bytes(bytes)};
    EXPECT_NE(decode_record(shorter, stored), RecordFault::kNone) << count;
  }
}

TEST(RecordCodec, EveryFaultHasWords) {
  for (int fault = 0; fault <= static_cast<int>(RecordFault::kBytesLeft); ++fault) {
    EXPECT_FALSE(describe(static_cast<RecordFault>(fault)).empty());
  }
}

}  // namespace
}  // namespace oncelog::record
