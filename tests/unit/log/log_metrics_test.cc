// What a log counts, verb by verb, and how it says that it stands.
#include "log/log_metrics.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "support/compaction_fixture.h"

namespace oncelog {
namespace {

using namespace std::chrono_literals;
using test::BatchSpec;
using test::FailsWith;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::Gt;
using testing::IsEmpty;
using testing::Pair;

class LogMetricsTest : public test::LogFixture {
 protected:
  LogMetricsTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
  }
  [[nodiscard]] PartitionMetrics metrics() const { return log_->metrics(); }
  [[nodiscard]] PartitionCounters counters() const { return log_->metrics().counters; }
  static BatchSpec by(std::int64_t id, std::int32_t sequence, bool is_transactional = false) {
    return {.is_transactional = is_transactional,
            .producer_id = id,
            .producer_epoch = 0,
            .sequence = sequence};
  }
};

TEST_F(LogMetricsTest, AnAppendCountsItsBatchRecordsAndBytes) {
  open();
  append({.records = 3});
  append({.records = 2});
  const PartitionMetrics now = metrics();
  EXPECT_EQ(now.counters.appended_batches, 2);
  EXPECT_EQ(now.counters.appended_records, 5);
  EXPECT_EQ(now.counters.appended_bytes, now.log_bytes);
  EXPECT_EQ(now.log_bytes, std::ssize(test::read_file(log_path(0))));
  EXPECT_EQ(now.segment_count, 1);
  EXPECT_EQ(now.ends, log_->ends());
  EXPECT_EQ(now.name, name_);
}

TEST_F(LogMetricsTest, AFollowersAppendCountsEachBatch) {
  open();
  const auto batches = test::join({make_batch({.base = 0, .leader_epoch = 0}),
                                   make_batch({.base = 1, .leader_epoch = 0, .records = 4})});
  ASSERT_THAT(log_->append_as_follower(batches), Succeeds());
  EXPECT_EQ(counters().appended_batches, 2);
  EXPECT_EQ(counters().appended_records, 5);
}

TEST_F(LogMetricsTest, ADuplicateIsCountedAndNotAsStored) {
  open();
  append(by(7, 0));
  EXPECT_TRUE(append(by(7, 0)).is_duplicate);
  EXPECT_EQ(counters().duplicate_batches, 1);
  EXPECT_EQ(counters().appended_batches, 1);
  EXPECT_THAT(counters().append_errors, IsEmpty());
}

TEST_F(LogMetricsTest, RefusalsAreCountedByTheirCode) {
  open();
  append(by(7, 0));
  EXPECT_FALSE(log_->append_as_leader(make_batch(by(7, 5))));
  EXPECT_FALSE(log_->append_as_leader(make_batch(by(7, 5))));
  auto broken = make_batch();
  broken.back() ^= std::byte{1};
  EXPECT_FALSE(log_->append_as_leader(broken));
  EXPECT_FALSE(log_->append_as_follower(broken));
  EXPECT_FALSE(log_->fetch(Offset(9)));
  EXPECT_THAT(counters().append_errors,
              ElementsAre(Pair(ErrorCode::CORRUPT_MESSAGE, 2),
                          Pair(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, 2)));
  EXPECT_THAT(counters().fetch_errors, ElementsAre(Pair(ErrorCode::OFFSET_OUT_OF_RANGE, 1)));
  EXPECT_EQ(counters().appended_batches, 1);
}

TEST_F(LogMetricsTest, AFetchCountsTheBytesOfItsRegion) {
  open();
  append();
  const std::int64_t bytes = value_of(log_->fetch(Offset(0))).region.bytes;
  EXPECT_EQ(value_of(log_->fetch(Offset(1))).region.bytes, 0);
  EXPECT_EQ(counters().fetches, 2);
  EXPECT_EQ(counters().fetched_bytes, bytes);
  EXPECT_GT(bytes, 0);
}

TEST_F(LogMetricsTest, AGroupCommitIsOneSync) {
  open();
  append();
  EXPECT_EQ(counters().sync_time.count(), 0);
  ASSERT_THAT(log_->wait_durable(Offset(1)), Succeeds());
  ASSERT_THAT(log_->wait_durable(Offset(1)), Succeeds());
  EXPECT_EQ(counters().sync_time.count(), 1);
  EXPECT_GT(counters().sync_time.sum, 0ns);
}

TEST_F(LogMetricsTest, DrainsOfTheRingAreCountedThatHadSomethingToWrite) {
  store_options_.append_ring_bytes = 64 << 10;
  open();
  append();
  append();
  ASSERT_THAT(log_->drain(), Succeeds());
  ASSERT_THAT(log_->drain(), Succeeds());
  EXPECT_EQ(counters().ring_drains, 1);
}

TEST_F(LogMetricsTest, RollsAreCountedWhoeverRolls) {
  options_.config.segment_bytes = static_cast<std::int32_t>(make_batch().size());
  open();
  append();
  append();
  ASSERT_THAT(log_->roll(), Succeeds());
  EXPECT_EQ(counters().rolls, 2);
  EXPECT_EQ(metrics().segment_count, 3);
}

TEST_F(LogMetricsTest, ACheckpointIsCountedIfItIsWritten) {
  open();
  append(by(7, 0));
  const std::int64_t before = counters().checkpoint_time.count();
  ASSERT_THAT(log_->checkpoint(), Succeeds());
  ASSERT_THAT(log_->checkpoint(), Succeeds());
  EXPECT_EQ(counters().checkpoint_time.count() - before, 1);
}

TEST_F(LogMetricsTest, RetentionCountsWhatItRemoves) {
  open();
  append();
  append();
  const std::int64_t bytes = metrics().log_bytes;
  ASSERT_THAT(log_->roll(), Succeeds());
  append();
  ASSERT_THAT(log_->delete_records(Offset(2)), Succeeds());
  ASSERT_THAT(log_->apply_retention(), Succeeds());
  EXPECT_EQ(counters().retention_segments, 1);
  EXPECT_EQ(counters().retention_bytes, bytes);
  EXPECT_EQ(metrics().log_bytes, bytes / 2);
  EXPECT_EQ(metrics().segment_count, 1);
}

TEST_F(LogMetricsTest, ATruncationIsCountedIfItCuts) {
  open();
  append();
  append();
  ASSERT_THAT(log_->truncate_to(Offset(2)), Succeeds());
  EXPECT_EQ(counters().truncations, 0);
  ASSERT_THAT(log_->truncate_to(Offset(1)), Succeeds());
  ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(9)), Succeeds());
  EXPECT_EQ(counters().truncations, 2);
  EXPECT_EQ(counters().appended_batches, 2);  // no counter goes back
  EXPECT_EQ(metrics().log_bytes, 0);
}

TEST_F(LogMetricsTest, AProducerThatWasReadIsAMissAndThenAHit) {
  open();
  append(by(7, 0));
  EXPECT_EQ(counters().producer_cache_hits, 1);
  EXPECT_EQ(counters().producer_cache_misses, 0);
  close_and_open();
  append();  // has no producer
  EXPECT_EQ(counters().producer_cache_misses, 0);
  append(by(7, 1));
  EXPECT_EQ(counters().producer_cache_misses, 1);
  EXPECT_EQ(counters().producer_cache_hits, 0);
  append(by(7, 2));
  EXPECT_EQ(counters().producer_cache_hits, 1);
  EXPECT_EQ(metrics().changed_producers, 1);
  EXPECT_THAT(metrics().changed_producer_bytes, Gt(0));
  ASSERT_THAT(log_->checkpoint(), Succeeds());
  EXPECT_EQ(metrics().changed_producers, 0);
  EXPECT_EQ(metrics().cached_producers, 1);
  EXPECT_THAT(metrics().cached_producer_bytes, Gt(0));
}

TEST_F(LogMetricsTest, ExpiredProducersAreCounted) {
  open();
  append(by(7, 0));
  clock_.set(clock_.now() + (options_.config.producer_id_expiration_ms + 1));
  EXPECT_THAT(value_of(log_->expire_producers()), ElementsAre(ProducerId(7)));
  EXPECT_EQ(counters().expired_producers, 1);
}

TEST_F(LogMetricsTest, TheOldestTransactionsAgeIsThatOfItsFirstBatch) {
  open();
  EXPECT_EQ(metrics().oldest_transaction_age, std::nullopt);
  BatchSpec first = by(7, 0, true);
  first.timestamp = clock_.now().value() - 500;
  append(first);
  BatchSpec second = by(7, 1, true);
  second.timestamp = clock_.now().value();
  append(second);
  append(by(8, 0, true));
  EXPECT_EQ(metrics().open_transactions, 2);
  EXPECT_EQ(metrics().oldest_transaction_age, 500ms);
  EXPECT_EQ(metrics().last_stable_offset_lag(), 3);
  clock_.set(clock_.now() + (1000));
  EXPECT_EQ(metrics().oldest_transaction_age, 1500ms);
  append_marker({.producer_id = 7});
  append_marker({.producer_id = 8});
  EXPECT_EQ(metrics().open_transactions, 0);
  EXPECT_EQ(metrics().oldest_transaction_age, std::nullopt);
  EXPECT_EQ(metrics().last_stable_offset_lag(), 0);
}

TEST_F(LogMetricsTest, ATransactionFromTheFutureHasNoAge) {
  open();
  BatchSpec first = by(7, 0, true);
  first.timestamp = clock_.now().value() + 500;
  append(first);
  EXPECT_EQ(metrics().oldest_transaction_age, 0ms);
}

TEST_F(LogMetricsTest, WhereTheFirstBatchIsGoneTheProducersLastOneCounts) {
  open();
  BatchSpec first = by(7, 0, true);
  first.timestamp = clock_.now().value() - 500;
  append(first);
  ASSERT_THAT(log_->roll(), Succeeds());
  BatchSpec second = by(7, 1, true);
  second.timestamp = clock_.now().value() - 200;
  append(second);
  ASSERT_THAT(log_->delete_records(Offset(1)), Succeeds());
  ASSERT_THAT(log_->apply_retention(), Succeeds());
  EXPECT_EQ(metrics().open_transactions, 1);
  EXPECT_EQ(metrics().oldest_transaction_age, 200ms);
}

TEST_F(LogMetricsTest, AnOpenTellsWhatItsRecoveryRead) {
  open();
  append();
  const std::int64_t bytes = metrics().log_bytes;
  crash_and_open();
  EXPECT_EQ(counters().recovery_bytes, bytes);
  EXPECT_GT(counters().recovery_time, 0ns);
  EXPECT_EQ(report().elapsed, counters().recovery_time);
  EXPECT_EQ(counters().appended_batches, 0);  // counted from the open on
}

TEST_F(LogMetricsTest, APoisonedLogSaysSo) {
  open();
  append();
  EXPECT_FALSE(metrics().is_poisoned);
  vfs_.plan().set_skips_syncs(false);
  vfs_.plan().add({.call = test::IoCall::kSync, .os_errno = EIO});
  EXPECT_THAT(log_->flush(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_TRUE(metrics().is_poisoned);
}

TEST_F(LogMetricsTest, AClosedLogAnswersWhatWasLast) {
  open();
  append(by(7, 0, true));
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_EQ(counters().appended_batches, 1);
  EXPECT_EQ(metrics().open_transactions, 1);
  EXPECT_EQ(metrics().oldest_transaction_age, std::nullopt);
}

TEST_F(LogMetricsTest, AStoreAddsUpItsPartitionsClosedOnesToo) {
  open();
  append();
  const auto other = value_of(store_->open_partition({"u", 1}, options_));
  ASSERT_THAT(other->append_as_leader(make_batch()), Succeeds());
  StoreMetrics now = store_->metrics();
  EXPECT_EQ(now.totals.appended_batches, 2);
  ASSERT_EQ(now.partitions.size(), 2U);
  EXPECT_EQ(now.partitions[0].name, name_);
  EXPECT_EQ(now.partitions[1].counters.appended_batches, 1);
  ASSERT_THAT(store_->close_partition({"u", 1}), Succeeds());
  ASSERT_THAT(store_->reopen_partition(name_), Succeeds());
  now = store_->metrics();
  EXPECT_EQ(now.totals.appended_batches, 2);
  ASSERT_EQ(now.partitions.size(), 1U);
  EXPECT_EQ(now.partitions[0].counters.appended_batches, 0);
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  EXPECT_EQ(store_->metrics().totals.appended_batches, 2);
}

class CompactionMetricsTest : public test::CompactionFixture {};

TEST_F(CompactionMetricsTest, ARoundCountsWhatItTakesAway) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"a", "2"}});
  const std::int64_t before = log_->metrics().log_bytes;
  const CompactionReport report = compact();
  ASSERT_TRUE(report.was_due);
  const PartitionMetrics now = log_->metrics();
  EXPECT_EQ(now.counters.compaction_rounds, 1);
  EXPECT_EQ(now.counters.compaction_records, 1);
  EXPECT_EQ(now.counters.compaction_bytes, before - now.log_bytes);
  compact({});
  EXPECT_EQ(log_->metrics().counters.compaction_rounds, 1);  // was not due
}

}  // namespace
}  // namespace oncelog
