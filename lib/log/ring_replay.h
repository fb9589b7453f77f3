// ring_replay.h: the append ring at an open: what a process that died has left in it, and the new
// one.
#pragma once

#include "log/log_state.h"

namespace oncelog::log {

/// Writes the batches that only the ring holds to where they belong in the last segment, synced.
/// Nothing below the recovery point is written: what is missing there was on stable storage once.
/// Another crash anywhere in here changes nothing for the next open.
Result<void> replay_ring(LogState& state, Offset last_base, Offset recovery_point);

/// Removes the ring's file, durably: back after a loss of power, it would fill up what has been cut
/// by then.
Result<void> remove_ring(const LogState& state);

/// Drains the ring and gives its room to other partitions, unless an append came after
/// `idle_since`; whether it did. Takes file_mutex and writer_mutex.
Result<bool> hand_back_ring(LogState& state, Timestamp idle_since);

/// A ring for the appends of a log whose level is `written`: the others wait for a sync anyway.
Result<void> use_ring(LogState& state);

}  // namespace oncelog::log
