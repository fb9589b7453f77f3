#include "signals.h"

#include <csignal>
#include <ctime>

namespace oncelog::cli {

namespace {

volatile std::sig_atomic_t stop_signal = 0;

extern "C" void remember_stop(int signal) { stop_signal = signal; }

}  // namespace

void watch_stop_signals() {
  struct sigaction action{};
  action.sa_handler = remember_stop;  // without SA_RESTART: a blocking read returns
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return stop_signal != 0; }

void sleep_interruptibly(std::chrono::microseconds duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  const auto rest = std::chrono::nanoseconds(duration - seconds);
  const std::timespec wanted = {static_cast<std::time_t>(seconds.count()),
                                static_cast<long>(rest.count())};
  nanosleep(&wanted, nullptr);
}

}  // namespace oncelog::cli
