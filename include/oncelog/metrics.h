// metrics.h: what a store and its partitions have done and how they stand, as plain numbers, and as
// text for Prometheus.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog {

/// How often something took how long. The bounds of the buckets double, from a microsecond to half
/// a minute.
struct DurationHistogram {
  static constexpr std::size_t kBucketCount = 27;  ///< the last for whatever took longer
  /// The longest time that counts into a bucket; the last one has none.
  [[nodiscard]] static constexpr std::chrono::nanoseconds bound(std::size_t bucket) {
    return std::chrono::microseconds(std::int64_t{1} << bucket);
  }
  /// The bucket into which a time counts; one below zero into the first.
  [[nodiscard]] static std::size_t bucket_of(std::chrono::nanoseconds time);

  std::array<std::int64_t, kBucketCount> counts{};  ///< of each bucket alone, not cumulative
  std::chrono::nanoseconds sum{0};

  [[nodiscard]] std::int64_t count() const;
  DurationHistogram& operator+=(const DurationHistogram& other);
  friend bool operator==(const DurationHistogram&, const DurationHistogram&) = default;
};

/// What has been done since a partition was opened. No number goes back while it is open.
struct PartitionCounters {
  std::int64_t appended_batches = 0;  ///< stored; duplicates and refusals are not among them
  std::int64_t appended_records = 0;
  std::int64_t appended_bytes = 0;
  std::int64_t duplicate_batches = 0;  ///< retries that were answered with their first answer
  std::map<ErrorCode, std::int64_t> append_errors{};  ///< appends that were refused or failed
  std::int64_t fetches = 0;                           ///< answered, with bytes or without
  std::int64_t fetched_bytes = 0;                     ///< of the regions, read or not
  std::map<ErrorCode, std::int64_t> fetch_errors{};
  DurationHistogram sync_time{};  ///< of the syncs that one group commit, roll or flush needs
  std::int64_t ring_drains = 0;   ///< writes that emptied the append ring into the `.log`
  std::int64_t rolls = 0;
  DurationHistogram checkpoint_time{};  ///< of checkpoints of the producers that were written
  std::int64_t retention_segments = 0;  ///< removed because of log start, retention.bytes or .ms
  std::int64_t retention_bytes = 0;     ///< of their `.log` files
  std::int64_t compaction_rounds = 0;   ///< that were due, and came to their end
  std::int64_t compaction_records = 0;  ///< that these took away
  std::int64_t compaction_bytes = 0;    ///< by which these made the log smaller
  std::int64_t truncations = 0;         ///< that cut something off
  /// Producers of appended batches that were in memory, or had to be looked up in `.state`. Both
  /// stay 0 where no checkpoints are kept: then all are in memory.
  std::int64_t producer_cache_hits = 0;
  std::int64_t producer_cache_misses = 0;
  std::int64_t expired_producers = 0;
  std::chrono::nanoseconds recovery_time{0};  ///< that the open took
  std::int64_t recovery_bytes = 0;            ///< that it read of the `.log` files

  PartitionCounters& operator+=(const PartitionCounters& other);
  friend bool operator==(const PartitionCounters&, const PartitionCounters&) = default;
};

/// A partition at one time. The numbers are taken one after the other while appends go on: two of
/// them need not have been true together, but for the ends.
struct PartitionMetrics {
  TopicPartition name{};
  PartitionCounters counters{};
  LogEnds ends{};
  std::int64_t log_bytes = 0;  ///< of all batches, those in the append ring too
  std::int64_t segment_count = 0;
  std::int64_t open_transactions = 0;
  /// By the store's clock, since the first batch of the oldest open transaction was stamped; where
  /// that batch is gone, since its producer's last one was. Nothing if no transaction is open; 0
  /// for one from the future.
  std::optional<std::chrono::milliseconds> oldest_transaction_age{};
  std::int64_t cached_producers = 0;        ///< in memory, as the newest checkpoint has them
  std::int64_t changed_producers = 0;       ///< in memory, in no checkpoint yet
  std::int64_t cached_producer_bytes = 0;   ///< memory of the former
  std::int64_t changed_producer_bytes = 0;  ///< and of the latter
  bool is_poisoned = false;                 ///< nothing is written before a reopen

  /// Offsets that read_committed does not see yet, though they are below the high watermark.
  [[nodiscard]] std::int64_t last_stable_offset_lag() const {
    return ends.high_watermark - ends.last_stable_offset;
  }
};

struct StoreMetrics {
  /// Of all partitions that were open since the store was opened, closed ones included.
  PartitionCounters totals{};
  std::vector<PartitionMetrics> partitions{};  ///< that are open, ascending by name
};

struct PrometheusOptions {
  /// Put on every sample, e.g. {"store", "/var/lib/orders"}; names as Prometheus wants them, and
  /// none of `topic`, `partition`, `error` and `le`.
  std::vector<std::pair<std::string, std::string>> labels{};
  /// Samples of each partition, with labels `topic` and `partition`. Without them the totals are
  /// left, which is what a store of very many partitions can afford.
  bool has_partitions = true;
};

/// Prometheus' text exposition format 0.0.4: `oncelog_store_…` for the totals,
/// `oncelog_partition_…` for each open partition. INVALID_CONFIG for a label whose name is not a
/// label name, is used twice or is one of our own.
Result<std::string> to_prometheus(const StoreMetrics& metrics,
                                  const PrometheusOptions& options = {});

}  // namespace oncelog
