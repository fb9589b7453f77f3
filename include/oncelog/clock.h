// clock.h: the seam to time.
#pragma once

#include <atomic>

#include "oncelog/types.h"

namespace oncelog {

/// Wall-clock time. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
};

/// The system's clock.
[[nodiscard]] Clock& system_clock();

/// A clock that moves only when told: for tests, simulations and the shell.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start) : now_ms_(start.value()) {}

  [[nodiscard]] Timestamp now() const override { return Timestamp(now_ms_.load()); }
  void set(Timestamp now) { now_ms_.store(now.value()); }

 private:
  std::atomic<std::int64_t> now_ms_;
};

}  // namespace oncelog
