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

/// What the checkpoint says. Requires maintenance_mutex.
Result<std::vector<ProducerId>> find_stored(const LogState& state, Timestamp until) {
  if (!state.snapshots || !state.saved_at) return std::vector<ProducerId>{};
  return state.snapshots->find_older(*state.saved_at, until);
}

/// Those of `stored` that have not changed since, and those that have changed and are old enough;
/// ascending. Requires writer_mutex.
std::vector<ProducerId> merge_expired(const LogState& state, const std::vector<ProducerId>& stored,
                                      Timestamp until) {
  const auto changed = state.producers.changed();
  // What the checkpoint says of a producer that has changed since is old news.
  std::vector<ProducerId> expired;
  std::ranges::copy_if(stored, std::back_inserter(expired),
                       [&](ProducerId id) { return !changed.contains(id); });
  for (const auto& [id, slot] : changed) {
    const bool is_old = slot && !slot->transaction_first_offset && slot->last_timestamp <= until;
    if (is_old) expired.push_back(id);
  }
  std::ranges::sort(expired);
  return expired;
}

std::optional<Timestamp> newest_expired(const LogState& state, Timestamp now) {
  return newest_expired(now, state.config.read().producer_id_expiration_ms);
}

/// Requires maintenance_mutex, so that nothing is being saved.
Result<std::vector<ProducerId>> expire(LogState& state) {
  const auto until = newest_expired(state, state.environment.clock.now());
  if (!until) return std::vector<ProducerId>{};
  ONCELOG_TRY_ASSIGN(const std::vector<ProducerId> stored, find_stored(state, *until));
  const std::scoped_lock lock(state.writer_mutex);
  ONCELOG_TRY(check_writable(state));
  std::vector<ProducerId> expired = merge_expired(state, stored, *until);
  for (const ProducerId id : expired) state.producers.forget(id);
  state.metrics.expired_producers.add(std::ssize(expired));
  state.changed_producer_bytes.store(state.producers.changed_bytes());
  return expired;
}

}  // namespace

Result<std::int64_t> count_expired(const LogState& state, Timestamp now) {
  const auto until = newest_expired(state, now);
  if (!until) return 0;
  ONCELOG_TRY_ASSIGN(const std::vector<ProducerId> stored, find_stored(state, *until));
  const std::scoped_lock lock(state.writer_mutex);
  return std::ssize(merge_expired(state, stored, *until));
}

}  // namespace log

Result<std::vector<ProducerId>> PartitionLog::expire_producers() {
  const std::scoped_lock maintenance(state_->maintenance_mutex);
  return log::expire(*state_);
}

}  // namespace oncelog
