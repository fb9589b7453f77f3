#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

constexpr std::int64_t kA = 1;
constexpr std::int64_t kB = 2;

struct Data {
  std::int64_t producer = -1;
  bool is_transactional = true;
  Codec codec = Codec::kNone;
};

/// A log in memory: what a fetch returns.
struct Log {
  ByteList bytes{};
  Offset end{0};

  Log& data(Data data, int count) {
    std::vector<std::string> values;
    for (int i = 0; i < count; ++i) values.push_back(std::to_string(end.value() + i));
    const bool has_producer = data.producer >= 0;
    append(batch_of(values, {.base_offset = end,
                             .leader_epoch = LeaderEpoch(0),
                             .codec = data.codec,
                             .is_transactional = has_producer && data.is_transactional,
                             .producer_id = ProducerId(data.producer),
                             .producer_epoch = ProducerEpoch(has_producer ? 0 : -1),
                             .base_sequence = Sequence(has_producer ? 0 : -1)}));
    end = end + count;
    return *this;
  }

  Log& marker(std::int64_t producer, MarkerType type) {
    append(build_marker({.base_offset = end,
                         .leader_epoch = LeaderEpoch(0),
                         .type = type,
                         .producer_id = ProducerId(producer),
                         .producer_epoch = ProducerEpoch(0),
                         .timestamp = kTime}));
    end = end + 1;
    return *this;
  }

  Log& append(Bytes batch) {
    bytes.insert(bytes.end(), batch.begin(), batch.end());
    return *this;
  }
};

AbortedTransaction aborted(std::int64_t producer, std::int64_t first) {
  return {ProducerId(producer), Offset(first)};
}

struct Consumed {
  std::vector<std::int64_t> offsets{};
  std::int64_t position = 0;
  ErrorCode code = ErrorCode::NONE;
};

Consumed consume(const Log& log, std::vector<AbortedTransaction> list, std::int64_t from = 0) {
  CommittedRecords records(log.bytes, std::move(list), {.from = Offset(from)});
  Consumed consumed;
  for (;;) {
    const auto record = records.next();
    if (!record) consumed.code = record.error().code;
    if (!record || !*record) break;
    consumed.offsets.push_back((*record)->offset.value());
    EXPECT_EQ(records.position(), (*record)->offset + 1);
  }
  consumed.position = records.position().value();
  return consumed;
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CommittedRecords, DeliversEverythingButControlBatchesWithoutAList) {
  Log log;
  log.data({kA}, 2).marker(kA, MarkerType::kAbort).data({}, 1);
  const Consumed consumed = consume(log, {});
  EXPECT_THAT(consumed.offsets, ElementsAre(0, 1, 3));
  EXPECT_EQ(consumed.position, 4);
}

TEST(CommittedRecords, SkipsInterleavedAbortedTransactions) {  // B9
  Log log;
  log.data({}, 10).data({kA}, 1).data({kB}, 1);
  log.marker(kA, MarkerType::kAbort).marker(kB, MarkerType::kAbort).data({}, 1);
  const Consumed consumed = consume(log, {aborted(kB, 11), aborted(kA, 10)});
  EXPECT_THAT(consumed.offsets, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14));
  EXPECT_EQ(consumed.position, 15);
}

TEST(CommittedRecords, SkipsATransactionWhoseMarkerLiesBehindTheFetch) {  // B10
  Log log;
  log.data({kA}, 5).data({kA}, 5);
  const Consumed consumed = consume(log, {aborted(kA, 0)});
  EXPECT_THAT(consumed.offsets, IsEmpty());
  EXPECT_EQ(consumed.position, 10);
}

TEST(CommittedRecords, DeliversACommitAfterAnAbortOfTheSameProducer) {  // B11
  Log log;
  log.data({kA}, 5).marker(kA, MarkerType::kAbort).data({kA}, 4).marker(kA, MarkerType::kCommit);
  const Consumed consumed = consume(log, {aborted(kA, 0)});
  EXPECT_THAT(consumed.offsets, ElementsAre(6, 7, 8, 9));
  EXPECT_EQ(consumed.position, 11);
}

TEST(CommittedRecords, TwoAbortsOfOneProducerAreTwoEntries) {
  Log log;
  log.data({kA}, 1).marker(kA, MarkerType::kAbort).data({kA}, 1).marker(kA, MarkerType::kAbort);
  log.data({kA}, 1).marker(kA, MarkerType::kCommit);
  const Consumed consumed = consume(log, {aborted(kA, 2), aborted(kA, 0)});
  EXPECT_THAT(consumed.offsets, ElementsAre(4));
}

TEST(CommittedRecords, CommitMarkersDoNotTouchTheAbortedProducers) {  // 10.4
  Log log;
  log.data({kA}, 1).marker(kA, MarkerType::kCommit).data({kA}, 1);
  EXPECT_THAT(consume(log, {aborted(kA, 0)}).offsets, IsEmpty());
}

TEST(CommittedRecords, DeliversPlainBatchesOfAnAbortedProducer) {  // 10.4
  Log log;
  log.data({kA}, 1).data({.producer = kA, .is_transactional = false}, 1);
  EXPECT_THAT(consume(log, {aborted(kA, 0)}).offsets, ElementsAre(1));
}

TEST(CommittedRecords, ATransactionBeginningInsideABatchCountsForIt) {  // 10.2: last offset
  Log log;
  log.data({kA}, 3);
  EXPECT_THAT(consume(log, {aborted(kA, 2)}).offsets, IsEmpty());
  EXPECT_THAT(consume(log, {aborted(kA, 3)}).offsets, ElementsAre(0, 1, 2));
}

TEST(CommittedRecords, SkipsRecordsBelowTheAskedOffset) {  // 10.5
  for (const Codec codec : {Codec::kNone, Codec::kGzip}) {
    Log log;
    log.data({.codec = codec}, 5).data({}, 1);
    const Consumed consumed = consume(log, {}, 3);
    EXPECT_THAT(consumed.offsets, ElementsAre(3, 4, 5));
  }
}

TEST(CommittedRecords, PositionNeverGoesBack) {
  Log log;
  log.data({}, 3);
  const Consumed consumed = consume(log, {}, 50);
  EXPECT_THAT(consumed.offsets, IsEmpty());
  EXPECT_EQ(consumed.position, 50);
}

TEST(CommittedRecords, StepsOverOffsetsThatCompactionRemoved) {  // B2
  Log log;
  log.append(kE3);
  Consumed consumed = consume(log, {});
  EXPECT_THAT(consumed.offsets, ElementsAre(101, 102));
  EXPECT_EQ(consumed.position, 103);
  log.bytes.clear();
  log.append(kE3Later);
  consumed = consume(log, {}, 102);
  EXPECT_THAT(consumed.offsets, ElementsAre(102));
  EXPECT_EQ(consumed.position, 103);
}

TEST(CommittedRecords, StepsOverEmptyBatches) {  // B15
  Log log;
  log.append(kE4).append(kAbortEmptied);
  const Consumed consumed = consume(log, {aborted(4000, 100)});
  EXPECT_THAT(consumed.offsets, IsEmpty());
  EXPECT_EQ(consumed.position, 104);
}

TEST(CommittedRecords, AnEmptiedAbortMarkerEndsNothing) {
  Log log;
  log.append(kAbortEmptied);
  log.end = Offset(104);
  log.data({4000}, 1);
  EXPECT_THAT(consume(log, {aborted(4000, 100)}).offsets, IsEmpty());
}

TEST(CommittedRecords, SkipsUnknownControlTypes) {  // 10.3, B30
  Log log;
  log.append(kLeaderChange);
  log.end = Offset(1);
  log.data({}, 1);
  const Consumed consumed = consume(log, {aborted(kA, 0)});
  EXPECT_THAT(consumed.offsets, ElementsAre(1));
}

TEST(CommittedRecords, IgnoresAPartialTail) {
  Log log;
  log.data({}, 2).data({}, 1);
  log.bytes.pop_back();
  const Consumed consumed = consume(log, {});
  EXPECT_THAT(consumed.offsets, ElementsAre(0, 1));
  EXPECT_EQ(consumed.position, 2);
}

TEST(CommittedRecords, RefusesAWrongCrcOnlyWhenAsked) {
  Log log;
  log.data({}, 1);
  log.bytes[log.bytes.size() - 2] ^= std::byte{1};
  EXPECT_EQ(consume(log, {}).code, ErrorCode::CORRUPT_MESSAGE);
  CommittedRecords unchecked(log.bytes, {}, {.check_crcs = false});
  EXPECT_THAT(unchecked.next(), Succeeds());
}

TEST(CommittedRecords, AnErrorStays) {
  Log log;
  log.data({}, 1);
  log.bytes[30] ^= std::byte{1};
  log.data({}, 1);
  CommittedRecords records(log.bytes, {}, {});
  EXPECT_THAT(records.next(), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(records.next(), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_EQ(records.position(), Offset(0));
}

TEST(CommittedRecords, ViewsSurviveAMove) {
  Log log;
  log.data({.codec = Codec::kLz4}, 2);
  CommittedRecords records(log.bytes, {}, {});
  const auto first = records.next();
  CommittedRecords moved = std::move(records);
  EXPECT_EQ(as_text(*(**first).value), "0");
  EXPECT_EQ(as_text(*(**moved.next()).value), "1");
}

}  // namespace
}  // namespace oncelog::record
