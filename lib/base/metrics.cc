#include "oncelog/metrics.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace oncelog {

std::size_t DurationHistogram::bucket_of(std::chrono::nanoseconds time) {
  if (time <= bound(0)) return 0;
  // Rounded up: a bound itself is the last time of its bucket.
  const auto microseconds = std::chrono::ceil<std::chrono::microseconds>(time).count();
  const auto bucket =
      static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(microseconds - 1)));
  return std::min(bucket, kBucketCount - 1);
}

std::int64_t DurationHistogram::count() const {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

DurationHistogram& DurationHistogram::operator+=(const DurationHistogram& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum += other.sum;
  return *this;
}

PartitionCounters& PartitionCounters::operator+=(const PartitionCounters& other) {
  appended_batches += other.appended_batches;
  appended_records += other.appended_records;
  appended_bytes += other.appended_bytes;
  duplicate_batches += other.duplicate_batches;
  for (const auto& [code, count] : other.append_errors) append_errors[code] += count;
  fetches += other.fetches;
  fetched_bytes += other.fetched_bytes;
  for (const auto& [code, count] : other.fetch_errors) fetch_errors[code] += count;
  sync_time += other.sync_time;
  ring_drains += other.ring_drains;
  rolls += other.rolls;
  checkpoint_time += other.checkpoint_time;
  retention_segments += other.retention_segments;
  retention_bytes += other.retention_bytes;
  compaction_rounds += other.compaction_rounds;
  compaction_records += other.compaction_records;
  compaction_bytes += other.compaction_bytes;
  truncations += other.truncations;
  producer_cache_hits += other.producer_cache_hits;
  producer_cache_misses += other.producer_cache_misses;
  expired_producers += other.expired_producers;
  recovery_time += other.recovery_time;
  recovery_bytes += other.recovery_bytes;
  return *this;
}

}  // namespace oncelog
