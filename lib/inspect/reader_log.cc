#include "inspect/reader_log.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "inspect/segment_scan.h"
#include "log/checkpoint.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"

namespace oncelog::inspect {

namespace {
/// Looks at a directory that changes while we look.
constexpr int kAttempts = 4;
constexpr std::int64_t kReadBytes = 1 << 18;
/// How far behind the log's end a batch is looked for: zeros of a preallocation have no end.
constexpr std::int64_t kBehindEndBytesMax = 64 << 20;
}  // namespace

Result<void> ReaderLog::refresh() {
  Result<void> result;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // Names before sizes: when a newer segment is listed, the older ones have all their bytes.
    ONCELOG_TRY_ASSIGN(const auto listed, list_partition(vfs_, directory_));
    ONCELOG_TRY_ASSIGN(const bool is_continued, drop_removed(listed));
    if (is_continued) {
      result = read_new(known_, listed);
    } else {
      Known anew;
      result = read_new(anew, listed);
      if (result) known_ = std::move(anew);
    }
    if (result || result.error().os_errno != ENOENT) break;
  }
  if (!known_.segments.empty()) {
    update_ends();
    update_epochs();
  }
  return result;
}

Result<bool> ReaderLog::drop_removed(const std::vector<SegmentName>& listed) {
  auto& segments = known_.segments;
  const auto kept =
      std::ranges::lower_bound(segments, listed.front().base, {}, &ReaderSegment::base);
  if (kept == segments.end()) return false;
  const auto kept_count = static_cast<std::size_t>(segments.end() - kept);
  if (kept_count > listed.size()) return false;
  for (std::size_t i = 0; i < kept_count; ++i) {
    const ReaderSegment& known = kept[static_cast<std::ptrdiff_t>(i)];
    if (known.base() != listed[i].base) return false;
    ONCELOG_TRY_ASSIGN(const bool is_continued, known.is_continued(vfs_));
    if (!is_continued) return false;
  }
  segments.erase(segments.begin(), kept);
  known_.replay->forget_aborted_below(segments.front().base());
  return true;
}

Result<void> ReaderLog::read_new(Known& known, const std::vector<SegmentName>& listed) {
  for (std::size_t i = known.segments.empty() ? 0 : known.segments.size() - 1; i < listed.size();
       ++i) {
    if (i == known.segments.size()) {
      // A base inside what was read: one of the two is damaged, and the log ends before it.
      if (listed[i].base < known.log_end) return {};
      ONCELOG_TRY_ASSIGN(ReaderSegment segment, ReaderSegment::open(vfs_, listed[i]));
      known.segments.push_back(std::move(segment));
      known.log_end = listed[i].base;
    }
    ONCELOG_TRY_ASSIGN(const bool is_at_end,
                       read_segment(known, known.segments[i], i + 1 == listed.size()));
    if (!is_at_end) return {};
  }
  return {};
}

Result<bool> ReaderLog::read_segment(Known& known, ReaderSegment& segment, bool is_last) {
  ONCELOG_TRY_ASSIGN(const std::int64_t end, segment.file()->size());
  segment::BatchScan scan(*segment.file(),
                          {.begin = segment.bytes(), .end = end, .read_bytes = kReadBytes});
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, scan.next());
    if (!batch) break;
    // Not covered by the CRC: an offset that goes back is damage.
    if (batch->base_offset() < known.log_end) return false;
    known.replay->apply(*batch, segment.base());
    segment.add_batch(*batch);
    known.log_end = batch->next_offset();
  }
  known.replay->set_high_watermark(known.log_end);
  if (scan.damage().empty() || is_last) return true;
  // A preallocated file may not have been cut to its batches yet.
  return is_all_zero(*segment.file(), segment.bytes(), end);
}

Result<std::optional<Problem>> ReaderLog::damage_at_end() const {
  // What an owner is just writing, rolling or cutting is seen in another state by a second look.
  ONCELOG_TRY_ASSIGN(const auto found, look_behind_end());
  return found ? look_behind_end() : found;
}

Result<std::optional<Problem>> ReaderLog::look_behind_end() const {
  const ReaderSegment& segment = known_.segments.back();
  // Of another log than the one that was read, cut or deleted since, nothing is known.
  ONCELOG_TRY_ASSIGN(const bool is_continued, segment.is_continued(vfs_));
  if (!is_continued) return std::nullopt;
  ONCELOG_TRY_ASSIGN(const auto listed, list_partition(vfs_, directory_));
  const auto behind = std::ranges::upper_bound(listed, segment.base(), {}, &SegmentName::base);
  const bool is_last = behind == listed.end();

  const std::int64_t at = segment.bytes();
  ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, segment.file()->size());
  const std::int64_t end = std::min(file_bytes, at + kBehindEndBytesMax);
  segment::BatchScan scan(*segment.file(), {.begin = at, .end = file_bytes});
  ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, scan.next());
  if (batch && batch->base_offset() >= known_.log_end) return std::nullopt;  // has come since
  if (batch) {
    return Problem{segment.path(), at,
                   "base offset " + std::to_string(batch->base_offset().value()) +
                       " goes back, the log was at " + std::to_string(known_.log_end.value())};
  }
  ONCELOG_TRY_ASSIGN(const bool is_zero, is_all_zero(*segment.file(), at, end));
  if (scan.damage().empty() || is_zero) {
    if (is_last || behind->base >= known_.log_end) return std::nullopt;
    return Problem{behind->path, 0,
                   "its base lies below " + std::to_string(known_.log_end.value()) +
                       ", the end of the segment in front of it"};
  }
  if (is_last) {
    ONCELOG_TRY_ASSIGN(const auto next, segment::find_next_batch(*segment.file(), at + 1, end));
    if (!next) return std::nullopt;
  }
  return Problem{segment.path(), at, scan.damage()};
}

void ReaderLog::update_ends() {
  const PartitionPlace place = place_of(directory_);
  const Offset first = known_.segments.front().base();
  const Offset end = known_.log_end;
  const auto read = [&](std::string_view file_name) {
    return checkpoint_entry(vfs_, place, file_name).value_or(first);
  };
  ends_.log_start = std::clamp(read("log-start-offset-checkpoint"), first, end);
  ends_.durable_end = std::clamp(read("recovery-point-offset-checkpoint"), ends_.log_start, end);
  ends_.log_end = end;
  ends_.high_watermark = end;
  const Offset unstable = known_.replay->first_unstable_offset().value_or(end);
  ends_.last_stable_offset = std::clamp(unstable, ends_.log_start, end);
}

void ReaderLog::update_epochs() {
  const std::vector<LeaderEpochStart>& read = known_.replay->epochs().entries();
  const auto stored =
      log::read_leader_epochs(vfs_, join_path(directory_, segment::kLeaderEpochFile));
  if (!stored) {
    epochs_ = read;
    return;
  }
  // The file knows epochs without a batch: in front of the first one (compacted away, below the log
  // start) and behind the last. In between the batches know better.
  log::LeaderEpochs merged;
  for (const LeaderEpochStart& entry : *stored) {
    if (read.empty() || entry.start <= read.front().start) merged.assign(entry.epoch, entry.start);
  }
  for (const LeaderEpochStart& entry : read) merged.assign(entry.epoch, entry.start);
  for (const LeaderEpochStart& entry : *stored) {
    if (entry.epoch > merged.latest() && entry.start <= ends_.log_end &&
        (read.empty() || entry.start > read.back().start)) {
      merged.assign(entry.epoch, entry.start);
    }
  }
  epochs_ = merged.entries();
}

std::size_t ReaderLog::segment_index(Offset offset) const {
  const auto above = std::ranges::upper_bound(known_.segments, offset, {}, &ReaderSegment::base);
  const auto index = static_cast<std::size_t>(above - known_.segments.begin());
  return index == 0 ? 0 : index - 1;
}

Offset ReaderLog::end_of_segment(std::size_t index) const {
  return index + 1 < known_.segments.size() ? known_.segments[index + 1].base() : ends_.log_end;
}

}  // namespace oncelog::inspect
