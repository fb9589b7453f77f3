// partition_offsets.h: where the ends of a partition are, and what holds its last stable offset
// back, for who goes through its batches anyway.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "inspect/batch_stream.h"
#include "inspect/problem_list.h"
#include "inspect/segment_list.h"
#include "inspect/transaction_list.h"
#include "oncelog/inspect_transactions.h"

namespace oncelog::inspect {

/// Reads the checkpoint files when it is made: it must be made in front of the batches. Fed all of
/// them, in order. Memory grows with producers only. Not thread-safe.
class OffsetsSurvey {
 public:
  OffsetsSurvey(Vfs& vfs, const std::string& directory);

  /// The transaction that the batch ends, if it is a marker.
  std::optional<ListedTransaction> add(const ScannedBatch& found);
  /// By first offset, as far as the batches have come.
  [[nodiscard]] std::vector<ListedTransaction> open() const { return transactions_.open(); }
  /// What finish() answers with the offsets; damage is added by who meets it.
  [[nodiscard]] ProblemList& problems() { return problems_; }

  struct Ends {
    Offset first_segment{};
    Offset log_end{};
  };
  [[nodiscard]] PartitionOffsets finish(const Ends& ends) &&;

 private:
  void read_checkpoints();
  void take_unreplicated(const ListedTransaction& transaction);
  void set_ends();
  void check_checkpoints();
  void find_bound();

  Vfs& vfs_;
  const PartitionPlace place_;
  ProblemList problems_;
  TransactionList transactions_;
  std::optional<ListedTransaction> unreplicated_{};  ///< the earliest one
  PartitionOffsets offsets_;
};

}  // namespace oncelog::inspect
