// backup_partition.cc: one partition of a backup: finished segments linked, the rest copied, the
// producers written anew.
//
// Invariant: the copy is a prefix of the log: all batches below an end that was durable, with the
//   log start, watermark and epochs of one moment. Nothing that is linked is changed in place by
//   this library, in neither directory (make_file_own), and nothing that is appended to is linked.
//
// 1 take: a checkpoint of the producers, then, in one moment under the writer lock, how far
//   everything goes.
//
// 2 link: under the maintenance lock, which keeps the files where they are.
//
// 3 copy: without a lock, from files that are open. Only a truncation changes those, and it leaves
//   a count that tells, or another owner of the partition: then all of it is done again, under the
//   lock.
#include "log/backup_partition.h"

#include <algorithm>

#include "log/checkpoint.h"
#include "log/file_copy.h"
#include "log/producer_checkpoint.h"
#include "segment/header_walk.h"
#include "segment/index_builder.h"
#include "segment/segment_names.h"
#include "snapshot/kafka_snapshot.h"

namespace oncelog::log {

namespace {

using producer::ProducerEntry;
using segment::Segment;

/// Producers that are written at a time: a bound for memory.
constexpr std::size_t kProducersAtATime = 1 << 16;

/// How far a copy goes, seen in one moment.
struct Extent {
  std::vector<std::shared_ptr<Segment>> segments{};
  std::vector<std::int64_t> bytes{};  ///< of each
  std::vector<segment::TxnIndexEntry> aborted_in_last{};
  std::vector<LeaderEpochStart> epochs{};
  CleanEnd end{};
  PartitionCheckpoint checkpoint{};
  std::int64_t cut_count = 0;
  /// Where no checkpoints are kept, memory is all there is.
  std::map<ProducerId, producer::ProducerTable::Slot> producers{};
};

/// A `.log` that is still to be copied.
struct PendingCopy {
  std::shared_ptr<Segment> from{};
  std::int64_t bytes = 0;
};

class PartitionCopier {
 public:
  PartitionCopier(LogState& state, const BackupTarget& target)
      : state_(state), target_(target), vfs_(state.environment.vfs) {}

  /// Whether it is whole; else a truncation came in between.
  Result<std::optional<PartitionBackup>> run_beside_others() {
    std::unique_lock maintenance(state_.maintenance_mutex);
    ONCELOG_TRY(take_and_link());
    maintenance.unlock();
    if (target_.on_bytes) ONCELOG_TRY(target_.on_bytes(backup_.bytes_linked, true));
    const auto copied = copy_logs([&](std::int64_t bytes) -> Result<void> {
      return target_.on_bytes ? target_.on_bytes(bytes, false) : Result<void>{};
    });
    // Also behind an error: what was cut could not be read. And once the log is closed, whoever has
    // opened it anew may cut it without a word here.
    const bool has_been_cut = state_.cut_count.load() != extent_.cut_count;
    if (has_been_cut || state_.is_closed_for_readers.load()) return std::nullopt;
    // Nor what was removed or compacted before it was opened again.
    const bool has_gone = std::ranges::any_of(
        pending_, [](const PendingCopy& copy) { return copy.from->is_retired(); });
    if (!copied && has_gone) return std::nullopt;
    ONCELOG_TRY(copied);
    ONCELOG_TRY(sync_all());
    return backup_;
  }

  Result<PartitionBackup> run_alone() {
    {
      const std::scoped_lock maintenance(state_.maintenance_mutex);
      ONCELOG_TRY(take_and_link());
      ONCELOG_TRY(copy_logs({}));
    }
    if (target_.on_bytes) {
      ONCELOG_TRY(target_.on_bytes(backup_.bytes_linked, true));
      ONCELOG_TRY(target_.on_bytes(backup_.bytes - backup_.bytes_linked, false));
    }
    ONCELOG_TRY(sync_all());
    return backup_;
  }

 private:
  [[nodiscard]] std::string path(std::string_view file) const {
    return target_.directory + "/" + std::string(file);
  }

  Result<void> take_and_link() {
    ONCELOG_TRY(vfs_.create_directory(target_.directory));
    ONCELOG_TRY_ASSIGN(const Offset saved_at, checkpoint_producers(state_));
    ONCELOG_TRY(take_extent());
    // The indexes of all that was rolled away by then are in their files behind this.
    ONCELOG_TRY(sync_log(state_, SyncScope::kRecoveryPoint, extent_.end.next_offset));
    for (std::size_t i = 0; i < extent_.segments.size(); ++i) ONCELOG_TRY(place_segment(i));
    ONCELOG_TRY(write_small_files());
    return write_producers(saved_at);
  }

  Result<void> take_extent() {
    const std::scoped_lock lock(state_.writer_mutex);
    ONCELOG_TRY(check_writable(state_));
    ONCELOG_TRY(drain_ring(state_));
    extent_.segments = state_.segments;
    for (const auto& one : extent_.segments) extent_.bytes.push_back(one->bytes());
    const segment::TxnIndex& aborted = state_.active()->txn_index();
    for (std::size_t i = 0; i < aborted.size(); ++i) {
      extent_.aborted_in_last.push_back(aborted[i]);
    }
    extent_.epochs = state_.epochs.entries();
    CleanEnd& end = extent_.end;
    end.next_offset = state_.reopen_end();
    end.active_bytes = extent_.bytes.back();
    end.last_batch_crc = end.active_bytes == 0 ? 0 : state_.last_batch->anchor.crc;
    end.segment_count = static_cast<std::int32_t>(extent_.segments.size());
    for (const std::int64_t bytes : extent_.bytes) end.log_bytes += bytes;
    extent_.checkpoint = {end.next_offset, state_.offsets.log_start(),
                          std::min(state_.offsets.high_watermark(), end.next_offset),
                          state_.cleaner_offset};
    extent_.cut_count = state_.cut_count.load();
    if (!state_.snapshots) extent_.producers = state_.producers.changed();
    backup_.end = end;
    backup_.checkpoint = extent_.checkpoint;
    return {};
  }

  /// A segment of the log: linked, or noted to be copied. The last one is never linked: the copy
  /// will be appended to.
  Result<void> place_segment(std::size_t index) {
    const std::shared_ptr<Segment>& one = extent_.segments[index];
    const std::int64_t bytes = extent_.bytes[index];
    const bool is_last = index + 1 == extent_.segments.size();
    backup_.segments += 1;
    backup_.bytes += bytes;
    if (is_last) {
      pending_.push_back({one, bytes});
      return write_indexes_of_last(*one, bytes);
    }
    LinkOutcome linked = LinkOutcome::kUnsupported;
    if (target_.hard_links) {
      ONCELOG_TRY_ASSIGN(linked, vfs_.link(one->log_path(), path(file_name_of(*one))));
    }
    if (linked == LinkOutcome::kLinked) {
      backup_.segments_linked += 1;
      backup_.bytes_linked += bytes;
      // It names the inode of its log.
      if (one->is_sealed()) ONCELOG_TRY(copy_side_file(*one, segment::kSealSuffix));
    } else {
      pending_.push_back({one, bytes});
    }
    for (const std::string_view suffix : segment::kIndexSuffixes) {
      ONCELOG_TRY(copy_side_file(*one, suffix));
    }
    return {};
  }

  [[nodiscard]] static std::string file_name_of(const Segment& one) {
    return segment::segment_file_name(one.base_offset(), segment::kLogSuffix);
  }

  /// A small file beside the `.log`; one that is not there is none there either.
  Result<void> copy_side_file(const Segment& one, std::string_view suffix) {
    return copy_file(segment::segment_file_name(one.base_offset(), suffix));
  }

  Result<void> copy_file(const std::string& name) {
    const std::string from_path = state_.path(name);
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(from_path));
    if (!status) return {};
    ONCELOG_TRY_ASSIGN(const auto from, vfs_.open(from_path, OpenMode::kRead));
    ONCELOG_TRY_ASSIGN(const auto to, create(name));
    return copy_bytes(*from, from_path, status->bytes, *to, {});
  }

  Result<std::unique_ptr<File>> create(const std::string& name) {
    unsynced_.push_back(path(name));
    return vfs_.open(path(name), OpenMode::kCreateNew);
  }

  Result<void> write_file(const std::string& name, Bytes content) {
    ONCELOG_TRY_ASSIGN(const auto file, create(name));
    const Bytes parts[] = {content};
    return file->write_at(parts, 0);
  }

  /// The indexes up to the end of the copy, as a clean close would leave them.
  Result<void> write_indexes_of_last(const Segment& last, std::int64_t bytes) {
    const TopicConfig config = state_.config.read();  // which the builder looks at until its end
    segment::IndexBuilder builder(last.base_offset(), config);
    segment::HeaderWalk walk(*last.log_file(), last.log_path(), 0, bytes);
    while (true) {
      ONCELOG_TRY_ASSIGN(const std::optional<record::BatchHeader> header, walk.next());
      if (!header) break;
      builder.add_batch(*header);
    }
    const segment::SegmentContents contents = builder.finish(false);
    std::vector<std::byte> offsets;
    std::vector<std::byte> times;
    std::vector<std::byte> aborted;
    for (const auto& entry : contents.offset_index.entries) {
      segment::encode(offsets, last.base_offset(), entry);
    }
    for (const auto& entry : contents.time_index.entries) {
      segment::encode(times, last.base_offset(), entry);
    }
    for (const auto& entry : extent_.aborted_in_last) segment::encode(aborted, entry);
    const auto write = [&](std::string_view suffix, Bytes entries) -> Result<void> {
      if (entries.empty()) return {};
      return write_file(segment::segment_file_name(last.base_offset(), suffix), entries);
    };
    ONCELOG_TRY(write(segment::kOffsetIndexSuffix, offsets));
    ONCELOG_TRY(write(segment::kTimeIndexSuffix, times));
    return write(segment::kTxnIndexSuffix, aborted);
  }

  Result<void> write_small_files() {
    ONCELOG_TRY(copy_file(std::string(segment::kPartitionMetadataFile)));
    return write_leader_epochs(vfs_, path(segment::kLeaderEpochFile), extent_.epochs);
  }

  Result<void> write_producers(Offset saved_at) {
    if (!state_.snapshots) return write_producers_in_memory();
    ONCELOG_TRY_ASSIGN(const auto present, state_.snapshots->list());
    const auto info = std::ranges::find(present, saved_at, &snapshot::CheckpointInfo::offset);
    if (info == present.end()) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, state_.directory, ": the checkpoint at offset ",
                  saved_at, " is not there");
    }
    if (target_.snapshots != nullptr) {
      ONCELOG_TRY_ASSIGN(const std::string topic_id,
                         read_topic_id(vfs_, state_.path(segment::kPartitionMetadataFile)));
      ONCELOG_TRY_ASSIGN(const auto copy, target_.snapshots->open(state_.name, topic_id));
      if (copy) ONCELOG_TRY(write_checkpoint(*copy, *info));
    }
    return write_kafka_snapshot(
        saved_at, [&](const auto& visitor) { return state_.snapshots->visit(saved_at, visitor); });
  }

  Result<void> write_producers_in_memory() {
    return write_kafka_snapshot(extent_.end.next_offset, [&](const auto& visitor) -> Result<void> {
      for (const auto& [id, slot] : extent_.producers) {
        if (slot) ONCELOG_TRY(visitor(id, *slot));
      }
      return {};
    });
  }

  /// All producers of a checkpoint as one of the copy's, with what it is known by.
  Result<void> write_checkpoint(snapshot::PartitionSnapshots& copy,
                                const snapshot::CheckpointInfo& info) {
    // It knows the name from an earlier attempt, perhaps.
    ONCELOG_TRY(copy.drop_above(kNoOffset));
    std::vector<std::pair<ProducerId, ProducerEntry>> some;
    const auto save = [&]() -> Result<void> {
      std::vector<snapshot::ProducerChange> changes;
      for (const auto& [id, entry] : some) changes.push_back({id, &entry});
      ONCELOG_TRY(copy.save({.offset = info.offset, .anchor = info.anchor}, changes, info.offset));
      some.clear();
      return {};
    };
    ONCELOG_TRY(state_.snapshots->visit(
        info.offset, [&](ProducerId id, const ProducerEntry& entry) -> Result<void> {
          some.emplace_back(id, entry);
          return some.size() < kProducersAtATime ? Result<void>{} : save();
        }));
    ONCELOG_TRY(save());
    if (info.rebuilt_anchor && info.anchor) {
      ONCELOG_TRY(copy.permit_anchor(info.offset, *info.anchor, *info.rebuilt_anchor));
    }
    if (!info.noted_first_base) return {};
    return copy.note_first_base(info.offset, *info.noted_first_base);
  }

  template <class VisitAll>
  Result<void> write_kafka_snapshot(Offset offset, VisitAll visit_all) {
    if (!target_.for_kafka) return {};
    ONCELOG_TRY_ASSIGN(const auto file,
                       create(segment::segment_file_name(offset, segment::kSnapshotSuffix)));
    snapshot::KafkaSnapshotWriter writer(*file);
    const snapshot::PartitionSnapshots::Visitor add =
        [&](ProducerId id, const ProducerEntry& entry) { return writer.add(id, entry); };
    ONCELOG_TRY(visit_all(add));
    return writer.finish();
  }

  Result<void> copy_logs(const CopyProgress& progress) {
    for (const PendingCopy& one : pending_) {
      ONCELOG_TRY_ASSIGN(const auto to, create(file_name_of(*one.from)));
      ONCELOG_TRY(
          copy_bytes(*one.from->log_file(), one.from->log_path(), one.bytes, *to, progress));
      // What retention of records without timestamps looks at.
      ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(one.from->log_path()));
      if (status) ONCELOG_TRY(to->set_modified(status->modified_ms));
    }
    return {};
  }

  Result<void> sync_all() {
    for (const std::string& file : unsynced_) {
      ONCELOG_TRY_ASSIGN(const auto written, vfs_.open(file, OpenMode::kWrite));
      ONCELOG_TRY(written->sync());
    }
    return vfs_.sync_directory(target_.directory);
  }

  LogState& state_;
  const BackupTarget& target_;
  Vfs& vfs_;
  Extent extent_;
  std::vector<PendingCopy> pending_;
  std::vector<std::string> unsynced_;
  PartitionBackup backup_;
};

Result<void> remove_files_of(Vfs& vfs, const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs.list(directory));
  for (const std::string& name : names) ONCELOG_TRY(vfs.remove(directory + "/" + name));
  return {};
}

}  // namespace

Result<PartitionBackup> back_up_partition(LogState& state, const BackupTarget& target) {
  const TellsEnds tells(state);
  ONCELOG_TRY_ASSIGN(const auto whole, PartitionCopier(state, target).run_beside_others());
  if (whole) return *whole;
  ONCELOG_TRY(remove_files_of(state.environment.vfs, target.directory));
  return PartitionCopier(state, target).run_alone();
}

}  // namespace oncelog::log
