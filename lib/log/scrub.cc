// scrub.cc: every stored byte is read and compared with what was written: with the seal of its
// segment, or with the headers that the appends left in memory.
#include "log/scrub.h"

#include <algorithm>
#include <mutex>

#include "oncelog/clock.h"
#include "segment/seal.h"

namespace oncelog {

namespace log {

namespace {

using segment::Segment;

/// What is to be read of a segment, taken under the writer lock.
struct Extent {
  std::shared_ptr<Segment> segment{};
  std::int64_t bytes = 0;
  std::uint64_t header_chain = 0;
  Offset end{};            ///< no batch of it lies at or above this
  bool is_sealed = false;  ///< then, so that the seal speaks of these bytes
};

class Scrubber {
 public:
  Scrubber(const LogState& state, const std::atomic<bool>* is_to_end)
      : state_(state), is_to_end_(is_to_end) {}

  Result<ScrubReport> run() {
    ONCELOG_TRY_ASSIGN(const std::vector<Extent> extents, take_extents());
    for (const Extent& one : extents) {
      if (is_to_end_ != nullptr && is_to_end_->load()) {
        return fail(ErrorCode::DEADLINE_EXCEEDED, state_.directory, ": the scrub was to end");
      }
      const std::size_t before = report_.findings.size();
      auto checked = check_segment(one);
      if (checked && report_.findings.size() == before) continue;
      // A verb that shrinks the log may have come in between: then there is nothing to find, and
      // perhaps nothing to read.
      ONCELOG_TRY_ASSIGN(const bool is_there, is_still_there(one));
      if (!is_there) {
        report_.findings.resize(before);
      } else if (!checked) {
        return std::unexpected(std::move(checked).error());
      }
    }
    return std::move(report_);
  }

 private:
  Result<std::vector<Extent>> take_extents() const {
    const std::scoped_lock lock(state_.writer_mutex);
    if (state_.is_closed) {
      return fail(ErrorCode::MISUSE, state_.directory, ": the log is closed");
    }
    std::vector<Extent> extents;
    for (std::size_t i = 0; i < state_.segments.size(); ++i) {
      const auto& one = state_.segments[i];
      const bool is_last = i + 1 == state_.segments.size();
      extents.push_back({one, one->bytes(), one->header_chain(),
                         is_last ? state_.offsets.log_end() : state_.segments[i + 1]->base_offset(),
                         one->is_sealed()});
    }
    return extents;
  }

  /// A file of a log that is closed may be another log's by now.
  [[nodiscard]] Result<bool> is_still_there(const Extent& extent) const {
    const std::scoped_lock lock(state_.writer_mutex);
    if (state_.is_closed) {
      return fail(ErrorCode::MISUSE, state_.directory, ": the log is closed");
    }
    return std::ranges::find(state_.segments, extent.segment) != state_.segments.end();
  }

  Result<void> check_segment(const Extent& extent) {
    const Segment& one = *extent.segment;
    std::optional<segment::Seal> seal;
    if (extent.is_sealed) {
      auto read = segment::read_seal(state_.environment.vfs, state_.directory, one.base_offset());
      if (read) {
        seal = *std::move(read);
      } else if (read.error().os_errno != 0) {
        return std::unexpected(std::move(read).error());
      } else {
        add(extent, segment::kSealSuffix, 0, one.base_offset(), read.error().text(), kRemoveSeal);
      }
    }
    ONCELOG_TRY(check_batches(extent, seal));
    if (!seal) return {};
    ONCELOG_TRY(check_index(extent, segment::kOffsetIndexSuffix, seal->offset_index));
    ONCELOG_TRY(check_index(extent, segment::kTimeIndexSuffix, seal->time_index));
    return check_index(extent, segment::kTxnIndexSuffix, seal->txn_index);
  }

  Result<void> check_batches(const Extent& extent, const std::optional<segment::Seal>& seal) {
    const Segment& one = *extent.segment;
    ONCELOG_TRY_ASSIGN(
        const segment::LogDigest digest,
        segment::digest_log(*one.log_file(), extent.bytes, one.base_offset(), extent.end));
    report_.segments += 1;
    report_.bytes += digest.position;
    if (!digest.damage.empty()) {
      add(extent, segment::kLogSuffix, digest.position, digest.next_offset, digest.damage,
          kRestoreLog);
    } else if (digest.header_chain != extent.header_chain) {
      add(extent, segment::kLogSuffix, 0, one.base_offset(),
          "every batch has its CRC, but a base offset, length or leader epoch is not the one that "
          "was appended",
          kRestoreLog);
    } else if (seal && (seal->log.bytes != extent.bytes || seal->log.hash != digest.hash)) {
      add(extent, segment::kSealSuffix, 0, one.base_offset(),
          "the seal is not that of the `.log`, which is as it was appended", kRemoveSeal);
    }
    return {};
  }

  Result<void> check_index(const Extent& extent, std::string_view suffix,
                           const segment::SealedFile& sealed) {
    const std::string path =
        state_.path(segment::segment_file_name(extent.segment->base_offset(), suffix));
    ONCELOG_TRY_ASSIGN(const segment::SealedFile found,
                       segment::hash_index_file(state_.environment.vfs, path));
    report_.bytes += found.bytes;
    if (found == sealed) return {};
    add(extent, suffix, 0, extent.segment->base_offset(),
        std::to_string(found.bytes) + " bytes are not the " + std::to_string(sealed.bytes) +
            " that were sealed",
        "the next open rebuilds it from the `.log`");
    return {};
  }

  void add(const Extent& extent, std::string_view suffix, std::int64_t position, Offset begin,
           std::string reason, std::string_view safe_action) {
    report_.findings.push_back(
        {state_.path(segment::segment_file_name(extent.segment->base_offset(), suffix)), position,
         begin, extent.end, std::move(reason), std::string(safe_action)});
  }

  static constexpr std::string_view kRestoreLog =
      "restore the segment from a replica or a backup; do not append to what lies behind it";
  static constexpr std::string_view kRemoveSeal =
      "remove it while the store is closed: the next open reads the segment and seals it anew";

  const LogState& state_;
  const std::atomic<bool>* const is_to_end_;
  ScrubReport report_;
};

}  // namespace

Result<ScrubReport> scrub_log(LogState& state, const std::atomic<bool>* is_to_end) {
  const std::int64_t begin_ms = state.environment.clock.now().value();
  auto report = Scrubber(state, is_to_end).run();
  if (report) state.last_scrub_ms.store(begin_ms);
  return report;
}

}  // namespace log

Result<ScrubReport> PartitionLog::scrub() const { return log::scrub_log(*state_); }

}  // namespace oncelog
