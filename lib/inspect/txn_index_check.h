// txn_index_check.h: the stored transaction index of a segment, compared with a replay of the log.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inspect/index_checks.h"
#include "inspect/problem_list.h"
#include "oncelog/inspect_transactions.h"
#include "oncelog/partition_log.h"

namespace oncelog::inspect {

/// Offsets that no batch of the log covers: removed in front, compacted away, or damaged.
class OffsetGaps {
 public:
  explicit OffsetGaps(Offset first_base) : first_base_(first_base) {}
  /// Gaps come in ascending order.
  void add(Offset begin, Offset end) { gaps_.emplace_back(begin, end); }
  [[nodiscard]] bool contains(Offset offset) const;

 private:
  Offset first_base_;
  std::vector<std::pair<Offset, Offset>> gaps_;
};

/// What the log says about the aborted transactions of one segment.
struct AbortedInSegment {
  std::span<const AbortedTransactionEntry> replayed{};  ///< by marker
  const OffsetGaps& gaps;
  Offset log_end{};
  bool is_history_whole = true;       ///< false behind damage: then a replay proves nothing
  std::optional<Offset> lags_from{};  ///< entries of markers there may be missing: not written yet
};

/// Formats 9. An entry must be a replayed one. It may begin before the replayed one, or have none,
/// where the batches that would show it are gone: retention and compaction keep the first offset.
/// Its last stable offset must not lie below the replayed one, unless that, too, is gone, nor above
/// it where another transaction was open.
void check_txn_index(const IndexSource& source, const AbortedInSegment& aborted,
                     ProblemList& problems);
/// The same, entry by entry; what is wrong with the file as a whole becomes a problem. False if the
/// visitor ended it.
bool compare_txn_index(const IndexSource& source, const AbortedInSegment& aborted,
                       ProblemList& problems, const AbortVisitor& visit);

}  // namespace oncelog::inspect
