// threads.h: threads that a caller asked for, for the time of one call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace oncelog::base {

/// At least 1; 0: as many as the machine runs at once.
[[nodiscard]] inline int threads_wanted(int count) {
  if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(count, 1);
}

/// As many as the system gives, which may be none: whoever asks can do the work without.
template <class Work>
std::vector<std::thread> start_threads(std::size_t count, const Work& work) {
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    while (threads.size() < count) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // Those that there are do it all.
  }
  return threads;
}

}  // namespace oncelog::base
