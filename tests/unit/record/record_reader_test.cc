#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

Result<RecordReader> reader_of(Bytes batch, DecompressionLimits limits = {}) {
  Result<RecordBatchView> view = RecordBatchView::parse(batch);
  EXPECT_THAT(view, Succeeds());
  return RecordReader::open(*view, limits);
}

/// All records, or the first error.
Result<std::vector<RecordView>> read_all(Result<RecordReader>& reader) {
  if (!reader) return std::unexpected(reader.error());
  std::vector<RecordView> records;
  for (;;) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record, reader->next());
    if (!record) return records;
    records.push_back(*record);
  }
}

ErrorCode code_of(Bytes batch) {
  Result<RecordReader> reader = reader_of(batch);
  const auto records = read_all(reader);
  return records ? ErrorCode::NONE : records.error().code;
}

TEST(RecordReader, GivesTheRecordsOfE2) {
  Result<RecordReader> reader = reader_of(kE2);
  const auto records = read_all(reader);
  ASSERT_THAT(records, Succeeds());
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[0].offset, Offset(100));
  EXPECT_EQ((*records)[0].timestamp, kTime);
  EXPECT_EQ((*records)[0].sequence, Sequence(2147483646));
  EXPECT_EQ(as_text(*(*records)[0].value), "1");
  EXPECT_EQ((*records)[1].sequence, Sequence(2147483647));
  EXPECT_EQ((*records)[1].timestamp, kTime + 5);
  EXPECT_EQ((*records)[1].value, std::nullopt);
  EXPECT_EQ((*records)[2].sequence, Sequence(0));
  EXPECT_EQ((*records)[2].timestamp, kTime + 3);
  const std::vector<RecordHeader> headers = (*records)[2].headers();
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].key, "h");
  EXPECT_EQ(as_text(*headers[0].value), "x");
  EXPECT_EQ(headers[1].key, "n");
  EXPECT_EQ(headers[1].value, std::nullopt);
}

TEST(RecordReader, KeepsOffsetsAndTimesOfACompactedBatch) {
  Result<RecordReader> reader = reader_of(kE3);
  const auto records = read_all(reader);
  ASSERT_THAT(records, Succeeds());
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[0].offset, Offset(101));
  EXPECT_EQ((*records)[0].timestamp, kTime + 5);
  EXPECT_EQ((*records)[0].sequence, Sequence(2147483647));
  EXPECT_EQ((*records)[1].offset, Offset(102));
  EXPECT_EQ((*records)[1].timestamp, kTime + 3);
  EXPECT_EQ((*records)[1].sequence, Sequence(0));
}

TEST(RecordReader, GivesNothingForAnEmptyBatchWhateverItsPayload) {
  EXPECT_EQ(code_of(kE4), ErrorCode::NONE);
  BatchHeader header = header_of(kE4);
  header.attributes = 4;  // codec zstd
  const ByteList batch = raw_batch(header, as_bytes("no stream of zstd"));
  Result<RecordReader> reader = reader_of(batch);
  const auto records = read_all(reader);
  ASSERT_THAT(records, Succeeds());
  EXPECT_TRUE(records->empty());
}

TEST(RecordReader, LogAppendTimeIsTheTimeOfEveryRecord) {
  BatchHeader header = header_of(kE2);
  header.attributes |= kLogAppendTimeBit;
  header.max_timestamp = Timestamp(77);
  const ByteList batch = raw_batch(header, Bytes(kE2).subspan(kHeaderBytes));
  Result<RecordReader> reader = reader_of(batch);
  const auto records = read_all(reader);
  ASSERT_THAT(records, Succeeds());
  for (const RecordView& record : *records) EXPECT_EQ(record.timestamp, Timestamp(77));
}

TEST(RecordReader, RefusesFewerRecordsThanTheCount) {
  const ByteList batch = raw_batch(client_header(2), Bytes(kE1).subspan(kHeaderBytes));
  EXPECT_EQ(code_of(batch), ErrorCode::INVALID_RECORD);
}

TEST(RecordReader, RefusesBytesBehindTheLastRecord) {
  ByteList records = copy_of(Bytes(kE1).subspan(kHeaderBytes));
  records.push_back(std::byte{0});
  EXPECT_EQ(code_of(raw_batch(client_header(1), records)), ErrorCode::INVALID_RECORD);
}

TEST(RecordReader, RefusesANegativeCount) {
  EXPECT_EQ(code_of(raw_batch(client_header(-1), {})), ErrorCode::INVALID_RECORD);
}

TEST(RecordReader, RefusesUnknownCodecs) {
  BatchHeader header = client_header(1);
  for (std::int16_t codec = 5; codec < 8; ++codec) {
    header.attributes = codec;
    EXPECT_EQ(code_of(raw_batch(header, as_bytes("x"))), ErrorCode::CORRUPT_MESSAGE);
  }
}

TEST(RecordReader, ReadsEveryCodec) {
  const std::vector<std::string> values = {"a", std::string(100'000, 'b'), "c"};
  for (int codec = 0; codec <= 4; ++codec) {
    const ByteList batch = batch_of(values, {.codec = static_cast<Codec>(codec)});
    Result<RecordReader> reader = reader_of(batch);
    const auto records = read_all(reader);
    ASSERT_THAT(records, Succeeds());
    ASSERT_EQ(records->size(), values.size()) << codec;
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(as_text(*(*records)[i].value), values[i]);
    }
  }
}

TEST(RecordReader, ViewsLiveAsLongAsAMovedReader) {
  const ByteList batch = batch_of({"first", "second"}, {.codec = Codec::kZstd});
  Result<RecordReader> reader = reader_of(batch);
  ASSERT_THAT(reader, Succeeds());
  const auto first = reader->next();
  RecordReader moved = *std::move(reader);
  EXPECT_EQ(as_text(*(**first).value), "first");
  EXPECT_EQ(as_text(*(**moved.next()).value), "second");
}

TEST(RecordReader, HoldsTheDecompressionLimits) {
  const ByteList batch = batch_of({std::string(5'000'000, 'x')}, {.codec = Codec::kGzip});
  EXPECT_THAT(reader_of(batch, {.bytes_max = 4'999'999}), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(reader_of(batch, {.ratio_max = 10}), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(reader_of(batch), Succeeds());
}

}  // namespace
}  // namespace oncelog::record
