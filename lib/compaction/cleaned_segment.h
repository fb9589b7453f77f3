// cleaned_segment.h: the files of a segment that a compaction builds beside the log: `.cleaned`,
// which an open removes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "oncelog/io.h"
#include "oncelog/options.h"
#include "record/batch_convert.h"
#include "segment/index_builder.h"
#include "segment/segment_names.h"

namespace oncelog::compaction {

/// Crash: whatever is there is removed by the next open. Not thread-safe.
class CleanedSegment {
 public:
  static Result<CleanedSegment> create(Vfs& vfs, std::string directory, Offset base,
                                       const TopicConfig& config);

  /// A batch as it was.
  Result<void> add(const RecordBatchView& batch);
  /// A batch that was rebuilt.
  Result<void> add(const record::NewBatch& batch);
  /// Behind its marker.
  void add_aborted(const segment::TxnIndexEntry& entry) { builder_.add_aborted(entry); }

  /// Writes the rest and the indexes, with this time of modification; all of it is on stable
  /// storage on return, but for the names.
  Result<segment::SegmentContents> finish(std::optional<std::int64_t> modified_ms,
                                          std::vector<segment::OpenTransaction> open_transactions);
  /// Removes what has been made. Nothing is synced.
  void discard();

  [[nodiscard]] Offset base_offset() const { return base_; }
  [[nodiscard]] std::int64_t bytes() const { return builder_.bytes(); }
  [[nodiscard]] const std::optional<record::BatchHeader>& last_batch() const { return last_batch_; }
  /// The suffixes of the files that were made, without `.cleaned`, the `.log` first.
  [[nodiscard]] const std::vector<std::string_view>& suffixes() const { return suffixes_; }

 private:
  CleanedSegment(Vfs& vfs, std::string directory, Offset base, const TopicConfig& config)
      : vfs_(&vfs), directory_(std::move(directory)), base_(base), builder_(base, config) {}

  [[nodiscard]] std::string path_of(std::string_view suffix) const;
  Result<void> append(const record::BatchHeader& header, Bytes first, Bytes second);
  Result<void> write_buffer();
  Result<void> write_index(std::string_view suffix, Bytes entries);

  Vfs* vfs_;
  std::string directory_;
  Offset base_;
  std::unique_ptr<File> log_;
  segment::IndexBuilder builder_;
  base::Hasher128 hasher_;
  std::optional<record::BatchHeader> last_batch_{};
  std::vector<std::byte> buffer_;
  std::int64_t written_ = 0;
  std::vector<std::string_view> suffixes_;
};

}  // namespace oncelog::compaction
