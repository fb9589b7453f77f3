// compaction_pace.h: how fast a compaction reads, how far it is, and whether it is to end.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "oncelog/partition_log.h"

namespace oncelog::log {

/// Told of every batch. Not thread-safe.
class CompactionPace {
 public:
  CompactionPace(const CompactionOptions& options, const std::atomic<bool>& is_to_end)
      : options_(options), is_to_end_(is_to_end) {}

  void expect(std::int64_t bytes) { progress_.bytes_total += bytes; }
  void add(std::int64_t bytes) {
    progress_.bytes_done += bytes;
    if (progress_.bytes_done - told_bytes_ < kTellBytes) return;
    told_bytes_ = progress_.bytes_done;
    if (options_.on_progress && !options_.on_progress(progress_)) is_refused_ = true;
    wait_for_turn();
  }
  /// Somebody wants the round to end.
  [[nodiscard]] bool is_to_end() const { return is_refused_ || is_to_end_.load(); }

 private:
  static constexpr std::int64_t kTellBytes = 1 << 20;
  using SteadyClock = std::chrono::steady_clock;

  void wait_for_turn() const {
    if (options_.bytes_per_second_max == kUnlimited) return;
    const double bytes_per_second =
        static_cast<double>(std::max<std::int64_t>(1, options_.bytes_per_second_max));
    const std::chrono::duration<double> due(static_cast<double>(progress_.bytes_done) /
                                            bytes_per_second);
    // In short steps: a close waits for the round.
    while (!is_to_end() && SteadyClock::now() - begin_ < due) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  const CompactionOptions& options_;
  const std::atomic<bool>& is_to_end_;
  const SteadyClock::time_point begin_ = SteadyClock::now();
  CompactionProgress progress_{};
  std::int64_t told_bytes_ = 0;
  bool is_refused_ = false;
};

}  // namespace oncelog::log
