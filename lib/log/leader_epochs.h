// leader_epochs.h: leader epoch -> first offset (semantics 14). Values only; the log keeps the
// file.
#pragma once

#include <optional>
#include <vector>

#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog::log {

/// Invariant: epochs and start offsets strictly increase.
class LeaderEpochs {
 public:
  LeaderEpochs() = default;
  explicit LeaderEpochs(const std::vector<LeaderEpochStart>& stored);

  [[nodiscard]] const std::vector<LeaderEpochStart>& entries() const { return entries_; }
  [[nodiscard]] LeaderEpoch latest() const;
  /// Whether assign(epoch, start) would change anything.
  [[nodiscard]] bool is_new(LeaderEpoch epoch, Offset start) const;
  /// 14.2; an older epoch erases newer entries.
  void assign(LeaderEpoch epoch, Offset start);
  /// Drops entries with a start at or above `end` (14.6).
  void truncate_from_end(Offset end);
  /// Drops entries below `start`, but lets the epoch in force there begin at `start` (14.6).
  void truncate_from_start(Offset start);
  /// 14.4.
  [[nodiscard]] LeaderEpochEnd end_of(LeaderEpoch epoch, Offset log_end) const;
  /// Epoch in force at an offset, or −1 (14.5).
  [[nodiscard]] LeaderEpoch epoch_at(Offset offset) const;

 private:
  std::vector<LeaderEpochStart> entries_;
};

/// The same over entries that somebody else owns.
[[nodiscard]] LeaderEpochEnd end_of_epoch(const std::vector<LeaderEpochStart>& entries,
                                          LeaderEpoch epoch, Offset log_end);

}  // namespace oncelog::log
