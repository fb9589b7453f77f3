#include "inspect/reader_segment.h"

#include <algorithm>
#include <cerrno>

#include "segment/header_walk.h"

namespace oncelog::inspect {

namespace {
/// Log bytes between two marks: half a MiB of memory for a GiB of log, and a search walks the
/// headers of at most this much.
constexpr std::int64_t kMarkIntervalBytes = 1 << 16;

/// The first batch behind `position` that is wanted, or nothing.
template <class IsWanted>
Result<std::optional<LocatedBatch>> walk_to(const ReaderSegment& segment, std::int64_t position,
                                            IsWanted is_wanted) {
  segment::HeaderWalk walk(*segment.file(), segment.path(), position, segment.bytes());
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<record::BatchHeader> header, walk.next());
    if (!header) return std::nullopt;
    const LocatedBatch batch{walk.position(), *header};
    if (is_wanted(batch)) return batch;
  }
}
}  // namespace

Result<ReaderSegment> ReaderSegment::open(Vfs& vfs, const SegmentName& name) {
  ReaderSegment segment;
  segment.base_ = name.base;
  segment.path_ = name.path;
  // The status comes first: if the name is given to another file in between, the numbers differ at
  // the next look, and the log is scanned anew.
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(name.path));
  segment.inode_ = status ? status->inode : 0;
  ONCELOG_TRY_ASSIGN(segment.file_, vfs.open(name.path, OpenMode::kRead));
  return segment;
}

void ReaderSegment::add_batch(const RecordBatchView& batch) {
  if (bytes_ >= (marks_.empty() ? 0 : marks_.back().position) + kMarkIntervalBytes) {
    marks_.push_back({batch.base_offset(), bytes_, max_timestamp_});
  }
  max_timestamp_ = std::max(max_timestamp_, batch.max_timestamp());
  std::ranges::copy(batch.bytes().first(record::kHeaderBytes), last_header_.begin());
  last_position_ = bytes_;
  bytes_ += std::ssize(batch.bytes());
}

Result<bool> ReaderSegment::is_continued(Vfs& vfs) const {
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(path_));
  if (!status || status->inode != inode_ || status->bytes < bytes_) return false;
  if (bytes_ == 0) return true;
  // A log that was cut and has grown again ends in another batch here.
  std::array<std::byte, record::kHeaderBytes> header;
  ONCELOG_TRY_ASSIGN(const std::size_t count, file_->read_at(header, last_position_));
  return count == header.size() && header == last_header_;
}

std::int64_t ReaderSegment::position_of_last(const Marks& marks, Marks::const_iterator end) {
  return end == marks.begin() ? 0 : std::prev(end)->position;
}

Result<std::optional<LocatedBatch>> ReaderSegment::find_batch(Offset target) const {
  const auto above = std::ranges::upper_bound(marks_, target, {}, &Mark::base_offset);
  return walk_to(*this, position_of_last(marks_, above),
                 [&](const LocatedBatch& batch) { return batch.header.last_offset() >= target; });
}

Result<std::optional<LocatedBatch>> ReaderSegment::batch_at_or_behind(std::int64_t position) const {
  const auto above = std::ranges::upper_bound(marks_, position, {}, &Mark::position);
  return walk_to(*this, position_of_last(marks_, above),
                 [&](const LocatedBatch& batch) { return batch.position >= position; });
}

std::int64_t ReaderSegment::position_before(Timestamp timestamp) const {
  const auto at_or_above =
      std::ranges::lower_bound(marks_, timestamp, {}, &Mark::max_timestamp_before);
  return position_of_last(marks_, at_or_above);
}

}  // namespace oncelog::inspect
