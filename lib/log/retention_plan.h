// retention_plan.h: which of the oldest segments go (semantics 19.1-19.3).
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "log/log_state.h"

namespace oncelog::log {

/// Segments from the first on, by the pass that lets them go: each pass begins where the one before
/// stopped.
struct RetentionPlan {
  std::size_t below_log_start = 0;
  std::size_t by_size = 0;
  std::size_t by_time = 0;
  std::int64_t bytes = 0;                ///< of all of them
  std::optional<Timestamp> due_since{};  ///< of the first that goes by time

  [[nodiscard]] std::size_t count() const { return below_log_start + by_size + by_time; }
};

/// Under no lock: what is asked of segments any thread may ask.
Result<RetentionPlan> plan_retention(const LogState& state,
                                     std::span<const std::shared_ptr<segment::Segment>> segments,
                                     const LogEnds& ends, Timestamp now);

}  // namespace oncelog::log
