// ends_teller.h: one callback that is told when the ends of a log have moved.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "oncelog/partition_log.h"

namespace oncelog::log {

struct LogState;

/// Invariant: calls come one at a time, each with other ends than the one before; once nobody moves
///   the ends any more, the last call has had the last ones.
/// Thread-safe. No lock is held during a call.
class EndsTeller {
 public:
  explicit EndsTeller(EndsCallback told) : told_(std::move(told)) {}

  /// From now on movements from these ends on are told; before, none are.
  void begin(const LogEnds& known);
  /// By who has moved an end, behind that and without a lock. If a call is under way, who makes it
  /// looks again.
  void tell(const LogState& state);
  /// No call begins any more.
  void end() noexcept;
  /// As end(), and waits for the call that is under way, unless this is called out of it.
  void end_and_wait() noexcept;
  [[nodiscard]] bool has_ended() const;

 private:
  const EndsCallback told_;
  mutable std::mutex mutex_;
  std::condition_variable call_ended_;
  // ---- mutex_
  std::optional<LogEnds> known_{};
  std::optional<std::thread::id> calling_{};  ///< by which thread, if one is
  bool has_ended_ = false;
};

}  // namespace oncelog::log
