#include "log/retention_plan.h"

namespace oncelog::log {

namespace {

using segment::Segment;

class Planner {
 public:
  Planner(const LogState& state, std::span<const std::shared_ptr<Segment>> segments,
          const LogEnds& ends)
      : state_(state), config_(state.config.read()), segments_(segments), ends_(ends) {}

  Result<RetentionPlan> run(Timestamp now) {
    for (; may_go() && is_below_log_start(); go()) ++plan_.below_log_start;
    if (!config_.cleanup_delete) return plan_;
    pass_size();
    ONCELOG_TRY(pass_time(now));
    return plan_;
  }

 private:
  /// 19.2, for the next segment in turn.
  [[nodiscard]] bool may_go() const {
    if (count_ == segments_.size()) return false;
    const bool is_active = count_ + 1 == segments_.size();
    const Offset upper = is_active ? ends_.log_end : segments_[count_ + 1]->base_offset();
    return upper <= ends_.high_watermark && !(is_active && segments_[count_]->bytes() == 0);
  }

  void go() {
    plan_.bytes += segments_[count_]->bytes();
    ++count_;
  }

  [[nodiscard]] bool is_below_log_start() const {
    return count_ + 1 < segments_.size() && segments_[count_ + 1]->base_offset() <= ends_.log_start;
  }

  void pass_size() {
    if (config_.retention_bytes < 0) return;
    std::int64_t excess = -config_.retention_bytes;
    for (std::size_t i = count_; i < segments_.size(); ++i) excess += segments_[i]->bytes();
    for (; may_go() && excess >= segments_[count_]->bytes(); go()) {
      excess -= segments_[count_]->bytes();
      ++plan_.by_size;
    }
  }

  Result<void> pass_time(Timestamp now) {
    if (config_.retention_ms < 0) return {};
    for (; may_go(); go()) {
      ONCELOG_TRY_ASSIGN(const Timestamp largest, largest_timestamp(state_, *segments_[count_]));
      if (largest >= now || now - largest <= config_.retention_ms) break;
      // No overflow: it lies below `now`.
      if (!plan_.due_since) plan_.due_since = largest + config_.retention_ms + 1;
      ++plan_.by_time;
    }
    return {};
  }

  const LogState& state_;
  const TopicConfig config_;
  const std::span<const std::shared_ptr<Segment>> segments_;
  const LogEnds ends_;
  std::size_t count_ = 0;
  RetentionPlan plan_;
};

}  // namespace

Result<RetentionPlan> plan_retention(const LogState& state,
                                     std::span<const std::shared_ptr<Segment>> segments,
                                     const LogEnds& ends, Timestamp now) {
  return Planner(state, segments, ends).run(now);
}

}  // namespace oncelog::log
