// maintenance.h: work that an append or a roll has made due and that needs no lock of an appender.
#pragma once

#include "log/log_state.h"

namespace oncelog::log {

/// Saves producers and seals segments, as far as either is due and no other verb of maintenance is
/// under way; or leaves that to the store's thread. A failure costs nothing but a longer open, and
/// is tried again.
void maintain_if_due(LogState& state, bool has_rolled);

/// Wakes the store's thread for this log, if there is one; false if there is none, or if it has
/// fallen so far behind that whoever makes more work must do it. Without locks.
bool leave_to_thread(LogState& state);

}  // namespace oncelog::log
