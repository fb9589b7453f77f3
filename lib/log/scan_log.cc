// scan_log.cc: one pass over every batch of a log: what is believable, and the state that it makes.
//
// Invariant: a batch counts iff it is whole, its CRC is right, and it begins at or above the end of
// all batches before it and within its segment. The first that does not ends the scan.
#include <algorithm>
#include <array>
#include <limits>

#include "base/bytes.h"
#include "log/producer_checkpoint.h"
#include "log/producer_recovery.h"
#include "log/recovery.h"
#include "log/seals.h"
#include "producer/transaction_tracker.h"
#include "record/batch_header.h"
#include "record/legacy_message.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

using record::BatchHeader;
using segment::BatchScan;
using segment::IndexBuilder;

constexpr std::int64_t kTellBytes = 1 << 20;  ///< between two words about progress
constexpr std::int64_t kSegmentBytesMax = std::numeric_limits<std::int32_t>::max();

/// Behind the last byte in `[begin, end)` of a file that is not zero; `begin` if there is none.
Result<std::int64_t> end_of_nonzero(const File& file, std::int64_t begin, std::int64_t end) {
  std::vector<std::byte> buffer(1 << 16);
  std::int64_t nonzero_end = begin;
  for (std::int64_t position = begin; position < end;) {
    const auto wanted = std::min<std::int64_t>(end - position, std::ssize(buffer));
    const auto part = std::span(buffer).first(static_cast<std::size_t>(wanted));
    ONCELOG_TRY_ASSIGN(const std::size_t read, file.read_at(part, position));
    if (read == 0) break;
    for (std::size_t i = 0; i < read; ++i) {
      if (part[i] != std::byte{}) nonzero_end = position + static_cast<std::int64_t>(i) + 1;
    }
    position += static_cast<std::int64_t>(read);
  }
  return nonzero_end;
}

/// Whether the bytes at `position` are a message of the formats before magic 2.
Result<bool> is_legacy_at(const File& file, std::int64_t position, std::int64_t end) {
  std::array<std::byte, record::kLegacyPrefixBytes> prefix;
  ONCELOG_TRY_ASSIGN(const std::size_t read, file.read_at(prefix, position));
  if (read < prefix.size()) return false;
  const auto bytes = base::load_be<std::int32_t>(prefix, 8);
  if (bytes < 0 || bytes > end - position - record::kLegacyPrefixBytes) return false;
  std::vector<std::byte> message(static_cast<std::size_t>(bytes));
  ONCELOG_TRY(file.read_at(message, position + record::kLegacyPrefixBytes));
  return record::is_legacy_message(message);
}

class Scanner {
 public:
  Scanner(LogState& state, const std::vector<Offset>& bases, const ScanOptions& options)
      : state_(state), bases_(bases), options_(options) {}

  Result<LogScan> run() {
    for (const auto& [first, id] : state_.producers.open_transactions_below(bases_.front())) {
      transactions_.begin(id, first);
    }
    if (is_compacted()) transactions_.remember_markers();
    for (std::size_t i = 0; i < bases_.size(); ++i) {
      ONCELOG_TRY(scan_segment(i));
      if (options_.progress != nullptr) options_.progress->segments_done += 1;
      if (scan_.damage) break;
    }
    return std::move(scan_);
  }

 private:
  Result<void> scan_segment(std::size_t index) {
    const Offset base = bases_[index];
    if (std::string reason = why_misplaced(index); !reason.empty()) {
      note_damage(index, 0, std::move(reason));
      scan_.damage->is_segment_misplaced = true;
      return find_batches_in(index);
    }
    ONCELOG_TRY_ASSIGN(auto sealed, read_sealed_segment(state_, base, options_));
    if (sealed) {
      take_sealed(*std::move(sealed));
      return {};
    }
    const std::string path = state_.path(segment::segment_file_name(base, segment::kLogSuffix));
    ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file,
                       state_.environment.vfs.open(path, OpenMode::kRead));
    ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, file->size());
    if (file_bytes > kSegmentBytesMax) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, path, ": ", file_bytes, " bytes, at most ",
                  kSegmentBytesMax, " are possible");
    }
    const TopicConfig config = state_.config.read();  // which the builder looks at until its end
    IndexBuilder builder(base, config, bases_.front());
    ONCELOG_TRY(builder.load_stored(state_.environment.vfs, state_.directory));
    scan_.end = base;
    BatchScan batches(*file, {.begin = 0, .end = file_bytes});
    // A small or active segment gets no seal, and recovery has no time to lose.
    const bool gets_seal = index + 1 < bases_.size() &&
                           file_bytes >= state_.environment.store.sealed_segment_bytes_min;
    std::optional<base::Hasher128> hasher;
    if (gets_seal) hasher.emplace();
    ONCELOG_TRY(scan_batches(index, batches, builder, hasher));
    tell_read(batches.position());
    if (!scan_.damage && !batches.damage().empty()) {
      note_damage(index, batches.position(), batches.damage());
    }
    state_.report.segments_read += 1;
    state_.report.bytes_read += builder.bytes();
    scan_.segments.push_back(builder.finish(options_.is_clean_end));
    if (hasher) scan_.segments.back().log_hash = hasher->digest();
    for (const auto& [first, id] : transactions_.open()) {
      scan_.segments.back().open_transactions.push_back({id, first});
    }
    scan_.file_bytes.push_back(file_bytes);
    if (scan_.damage) ONCELOG_TRY(examine_damage(*file, file_bytes));
    // A crash between a roll and the cut of the preallocated file that it closed.
    const bool is_uncut = scan_.damage && scan_.damage->is_zero_tail && index + 1 < bases_.size() &&
                          bases_[index + 1] == scan_.end;
    if (is_uncut) scan_.damage.reset();
    return {};
  }

  void take_sealed(SealedSegment sealed) {
    scan_.end = sealed.seal.next_offset;
    if (const auto& last = sealed.seal.last_batch) {
      scan_.last_batch = LastBatch{{last->base_offset, last->leader_epoch, last->crc}, scan_.end};
    }
    transactions_ = {};
    if (is_compacted()) transactions_.remember_markers();
    for (const segment::OpenTransaction& open : sealed.seal.open_transactions) {
      transactions_.begin(open.producer_id, open.first_offset);
    }
    state_.report.segments_sealed += 1;
    if (options_.progress != nullptr) options_.progress->bytes_sealed += sealed.contents.bytes;
    scan_.segments.push_back(std::move(sealed.contents));
    scan_.file_bytes.push_back(scan_.segments.back().bytes);
  }

  /// The segment is read up to `position`.
  void tell_read(std::int64_t position) {
    if (options_.progress != nullptr) options_.progress->bytes_read += position - told_position_;
    told_position_ = position;
  }

  Result<void> scan_batches(std::size_t index, BatchScan& batches, IndexBuilder& builder,
                            std::optional<base::Hasher128>& hasher) {
    told_position_ = 0;
    while (true) {
      ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, batches.next());
      if (!batch) return {};
      const BatchHeader header = record::header_of(*batch);
      if (std::string reason = why_out_of_place(index, header); !reason.empty()) {
        note_damage(index, batches.batch_position(), std::move(reason));
        return {};
      }
      if (auto applied = apply_batch(*batch, header, builder); !applied) {
        if (applied.error().os_errno != 0) return applied;  // of the producers' state
        // Its CRC is right, so this is no damage of the disk: no log of ours or Kafka's has it, and
        // nothing is cut.
        return fail(ErrorCode::KAFKA_STORAGE_ERROR, state_.directory, ": refused to open: ",
                    segment::segment_file_name(bases_[index], segment::kLogSuffix), " position ",
                    batches.batch_position(), ": ", applied.error().text());
      }
      if (hasher) hasher->add(batch->bytes());
      scan_.end = header.next_offset();
      scan_.last_batch =
          LastBatch{{header.base_offset, header.leader_epoch, header.crc}, header.next_offset()};
      ONCELOG_TRY(save_if_full(state_, *scan_.last_batch, options_.keep_from));
      ++state_.report.batches_read;
      if (batches.position() - told_position_ >= kTellBytes) tell_read(batches.position());
    }
  }

  /// A segment begins where the batches before it end. A gap is legal (compaction; a follower that
  /// joined later), but behind the recovery point it is what a loss of power leaves when a new file
  /// survives and the end of the one before does not.
  [[nodiscard]] std::string why_misplaced(std::size_t index) const {
    const Offset base = bases_[index];
    if (base < scan_.end) {
      return "the segment's base lies below the end " + std::to_string(scan_.end.value()) +
             " of the segment before";
    }
    const bool is_gap_suspect = index > 0 && base > scan_.end && base > options_.recovery_point;
    if (!is_gap_suspect || options_.is_clean_end) return {};
    return "offsets from " + std::to_string(scan_.end.value()) + " up to the segment are missing";
  }

  [[nodiscard]] std::string why_out_of_place(std::size_t index, const BatchHeader& header) const {
    if (header.base_offset < scan_.end) {
      return "offset " + std::to_string(header.base_offset.value()) + " goes back, expected " +
             std::to_string(scan_.end.value()) + " or above";
    }
    constexpr std::int64_t kRelativeOffsetMax = std::numeric_limits<std::int32_t>::max();
    // Compared as distances, which cannot overflow: the base offset is at or above the segment's.
    constexpr std::int64_t kOffsetMax = std::numeric_limits<std::int64_t>::max();
    const bool is_too_far =
        header.last_offset_delta < 0 ||
        header.base_offset - bases_[index] > kRelativeOffsetMax - header.last_offset_delta ||
        header.base_offset.value() >= kOffsetMax - header.last_offset_delta;
    if (is_too_far) {
      return "offset " + std::to_string(header.base_offset.value()) + " is too far above the base";
    }
    return {};
  }

  Result<void> apply_batch(const RecordBatchView& batch, const BatchHeader& header,
                           IndexBuilder& builder) {
    builder.add_batch(header);
    ONCELOG_TRY(track_transaction(batch, header, builder));
    if (header.base_offset >= options_.replay_from) {
      ONCELOG_TRY(replay_batch(state_.producers, state_.pending, state_.snapshots.get(),
                               state_.saved_at.value_or(Offset(0)), batch, header));
    }
    // Only what the file cannot know yet, as it was assigned then: an older epoch drops newer ones
    // (14.2), whose batches are still here.
    if (header.base_offset >= options_.epochs_from && header.leader_epoch >= LeaderEpoch(0) &&
        state_.epochs.is_new(header.leader_epoch, header.base_offset)) {
      state_.epochs.assign(header.leader_epoch, header.base_offset);
      state_.are_epochs_unwritten = true;
    }
    return {};
  }

  /// Whether batches of transactions that are decided may be missing.
  [[nodiscard]] bool is_compacted() const { return state_.config.read().cleanup_compact; }

  Result<void> track_transaction(const RecordBatchView& batch, const BatchHeader& header,
                                 IndexBuilder& builder) {
    std::optional<ControlRecord> control;
    if (header.is_control() && header.has_producer_id()) {
      ONCELOG_TRY_ASSIGN(control, batch.control_record());
    }
    const Offset earliest = transactions_.end_of_last(header.producer_id);
    const auto aborted = transactions_.add(header, control);
    if (control && control->is_abort()) {
      const Offset widest = is_compacted() ? earliest : header.base_offset;
      builder.note_abort({header.producer_id, widest, header.base_offset,
                          transactions_.stable_offset_behind(header.base_offset)});
    }
    if (!aborted) return {};
    builder.add_aborted({aborted->producer_id, aborted->first_offset, aborted->last_offset,
                         aborted->last_stable_offset});
    return {};
  }

  void note_damage(std::size_t index, std::int64_t position, std::string reason) {
    if (!scan_.damage) scan_.damage = Damage{index, position, std::move(reason)};
  }

  /// What lies behind the damage decides what may be done about it.
  Result<void> examine_damage(const File& file, std::int64_t file_bytes) {
    Damage& damage = *scan_.damage;
    ONCELOG_TRY_ASSIGN(damage.is_legacy, is_legacy_at(file, damage.position, file_bytes));
    damage.end_position = file_bytes;
    if (state_.config.read().preallocate && file_bytes <= state_.config.read().segment_bytes) {
      ONCELOG_TRY_ASSIGN(damage.end_position, end_of_nonzero(file, damage.position, file_bytes));
      damage.is_zero_tail = damage.end_position == damage.position;
    }
    ONCELOG_TRY_ASSIGN(const auto behind,
                       segment::find_next_batch(file, damage.position + 1, file_bytes));
    damage.has_batches_behind = behind.has_value();
    return find_batches_in(damage.segment_index + 1);
  }

  /// Whether any segment from `begin` on holds something.
  Result<void> find_batches_in(std::size_t begin) {
    for (std::size_t i = begin; i < bases_.size(); ++i) {
      const std::string path =
          state_.path(segment::segment_file_name(bases_[i], segment::kLogSuffix));
      ONCELOG_TRY_ASSIGN(const auto status, state_.environment.vfs.status(path));
      if (status && status->bytes > 0) scan_.damage->has_batches_behind = true;
    }
    return {};
  }

  LogState& state_;
  const std::vector<Offset>& bases_;
  const ScanOptions& options_;
  producer::TransactionTracker transactions_;
  LogScan scan_;
  std::int64_t told_position_ = 0;  ///< of the segment, up to which the progress is told
};

}  // namespace

Result<LogScan> scan_log(LogState& state, const std::vector<Offset>& bases,
                         const ScanOptions& options) {
  return Scanner(state, bases, options).run();
}

CleanEnd end_found_by(const LogScan& scan) {
  CleanEnd end{scan.end, scan.file_bytes.back()};
  end.last_batch_crc = end.active_bytes == 0 ? 0 : scan.last_batch->anchor.crc;
  end.segment_count = static_cast<std::int32_t>(scan.file_bytes.size());
  for (const std::int64_t bytes : scan.file_bytes) end.log_bytes += bytes;
  return end;
}

namespace {

Result<void> sync_and_drop_cache(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status || status->is_directory) return {};
  ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, vfs.open(path, OpenMode::kWrite));
  ONCELOG_TRY(file->sync());
  return file->drop_cache(0);
}

}  // namespace

Result<void> read_from_disk_only(const LogState& state, const DirectoryContent& content,
                                 Offset recovery_point) {
  const std::vector<Offset>& bases = content.bases;
  Vfs& vfs = state.environment.vfs;
  const auto path = [&](std::size_t i, std::string_view suffix) {
    return state.path(segment::segment_file_name(bases[i], suffix));
  };
  for (std::size_t i = 0; i < bases.size(); ++i) {
    const bool is_below = i + 1 < bases.size() && bases[i + 1] <= recovery_point;
    if (!is_below) ONCELOG_TRY(sync_and_drop_cache(vfs, path(i, segment::kLogSuffix)));
    if (is_below && std::ranges::binary_search(content.seals, bases[i])) continue;
    for (const std::string_view suffix : segment::kIndexSuffixes) {
      ONCELOG_TRY(sync_and_drop_cache(vfs, path(i, suffix)));
    }
  }
  return {};
}

}  // namespace oncelog::log
