// scrub.h: a scrub that somebody else may want to end.
#pragma once

#include <atomic>

#include "log/log_state.h"

namespace oncelog::log {

/// As PartitionLog::scrub; DEADLINE_EXCEEDED, between two segments, once `is_to_end` says so. Takes
/// the writer lock for short moments.
Result<ScrubReport> scrub_log(LogState& state, const std::atomic<bool>* is_to_end = nullptr);

}  // namespace oncelog::log
