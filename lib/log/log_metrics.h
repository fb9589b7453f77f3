// log_metrics.h: what one log counts, grouped by the lock under which it is counted, so that an
// append pays for plain loads and stores only.
#pragma once

#include <map>
#include <mutex>

#include "base/counter.h"
#include "oncelog/error.h"
#include "oncelog/metrics.h"

namespace oncelog::log {

struct LogState;

/// Errors by their codes. Rare enough for a lock.
class ErrorCounts {
 public:
  void count(ErrorCode code) {
    const std::scoped_lock lock(mutex_);
    ++counts_[code];
  }
  [[nodiscard]] std::map<ErrorCode, std::int64_t> get() const {
    const std::scoped_lock lock(mutex_);
    return counts_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<ErrorCode, std::int64_t> counts_;
};

/// Beside LogState::appended_bytes, which is a counter, too.
struct LogMetrics {
  // ---- writer_mutex
  base::Counter appended_batches;
  base::Counter appended_records;
  base::Counter duplicate_batches;
  base::Counter producer_cache_hits;
  base::Counter producer_cache_misses;
  base::Counter rolls;
  base::Counter truncations;
  base::Counter expired_producers;
  base::Counter retention_segments;
  base::Counter retention_bytes;

  // ---- file_mutex
  base::DurationCounter sync_time;

  // ---- maintenance_mutex
  base::DurationCounter checkpoint_time;

  // ---- compaction_mutex
  base::Counter compaction_rounds;
  base::Counter compaction_records;
  base::Counter compaction_bytes;

  // ---- anyone
  base::SharedCounter fetches;
  base::SharedCounter fetched_bytes;
  ErrorCounts append_errors;
  ErrorCounts fetch_errors;
};

/// Any thread, without a lock.
[[nodiscard]] PartitionCounters read_counters(const LogState& state);
/// Takes writer_mutex for a moment.
[[nodiscard]] PartitionMetrics read_metrics(const LogState& state);

template <class T>
void count_error(ErrorCounts& errors, const Result<T>& result) {
  if (!result) [[unlikely]]
    errors.count(result.error().code);
}

}  // namespace oncelog::log
