// counter.h: numbers that one thread at a time moves and any thread reads, for metrics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "oncelog/metrics.h"

namespace oncelog::base {

/// Moved under one lock, or by one thread: a plain load and store, no locked instruction.
class Counter {
 public:
  void add(std::int64_t count) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Moved by any thread.
class SharedCounter {
 public:
  void add(std::int64_t count) noexcept { value_.fetch_add(count, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// As Counter; what is read while one is added may have its bucket and not yet its time.
class DurationCounter {
 public:
  void add(std::chrono::nanoseconds time) noexcept {
    counts_[DurationHistogram::bucket_of(time)].add(1);
    sum_ns_.add(time.count());
  }
  [[nodiscard]] DurationHistogram get() const noexcept {
    DurationHistogram histogram;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      histogram.counts[i] = counts_[i].get();
    }
    histogram.sum = std::chrono::nanoseconds(sum_ns_.get());
    return histogram;
  }

 private:
  std::array<Counter, DurationHistogram::kBucketCount> counts_{};
  Counter sum_ns_;
};

/// Adds the time of its life.
class Stopwatch {
 public:
  explicit Stopwatch(DurationCounter& counter) : counter_(counter) {}
  ~Stopwatch() { counter_.add(std::chrono::steady_clock::now() - begin_); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  DurationCounter& counter_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace oncelog::base
