// log_start.cc: the log start moves up: because the leader's did, or because records are deleted
// (semantics 16.1).
//
// Invariant: the log start never passes the high watermark, and does not move the recovery point.
// Crash: the log below the new start is synced, then the checkpoint is; only then does memory
// change. Die before: the old start. Die before the epoch file: the next open trims it.
#include "log/checkpoint.h"
#include "log/log_state.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

/// The apply beat; answers the epochs that are left. Requires file_mutex; takes writer_mutex.
std::vector<LeaderEpochStart> apply_raise(LogState& state, Offset to) {
  const std::scoped_lock lock(state.writer_mutex);
  if (to <= state.offsets.log_start()) return state.epochs.entries();
  LeaderEpochs epochs = state.epochs;
  epochs.truncate_from_start(to);
  auto view = make_view(state, nullptr, epochs.entries());
  state.epochs = std::move(epochs);
  state.are_epochs_unwritten = true;
  // A watermark that its owner has lowered meanwhile is raised again (13.6).
  if (state.offsets.high_watermark() < to) state.offsets.set_high_watermark(to);
  state.offsets.raise_log_start(to);
  state.producers.release_below(to);
  state.view.publish(std::move(view));
  publish_ends(state);
  return state.epochs.entries();
}

Result<void> check_below(Offset to, Offset high_watermark) {
  if (to <= high_watermark) return {};
  return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "log start: ", to, " is above the high watermark ",
              high_watermark);
}

/// Holds file_mutex, which keeps truncations out, with everything below `to` on stable storage.
Result<std::unique_lock<std::mutex>> lock_durable_up_to(LogState& state, Offset to) {
  while (true) {
    ONCELOG_TRY(sync_log(state, SyncScope::kLog, to));
    std::unique_lock files(state.file_mutex);
    const std::scoped_lock lock(state.writer_mutex);
    // A store that is closed has given its checkpoint files away.
    ONCELOG_TRY(check_writable(state));
    // The end may have come down behind the sync, and gone up again.
    ONCELOG_TRY(check_below(to, state.offsets.high_watermark()));
    if (Offset(state.durable_end.load()) >= to) return files;
  }
}

}  // namespace

Result<void> raise_log_start(LogState& state, Offset to) {
  const LogEnds ends = state.published.read().ends;
  ONCELOG_TRY(check_below(to, ends.high_watermark));
  if (to <= ends.log_start) return {};
  ONCELOG_TRY_ASSIGN(const auto files, lock_durable_up_to(state, to));
  ONCELOG_TRY(
      poison_unless_full(state, state.environment.checkpoints.save(state.name, {{}, to, {}})));

  const std::vector<LeaderEpochStart> epochs = apply_raise(state, to);
  // Or the epochs that have just been dropped would be back after a crash.
  const auto written =
      write_leader_epochs(state.environment.vfs, state.path(segment::kLeaderEpochFile), epochs);
  return poison_unless_full(state, written);
}

}  // namespace oncelog::log

namespace oncelog {

Result<Offset> PartitionLog::delete_records(Offset before) {
  const log::TellsEnds tells(*state_);
  if (!state_->config.read().cleanup_delete) {
    return fail(ErrorCode::POLICY_VIOLATION, "delete_records: cleanup.policy is compact only");
  }
  {
    const std::scoped_lock lock(state_->writer_mutex);
    ONCELOG_TRY(log::check_writable(*state_));
  }
  const Offset to = before == Offset(-1) ? state_->published.read().ends.high_watermark : before;
  if (to < Offset(0)) {
    return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "delete_records: offset ", before);
  }
  ONCELOG_TRY(log::raise_log_start(*state_, to));
  return state_->published.read().ends.log_start;
}

}  // namespace oncelog
