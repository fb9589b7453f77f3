// expiry.cc: producers that have been silent for too long are forgotten (semantics 5.10): by time
// only, never because their data has gone.
//
// Crash: nothing is written here; the next checkpoint makes it persistent.
#include <algorithm>
#include <iterator>

#include "log/producer_checkpoint.h"
#include "oncelog/clock.h"

namespace oncelog {

namespace log {

namespace {

/// The last timestamp that is old enough, or nothing if none can be.
std::optional<Timestamp> newest_expired(Timestamp now, std::int64_t expiration_ms) {
  std::int64_t until = 0;
  if (__builtin_sub_overflow(now.value(), expiration_ms, &until)) return std::nullopt;
  return Timestamp(until);
}

/// Requires maintenance_mutex, so that nothing is being saved.
Result<std::vector<ProducerId>> expire(LogState& state) {
  const auto until =
      newest_expired(state.environment.clock.now(), state.options.config.producer_id_expiration_ms);
  if (!until) return std::vector<ProducerId>{};
  std::vector<ProducerId> stored;
  if (state.snapshots && state.saved_at) {
    ONCELOG_TRY_ASSIGN(stored, state.snapshots->find_older(*state.saved_at, *until));
  }
  const std::scoped_lock lock(state.writer_mutex);
  ONCELOG_TRY(check_writable(state));
  const auto changed = state.producers.changed();
  // What the checkpoint says of a producer that has changed since is old news.
  std::vector<ProducerId> expired;
  std::ranges::copy_if(stored, std::back_inserter(expired),
                       [&](ProducerId id) { return !changed.contains(id); });
  for (const auto& [id, slot] : changed) {
    const bool is_old = slot && !slot->transaction_first_offset && slot->last_timestamp <= *until;
    if (is_old) expired.push_back(id);
  }
  std::ranges::sort(expired);
  for (const ProducerId id : expired) state.producers.forget(id);
  state.metrics.expired_producers.add(std::ssize(expired));
  state.changed_producer_bytes.store(state.producers.changed_bytes());
  return expired;
}

}  // namespace

}  // namespace log

Result<std::vector<ProducerId>> PartitionLog::expire_producers() {
  const std::scoped_lock maintenance(state_->maintenance_mutex);
  return log::expire(*state_);
}

}  // namespace oncelog
