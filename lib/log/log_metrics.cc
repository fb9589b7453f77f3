#include "log/log_metrics.h"

#include <algorithm>

#include "log/log_state.h"
#include "oncelog/clock.h"

namespace oncelog::log {

namespace {

using segment::Segment;

/// The oldest open transaction, as memory knows it.
struct OldestTransaction {
  Offset first_offset{};
  ProducerId producer_id = kNoProducerId;
  Timestamp last_timestamp = kNoTimestamp;   ///< of its producer
  std::shared_ptr<const Segment> segment{};  ///< where its first batch should be
};

/// Requires writer_mutex.
std::optional<OldestTransaction> find_oldest(const LogState& state) {
  const auto open = state.producers.oldest_open_transaction();
  if (!open) return std::nullopt;
  OldestTransaction oldest;
  oldest.first_offset = open->first;
  oldest.producer_id = open->second;
  const producer::ProducerEntry* entry = state.producers.find(open->second);
  if (entry != nullptr) oldest.last_timestamp = entry->last_timestamp;
  const auto above = std::ranges::upper_bound(
      state.segments, open->first, {}, [](const auto& segment) { return segment->base_offset(); });
  if (above != state.segments.begin()) oldest.segment = *std::prev(above);
  return oldest;
}

/// When it began: its first batch says so, if that is still there.
Timestamp begin_of(const OldestTransaction& oldest) {
  if (!oldest.segment) return oldest.last_timestamp;
  const auto first = oldest.segment->find_batch(oldest.first_offset, oldest.segment->bytes());
  const bool is_there = first && *first && (*first)->header.base_offset == oldest.first_offset &&
                        (*first)->header.producer_id == oldest.producer_id;
  if (!is_there) return oldest.last_timestamp;
  const record::BatchHeader& header = (*first)->header;
  const bool is_log_append_time = (header.attributes & record::kLogAppendTimeBit) != 0;
  return is_log_append_time ? header.max_timestamp : header.base_timestamp;
}

}  // namespace

PartitionCounters read_counters(const LogState& state) {
  const LogMetrics& metrics = state.metrics;
  PartitionCounters counters;
  counters.appended_batches = metrics.appended_batches.get();
  counters.appended_records = metrics.appended_records.get();
  counters.appended_bytes = state.appended_bytes.load(std::memory_order_relaxed);
  counters.duplicate_batches = metrics.duplicate_batches.get();
  counters.append_errors = metrics.append_errors.get();
  counters.fetches = metrics.fetches.get();
  counters.fetched_bytes = metrics.fetched_bytes.get();
  counters.fetch_errors = metrics.fetch_errors.get();
  counters.sync_time = metrics.sync_time.get();
  counters.ring_drains = state.ring ? state.ring->drain_count() : 0;
  counters.rolls = metrics.rolls.get();
  counters.checkpoint_time = metrics.checkpoint_time.get();
  counters.retention_segments = metrics.retention_segments.get();
  counters.retention_bytes = metrics.retention_bytes.get();
  counters.compaction_rounds = metrics.compaction_rounds.get();
  counters.compaction_records = metrics.compaction_records.get();
  counters.compaction_bytes = metrics.compaction_bytes.get();
  counters.truncations = metrics.truncations.get();
  counters.producer_cache_hits = metrics.producer_cache_hits.get();
  counters.producer_cache_misses = metrics.producer_cache_misses.get();
  counters.expired_producers = metrics.expired_producers.get();
  counters.recovery_time = state.report.elapsed;
  counters.recovery_bytes = state.report.bytes_read;
  return counters;
}

PartitionMetrics read_metrics(const LogState& state) {
  PartitionMetrics metrics;
  metrics.name = state.name;
  metrics.counters = read_counters(state);
  metrics.ends = read_ends(state);
  const auto view = state.view.get();
  metrics.segment_count = std::ssize(view->segments);
  for (const auto& segment : view->segments) metrics.log_bytes += segment->bytes();
  metrics.is_poisoned = !state.poison.check();
  std::optional<OldestTransaction> oldest;
  {
    const std::scoped_lock lock(state.writer_mutex);
    const producer::ProducerTable& producers = state.producers;
    metrics.open_transactions = producers.open_transaction_count();
    metrics.cached_producers = producers.cached_count();
    metrics.changed_producers = producers.changed_count();
    metrics.cached_producer_bytes = producers.cached_bytes();
    metrics.changed_producer_bytes = producers.changed_bytes();
    if (!state.is_closed) oldest = find_oldest(state);
  }
  if (oldest) {
    const std::int64_t age_ms = state.environment.clock.now() - begin_of(*oldest);
    metrics.oldest_transaction_age = std::chrono::milliseconds(std::max<std::int64_t>(age_ms, 0));
  }
  return metrics;
}

}  // namespace oncelog::log

namespace oncelog {

PartitionMetrics PartitionLog::metrics() const { return log::read_metrics(*state_); }

}  // namespace oncelog
