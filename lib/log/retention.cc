// retention.cc: the oldest segments go: those below the log start, and those that retention.bytes
// or retention.ms let go (semantics 19).
//
// Invariant: no producer is forgotten because its data goes.
// Crash: first a checkpoint of the producers stands that does without the bytes, then the log start
//   is raised, both synced; then files go, the last of them after a directory sync. So an open
//   finds either the batch by which it knows that checkpoint, or exactly the first segment that the
//   checkpoint's note names.
#include <algorithm>

#include "log/producer_checkpoint.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"

namespace oncelog {

namespace log {

namespace {

using segment::Segment;
using Segments = std::vector<std::shared_ptr<Segment>>;

/// The three passes of 19.1, each from where the one before stopped.
class RetentionPlan {
 public:
  RetentionPlan(const LogState& state, Segments segments, const LogEnds& ends)
      : state_(state), config_(state.options.config), segments_(std::move(segments)), ends_(ends) {}

  /// How many segments go.
  Result<std::size_t> count() {
    while (may_go() && is_below_log_start()) ++count_;
    if (!config_.cleanup_delete) return count_;
    pass_size();
    ONCELOG_TRY(pass_time());
    return count_;
  }

 private:
  /// 19.2, for the next segment in turn.
  [[nodiscard]] bool may_go() const {
    if (count_ == segments_.size()) return false;
    const bool is_active = count_ + 1 == segments_.size();
    const Offset upper = is_active ? ends_.log_end : segments_[count_ + 1]->base_offset();
    return upper <= ends_.high_watermark && !(is_active && segments_[count_]->bytes() == 0);
  }

  [[nodiscard]] bool is_below_log_start() const {
    return count_ + 1 < segments_.size() && segments_[count_ + 1]->base_offset() <= ends_.log_start;
  }

  void pass_size() {
    if (config_.retention_bytes < 0) return;
    std::int64_t excess = -config_.retention_bytes;
    for (std::size_t i = count_; i < segments_.size(); ++i) excess += segments_[i]->bytes();
    while (may_go() && excess >= segments_[count_]->bytes()) {
      excess -= segments_[count_]->bytes();
      ++count_;
    }
  }

  Result<void> pass_time() {
    if (config_.retention_ms < 0) return {};
    const Timestamp now = state_.environment.clock.now();
    while (may_go()) {
      ONCELOG_TRY_ASSIGN(const Timestamp largest, largest_timestamp(state_, *segments_[count_]));
      if (largest >= now || now - largest <= config_.retention_ms) break;
      ++count_;
    }
    return {};
  }

  const LogState& state_;
  const TopicConfig& config_;
  const Segments segments_;
  const LogEnds ends_;
  std::size_t count_ = 0;
};

Segments present_segments(const LogState& state) {
  const std::scoped_lock lock(state.writer_mutex);
  return state.segments;
}

/// The end of what goes: behind the last batch of these segments.
Result<Offset> end_of(std::span<const std::shared_ptr<Segment>> going) {
  for (std::size_t i = going.size(); i-- > 0;) {
    ONCELOG_TRY_ASSIGN(const auto last, going[i]->last_batch());
    if (last) return last->next_offset();
  }
  return going.front()->base_offset();
}

/// Every checkpoint that can do without the bytes says so: a truncation may make any of them the
/// newest.
Result<void> note_checkpoints(LogState& state, Offset end, Offset first_base) {
  ONCELOG_TRY_ASSIGN(const auto present, state.snapshots->list());
  for (const snapshot::CheckpointInfo& one : present) {
    const auto anchor = one.lowest_anchor();
    const bool has_anchor = anchor && anchor->base_offset >= first_base;
    if (one.offset < end || has_anchor) continue;
    ONCELOG_TRY(state.snapshots->note_first_base(one.offset, first_base));
  }
  return {};
}

/// Out of memory first: a reader that comes now does not find them any more. Requires file_mutex.
void apply_removal(LogState& state, std::size_t count) {
  const std::scoped_lock lock(state.writer_mutex);
  const auto end = state.segments.begin() + static_cast<std::ptrdiff_t>(count);
  const Offset first_base = (*end)->base_offset();
  state.metrics.retention_segments.add(static_cast<std::int64_t>(count));
  for (auto one = state.segments.begin(); one != end; ++one) {
    state.metrics.retention_bytes.add((*one)->bytes());
  }
  std::erase_if(state.closed_unsynced,
                [&](const auto& segment) { return segment->base_offset() < first_base; });
  state.segments.erase(state.segments.begin(), end);
  state.view.publish(make_view(state, nullptr, state.epochs.entries()));
}

/// The last of them holds the batch by which a checkpoint may be known: it must not go before the
/// others have.
Result<void> remove_segments(LogState& state, std::span<const std::shared_ptr<Segment>> going) {
  Vfs& vfs = state.environment.vfs;
  for (const auto& one : going.first(going.size() - 1)) {
    ONCELOG_TRY(segment::remove_segment_files(vfs, state.directory, one->base_offset()));
  }
  if (going.size() > 1) ONCELOG_TRY(vfs.sync_directory(state.directory));
  ONCELOG_TRY(segment::remove_segment_files(vfs, state.directory, going.back()->base_offset()));
  return vfs.sync_directory(state.directory);
}

/// Requires maintenance_mutex.
Result<std::vector<Offset>> apply_retention(LogState& state) {
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    ONCELOG_TRY(drain_ring(state));  // a file's time says when it was last appended to
  }
  Segments segments = present_segments(state);
  ONCELOG_TRY_ASSIGN(const std::size_t count,
                     RetentionPlan(state, segments, state.published.read().ends).count());
  if (count == 0) return std::vector<Offset>{};
  if (count == segments.size()) {
    ONCELOG_TRY(roll_log(state));
    segments = present_segments(state);
  }
  const auto going = std::span(segments).first(count);
  const Offset first_base = segments[count]->base_offset();
  if (state.snapshots) {
    ONCELOG_TRY_ASSIGN(const Offset end, end_of(going));
    ONCELOG_TRY(checkpoint_between(state, end));
    ONCELOG_TRY(note_checkpoints(state, end, first_base));
  }
  ONCELOG_TRY(raise_log_start(state, first_base));

  const std::scoped_lock files(state.file_mutex);
  apply_removal(state, count);
  if (auto removed = remove_segments(state, going); !removed) {
    return std::unexpected(state.poison.set(removed.error()));
  }
  std::vector<Offset> bases;
  for (const auto& one : going) bases.push_back(one->base_offset());
  return bases;
}

}  // namespace

}  // namespace log

Result<std::vector<Offset>> PartitionLog::apply_retention() {
  const log::TellsEnds tells(*state_);
  const std::scoped_lock maintenance(state_->maintenance_mutex);
  return log::apply_retention(*state_);
}

}  // namespace oncelog
