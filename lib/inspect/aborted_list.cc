// aborted_list.cc: the transaction indexes of a partition beside what its batches say.
#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "inspect/batch_replay.h"
#include "inspect/batch_stream.h"
#include "inspect/txn_index_check.h"
#include "oncelog/inspect_transactions.h"
#include "segment/segment_names.h"
#include "store/checkpoint_files.h"

namespace oncelog {

namespace {

using inspect::BatchStream;
using inspect::ProblemList;
using inspect::SegmentName;

/// What the batches of a partition say of its aborted transactions.
class AbortedReplay {
 public:
  explicit AbortedReplay(Offset first_base) : end_(first_base), gaps_(first_base) {}

  Result<void> read(BatchStream& batches, ProblemList& problems) {
    const auto add = [this](const SegmentName& segment, const ScannedBatch& found) {
      if (!found.damage.empty()) return true;  // its offset goes back
      const RecordBatchView& batch = *found.batch;
      if (batch.base_offset() > end_) gaps_.add(end_, batch.base_offset());
      replay_.apply(batch, segment.base);
      end_ = batch.next_offset();
      return true;
    };
    ONCELOG_TRY(inspect::walk_batches(batches, problems, add));
    is_whole_ = problems.is_empty();
    return {};
  }

  /// Markers of one segment. Behind damage there may have been any offsets.
  [[nodiscard]] inspect::AbortedInSegment in_segment(Offset base,
                                                     std::optional<Offset> lags_from) const {
    const auto same =
        std::ranges::equal_range(replay_.aborted(), base, {}, &AbortedTransactionEntry::segment);
    const Offset log_end = is_whole_ ? end_ : Offset(std::numeric_limits<std::int64_t>::max());
    return {std::span(same.begin(), same.end()), gaps_, log_end, is_whole_, lags_from};
  }

 private:
  inspect::BatchReplay replay_;
  Offset end_;
  inspect::OffsetGaps gaps_;
  bool is_whole_ = true;
};

}  // namespace

Result<std::vector<Problem>> list_aborted(const std::string& directory, const AbortVisitor& visit,
                                          Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  ONCELOG_TRY_ASSIGN(const auto segments, inspect::list_partition(disk, directory));
  ProblemList problems;
  AbortedReplay replay(segments.front().base);
  BatchStream batches(disk, segments);
  ONCELOG_TRY(replay.read(batches, problems));
  const auto recovery_point =
      inspect::checkpoint_entry(disk, inspect::place_of(directory), store::kRecoveryPointFile);
  for (const SegmentName& name : segments) {
    const inspect::IndexSource source{disk, inspect::sibling_path(name, segment::kTxnIndexSuffix),
                                      name.base, false};
    // An owner writes its last index behind the batches; below the recovery point it is there.
    std::optional<Offset> lags_from;
    if (name.base == segments.back().base) lags_from = recovery_point.value_or(Offset(0));
    const auto in_batches = replay.in_segment(name.base, lags_from);
    if (!compare_txn_index(source, in_batches, problems, visit)) break;
  }
  return std::move(problems).take();
}

}  // namespace oncelog
