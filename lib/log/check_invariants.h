// check_invariants.h: walks the whole object; called by tests after every step.
#pragma once

#include <string>
#include <vector>

#include "log/log_state.h"

namespace oncelog::log {

/// What is not as it must be, in words. Takes the writer lock; reads the log files.
[[nodiscard]] std::vector<std::string> check_invariants(const LogState& state);

}  // namespace oncelog::log
