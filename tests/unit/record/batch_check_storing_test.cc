// batch_check_storing_test.cc: the times check_batch allows, and what it stores instead of what
// came: in place, with another time, in another codec; and the follower's checks.
#include <limits>

#include "record/batch_check.h"
#include "unit/record/check_fixture.h"

namespace oncelog::record {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::string_view kRecordA = "0e00000001026100";
constexpr Codec kCodecs[] = {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

Topic of_times(std::int64_t before, std::int64_t after) {
  Topic topic;
  topic.config.message_timestamp_before_max_ms = before;
  topic.config.message_timestamp_after_max_ms = after;
  return topic;
}

Topic of_append_time() {
  Topic topic;
  topic.config.message_timestamp_type = TimestampType::kLogAppendTime;
  topic.now = kTime + 500;
  return topic;
}

Topic of_codec(Codec codec) {
  Topic topic;
  topic.config.compression_type = codec;
  return topic;
}

/// One record with this time; the header's maximum is what a client says.
ByteList of_time(Timestamp time) {
  BatchHeader header = client_header(1);
  header.base_timestamp = time;
  header.max_timestamp = time;
  return raw_batch(header, from_hex(kRecordA));
}

ByteList join(std::initializer_list<Bytes> parts) {
  ByteList bytes;
  for (const Bytes part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

// --- times (semantics 2.5, 2.6) ---

TEST(BatchCheck, AllowsTimesUpToTheLimitsExactly) {
  const Topic topic = of_times(2000, 1000);
  EXPECT_EQ(topic.code(of_time(kTime + 1000)), ErrorCode::NONE);
  EXPECT_EQ(topic.code(of_time(kTime + 1001)), ErrorCode::INVALID_TIMESTAMP);
  EXPECT_EQ(topic.code(of_time(kTime - 2000)), ErrorCode::NONE);
  EXPECT_EQ(topic.code(of_time(kTime - 2001)), ErrorCode::INVALID_TIMESTAMP);
  EXPECT_EQ(topic.code(of_time(kNoTimestamp)), ErrorCode::NONE);
  EXPECT_EQ(topic.code(of_time(Timestamp(kMin))), ErrorCode::INVALID_TIMESTAMP);
  EXPECT_EQ(topic.code(of_time(Timestamp(kUnlimited))), ErrorCode::INVALID_TIMESTAMP);
}

TEST(BatchCheck, AllowsAnyTimeWithoutLimits) {
  for (const std::int64_t time : {std::int64_t{0}, std::int64_t{4102444800000}, kUnlimited}) {
    EXPECT_EQ(Topic().code(of_time(Timestamp(time))), ErrorCode::NONE) << time;
  }
}

TEST(BatchCheck, LooksAtTheRecordsTimesNotAtTheHeaders) {
  const Topic topic = of_times(kUnlimited, 1000);
  const ByteList late = raw_batch(client_header(2), from_hex("0e000000010261001000a01f0201026200"));
  EXPECT_EQ(topic.code(late), ErrorCode::INVALID_TIMESTAMP);
  BatchHeader header = client_header(1);
  header.max_timestamp = kTime + 99999;
  EXPECT_EQ(topic.code(raw_batch(header, from_hex(kRecordA))), ErrorCode::NONE);
}

TEST(BatchCheck, AWrongTimeWinsOverAnotherRecordsMissingKey) {
  Topic topic = of_times(kUnlimited, 1000);
  topic.config.cleanup_compact = true;
  const ByteList both = raw_batch(client_header(2), from_hex("0e000000010261001000a01f0202620100"));
  const auto checked = topic.check(both);
  ASSERT_THAT(checked, FailsWith(ErrorCode::INVALID_TIMESTAMP));
  EXPECT_THAT(checked.error().context, testing::HasSubstr("record 1, 1 of 2"));
}

TEST(BatchCheck, RefusesABatchThatClaimsLogAppendTime) {  // Q3
  BatchHeader header = client_header(1);
  header.attributes = kLogAppendTimeBit;
  const ByteList batch = raw_batch(header, from_hex(kRecordA));
  EXPECT_EQ(Topic().code(batch), ErrorCode::INVALID_TIMESTAMP);
  EXPECT_EQ(of_append_time().code(batch), ErrorCode::INVALID_TIMESTAMP);
}

TEST(BatchCheck, AnAppendTimeTopicDoesNotLookAtRecordTimes) {
  Topic topic = of_append_time();
  topic.config.message_timestamp_after_max_ms = 1;
  EXPECT_EQ(topic.code(of_time(Timestamp(kUnlimited))), ErrorCode::NONE);
}

// --- stored as it came (semantics 2.2, 2.9) ---

TEST(BatchCheck, KeepsARightBatchWhereItIs) {
  const ByteList batches[] = {kE1, batch_of({"a", "b"}, {.codec = Codec::kZstd})};
  for (const ByteList& batch : batches) {
    const auto checked = Topic().check(batch);
    ASSERT_THAT(checked, Succeeds());
    EXPECT_EQ((*checked)->record_bytes.data(), batch.data() + kHeaderBytes);
    EXPECT_TRUE((*checked)->rebuilt.empty());
    EXPECT_EQ((*checked)->append_time, kNoTimestamp);
    EXPECT_EQ(to_hex(Topic().stored(batch)), to_hex(batch));
  }
}

TEST(BatchCheck, StrayAttributeBitsSurviveIfNothingIsRewritten) {
  BatchHeader header = client_header(1);
  header.attributes = 0x0100;
  const ByteList batch = raw_batch(header, from_hex(kRecordA));
  EXPECT_EQ(to_hex(Topic().stored(batch)), to_hex(batch));
  header.max_timestamp = kTime + 1;
  const ByteList stored = Topic().stored(raw_batch(header, from_hex(kRecordA)));
  EXPECT_EQ(header_of(stored).attributes, 0);
}

TEST(BatchCheck, SetsTheTrueMaximumTime) {
  for (const std::int64_t claimed : {-5, 0, 99999}) {
    BatchHeader header = header_of(kE2);
    header.base_offset = Offset(0);
    header.max_timestamp = kTime + claimed;
    const ByteList stored = Topic().stored(raw_batch(header, Bytes(kE2).subspan(kHeaderBytes)));
    EXPECT_EQ(header_of(stored).max_timestamp, kTime + 5);
    EXPECT_EQ(header_of(stored).crc, header_of(kE2).crc);
  }
}

TEST(BatchCheck, GivesTheLogsTimeInPlace) {
  for (const Codec codec : {Codec::kNone, Codec::kGzip}) {
    const ByteList batch = batch_of({"a", "b"}, {.codec = codec});
    const auto checked = of_append_time().check(batch);
    ASSERT_THAT(checked, Succeeds());
    EXPECT_EQ((*checked)->append_time, kTime + 500);
    EXPECT_EQ((*checked)->record_bytes.data(), batch.data() + kHeaderBytes);
    const ByteList stored = of_append_time().stored(batch);
    EXPECT_EQ(header_of(stored).timestamp_type(), TimestampType::kLogAppendTime);
    EXPECT_EQ(header_of(stored).max_timestamp, kTime + 500);
    EXPECT_EQ(header_of(stored).base_timestamp, kTime);
    EXPECT_THAT(RecordBatchView::parse(stored)->check_crc(), Succeeds());
  }
}

TEST(BatchCheck, GivesMarkersTheLogsTime) {
  Topic topic = of_append_time();
  topic.origin = AppendOrigin::kCoordinator;
  EXPECT_EQ(header_of(topic.stored(kCommit)).attributes, 0x38);
}

// --- rebuilt (semantics 2.11, 1.13) ---

TEST(BatchCheck, ConvertsBetweenAllCodecs) {
  const ByteList plain = batch_of({"a", "b", "c"});
  for (const Codec from : kCodecs) {
    const ByteList batch = batch_of({"a", "b", "c"}, {.codec = from});
    EXPECT_EQ(to_hex(of_codec(Codec::kNone).stored(batch)), to_hex(plain));
    for (const Codec to : kCodecs) {
      EXPECT_EQ(to_hex(of_codec(to).stored(batch)),
                to_hex(batch_of({"a", "b", "c"}, {.codec = to})));
    }
  }
}

TEST(BatchCheck, ConvertedBytesSurviveAMove) {
  auto checked = of_codec(Codec::kGzip).check(kE1);
  ASSERT_THAT(checked, Succeeds());
  const CheckedBatch moved = **std::move(checked);
  EXPECT_EQ(moved.record_bytes.data(), moved.rebuilt.data());
  EXPECT_EQ(to_hex(moved.record_bytes),
            "1f8b08000000000000ff1360606060ca662a630000a37fcfa609000000");
}

TEST(BatchCheck, ConvertsWithTheTopicsLevel) {
  const std::string value = [] {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += std::to_string(i * 7919 % 1000);
    return text;
  }();
  Topic topic = of_codec(Codec::kGzip);
  topic.config.compression_gzip_level = 1;
  const ByteList expected = batch_of({value}, {.codec = Codec::kGzip, .compression_level = 1});
  EXPECT_EQ(to_hex(topic.stored(batch_of({value}))), to_hex(expected));
  EXPECT_NE(expected.size(), batch_of({value}, {.codec = Codec::kGzip}).size());
}

TEST(BatchCheck, ConvertsAndGivesTheLogsTime) {
  Topic topic = of_append_time();
  topic.config.compression_type = Codec::kSnappy;
  const ByteList stored = topic.stored(batch_of({"a"}, {.codec = Codec::kGzip}));
  EXPECT_EQ(header_of(stored).attributes, 2 | kLogAppendTimeBit);
  EXPECT_EQ(header_of(stored).max_timestamp, kTime + 500);
}

TEST(BatchCheck, NeverCompressesAControlBatch) {
  Topic topic = of_codec(Codec::kLz4);
  topic.origin = AppendOrigin::kCoordinator;
  EXPECT_EQ(to_hex(topic.stored(kCommit)), to_hex(kCommit));
}

TEST(BatchCheck, ChecksTheSizeAgainAfterConversion) {
  Topic topic = of_codec(Codec::kNone);
  topic.config.max_message_bytes = 300;
  const ByteList batch = batch_of({std::string(1000, 'z')}, {.codec = Codec::kGzip});
  EXPECT_EQ(topic.code(batch), ErrorCode::MESSAGE_TOO_LARGE);
}

TEST(BatchCheck, ChecksBeforeConversion) {
  const Topic topic = of_codec(Codec::kGzip);
  EXPECT_EQ(topic.code(raw_batch(client_header(2), from_hex(kRecordA))), ErrorCode::INVALID_RECORD);
  ByteList corrupt = kE1;
  corrupt[17] ^= std::byte{1};
  EXPECT_EQ(topic.code(corrupt), ErrorCode::CORRUPT_MESSAGE);
}

// --- the follower (semantics 3.2, 3.5) ---

TEST(ReceivedBatches, AreTakenAsTheyAre) {
  const ByteList bytes = join({kE1Stored, kE2, kAbort, Bytes(kE1).first(20)});
  const auto batches = check_received_batches(bytes);
  ASSERT_THAT(batches, Succeeds());
  ASSERT_EQ(batches->size(), 3u);
  EXPECT_EQ((*batches)[0].header.base_offset, Offset(42));
  EXPECT_EQ((*batches)[1].bytes.data(), bytes.data() + kE1Stored.size());
  EXPECT_EQ((*batches)[1].bytes.size(), kE2.size());
  EXPECT_FALSE((*batches)[1].control);
  EXPECT_TRUE((*batches)[2].control->is_abort());
}

TEST(ReceivedBatches, MayBeCompactedOrEmpty) {
  EXPECT_THAT(check_received_batches(kE3), Succeeds());
  EXPECT_THAT(check_received_batches(kE4), Succeeds());
  const auto emptied = check_received_batches(kAbortEmptied);
  ASSERT_THAT(emptied, Succeeds());
  EXPECT_FALSE((*emptied)[0].control);
}

TEST(ReceivedBatches, MayBeNone) {
  const auto batches = check_received_batches(Bytes(kE2).first(94));
  ASSERT_THAT(batches, Succeeds());
  EXPECT_TRUE(batches->empty());
}

TEST(ReceivedBatches, AreRefusedOutOfOrder) {
  EXPECT_THAT(check_received_batches(join({kE2, kE2})), FailsWith(ErrorCode::UNKNOWN_SERVER_ERROR));
  EXPECT_THAT(check_received_batches(join({kE2, kE1Stored})),
              FailsWith(ErrorCode::UNKNOWN_SERVER_ERROR));
}

TEST(ReceivedBatches, AreRefusedWithOffsetsThatGoBackInsideOne) {
  BatchHeader header = header_of(kE4);
  header.last_offset_delta = -1;
  EXPECT_THAT(check_received_batches(raw_batch(header, {})),
              FailsWith(ErrorCode::UNKNOWN_SERVER_ERROR));
  header.last_offset_delta = 1;
  header.base_offset = Offset(kUnlimited);
  EXPECT_THAT(check_received_batches(raw_batch(header, {})),
              FailsWith(ErrorCode::UNKNOWN_SERVER_ERROR));
}

TEST(ReceivedBatches, AreRefusedWithoutALeaderEpoch) {
  EXPECT_THAT(check_received_batches(kE1), FailsWith(ErrorCode::UNKNOWN_SERVER_ERROR));
}

TEST(ReceivedBatches, AreRefusedWithAWrongCrc) {
  ByteList bytes = kE1Stored;
  bytes[66] ^= std::byte{1};
  EXPECT_THAT(check_received_batches(bytes), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

TEST(ReceivedBatches, AreRefusedWithAMalformedMarker) {
  const ByteList records = from_hex("1e00000008000000010a000000000000");
  EXPECT_THAT(check_received_batches(raw_batch(header_of(kCommit), records)),
              FailsWith(ErrorCode::INVALID_RECORD));
}

}  // namespace
}  // namespace oncelog::record
