// sync_gate.h: syncs that do not end before a test lets them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace oncelog::test {

/// Thread-safe.
class SyncGate {
 public:
  /// While held, a sync of a file does not end.
  void hold(bool is_held) {
    const std::scoped_lock lock(mutex_);
    is_held_ = is_held;
    moved_.notify_all();
  }
  /// Syncs of files that have begun, held or not.
  [[nodiscard]] std::int64_t count() const {
    const std::scoped_lock lock(mutex_);
    return count_;
  }
  void await(std::int64_t count) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return count_ >= count; });
  }
  /// By whom a sync is asked of.
  void pass() {
    std::unique_lock lock(mutex_);
    ++count_;
    moved_.notify_all();
    moved_.wait(lock, [&] { return !is_held_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable moved_;
  bool is_held_ = false;
  std::int64_t count_ = 0;
};

}  // namespace oncelog::test
