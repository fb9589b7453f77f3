#include "log/compaction_plan.h"

#include <algorithm>
#include <limits>

#include "oncelog/clock.h"

namespace oncelog::log {

namespace {

using segment::Segment;

/// So long before, as far as time goes back.
Timestamp before(Timestamp now, std::int64_t lag_ms) {
  constexpr std::int64_t kBegin = std::numeric_limits<std::int64_t>::min();
  const std::int64_t lag = std::max<std::int64_t>(lag_ms, 0);
  return now.value() < kBegin + lag ? Timestamp(kBegin) : Timestamp(now.value() - lag);
}

class Planner {
 public:
  Planner(const LogState& state, const CompactionSubject& subject, Timestamp now)
      : state_(state),
        config_(state.config.read()),
        now_(now),
        segments_(subject.segments),
        ends_(subject.ends) {
    plan_.first_dirty = subject.cleaner_offset;
    plan_.is_cleaner_offset_wrong =
        plan_.first_dirty < ends_.log_start || plan_.first_dirty > ends_.log_end;
    if (plan_.is_cleaner_offset_wrong) plan_.first_dirty = ends_.log_start;
  }

  Result<CompactionPlan> run() {
    ONCELOG_TRY_ASSIGN(const Offset bound, find_bound());
    plan_.end = base_of(std::max(bound, plan_.first_dirty));
    std::int64_t clean_bytes = 0;
    std::int64_t& dirty_bytes = plan_.dirty_bytes;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      const Offset base = segments_[i]->base_offset();
      if (base < plan_.first_dirty) clean_bytes += segments_[i]->bytes();
      if (is_dirty(i) && base < plan_.end) dirty_bytes += segments_[i]->bytes();
    }
    if (dirty_bytes == 0) return plan_;
    plan_.dirty_ratio =
        static_cast<double>(dirty_bytes) / static_cast<double>(clean_bytes + dirty_bytes);
    plan_.overdue_since = find_overdue();
    plan_.is_due =
        plan_.dirty_ratio > config_.min_cleanable_dirty_ratio || plan_.overdue_since.has_value();
    return plan_;
  }

 private:
  [[nodiscard]] bool is_active(std::size_t index) const { return index + 1 == segments_.size(); }
  /// Whether offsets from the first dirty one on may lie in it.
  [[nodiscard]] bool is_dirty(std::size_t index) const {
    return is_active(index) || segments_[index + 1]->base_offset() > plan_.first_dirty;
  }

  /// Nothing at or behind this offset may be touched (23.1.2).
  Result<Offset> find_bound() const {
    const Offset bound = std::min(ends_.last_stable_offset, segments_.back()->base_offset());
    if (config_.min_compaction_lag_ms <= 0) return bound;
    const Timestamp until = before(now_, config_.min_compaction_lag_ms);
    for (std::size_t i = 0; !is_active(i); ++i) {
      if (!is_dirty(i)) continue;
      ONCELOG_TRY_ASSIGN(const Timestamp largest, largest_timestamp(state_, *segments_[i]));
      if (largest > until) return std::min(bound, segments_[i]->base_offset());
    }
    return bound;
  }

  /// Of the segment that holds the offset (23.1.3).
  [[nodiscard]] Offset base_of(Offset offset) const {
    const auto above = std::ranges::upper_bound(
        segments_, offset, {}, [](const auto& segment) { return segment->base_offset(); });
    return above == segments_.begin() ? segments_.front()->base_offset()
                                      : (*std::prev(above))->base_offset();
  }

  /// Since when the oldest of the dirty segments has been for too long (23.1.4).
  [[nodiscard]] std::optional<Timestamp> find_overdue() const {
    const Timestamp until = before(now_, config_.max_compaction_lag_ms);
    std::optional<Timestamp> oldest;
    for (std::size_t i = 0; !is_active(i); ++i) {
      const auto first = segments_[i]->first_batch_timestamp();
      if (!is_dirty(i) || !first || *first <= Timestamp(0) || *first >= until) continue;
      oldest = std::min(oldest.value_or(*first), *first);
    }
    if (!oldest) return std::nullopt;
    return *oldest + config_.max_compaction_lag_ms + 1;  // no overflow: it lies below `now`
  }

  const LogState& state_;
  const TopicConfig config_;
  const Timestamp now_;
  const Segments& segments_;
  const LogEnds ends_;
  CompactionPlan plan_;
};

}  // namespace

Result<CompactionPlan> plan_compaction(const LogState& state, const CompactionSubject& subject,
                                       Timestamp now) {
  return Planner(state, subject, now).run();
}

std::vector<std::span<const std::shared_ptr<Segment>>> group_segments(
    std::span<const std::shared_ptr<Segment>> segments, const TopicConfig& config, Offset end) {
  constexpr std::int64_t kRelativeOffsetMax = std::numeric_limits<std::int32_t>::max();
  std::vector<std::span<const std::shared_ptr<Segment>>> groups;
  for (std::size_t begin = 0; begin < segments.size();) {
    const Offset base = segments[begin]->base_offset();
    std::int64_t bytes = 0;
    std::int64_t offset_index_bytes = 0;
    std::int64_t time_index_bytes = 0;
    std::size_t next = begin;
    for (; next < segments.size(); ++next) {
      const Segment& one = *segments[next];
      bytes += one.bytes();
      offset_index_bytes += one.offset_index().count() * segment::kOffsetIndexEntryBytes;
      time_index_bytes += one.time_index().count() * segment::kTimeIndexEntryBytes;
      const Offset upper = next + 1 < segments.size() ? segments[next + 1]->base_offset() : end;
      const bool fits = bytes <= config.segment_bytes &&
                        offset_index_bytes <= config.segment_index_bytes &&
                        time_index_bytes <= config.segment_index_bytes &&
                        (one.bytes() == 0 || upper - base - 1 <= kRelativeOffsetMax);
      if (!fits && next > begin) break;  // one alone is always rewritten
    }
    groups.push_back(segments.subspan(begin, next - begin));
    begin = next;
  }
  return groups;
}

}  // namespace oncelog::log
