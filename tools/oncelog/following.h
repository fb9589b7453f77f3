// following.h: waiting for what others append, until a signal, a closed output or too long a
// silence ends it.
#pragma once

#include <chrono>
#include <cstdint>

#include "render.h"

namespace oncelog::cli {

class Following {
 public:
  /// `idle_ms`: the silence that ends it; below 0 none does.
  Following(Output& output, std::int64_t idle_ms) : output_(output), idle_ms_(idle_ms) {}

  /// Something has come: the silence begins anew.
  void note_progress() { last_progress_ = std::chrono::steady_clock::now(); }
  /// Writes out what is there and lets a moment pass. False if there is nothing to wait for any
  /// more.
  [[nodiscard]] bool wait();
  /// True once for each second in which nothing has come.
  [[nodiscard]] bool is_another_second_silent();

 private:
  Output& output_;
  const std::int64_t idle_ms_;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_silence_ = last_progress_;
};

}  // namespace oncelog::cli
