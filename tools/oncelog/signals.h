// signals.h: SIGINT and SIGTERM as a question that loops ask between two steps.
#pragma once

#include <chrono>

namespace oncelog::cli {

/// From now on SIGINT and SIGTERM do not end the process; they interrupt reads and sleeps.
void watch_stop_signals();
[[nodiscard]] bool stop_requested();
/// Sleeps, or returns early when a signal comes.
void sleep_interruptibly(std::chrono::microseconds duration);

}  // namespace oncelog::cli
