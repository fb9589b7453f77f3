// batch_check_test.cc: what check_batch refuses, and with which of Kafka's errors.
#include "record/batch_check.h"

#include <limits>

#include "unit/record/check_fixture.h"

namespace oncelog::record {
namespace {

constexpr std::string_view kRecordA = "0e000000010261 00";
constexpr std::string_view kRecordB = "0e000002010262 00";
constexpr Codec kCodecs[] = {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

const Topic kTopic;
const Topic kCoordinator{.origin = AppendOrigin::kCoordinator};

Topic compacted() {
  Topic topic;
  topic.config.cleanup_compact = true;
  return topic;
}

ByteList with(ByteList bytes, std::size_t position, int value) {
  bytes[position] = static_cast<std::byte>(value);
  return bytes;
}

ByteList join(std::initializer_list<Bytes> parts) {
  ByteList bytes;
  for (const Bytes part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

ByteList of_header(const BatchHeader& header, std::string_view records_hex = kRecordA) {
  return raw_batch(header, from_hex(records_hex));
}

bool stores_nothing(const Topic& topic, Bytes bytes) {
  const auto checked = topic.check(bytes);
  EXPECT_THAT(checked, Succeeds());
  return checked && !*checked;
}

// --- the pre-scan (semantics 1.9, formats 1.6) ---

TEST(BatchCheck, NothingWholeStoresNothing) {
  EXPECT_TRUE(stores_nothing(kTopic, {}));
  for (std::size_t count = 0; count < kE1.size(); ++count) {
    EXPECT_TRUE(stores_nothing(kTopic, Bytes(kE1).first(count))) << count;
  }
}

TEST(BatchCheck, CutsOffAPartialBatchBehind) {
  EXPECT_EQ(to_hex(kTopic.stored(join({kE1, Bytes(kE1).first(69)}))), to_hex(kE1));
}

TEST(BatchCheck, TheLargestLengthsStoreNothing) {  // Q14
  for (const int last : {0xf4, 0xff}) {
    const ByteList bytes = with(with(with(with(kE1, 8, 0x7f), 9, 0xff), 10, 0xff), 11, last);
    EXPECT_TRUE(stores_nothing(kTopic, bytes));
  }
}

TEST(BatchCheck, RefusesLengthsBelowTheHeaders) {  // Q13
  for (const int length : {0, 13, 14, 15, 48}) {
    EXPECT_EQ(kTopic.code(with(kE1, 11, length)), ErrorCode::CORRUPT_MESSAGE) << length;
  }
}

TEST(BatchCheck, LooksAtTheMagicBeforeCompleteness) {
  EXPECT_EQ(kTopic.code(Bytes(with(kE1, 16, 3)).first(17)), ErrorCode::CORRUPT_MESSAGE);
  EXPECT_EQ(kTopic.code(join({kE1, Bytes(with(kE1, 16, 9)).first(17)})),
            ErrorCode::CORRUPT_MESSAGE);
}

TEST(BatchCheck, RefusesOldMagicsByName) {
  for (const int magic : {0, 1}) {
    const auto checked = kTopic.check(with(kE1, 16, magic));
    ASSERT_THAT(checked, FailsWith(ErrorCode::INVALID_RECORD));
    EXPECT_THAT(checked.error().context, testing::HasSubstr("magic " + std::to_string(magic)));
  }
}

TEST(BatchCheck, RefusesMoreThanOneBatch) {
  EXPECT_EQ(kTopic.code(join({kE1, kE1})), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kCoordinator.code(join({kCommit, kCommit})), ErrorCode::INVALID_RECORD);
}

TEST(BatchCheck, RefusesABaseOffsetFromAClient) {
  EXPECT_EQ(kTopic.code(with(kE1, 7, 1)), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kCoordinator.code(kCommit), ErrorCode::NONE);
}

TEST(BatchCheck, RefusesBatchesAboveTheLimitWhoeverSendsThem) {
  Topic topic;
  topic.config.max_message_bytes = 70;
  EXPECT_EQ(topic.code(kE1), ErrorCode::NONE);
  topic.config.max_message_bytes = 69;
  EXPECT_EQ(topic.code(kE1), ErrorCode::MESSAGE_TOO_LARGE);
  EXPECT_EQ(topic.code(with(kE1, 69, 1)), ErrorCode::MESSAGE_TOO_LARGE);  // before the CRC
  topic.origin = AppendOrigin::kCoordinator;
  topic.config.max_message_bytes = 77;
  EXPECT_EQ(topic.code(kCommit), ErrorCode::MESSAGE_TOO_LARGE);
}

TEST(BatchCheck, RefusesEveryFlippedBitThatTheCrcCovers) {
  for (std::size_t bit = 17 * 8; bit < kE1.size() * 8; ++bit) {
    ByteList bytes = kE1;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_EQ(kTopic.code(bytes), ErrorCode::CORRUPT_MESSAGE) << bit;
  }
}

TEST(BatchCheck, RefusesUnknownCodecs) {  // Q7
  BatchHeader header = client_header(1);
  for (header.attributes = 5; header.attributes < 8; ++header.attributes) {
    EXPECT_EQ(kTopic.code(of_header(header)), ErrorCode::CORRUPT_MESSAGE);
  }
}

// --- the header (semantics 2.3 and quirks) ---

TEST(BatchCheck, RefusesCountsThatDoNotAgree) {
  for (const auto& [count, delta] : {std::pair{1, 1}, {2, 0}, {0, -1}, {-1, -2}, {1, 2147483647}}) {
    BatchHeader header = client_header(1);
    header.record_count = count;
    header.last_offset_delta = delta;
    EXPECT_EQ(kTopic.code(of_header(header)), ErrorCode::INVALID_RECORD) << count << ' ' << delta;
    EXPECT_EQ(kCoordinator.code(of_header(header)), ErrorCode::INVALID_RECORD);
  }
}

TEST(BatchCheck, RefusesAControlBatchFromAClient) {
  BatchHeader header = header_of(kCommit);
  header.base_offset = Offset(0);
  const ByteList batch = raw_batch(header, Bytes(kCommit).subspan(kHeaderBytes));
  EXPECT_EQ(kTopic.code(batch), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kCoordinator.code(batch), ErrorCode::NONE);
}

TEST(BatchCheck, RefusesAProducerIdWithoutASequenceFromAClient) {
  BatchHeader header = client_header(1);
  header.producer_id = ProducerId(0);
  header.producer_epoch = ProducerEpoch(0);
  for (const std::int32_t sequence : {-1, -2, std::numeric_limits<std::int32_t>::min()}) {
    header.base_sequence = Sequence(sequence);
    EXPECT_EQ(kTopic.code(of_header(header)), ErrorCode::INVALID_RECORD);
    EXPECT_EQ(kCoordinator.code(of_header(header)), ErrorCode::NONE);
  }
}

TEST(BatchCheck, RefusesATransactionWithoutAProducerId) {  // Q2
  BatchHeader header = client_header(1);
  header.attributes = kTransactionalBit;
  EXPECT_EQ(kTopic.code(of_header(header)), ErrorCode::INVALID_RECORD);
}

TEST(BatchCheck, RefusesADeleteHorizon) {  // Q4
  BatchHeader header = client_header(1);
  header.attributes = kDeleteHorizonBit;
  EXPECT_EQ(kTopic.code(of_header(header)), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kCoordinator.code(kAbortHorizon), ErrorCode::INVALID_RECORD);
}

TEST(BatchCheck, RefusesAProducerWithoutAnEpoch) {  // Q10
  BatchHeader header = client_header(1);
  header.producer_id = ProducerId(0);
  header.base_sequence = Sequence(0);
  EXPECT_EQ(kTopic.code(of_header(header)), ErrorCode::INVALID_PRODUCER_EPOCH);
}

// --- the records (semantics 2.4, formats 2) ---

TEST(BatchCheck, RefusesOtherRecordCountsThanTheHeaderSays) {
  std::string both(kRecordA);
  both += kRecordB;
  EXPECT_EQ(kTopic.code(client_batch(both, 2)), ErrorCode::NONE);
  EXPECT_EQ(kTopic.code(client_batch(both, 3)), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kTopic.code(client_batch(both, 1)), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kTopic.code(client_batch("", 1)), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(kTopic.code(client_batch(both, 2147483647)), ErrorCode::INVALID_RECORD);
  std::string with_padding(kRecordA);
  with_padding += "00";
  EXPECT_EQ(kTopic.code(client_batch(with_padding, 1)), ErrorCode::INVALID_RECORD);
}

TEST(BatchCheck, RefusesMalformedRecordsInEveryCodec) {
  for (const std::string_view records :
       {"12000000026b027600", "0e000000026b027600", "00000000026b027600", "01000000026b027600",
        "feffffff0f000000026b027600", "12000000026b02760000", "10000000126b027600",
        "10000000026b027601", "10000000026b02760a", "14000000026b0276020101",
        "16000000026b027602066801", "2000ffffffffffffffffffff0100010100"}) {
    EXPECT_EQ(kTopic.code(client_batch(records)), ErrorCode::INVALID_RECORD) << records;
    for (const Codec codec : kCodecs) {  // Q15 among them
      const ByteList batch = compressed_batch(client_header(1), codec, from_hex(records));
      EXPECT_EQ(kTopic.code(batch), ErrorCode::INVALID_RECORD) << records;
    }
  }
}

TEST(BatchCheck, RefusesGapInOffsetDeltas) {  // Q1, 2.10
  for (const std::string_view records :
       {"0e000000010278000e00000a01027800", "0e000002010278000e00000001027800",
        "0e000000010278000e00000001027800"}) {
    EXPECT_EQ(kTopic.code(client_batch(records, 2)), ErrorCode::INVALID_RECORD);
    const ByteList batch = compressed_batch(client_header(2), Codec::kZstd, from_hex(records));
    EXPECT_EQ(kTopic.code(batch), ErrorCode::INVALID_RECORD);
  }
  EXPECT_EQ(kTopic.code(client_batch("0e000002010278 00")), ErrorCode::INVALID_RECORD);
}

TEST(BatchCheck, RefusesWhatIsNoStreamOfItsCodec) {  // Q7, Q17
  for (const Codec codec : kCodecs) {
    BatchHeader header = client_header(1);
    header.attributes = static_cast<std::int16_t>(codec);
    EXPECT_EQ(kTopic.code(raw_batch(header, as_bytes("this is not compressed data at all"))),
              ErrorCode::CORRUPT_MESSAGE);
    EXPECT_EQ(kTopic.code(raw_batch(header, {})), ErrorCode::CORRUPT_MESSAGE);
    const ByteList whole = compressed_batch(client_header(1), codec, from_hex(kRecordA));
    const Bytes stream = Bytes(whole).subspan(kHeaderBytes);
    EXPECT_EQ(kTopic.code(raw_batch(header, stream.first(stream.size() - 1))),
              ErrorCode::CORRUPT_MESSAGE);
  }
}

TEST(BatchCheck, RefusesADecompressionBomb) {
  Topic topic;
  topic.decompression.bytes_max = 2 << 20;
  for (const Codec codec : kCodecs) {
    const ByteList batch = batch_of({std::string(3 << 20, 'x')}, {.codec = codec});
    EXPECT_EQ(topic.code(batch), ErrorCode::CORRUPT_MESSAGE);
  }
}

TEST(BatchCheck, ACompactedTopicNeedsKeys) {
  EXPECT_EQ(compacted().code(kE1), ErrorCode::NONE);
  EXPECT_EQ(compacted().code(client_batch(kRecordA)), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(compacted().code(client_batch("0e00000000026100")), ErrorCode::NONE);  // empty key
  Topic coordinator = compacted();
  coordinator.origin = AppendOrigin::kCoordinator;
  EXPECT_EQ(coordinator.code(kCommit), ErrorCode::NONE);
  EXPECT_EQ(coordinator.code(client_batch(kRecordA)), ErrorCode::INVALID_RECORD);
}

TEST(BatchCheck, OfARecordWithoutAKeyTheTimeIsNotLookedAt) {
  Topic topic = compacted();
  topic.config.message_timestamp_after_max_ms = 1000;
  const Timestamp far = kTime + 1'000'000'000;
  const auto code_of = [&](std::initializer_list<NewRecord> records) {
    RecordBatchBuilder builder;
    for (const NewRecord& record : records) EXPECT_THAT(builder.add(record), Succeeds());
    return topic.code(*builder.build());
  };
  EXPECT_EQ(code_of({{.timestamp = far}}), ErrorCode::INVALID_RECORD);
  EXPECT_EQ(code_of({{.timestamp = far}, {.timestamp = far, .key = as_bytes("k")}}),
            ErrorCode::INVALID_TIMESTAMP);
}

TEST(BatchCheck, SaysWhichRecordIsWrongAndHowMany) {
  RecordBatchBuilder builder;
  for (const bool has_key : {true, false, true, false}) {
    NewRecord record{.timestamp = kTime};
    if (has_key) record.key = as_bytes("k");
    EXPECT_THAT(builder.add(record), Succeeds());
  }
  const auto checked = compacted().check(*builder.build());
  ASSERT_THAT(checked, FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(checked.error().context, testing::HasSubstr("record 1, 2 of 4"));
}

// --- control batches (semantics 4.1, 6.11, Q16) ---

TEST(BatchCheck, ReadsTheMarkerOfACoordinator) {
  const auto checked = kCoordinator.check(kAbort);
  ASSERT_THAT(checked, Succeeds());
  ASSERT_TRUE((*checked)->control);
  EXPECT_TRUE((*checked)->control->is_abort());
  EXPECT_EQ((*checked)->control->coordinator_epoch, CoordinatorEpoch(5));
}

TEST(BatchCheck, RefusesMalformedMarkers) {
  BatchHeader header = header_of(kCommit);
  for (const std::string_view records :
       {"1e00000008000000010a0000000000 00", "1a000000060000000c00000000000500",
        "2000000008000000010cffff0000000500", "1a00000001 0c00000000000500"}) {
    EXPECT_EQ(kCoordinator.code(of_header(header, records)), ErrorCode::INVALID_RECORD) << records;
  }
}

TEST(BatchCheck, AProducersControlBatchMustBeAMarker) {
  const ByteList batch = of_header(header_of(kCommit), "2000000008000000020c00000000000500");
  EXPECT_EQ(kCoordinator.code(batch), ErrorCode::UNKNOWN_SERVER_ERROR);
}

TEST(BatchCheck, WithoutAProducerAnyControlTypeIsFine) {
  EXPECT_EQ(kCoordinator.code(kLeaderChange), ErrorCode::NONE);
  BatchHeader header = client_header(1);
  header.attributes = kControlBit;
  const ByteList batch = of_header(header, "24000000080000006310776861746576657200");
  const auto checked = kCoordinator.check(batch);
  ASSERT_THAT(checked, Succeeds());
  EXPECT_EQ((*checked)->control->type, 99);
}

TEST(BatchCheck, RefusesACompressedControlBatch) {
  const Bytes plain = Bytes(kCommit).subspan(kHeaderBytes);
  EXPECT_EQ(kCoordinator.code(compressed_batch(header_of(kCommit), Codec::kLz4, plain)),
            ErrorCode::INVALID_RECORD);
}

}  // namespace
}  // namespace oncelog::record
