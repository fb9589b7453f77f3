// segment_swap.h: a segment that a compaction has built takes the place of those that it was built
// from.
#pragma once

#include <memory>
#include <span>

#include "compaction/cleaned_segment.h"
#include "log/log_state.h"

namespace oncelog::log {

struct SegmentSwap {
  std::span<const std::shared_ptr<segment::Segment>> going{};  ///< one behind the other
  const compaction::CleanedSegment& cleaned;
  const segment::SegmentContents& contents;
  /// Base of the first segment that the whole round leaves alone: checkpoints of producers that
  /// hold all below it can do without what goes.
  Offset round_end{};
};

enum class SwapOutcome : std::uint8_t {
  kSwapped,
  kOutOfDate,  ///< the segments were cut or removed meanwhile: nothing was changed
};

/// Takes maintenance, file and writer locks; the writer lock for moments only. On an error that
/// does not poison nothing was changed.
Result<SwapOutcome> swap_segments(LogState& state, const SegmentSwap& swap);

}  // namespace oncelog::log
