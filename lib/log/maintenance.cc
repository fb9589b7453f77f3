#include "log/maintenance.h"

#include "log/producer_checkpoint.h"
#include "log/seals.h"

namespace oncelog::log {

namespace {

/// The bounds of what an open has to read hold with a thread, too, twice as far.
bool is_overdue(const LogState& state) {
  const StoreOptions& options = state.environment.store;
  const std::int64_t appended = state.appended_bytes.load();
  if (appended - state.flushed_bytes.load() >= 2 * options.recovery_point_interval_bytes) {
    return true;
  }
  if (!state.keeps_checkpoints) return false;
  const std::int64_t records =
      state.published.read().ends.log_end.value() - state.saved_records.load();
  return appended - state.saved_bytes.load() >= 2 * options.checkpoint_interval_bytes ||
         records >= 2 * options.checkpoint_interval_records ||
         state.changed_producer_bytes.load() >= options.producer_cache_bytes;
}

}  // namespace

bool leave_to_thread(LogState& state) {
  MaintenanceWaker* const waker = state.environment.waker;
  if (waker == nullptr || is_overdue(state)) return false;
  if (!state.has_woken.load() && !state.has_woken.exchange(true)) waker->wake(state.name);
  return true;
}

void maintain_if_due(LogState& state, bool has_rolled) {
  const auto& open_files = state.environment.open_files;
  // Behind a sync what this log has open can be closed for others.
  if (open_files && open_files->is_over()) {
    std::ignore = sync_log(state, SyncScope::kLog, state.published.read().ends.log_end);
  }
  if (!has_rolled && !is_checkpoint_due(state, has_rolled)) return;
  if (leave_to_thread(state)) return;
  const std::unique_lock maintenance(state.maintenance_mutex, std::try_to_lock);
  if (!maintenance.owns_lock()) return;
  if (is_checkpoint_due(state, has_rolled)) std::ignore = checkpoint_producers(state);
  if (has_rolled) std::ignore = seal_closed_segments(state);
}

}  // namespace oncelog::log
