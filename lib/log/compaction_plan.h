// compaction_plan.h: whether a log is due for a compaction, and which segments it takes (semantics
// 23.1, 23.3.1).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "log/log_state.h"

namespace oncelog::log {

using Segments = std::vector<std::shared_ptr<segment::Segment>>;

/// What a plan looks at, taken together.
struct CompactionSubject {
  Segments segments{};  ///< all of the log
  LogEnds ends{};
  Offset cleaner_offset{};  ///< as the checkpoint says, or the log start
};

struct CompactionPlan {
  bool is_due = false;
  bool is_cleaner_offset_wrong = false;  ///< outside of the log: it is to be written anew
  double dirty_ratio = 0;
  Offset first_dirty{};
  Offset end{};                              ///< base of the first segment that must stay as it is
  std::int64_t dirty_bytes = 0;              ///< of the segments in between
  std::optional<Timestamp> overdue_since{};  ///< by max.compaction.lag.ms
};

Result<CompactionPlan> plan_compaction(const LogState& state, const CompactionSubject& subject,
                                       Timestamp now);

/// Segments that become one each, by their sizes before the round. `end`: as in the plan.
[[nodiscard]] std::vector<std::span<const std::shared_ptr<segment::Segment>>> group_segments(
    std::span<const std::shared_ptr<segment::Segment>> segments, const TopicConfig& config,
    Offset end);

}  // namespace oncelog::log
