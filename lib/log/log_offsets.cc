#include "log/log_offsets.h"

#include <algorithm>

#include "base/assert.h"

namespace oncelog::log {

LogOffsets::LogOffsets(Offset log_start, Offset log_end)
    : log_start_(log_start),
      last_stable_offset_(log_start),
      high_watermark_(log_start),
      log_end_(log_end) {
  check();
}

void LogOffsets::check() const {
  ONCELOG_ASSERT(log_start_ >= Offset(0), log_start_);
  ONCELOG_ASSERT(log_start_ <= last_stable_offset_, log_start_, last_stable_offset_);
  ONCELOG_ASSERT(last_stable_offset_ <= high_watermark_, last_stable_offset_, high_watermark_);
  ONCELOG_ASSERT(high_watermark_ <= log_end_, high_watermark_, log_end_);
}

void LogOffsets::advance_log_end(Offset to) {
  ONCELOG_ASSERT(to >= log_end_, to, log_end_);
  log_end_ = to;
}

void LogOffsets::set_high_watermark(Offset to) {
  high_watermark_ = std::clamp(to, log_start_, log_end_);
  last_stable_offset_ = std::min(last_stable_offset_, high_watermark_);
  check();
}

void LogOffsets::raise_log_start(Offset to) {
  ONCELOG_ASSERT(to >= log_start_ && to <= high_watermark_, log_start_, to, high_watermark_);
  log_start_ = to;
  last_stable_offset_ = std::max(last_stable_offset_, to);
  check();
}

void LogOffsets::truncate(Offset to) {
  ONCELOG_ASSERT(to <= log_end_, to, log_end_);
  log_end_ = to;
  log_start_ = std::min(log_start_, to);
  high_watermark_ = std::min(high_watermark_, to);
  last_stable_offset_ = std::min(last_stable_offset_, to);
  check();
}

void LogOffsets::set_first_unstable(std::optional<Offset> first_unstable) {
  last_stable_offset_ = high_watermark_;
  if (first_unstable && *first_unstable < high_watermark_) {
    last_stable_offset_ = std::max(*first_unstable, log_start_);
  }
  check();
}

void PublishedOffsets::publish(const Positioned& now) {
  const std::uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  // Release: whoever sees a new field sees the odd version before it.
  log_start_.store(now.ends.log_start.value(), std::memory_order_release);
  last_stable_offset_.store(now.ends.last_stable_offset.value(), std::memory_order_release);
  high_watermark_.store(now.ends.high_watermark.value(), std::memory_order_release);
  log_end_.store(now.ends.log_end.value(), std::memory_order_release);
  end_segment_base_.store(now.end_segment_base.value(), std::memory_order_release);
  end_position_.store(now.end_position, std::memory_order_release);
  version_.store(version + 2, std::memory_order_release);
}

Positioned PublishedOffsets::read() const {
  while (true) {
    const std::uint64_t before = version_.load(std::memory_order_acquire);
    Positioned now;
    now.ends.log_start = Offset(log_start_.load(std::memory_order_acquire));
    now.ends.last_stable_offset = Offset(last_stable_offset_.load(std::memory_order_acquire));
    now.ends.high_watermark = Offset(high_watermark_.load(std::memory_order_acquire));
    now.ends.log_end = Offset(log_end_.load(std::memory_order_acquire));
    now.end_segment_base = Offset(end_segment_base_.load(std::memory_order_acquire));
    now.end_position = end_position_.load(std::memory_order_acquire);
    // Acquire above: this load cannot come before them.
    if (before % 2 == 0 && version_.load(std::memory_order_relaxed) == before) return now;
  }
}

}  // namespace oncelog::log
