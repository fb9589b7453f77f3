#include "following.h"

#include "signals.h"

namespace oncelog::cli {

namespace {

constexpr std::chrono::milliseconds kPollInterval{5};

}  // namespace

bool Following::wait() {
  output_.flush();
  const auto idle = std::chrono::steady_clock::now() - last_progress_;
  if (idle_ms_ >= 0 && idle >= std::chrono::milliseconds(idle_ms_)) return false;
  sleep_interruptibly(kPollInterval);
  return !stop_requested() && output_.is_open();
}

}  // namespace oncelog::cli
