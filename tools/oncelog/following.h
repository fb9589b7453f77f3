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

 private:
  Output& output_;
  const std::int64_t idle_ms_;
  std::chrono::steady_clock::time_point last_progress_ = std::chrono::steady_clock::now();
};

}  // namespace oncelog::cli
