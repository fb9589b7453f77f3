// flush.cc: what has been appended reaches stable storage: for whoever waits for it, at a roll, and
// to move the recovery point.
//
// Invariant: every batch below durable_end is on stable storage; every byte below the recovery
// point is, with its index and epoch entries; the recovery point is persistent only after that.
// Crash: before the checkpoint file is renamed, recovery begins at the older recovery point.
// Nothing else depends on the order.
#include <algorithm>
#include <chrono>
#include <thread>

#include "log/checkpoint.h"
#include "log/log_state.h"
#include "log/maintenance.h"
#include "log/seals.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"

namespace oncelog {

namespace log {

namespace {

/// What one sync covers, copied under the writer lock so that appends can go on.
struct Capture {
  std::vector<std::shared_ptr<segment::Segment>> closed{};
  std::shared_ptr<segment::Segment> active{};
  std::optional<std::vector<LeaderEpochStart>> epochs{};  ///< if the file is behind
  bool has_new_names = false;
  bool has_unsaved_gap = false;
  Offset end{};
  Offset reopen_end{};  ///< the recovery point to be
  std::int64_t appended_bytes = 0;
};

Result<Capture> capture(LogState& state) {
  const std::scoped_lock lock(state.writer_mutex);
  ONCELOG_TRY(check_writable(state));
  ONCELOG_TRY(drain_ring(state));
  Capture now;
  now.closed = state.closed_unsynced;
  now.active = state.active();
  if (state.are_epochs_unwritten) now.epochs = state.epochs.entries();
  now.has_new_names = state.is_directory_unsynced;
  now.has_unsaved_gap = has_unsaved_gap(state);
  now.end = state.offsets.log_end();
  now.reopen_end = state.reopen_end();
  now.appended_bytes = state.appended_bytes.load();
  return now;
}

Result<void> write_files(LogState& state, const Capture& now, SyncScope scope) {
  for (const auto& segment : now.closed) ONCELOG_TRY(segment->trim_log());
  if (scope == SyncScope::kLog) return {};
  for (const auto& segment : now.closed) ONCELOG_TRY(segment->write_indexes());
  ONCELOG_TRY(now.active->write_indexes());
  if (now.epochs) {
    ONCELOG_TRY(poison_unless_full(
        state, write_leader_epochs(state.environment.vfs, state.path(segment::kLeaderEpochFile),
                                   *now.epochs)));
  }
  return {};
}

Result<void> sync_files(LogState& state, const Capture& now, SyncScope scope) {
  for (const auto& segment : now.closed) ONCELOG_TRY(segment->sync());
  // A recovery point may have made index files that no name on disk leads to yet.
  if (now.has_new_names || scope == SyncScope::kRecoveryPoint) {
    ONCELOG_TRY(state.environment.vfs.sync_directory(state.directory));
  }
  return now.active->sync();
}

/// The bookkeeping of a sync that has succeeded.
void apply_sync(LogState& state, const Capture& now, SyncScope scope) {
  const std::scoped_lock lock(state.writer_mutex);
  if (scope == SyncScope::kRecoveryPoint) {
    auto& unsynced = state.closed_unsynced;
    unsynced.erase(unsynced.begin(),
                   unsynced.begin() + static_cast<std::ptrdiff_t>(now.closed.size()));
    if (unsynced.empty()) state.is_directory_unsynced = false;
    if (now.epochs && state.epochs.entries() == *now.epochs) state.are_epochs_unwritten = false;
  }
  state.durable_end.store(now.end.value());
  if (now.has_unsaved_gap) state.recovery_point.store(now.reopen_end.value());  // saved already
  if (state.high_watermark_policy == HighWatermarkPolicy::kDurable) {
    move_high_watermark(state, std::max(now.end, state.offsets.high_watermark()));
  }
}

}  // namespace

bool is_flush_due(const LogState& state, bool has_rolled, std::optional<Timestamp> now) {
  if (has_rolled) return true;
  const std::int64_t unflushed_bytes = state.appended_bytes.load() - state.flushed_bytes.load();
  if (unflushed_bytes == 0) return false;
  if (unflushed_bytes >= state.environment.store.recovery_point_interval_bytes) return true;
  if (!state.config.limits_flushes()) return false;
  const TopicConfig config = state.config.read();
  if (config.flush_messages != kUnlimited &&
      state.published.log_end().value() - state.recovery_point.load() >= config.flush_messages) {
    return true;
  }
  if (config.flush_ms == kUnlimited) return false;
  if (!now) now = state.environment.clock.now();
  return now->value() - state.last_flush_ms.load() >= config.flush_ms;
}

namespace {

/// In the checkpoint file, not in memory. Requires file_mutex.
Result<void> save_recovery_point(LogState& state, const Capture& now,
                                 std::optional<Offset> high_watermark) {
  // Unless there is a gap, a crash before it is written costs no more than a longer recovery.
  const PartitionCheckpoint checkpoint{.recovery_point = now.reopen_end,
                                       .high_watermark = high_watermark,
                                       .can_wait = !now.has_unsaved_gap};
  return poison_unless_full(state, state.environment.checkpoints.save(state.name, checkpoint));
}

Result<void> sync_and_note(LogState& state, SyncScope scope, Offset needed) {
  const std::scoped_lock files(state.file_mutex);
  if (scope == SyncScope::kLog && Offset(state.durable_end.load()) >= needed) return {};
  ONCELOG_TRY_ASSIGN(const Capture now, capture(state));
  if (now.has_unsaved_gap) scope = SyncScope::kRecoveryPoint;
  ONCELOG_TRY(write_files(state, now, scope));
  {
    const base::Stopwatch stopwatch(state.metrics.sync_time);
    ONCELOG_TRY(poison_if_failed(state, sync_files(state, now, scope)));
  }
  if (now.has_unsaved_gap) ONCELOG_TRY(save_recovery_point(state, now, {}));  // else none durable
  apply_sync(state, now, scope);
  if (scope == SyncScope::kLog) return {};
  // Read now: where it follows the durable end, this sync has moved it.
  const Offset high_watermark = state.published.read().ends.high_watermark;
  ONCELOG_TRY(save_recovery_point(state, now, high_watermark));
  state.recovery_point.store(now.reopen_end.value());
  state.flushed_bytes.store(now.appended_bytes);
  state.last_flush_ms.store(state.environment.clock.now().value());
  return {};
}

}  // namespace

Result<void> sync_log(LogState& state, SyncScope scope, Offset needed) {
  auto synced = sync_and_note(state, scope, needed);
  tell_durable(state, state.poison.check());
  return synced;
}

namespace {

/// Whom the last sync was for come back at once, as a rule, and a sync for each half of them costs
/// all more than a short wait. It ends when nobody comes for a quarter of a sync, and after a
/// whole one.
void await_last_group(const LogState& state) {
  using Clock = std::chrono::steady_clock;
  const std::int64_t awaited = state.synced_arrivals + state.last_group;
  std::int64_t seen = state.sync_arrivals.load();
  constexpr std::chrono::nanoseconds kSyncTimeMax = std::chrono::milliseconds(50);
  const auto sync_time = std::min(state.last_sync_time, kSyncTimeMax);  // a stall is no measure
  const Clock::time_point begin = Clock::now();
  Clock::time_point came = begin;
  Clock::time_point now = begin;
  while (seen < awaited && now - came < sync_time / 4 && now - begin < sync_time) {
    std::this_thread::yield();
    now = Clock::now();
    const std::int64_t arrivals = state.sync_arrivals.load();
    if (arrivals > seen) came = now;
    seen = arrivals;
  }
}

/// One sync for all who wait. By the thread that has set is_syncing, without any lock.
Result<void> sync_group(LogState& state, Offset needed) {
  await_last_group(state);
  const std::int64_t arrivals = state.sync_arrivals.load();
  state.last_group = arrivals - state.synced_arrivals;
  state.synced_arrivals = arrivals;
  const auto begin = std::chrono::steady_clock::now();
  auto synced = sync_and_note(state, SyncScope::kLog, needed);
  state.last_sync_time = std::chrono::steady_clock::now() - begin;
  return synced;
}

}  // namespace

Result<void> sync_with_others(LogState& state, Offset needed, std::optional<Deadline> deadline) {
  const auto is_durable = [&] { return Offset(state.durable_end.load()) >= needed; };
  state.sync_arrivals.fetch_add(1);
  std::unique_lock lock(state.sync_mutex);
  while (!is_durable()) {
    if (!state.is_syncing) {
      state.is_syncing = true;
      lock.unlock();
      auto synced = sync_group(state, needed);
      lock.lock();
      state.is_syncing = false;
      state.sync_ended.notify_all();
      lock.unlock();
      tell_durable(state, state.poison.check());
      ONCELOG_TRY(synced);
      if (is_durable()) return {};
      return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "offset ", needed, " is above the durable end ",
                  state.durable_end.load(), ": the log was truncated meanwhile");
    }
    if (!deadline) {
      state.sync_ended.wait(lock);
    } else if (state.sync_ended.wait_until(lock, *deadline) == std::cv_status::timeout &&
               !is_durable()) {
      return fail(ErrorCode::DEADLINE_EXCEEDED, "wait_durable: offset ", needed,
                  " is not on stable storage yet, the durable end is ", state.durable_end.load());
    }
  }
  return {};
}

void tell_durable(LogState& state, const Result<void>& outcome) {
  std::multimap<Offset, DurableCallback> due;
  const Offset durable_end(state.durable_end.load());
  {
    const std::scoped_lock lock(state.sync_mutex);
    auto& waiting = state.told_when_durable;
    const auto end = outcome ? waiting.upper_bound(durable_end) : waiting.end();
    while (waiting.begin() != end) due.insert(waiting.extract(waiting.begin()));
  }
  for (const auto& [offset, told] : due) told(offset <= durable_end ? Result<void>{} : outcome);
}

namespace {

/// Requires writer_mutex.
Result<void> roll_active(LogState& state) {
  ONCELOG_TRY(drain_ring(state));
  ONCELOG_TRY_ASSIGN(const auto next, create_segment(state, state.offsets.log_end()));
  auto view = make_view(state, next, state.epochs.entries());
  reserve_roll(state);
  auto open_transactions = open_transactions_at_end(state);

  apply_roll(state, next, std::move(open_transactions));
  state.view.publish(std::move(view));
  publish_ends(state);
  return {};
}

}  // namespace

Result<void> roll_log(LogState& state) {
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    if (state.active()->bytes() == 0) return {};
    ONCELOG_TRY(roll_active(state));
  }
  return sync_log(state, SyncScope::kRecoveryPoint, Offset(0));
}

Result<bool> roll_if_aged(LogState& state, Timestamp now) {
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    const auto aged_at = state.active()->aged_at();
    if (!aged_at || now < *aged_at) return false;
    ONCELOG_TRY(roll_active(state));
  }
  ONCELOG_TRY(sync_log(state, SyncScope::kRecoveryPoint, Offset(0)));
  return true;
}

}  // namespace log

using log::LogState;

Result<Offset> PartitionLog::flush() {
  const log::TellsEnds tells(*state_);
  ONCELOG_TRY(log::sync_log(*state_, log::SyncScope::kRecoveryPoint, Offset(0)));
  return Offset(state_->recovery_point.load());
}

Result<void> PartitionLog::drain() {
  const std::scoped_lock lock(state_->writer_mutex);
  if (state_->active()->is_drained()) return {};
  ONCELOG_TRY(log::check_writable(*state_));
  return log::drain_ring(*state_);
}

Result<void> PartitionLog::wait_durable(Offset offset, std::optional<Deadline> deadline) {
  const log::TellsEnds tells(*state_);
  if (state_->is_closed_for_readers.load()) {
    return fail(ErrorCode::MISUSE, state_->directory, ": the log is closed");
  }
  if (Offset(state_->durable_end.load()) >= offset) return {};
  const Offset end = state_->published.read().ends.log_end;
  if (offset > end) {
    return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "wait_durable: offset ", offset,
                " is above the log end ", end);
  }
  return log::sync_with_others(*state_, offset, deadline);
}

void PartitionLog::when_durable(Offset offset, DurableCallback told) {
  LogState& state = *state_;
  {
    const std::scoped_lock lock(state.sync_mutex);
    state.told_when_durable.emplace(offset, std::move(told));
  }
  if (state.is_closed_for_readers.load()) {
    return log::tell_durable(state,
                             fail(ErrorCode::MISUSE, state.directory, ": the log is closed"));
  }
  log::tell_durable(state, state.poison.check());
}

Result<void> PartitionLog::roll() {
  const log::TellsEnds tells(*state_);
  ONCELOG_TRY(log::roll_log(*state_));
  log::maintain_if_due(*state_, true);
  return {};
}

}  // namespace oncelog
