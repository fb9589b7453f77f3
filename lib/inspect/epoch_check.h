// epoch_check.h: the leader epochs of a partition's file, compared with those of its batches.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inspect/problem_list.h"
#include "oncelog/inspect.h"
#include "oncelog/io.h"
#include "oncelog/partition_log.h"

namespace oncelog::inspect {

/// Fed the batches of a partition in order.
class EpochCheck {
 public:
  /// A file that cannot be read, or whose entries do not ascend, is a problem; batches are not
  /// compared with it then. Epochs that begin at or above `lags_from` may not be in the file yet.
  EpochCheck(Vfs& vfs, const std::string& directory, std::optional<Offset> lags_from,
             ProblemList& problems);

  void add_batch(const ScannedBatch& found);
  void finish(Offset log_end);
  /// As the file has them.
  [[nodiscard]] const std::vector<LeaderEpochStart>& entries() const { return entries_; }

 private:
  ProblemList& problems_;
  std::string path_;
  Offset log_start_{};
  std::optional<Offset> lags_from_;
  std::vector<LeaderEpochStart> entries_;
  bool is_usable_ = false;
  std::optional<std::pair<LeaderEpoch, LeaderEpoch>> wrong_before_{};  ///< seen, and in force
};

}  // namespace oncelog::inspect
