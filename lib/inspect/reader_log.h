// reader_log.h: what a PartitionReader knows of a partition, and how it keeps up with it.
//
// Invariant: known segments are the first ones of the directory, without a gap; the log ends where
// the last valid batch of the last known one does. What is known never mixes two histories: if the
// files do not continue what was read, everything is read anew.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inspect/batch_replay.h"
#include "inspect/reader_segment.h"
#include "inspect/segment_list.h"
#include "oncelog/inspect.h"
#include "oncelog/partition_log.h"

namespace oncelog::inspect {

class ReaderLog {
 public:
  ReaderLog(Vfs& vfs, std::string directory) : vfs_(vfs), directory_(std::move(directory)) {}

  /// After an error nothing has been unlearnt; the next refresh goes on.
  Result<void> refresh();

  [[nodiscard]] const LogEnds& ends() const { return ends_; }
  /// As PartitionReader says.
  [[nodiscard]] Result<std::optional<Problem>> damage_at_end() const;
  [[nodiscard]] const std::vector<ReaderSegment>& segments() const { return known_.segments; }
  [[nodiscard]] const BatchReplay& replay() const { return *known_.replay; }
  /// Epochs of the batches, and those behind them that the partition's file knows.
  [[nodiscard]] const std::vector<LeaderEpochStart>& epochs() const { return epochs_; }
  /// Index of the segment with the greatest base at or below `offset`; the first if there is none.
  [[nodiscard]] std::size_t segment_index(Offset offset) const;
  /// Offset behind the last one that the segment may hold.
  [[nodiscard]] Offset end_of_segment(std::size_t index) const;

 private:
  struct Known {
    std::vector<ReaderSegment> segments{};
    std::unique_ptr<BatchReplay> replay = std::make_unique<BatchReplay>();
    Offset log_end{};
  };

  /// Drops segments that retention has removed; false if the files are not a continuation.
  Result<bool> drop_removed(const std::vector<SegmentName>& listed);
  Result<std::optional<Problem>> look_behind_end() const;
  Result<void> read_new(Known& known, const std::vector<SegmentName>& listed);
  /// Whether the segment is read to its end.
  static Result<bool> read_segment(Known& known, ReaderSegment& segment, bool is_last);
  void update_ends();
  void update_epochs();

  Vfs& vfs_;
  std::string directory_;
  Known known_;
  LogEnds ends_{};
  std::vector<LeaderEpochStart> epochs_;
};

}  // namespace oncelog::inspect
