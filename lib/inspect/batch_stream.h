// batch_stream.h: the batches of a partition one after the other, over all its segments and behind
// damage, for who must be able to stop between two of them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inspect/file_scan.h"
#include "inspect/problem_list.h"
#include "inspect/segment_list.h"
#include "oncelog/inspect.h"

namespace oncelog::inspect {

class BatchStream {
 public:
  /// UNKNOWN_TOPIC_OR_PARTITION if the directory holds no segment.
  static Result<BatchStream> open(Vfs& vfs, const std::string& directory);
  /// Goes through these segments only.
  BatchStream(Vfs& vfs, std::vector<SegmentName> segments);

  /// The next batch or damaged stretch, or null at the end; valid until the next call. A batch with
  /// an offset below those before it is given with that as its damage. Passed over are zeros of a
  /// preallocation, a tail that somebody is just writing, and segments that retention has removed.
  Result<const ScannedBatch*> next();
  /// In which the last one lies.
  [[nodiscard]] const SegmentName& segment() const { return segments_[index_]; }
  /// The greatest base of the segments, and what follows the batches so far.
  [[nodiscard]] Offset end_offset() const { return end_offset_; }

 private:
  Result<void> open_segment();
  /// Whether there was another batch or stretch in the file that is open.
  Result<bool> scan_on();
  void check_offsets();

  Vfs* vfs_;
  std::vector<SegmentName> segments_;
  std::size_t index_ = 0;
  std::unique_ptr<File> file_{};
  std::unique_ptr<FileScan> scan_{};
  std::int64_t file_bytes_ = 0;
  Offset end_offset_{};
  ScannedBatch found_{};
};

/// What is wrong, and what is passed over because of it.
[[nodiscard]] std::string damage_text(const ScannedBatch& found);

/// Visits whole batches; damage becomes problems. Return false to end the walk.
using BatchWalk = std::function<bool(const SegmentName&, const ScannedBatch&)>;
Result<void> walk_batches(BatchStream& batches, ProblemList& problems, const BatchWalk& visit);

}  // namespace oncelog::inspect
