#include "following.h"

#include <algorithm>

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

bool Following::is_another_second_silent() {
  const auto now = std::chrono::steady_clock::now();
  if (now - std::max(last_progress_, last_silence_) < std::chrono::seconds(1)) return false;
  last_silence_ = now;
  return true;
}

}  // namespace oncelog::cli
