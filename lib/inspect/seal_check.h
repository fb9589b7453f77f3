// seal_check.h: a `.log` against its seal: damage in what the batches' own CRCs leave out.
#pragma once

#include "base/hash.h"
#include "inspect/problem_list.h"
#include "inspect/segment_list.h"
#include "oncelog/record.h"
#include "segment/seal.h"

namespace oncelog::inspect {

/// Fed the batches of one segment in order.
class SealCheck {
 public:
  /// A seal that cannot be read is a problem; none at all is not, nor one of a file that somebody
  /// has appended to or cut since, as Kafka may have. `is_last`: the last segment.
  static Result<SealCheck> open(Vfs& vfs, const SegmentName& name, bool is_last,
                                ProblemList& problems);

  void add_batch(const RecordBatchView& batch) {
    if (speaks_) hasher_.add(batch.bytes());
  }
  /// Where the file is otherwise sound; else its damage has been named already.
  void finish(const SegmentName& name, ProblemList& problems) const;

 private:
  bool speaks_ = false;  ///< there is a seal, and of this file
  base::Hash128 expected_{};
  Offset begin_{};
  Offset end_{};
  base::Hasher128 hasher_;
};

}  // namespace oncelog::inspect
