// verify_partition.cc: batches, indexes and leader epochs of a partition directory, each compared
// with the others. Reads every byte once; changes none.
#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <mutex>

#include "base/threads.h"
#include "inspect/batch_replay.h"
#include "inspect/epoch_check.h"
#include "inspect/index_checks.h"
#include "inspect/problem_list.h"
#include "inspect/seal_check.h"
#include "inspect/segment_list.h"
#include "inspect/segment_scan.h"
#include "inspect/txn_index_check.h"
#include "oncelog/inspect.h"
#include "segment/segment_names.h"
#include "store/checkpoint_files.h"

namespace oncelog {

namespace {

using inspect::BatchReplay;
using inspect::EpochCheck;
using inspect::IndexSource;
using inspect::OffsetGaps;
using inspect::ProblemList;
using inspect::SegmentName;

/// Longest `.log`, and farthest offset from a segment's base, that the indexes can express.
constexpr std::int64_t kRelativeMax = std::numeric_limits<std::int32_t>::max();

/// What is wrong with the records of a batch whose CRC is right.
std::string record_problem(const RecordBatchView& batch, const DecompressionLimits& limits) {
  if (batch.is_control()) {
    const auto control = batch.control_record();
    if (!control) return control.error().text();
  }
  auto reader = RecordReader::open(batch, limits);
  if (!reader) return reader.error().text();
  Offset next = batch.base_offset();
  while (true) {
    const auto record = reader->next();
    if (!record) return record.error().text();
    if (!*record) return {};
    const Offset offset = (*record)->offset;
    if (offset < next || offset > batch.last_offset()) {
      return "record with offset " + std::to_string(offset.value()) +
             " is out of order or outside of its batch";
    }
    next = offset + 1;
  }
}

/// record_problem for several threads, of which one at a time unpacks a batch to more than some
/// MiB: a bomb takes the memory that it may take once, not once a core.
inspect::BatchExam record_exam() {
  static constexpr DecompressionLimits kLimitsBesideOthers{.bytes_max = 16 << 20};
  return [one_at_a_time = std::make_shared<std::mutex>()](const RecordBatchView& batch) {
    std::string problem = record_problem(batch, kLimitsBesideOthers);
    if (problem.empty() || batch.codec_bits() == 0) return problem;
    const std::scoped_lock lock(*one_at_a_time);
    return record_problem(batch, {});
  };
}

/// Walks a partition segment by segment.
class Verification {
 public:
  Verification(Vfs& vfs, const std::string& directory, std::vector<SegmentName> segments,
               const VerifyOptions& options)
      : vfs_(vfs),
        scan_options_{.thread_count = base::threads_wanted(options.thread_count),
                      .exam = options.check_records ? record_exam() : inspect::BatchExam()},
        segments_(std::move(segments)),
        next_offset_(segments_.front().base),
        replay_end_(next_offset_),
        gaps_(next_offset_),
        recovery_point_(inspect::checkpoint_entry(vfs, inspect::place_of(directory),
                                                  store::kRecoveryPointFile)),
        epochs_(vfs, directory, recovery_point_, problems_) {}

  Result<std::vector<Problem>> run() {
    for (std::size_t i = 0; i < segments_.size(); ++i) ONCELOG_TRY(check_segment(i));
    epochs_.finish(log_end());
    return std::move(problems_).take();
  }

 private:
  /// The end as far as it can be known: behind damage there may have been any offsets.
  [[nodiscard]] Offset log_end() const {
    return is_history_whole_ ? next_offset_ : Offset(std::numeric_limits<std::int64_t>::max());
  }

  struct SegmentChecks {
    const SegmentName& name;
    std::optional<Offset> next_base{};
    inspect::OffsetIndexCheck offset_index;
    inspect::TimeIndexCheck time_index;
    inspect::SealCheck seal;
  };

  Result<void> check_segment(std::size_t index) {
    const SegmentName& name = segments_[index];
    const auto file = vfs_.open(name.path, OpenMode::kRead);
    // Retention may have removed it since the directory was listed.
    if (!file && file.error().os_errno == ENOENT) return {};
    if (!file) return std::unexpected(file.error());
    const bool is_last = index + 1 == segments_.size();
    ONCELOG_TRY_ASSIGN(auto seal, inspect::SealCheck::open(vfs_, name, is_last, problems_));
    SegmentChecks checks{name,
                         {},
                         {source_of(name, segment::kOffsetIndexSuffix, is_last), problems_},
                         {source_of(name, segment::kTimeIndexSuffix, is_last), problems_},
                         std::move(seal)};
    if (!is_last) checks.next_base = segments_[index + 1].base;
    next_offset_ = std::max(next_offset_, name.base);
    const std::size_t aborted_before = replay_.aborted().size();
    const auto visit = [&](const ScannedBatch& found) -> Result<bool> {
      if (found.batch) {
        add_batch(checks, found);
      } else {
        ONCELOG_TRY(add_damage(checks, **file, found));
      }
      return true;
    };
    ONCELOG_TRY(inspect::scan_segment(**file, name.path, visit, scan_options_));
    ONCELOG_TRY(check_size(name, **file));
    checks.offset_index.finish();
    checks.time_index.finish();
    if (!problems_.has(name.path)) checks.seal.finish(name, problems_);
    inspect::check_txn_index(source_of(name, segment::kTxnIndexSuffix, is_last),
                             {std::span(replay_.aborted()).subspan(aborted_before), gaps_,
                              log_end(), is_history_whole_, recovery_point_},
                             problems_);
    return {};
  }

  [[nodiscard]] IndexSource source_of(const SegmentName& name, std::string_view suffix,
                                      bool is_last) const {
    return {vfs_, inspect::sibling_path(name, suffix), name.base, is_last};
  }

  Result<void> check_size(const SegmentName& name, const File& file) {
    ONCELOG_TRY_ASSIGN(const std::int64_t bytes, file.size());
    if (bytes > kRelativeMax) {
      problems_.add(name.path, kRelativeMax, "the file is longer than 2^31-1 bytes");
    }
    return {};
  }

  void add_batch(SegmentChecks& checks, const ScannedBatch& found) {
    const RecordBatchView& batch = *found.batch;
    checks.seal.add_batch(batch);
    check_offsets(checks, found);
    if (batch.base_offset() >= replay_end_) {
      if (batch.base_offset() > replay_end_) gaps_.add(replay_end_, batch.base_offset());
      replay_.apply(batch, checks.name.base);
      replay_end_ = batch.next_offset();
    } else {
      is_history_whole_ = false;
    }
    // Also after offsets that go back: one wrong number is one problem.
    next_offset_ = batch.next_offset();
    if (!found.damage.empty()) problems_.add(found.file, found.position, found.damage);
    epochs_.add_batch(found);
    checks.offset_index.add_batch(found.position, batch);
    checks.time_index.add_batch(batch);
  }

  void check_offsets(const SegmentChecks& checks, const ScannedBatch& found) {
    const Offset base = found.batch->base_offset();
    const Offset last = found.batch->last_offset();
    const auto report = [&](const std::string& what) {
      problems_.add(
          found.file, found.position,
          "offsets " + std::to_string(base.value()) + " to " + std::to_string(last.value()) + what);
    };
    if (base < next_offset_) {
      report(" go back, the log was at " + std::to_string(next_offset_.value()));
    }
    if (base < checks.name.base) {
      report(" lie below the segment's base " + std::to_string(checks.name.base.value()));
    }
    if (last - checks.name.base > kRelativeMax) {
      report(" are more than 2^31-1 above the segment's base " +
             std::to_string(checks.name.base.value()));
    }
    if (checks.next_base && last >= *checks.next_base) {
      report(" reach into the next segment, which begins at " +
             std::to_string(checks.next_base->value()));
    }
  }

  Result<void> add_damage(SegmentChecks& checks, const File& file, const ScannedBatch& found) {
    const std::int64_t end = found.position + found.bytes;
    ONCELOG_TRY_ASSIGN(const std::int64_t file_end, file.size());
    if (!checks.next_base && end >= file_end) {
      // The active segment may be preallocated.
      ONCELOG_TRY_ASSIGN(const bool is_zero, inspect::is_all_zero(file, found.position, end));
      if (is_zero) return {};
    }
    is_history_whole_ = false;
    checks.offset_index.add_damage(found.position, end);
    checks.time_index.add_damage();
    problems_.add(found.file, found.position,
                  found.damage +
                      (end >= file_end ? "; no batch follows to the end of the file at "
                                       : "; the next batch begins at ") +
                      std::to_string(end));
    return {};
  }

  Vfs& vfs_;
  const inspect::FileScanOptions scan_options_;
  std::vector<SegmentName> segments_;
  ProblemList problems_;
  BatchReplay replay_;
  Offset next_offset_;  ///< behind the batch before
  Offset replay_end_;   ///< behind the batch replayed last; never goes back
  OffsetGaps gaps_;
  bool is_history_whole_ = true;
  /// From there on an owner may not have written index and epoch entries yet, or was killed before.
  const std::optional<Offset> recovery_point_;
  EpochCheck epochs_;
};

}  // namespace

Result<std::vector<Problem>> verify_partition(const std::string& directory, Vfs* vfs,
                                              VerifyOptions options) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  ONCELOG_TRY_ASSIGN(auto segments, inspect::list_partition(disk, directory));
  return Verification(disk, directory, std::move(segments), options).run();
}

}  // namespace oncelog
