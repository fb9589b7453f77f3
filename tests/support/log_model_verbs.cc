// log_model_verbs.cc: truncation, deletion, retention, expiry, checkpoints and reopening, and what
// is settled by looking.
#include <algorithm>

#include "support/log_model.h"

namespace oncelog::test {

void LogModel::add_event(Event event) {
  events_.push_back(std::move(event));
  walked_.reset();
}

void LogModel::truncate_to(Offset to) {
  if (to < first_base()) return truncate_fully_and_start_at(to);  // 15.2
  add_event({.kind = EventKind::kTruncation, .offset = to});
}

void LogModel::truncate_fully_and_start_at(Offset at) {
  add_event({.kind = EventKind::kFullTruncation, .offset = at});
}

void LogModel::raise_log_start(Offset to) {
  add_event({.kind = EventKind::kLogStart, .offset = to});
}

ErrorCode LogModel::delete_records(Offset before) {  // 16.3, 16.1
  if (!options_.config.cleanup_delete) return ErrorCode::POLICY_VIOLATION;
  if (before == Offset(-1)) before = high_watermark();
  if (before < Offset(0) || before > high_watermark()) return ErrorCode::OFFSET_OUT_OF_RANGE;
  if (before > log_start()) raise_log_start(before);
  return ErrorCode::NONE;
}

Timestamp LogModel::largest_timestamp(Offset begin, Offset end) const {
  Timestamp largest = kNoTimestamp;
  for (const ModelBatch& batch : batches()) {
    if (batch.base_offset >= begin && batch.base_offset < end) {
      largest = std::max(largest, batch.max_timestamp());
    }
  }
  return largest;
}

std::vector<Offset> LogModel::apply_retention(std::vector<ModelSegment> segments,
                                              const ModelRetention& limits, Timestamp now) {
  std::vector<Offset> removed;
  const auto end_of = [&](std::size_t i) {
    return i + 1 < segments.size() ? segments[i + 1].base : log_end();
  };
  const auto run_pass = [&](const auto& is_wanted) {
    std::size_t count = 0;
    for (; count < segments.size(); ++count) {  // 19.2
      const bool is_active = count + 1 == segments.size();
      if (end_of(count) > high_watermark()) break;
      if (is_active && segments[count].bytes == 0) break;
      if (!is_wanted(count)) break;
    }
    if (count == 0) return;
    if (count == segments.size()) segments.push_back({log_end(), 0, now});  // 19.4
    for (std::size_t i = 0; i < count; ++i) removed.push_back(segments[i].base);
    segments.erase(segments.begin(), segments.begin() + static_cast<std::ptrdiff_t>(count));
    const Offset first_left = segments.front().base;  // 19.5
    if (first_left > log_start()) raise_log_start(first_left);
    add_event({.kind = EventKind::kSegmentsRemoved, .offset = first_left});
  };

  run_pass([&](std::size_t i) {  // 19.3, log start
    return i + 1 < segments.size() && segments[i + 1].base <= log_start();
  });
  if (!options_.config.cleanup_delete) return removed;  // 19.1
  std::int64_t excess = -1;
  if (limits.bytes >= 0) {
    excess = -limits.bytes;
    for (const ModelSegment& segment : segments) excess += segment.bytes;
  }
  run_pass([&](std::size_t i) {  // 19.3, size
    if (excess < segments[i].bytes) return false;
    excess -= segments[i].bytes;
    return true;
  });
  run_pass([&](std::size_t i) {  // 19.3, time; 12.4
    Timestamp largest = largest_timestamp(segments[i].base, end_of(i));
    if (largest < Timestamp(0)) largest = segments[i].modified;
    return limits.ms >= 0 && now - largest > limits.ms;
  });
  return removed;
}

std::vector<ProducerId> LogModel::expire_producers(Timestamp now) {  // 5.10
  std::vector<ProducerId> expired;
  for (const auto& [id, producer] : producers()) {
    if (!producer.transaction_first_offset &&
        now - producer.last_timestamp >= options_.config.producer_id_expiration_ms) {
      expired.push_back(id);
    }
  }
  if (!expired.empty()) add_event({.kind = EventKind::kExpiry, .ids = expired});
  return expired;
}

void LogModel::note_replayed() { add_event({.kind = EventKind::kReplayAfterTruncation}); }

void LogModel::note_checkpoint(Offset at_least, Offset at_most) {
  add_event({.kind = EventKind::kCheckpoint, .offset = at_least, .until = at_most});
}

void LogModel::note_reopened(const ModelReopening& reopening) {
  const bool is_history_kept = reopening.producers_from == ProducersFrom::kHistory;
  if (is_history_kept && reopening.is_clean) note_checkpoint(stored_end(), stored_end());
  add_event({.kind = EventKind::kReopen,
             .offset = reopening.ends.high_watermark,
             .until = reopening.ends.log_end,
             .start = reopening.ends.log_start,
             .base = reopening.bases.front()});
  if (reopening.producers_from == ProducersFrom::kLog) {
    add_event({.kind = EventKind::kReplayAtOpen});
  } else if (reopening.producers_from == ProducersFrom::kLogAndSnapshot) {
    add_event({.kind = EventKind::kReplayAtOpenWithSnapshot});
  } else {
    // What it was opened from is there still: a second crash would give the same.
    note_checkpoint(Offset(0), log_end());
  }
}

// ---- settled by looking

void LogModel::settle_expiries(std::size_t kept) {
  if (kept == expiry_count()) return;
  add_event({.kind = EventKind::kExpiriesUndone, .count = kept});
}

void LogModel::settle_leader_epochs(const std::vector<LeaderEpochStart>& seen) {
  if (leader_epochs() == seen || (!leader_epochs().empty() && !has_epochs_gone_back())) return;
  const std::vector<ModelBatch> found = batches();
  for (const ModelBatch& batch : found) {
    add_event({.kind = EventKind::kEpochsFound, .offset = batch.base_offset});
    if (leader_epochs() == seen) return;
    events_.pop_back();
    walked_.reset();
  }
}

}  // namespace oncelog::test
