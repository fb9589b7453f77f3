// reader_segment.h: one `.log` as a reader has scanned it so far, with a sparse index in memory.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inspect/segment_list.h"
#include "oncelog/io.h"
#include "oncelog/record.h"
#include "record/batch_header.h"

namespace oncelog::inspect {

/// A batch and where it lies.
struct LocatedBatch {
  std::int64_t position = 0;
  record::BatchHeader header{};
};

/// The file stays open: a reader goes on reading what it has scanned, whatever is renamed or
/// removed meanwhile.
///
/// Invariant: the first bytes() bytes were whole batches with right CRCs, in ascending offset
/// order, when they were scanned.
class ReaderSegment {
 public:
  static Result<ReaderSegment> open(Vfs& vfs, const SegmentName& name);

  [[nodiscard]] Offset base() const { return base_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::shared_ptr<const File>& file() const { return file_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] Timestamp max_timestamp() const { return max_timestamp_; }

  /// Takes the batch at bytes() in.
  void add_batch(const RecordBatchView& batch);
  /// Whether `path` still names this file and the batches scanned are still there, as far as the
  /// last one tells.
  [[nodiscard]] Result<bool> is_continued(Vfs& vfs) const;

  /// The first batch whose last offset is at or above `target`, or nothing.
  [[nodiscard]] Result<std::optional<LocatedBatch>> find_batch(Offset target) const;
  /// The first batch at or behind a position, or nothing.
  [[nodiscard]] Result<std::optional<LocatedBatch>> batch_at_or_behind(std::int64_t position) const;
  /// A position in front of the first batch with a max timestamp at or above `timestamp`.
  [[nodiscard]] std::int64_t position_before(Timestamp timestamp) const;

 private:
  /// A batch boundary every now and then.
  struct Mark {
    Offset base_offset{};
    std::int64_t position = 0;
    Timestamp max_timestamp_before = kNoTimestamp;  ///< of the batches in front of it
  };
  using Marks = std::vector<Mark>;
  [[nodiscard]] static std::int64_t position_of_last(const Marks& marks, Marks::const_iterator end);

  Offset base_{};
  std::string path_;
  std::shared_ptr<const File> file_;
  std::uint64_t inode_ = 0;
  std::int64_t bytes_ = 0;
  Timestamp max_timestamp_ = kNoTimestamp;
  Marks marks_;
  std::int64_t last_position_ = 0;
  std::array<std::byte, record::kHeaderBytes> last_header_{};
};

}  // namespace oncelog::inspect
