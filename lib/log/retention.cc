// retention.cc: the oldest segments go: those below the log start, and those that retention.bytes
// or retention.ms let go (semantics 19).
//
// Invariant: no producer is forgotten because its data goes.
// Crash: first a checkpoint of the producers stands that does without the bytes, and the recovery
//   point, then the log start is raised, both synced; then files go, the last of them after a
//   directory sync. So an open finds either the batch by which it knows that checkpoint, or exactly
//   the first segment that the checkpoint's note names.
#include <algorithm>

#include "log/producer_checkpoint.h"
#include "log/retention_plan.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"

namespace oncelog {

namespace log {

namespace {

using segment::Segment;
using Segments = std::vector<std::shared_ptr<Segment>>;

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
  auto view = make_view(state, nullptr, state.epochs.entries());
  const Reshaping reshaping(state.reshapes);
  state.view.publish(std::move(view));
}

/// The last of them holds the batch by which a checkpoint may be known: it must not go before the
/// others have.
Result<void> remove_segments(LogState& state, std::span<const std::shared_ptr<Segment>> going) {
  Vfs& vfs = state.environment.vfs;
  for (const auto& one : going) one->retire();
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
  ONCELOG_TRY_ASSIGN(
      const RetentionPlan plan,
      plan_retention(state, segments, state.published.read().ends, state.environment.clock.now()));
  const std::size_t count = plan.count();
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
  // A loss of power may bring any of what goes back: gaps are believed below the recovery point,
  // which may still wait to be written with that of other logs.
  if (Offset(state.recovery_point.load()) < first_base) {
    ONCELOG_TRY(sync_log(state, SyncScope::kRecoveryPoint, first_base));
  }
  ONCELOG_TRY(poison_unless_full(state, state.environment.checkpoints.save(state.name, {})));
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
