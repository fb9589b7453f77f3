// Histograms and counters as plain numbers.
#include "oncelog/metrics.h"

#include <gmock/gmock.h>

namespace oncelog {
namespace {

using namespace std::chrono_literals;

TEST(Metrics, ABoundIsTheLastTimeOfItsBucket) {
  for (std::size_t i = 0; i + 1 < DurationHistogram::kBucketCount; ++i) {
    EXPECT_EQ(DurationHistogram::bucket_of(DurationHistogram::bound(i)), i);
    EXPECT_EQ(DurationHistogram::bucket_of(DurationHistogram::bound(i) + 1ns), i + 1);
  }
  EXPECT_EQ(DurationHistogram::bound(0), 1us);
  EXPECT_EQ(DurationHistogram::bound(10), 1024us);
}

TEST(Metrics, NoTimeIsOutsideOfTheBuckets) {
  EXPECT_EQ(DurationHistogram::bucket_of(-5ns), 0U);
  EXPECT_EQ(DurationHistogram::bucket_of(0ns), 0U);
  EXPECT_EQ(DurationHistogram::bucket_of(std::chrono::nanoseconds::max()),
            DurationHistogram::kBucketCount - 1);
}

TEST(Metrics, HistogramsAddUpBucketByBucket) {
  DurationHistogram a;
  a.counts[1] = 2;
  a.sum = 4us;
  DurationHistogram b;
  b.counts[1] = 1;
  b.counts[3] = 1;
  b.sum = 9us;
  a += b;
  EXPECT_EQ(a.counts[1], 3);
  EXPECT_EQ(a.counts[3], 1);
  EXPECT_EQ(a.sum, 13us);
  EXPECT_EQ(a.count(), 4);
}

/// Each field another number, so that one that is added to another shows.
PartitionCounters numbered(std::int64_t factor) {
  std::int64_t next = 0;
  const auto number = [&] { return factor * ++next; };
  PartitionCounters counters;
  for (std::int64_t* field :
       {&counters.appended_batches, &counters.appended_records, &counters.appended_bytes,
        &counters.duplicate_batches, &counters.fetches, &counters.fetched_bytes,
        &counters.ring_drains, &counters.rolls, &counters.retention_segments,
        &counters.retention_bytes, &counters.compaction_rounds, &counters.compaction_records,
        &counters.compaction_bytes, &counters.truncations, &counters.producer_cache_hits,
        &counters.producer_cache_misses, &counters.expired_producers, &counters.recovery_bytes}) {
    *field = number();
  }
  counters.append_errors[ErrorCode::INVALID_RECORD] = number();
  counters.fetch_errors[ErrorCode::OFFSET_OUT_OF_RANGE] = number();
  counters.sync_time.counts[3] = number();
  counters.checkpoint_time.sum = std::chrono::nanoseconds(number());
  counters.recovery_time = std::chrono::nanoseconds(number());
  return counters;
}

TEST(Metrics, CountersAddUpFieldByField) {
  PartitionCounters sum = numbered(1);
  sum += numbered(10);
  EXPECT_EQ(sum, numbered(11));
  sum.append_errors[ErrorCode::INVALID_TXN_STATE] = 1;
  PartitionCounters other;
  other.append_errors[ErrorCode::CORRUPT_MESSAGE] = 2;
  sum += other;
  EXPECT_EQ(sum.append_errors.size(), 3U);
}

}  // namespace
}  // namespace oncelog
