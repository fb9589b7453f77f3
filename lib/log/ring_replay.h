// ring_replay.h: the append ring at an open: what a process that died has left in it, and the new
// one.
#pragma once

#include <vector>

#include "log/log_state.h"

namespace oncelog::log {

/// Whether the ring's batches may belong to this log.
enum class RingTrust : std::uint8_t {
  kOwn,    ///< the last end was not clean, and nobody else has written since
  kNobody  ///< nothing of it is news
};

/// Writes the batches that only the ring holds to where they belong in the last segment, synced,
/// and removes the ring, durably. Nothing below the recovery point is written: what is missing
/// there was on stable storage once. Another crash anywhere in here changes nothing for the next
/// open.
Result<void> replay_ring(LogState& state, const std::vector<Offset>& bases, Offset recovery_point,
                         RingTrust trust);

/// A ring for the appends of a log whose level is `written`: the others wait for a sync anyway.
Result<void> use_ring(LogState& state);

}  // namespace oncelog::log
