// recovery.cc: open: torn tail or damage, indexes and producers rebuilt.
//
// Invariant: what is below the recovery point is never cut; what is published was read from the
//   disk and is synced.
//
// 1 check: read everything, decide.                Refused here: no batch has been touched.
//
// 2 write: cut what is torn, remove what lies      Die here: the next open does it again.
//   behind, write stale indexes; sync.
//
// 3 apply: the state is published.
//
// Before all that, settle_directory has finished or undone an interrupted compaction or deletion,
// which is right whatever is decided then.
#include <algorithm>

#include "log/recovery.h"

#include "log/adopt_snapshot.h"
#include "log/checkpoint.h"
#include "log/file_copy.h"
#include "log/producer_checkpoint.h"
#include "log/producer_recovery.h"
#include "log/ring_replay.h"
#include "log/seals.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

using segment::Segment;

/// How far the log must be whole, and how it is known.
struct Trust {
  Offset recovery_point{};
  bool is_clean = false;
  bool is_point_known = true;  ///< else it is the active segment's base, by rule
};

std::unexpected<Error> refuse(const LogState& state, std::string_view what) {
  return fail(ErrorCode::KAFKA_STORAGE_ERROR, state.directory, ": refused to open: ", what);
}

Result<void> create_partition(LogState& state, Offset base) {
  Vfs& vfs = state.environment.vfs;
  ONCELOG_TRY(vfs.create_directory(state.directory));
  ONCELOG_TRY_ASSIGN(const std::string topic_id,
                     read_topic_id(vfs, state.path(segment::kPartitionMetadataFile)));
  if (topic_id.empty()) {
    ONCELOG_TRY(
        write_topic_id(vfs, state.path(segment::kPartitionMetadataFile), random_topic_id()));
  }
  ONCELOG_TRY_ASSIGN(const auto active, create_segment(state, base));
  ONCELOG_TRY(active->sync());
  ONCELOG_TRY(vfs.sync_directory(state.directory));
  ONCELOG_TRY(vfs.sync_directory(state.directory + "/.."));
  ONCELOG_TRY(state.environment.checkpoints.save(
      state.name, {.recovery_point = base, .high_watermark = base, .can_wait = true}));
  state.segments = {active};
  state.report.was_created = true;
  return {};
}

Trust trust_of(const OpenRequest& request, const std::vector<Offset>& bases) {
  if (request.clean_end) return {request.clean_end->next_offset, true};
  if (request.was_clean_for_kafka)
    return {request.checkpoint.recovery_point.value_or(Offset(0)), true};
  if (request.checkpoint.recovery_point) return {*request.checkpoint.recovery_point, false};
  return {bases.back(), false, false};
}

/// Loads the epoch file; answers from which offset on batches may begin epochs that it has not:
/// all, if the file is of no use. It knows those below the recovery point, and those below its last
/// start if it was written after that.
Result<Offset> load_epochs(LogState& state, Offset recovery_point) {
  Vfs& vfs = state.environment.vfs;
  const std::string path = state.path(segment::kLeaderEpochFile);
  const auto stored = read_leader_epochs(vfs, path);
  if (stored && !stored->empty()) {
    state.epochs = LeaderEpochs(*stored);
    return std::max(recovery_point, state.epochs.entries().back().start);
  }
  // A file that says that there are none is one, too.
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (stored && status && status->bytes > 0) return recovery_point;
  const bool is_unreadable = !stored && (stored.error().os_errno != 0 ||
                                         stored.error().code == ErrorCode::UNSUPPORTED_VERSION);
  if (is_unreadable) return std::unexpected(stored.error());
  if (!stored) {
    state.report.warnings.push_back(stored.error().text());
    state.report.files_rebuilt.emplace_back(segment::kLeaderEpochFile);
    state.are_epochs_unwritten = true;
  }
  return Offset(0);
}

/// Checkpoints of the producers are kept from the newest at or below this on.
Offset keep_from(const OpenRequest& request) {
  return request.checkpoint.high_watermark.value_or(Offset(0));
}

/// One pass that replays producers behind their newest checkpoint; all of the log if there is none,
/// or if it is newer than what is left of the log.
Result<LogScan> scan_from_checkpoint(LogState& state, const OpenRequest& request,
                                     const DirectoryContent& content, Offset epochs_from,
                                     const Trust& trust) {
  ScanOptions options;
  options.epochs_from = epochs_from;
  options.recovery_point = trust.recovery_point;
  options.keep_from = keep_from(request);
  options.is_clean_end = trust.is_clean;
  options.believes_seals = trust.is_point_known && !request.has_foreign_writes;
  options.progress = request.progress;
  ONCELOG_TRY(restore_checkpoint(state, content.bases));
  if (state.saved_at) {
    options.replay_from = *state.saved_at;
    const LeaderEpochs stored_epochs = state.epochs;
    const RecoveryReport report = state.report;
    auto scan = scan_log(state, content.bases, options);
    if (scan && *state.saved_at <= scan->end) {
      state.report.replayed_from = options.replay_from;
      return scan;
    }
    // Another open may read what this one could not: nobody is forgotten for it.
    if (!scan && scan.error().os_errno != 0) return scan;
    // The checkpoint is a shortcut; without it the log alone decides.
    state.report = report;
    state.report.warnings.push_back(scan ? "producer state at offset " +
                                               std::to_string(state.saved_at->value()) +
                                               " is newer than the log, passed over"
                                         : scan.error().text());
    state.saved_at.reset();
    state.producers = {};
    state.epochs = stored_epochs;
    options.replay_from = Offset(0);
  }
  ONCELOG_TRY(restore_snapshot_below(state, content));
  return scan_log(state, content.bases, options);
}

/// Refuses what must not be cut (design promise 5, section 3).
Result<void> check_damage(const LogState& state, const LogScan& scan, const Trust& trust,
                          const std::vector<Offset>& bases) {
  if (scan.damage) {
    const Damage& damage = *scan.damage;
    const std::string where =
        segment::segment_file_name(bases[damage.segment_index], segment::kLogSuffix) +
        " position " + std::to_string(damage.position) + ", offset " +
        std::to_string(scan.end.value()) + ": " + damage.reason;
    if (damage.is_legacy) {
      return fail(ErrorCode::UNSUPPORTED_VERSION, state.directory, ": refused to open: ", where);
    }
    const bool is_sealed = damage.segment_index + 1 < bases.size();
    if (scan.end < trust.recovery_point || (!trust.is_point_known && is_sealed)) {
      return refuse(state, where + "; acknowledged up to offset " +
                               std::to_string(trust.recovery_point.value()));
    }
    if (trust.is_clean && !damage.is_zero_tail) {
      return refuse(state, where + ", behind the end of a clean close");
    }
    const bool may_cut = trust.is_point_known && !state.environment.store.refuse_any_damage;
    if (damage.has_batches_behind && !may_cut) {
      return refuse(state, where + "; whole batches lie behind");
    }
  }
  if (scan.end < trust.recovery_point) {
    return refuse(state, "the log ends at offset " + std::to_string(scan.end.value()) +
                             ", acknowledged up to offset " +
                             std::to_string(trust.recovery_point.value()));
  }
  return {};
}

Result<void> check_clean_end(const LogState& state, const OpenRequest& request,
                             const LogScan& scan) {
  if (!request.clean_end) return {};
  const CleanEnd found = end_found_by(scan);
  if (found == *request.clean_end) return {};
  const auto describe = [](const CleanEnd& end) {
    return "the end at offset " + std::to_string(end.next_offset.value()) + ", " +
           std::to_string(end.segment_count) + " segments of " + std::to_string(end.log_bytes) +
           " bytes, the last of " + std::to_string(end.active_bytes) + " with batch CRC " +
           std::to_string(end.last_batch_crc);
  };
  return refuse(
      state, "the clean close left " + describe(*request.clean_end) + "; found " + describe(found));
}

/// The last segment is changed in place, by what comes: a backup that shares its `.log` must not
/// be.
Result<void> make_log_own(const LogState& state, Offset base) {
  return make_file_own(state.environment.vfs,
                       state.path(segment::segment_file_name(base, segment::kLogSuffix)));
}

/// The write beat of a cut: the damaged segment ends before the damage, later ones go.
Result<void> cut(LogState& state, const LogScan& scan, const std::vector<Offset>& bases) {
  if (!scan.damage) return {};
  Vfs& vfs = state.environment.vfs;
  const Damage& damage = *scan.damage;
  const std::size_t kept = damage.segment_index + (damage.is_segment_misplaced ? 0 : 1);
  for (std::size_t i = bases.size() - 1; i >= kept; --i) {
    const std::string log = segment::segment_file_name(bases[i], segment::kLogSuffix);
    ONCELOG_TRY_ASSIGN(const auto status, vfs.status(state.path(log)));
    const std::int64_t bytes = status ? status->bytes : 0;
    const bool is_cause = i == damage.segment_index;
    state.report.cuts.push_back(
        {log, 0, bytes, scan.end, is_cause ? damage.reason : "lies behind the damage"});
    state.report.bytes_cut += bytes;
    ONCELOG_TRY(segment::remove_segment_files(vfs, state.directory, bases[i]));
  }
  // Before the damage goes: a later segment that came back would look sound then.
  ONCELOG_TRY(vfs.sync_directory(state.directory));
  if (kept > 0) ONCELOG_TRY(make_log_own(state, bases[kept - 1]));
  if (damage.is_segment_misplaced) return {};
  const std::string log =
      segment::segment_file_name(bases[damage.segment_index], segment::kLogSuffix);
  const std::int64_t bytes = damage.end_position - damage.position;
  if (!damage.is_zero_tail) {
    state.report.cuts.push_back({log, damage.position, bytes, scan.end, damage.reason});
    state.report.bytes_cut += bytes;
  }
  ONCELOG_TRY_ASSIGN(const auto file, vfs.open(state.path(log), OpenMode::kWrite));
  ONCELOG_TRY(file->truncate(damage.position));
  return file->sync();
}

void report_index(LogState& state, Offset base, std::string_view suffix, bool is_rewritten) {
  if (is_rewritten) state.report.files_rebuilt.push_back(segment::segment_file_name(base, suffix));
}

Result<void> open_segments(LogState& state, const LogScan& scan, const std::vector<Offset>& bases) {
  for (std::size_t i = 0; i < scan.segments.size(); ++i) {
    const segment::SegmentContents& contents = scan.segments[i];
    report_index(state, bases[i], segment::kOffsetIndexSuffix, contents.offset_index.is_file_stale);
    report_index(state, bases[i], segment::kTimeIndexSuffix, contents.time_index.is_file_stale);
    report_index(state, bases[i], segment::kTxnIndexSuffix, contents.txn_index.is_file_stale);
    ONCELOG_TRY_ASSIGN(
        auto opened,
        Segment::open(state.environment.vfs, state.directory, bases[i], state.config.read(),
                      state.environment.clock.now(), contents, {}, state.environment.open_files));
    const bool is_active = i + 1 == scan.segments.size();
    // What a clean end or a seal speaks for is on stable storage; the rest is synced here.
    if (contents.is_sealed || state.report.was_clean) opened->note_stored();
    if (contents.is_sealed && !is_active) {
      opened->set_sealed();
    } else {
      ONCELOG_TRY(opened->trim_log());
      ONCELOG_TRY(opened->write_indexes());
      if (!state.report.was_clean) ONCELOG_TRY(opened->sync());
    }
    state.segments.push_back(std::move(opened));
  }
  return {};
}

/// Removes what later verbs would make wrong: index files without a log, and snapshots that are
/// true only for this end.
Result<void> remove_strays(LogState& state, const DirectoryContent& content) {
  Vfs& vfs = state.environment.vfs;
  for (const std::string& name : content.orphans) {
    ONCELOG_TRY(vfs.remove(state.path(name)));
    state.report.files_removed.push_back(name);
    state.report.warnings.push_back(name + ": has no .log");
  }
  for (const Offset offset : content.kafka_snapshots) {
    ONCELOG_TRY(
        vfs.remove(state.path(segment::segment_file_name(offset, segment::kSnapshotSuffix))));
  }
  if (content.orphans.empty() && content.kafka_snapshots.empty()) return {};
  return vfs.sync_directory(state.directory);
}

/// Leader epochs are trimmed to the log (14.7) and written, unless the file has them: the recovery
/// point says that it has.
Result<void> settle_epochs(LogState& state, Offset log_start, Offset end) {
  const std::vector<LeaderEpochStart> before = state.epochs.entries();
  state.epochs.truncate_from_end(end);
  state.epochs.truncate_from_start(log_start);
  if (state.epochs.entries() == before && !state.are_epochs_unwritten) return {};
  ONCELOG_TRY(write_leader_epochs(state.environment.vfs, state.path(segment::kLeaderEpochFile),
                                  state.epochs.entries()));
  state.are_epochs_unwritten = false;
  return {};
}

/// Checkpoints of the producers, if the store keeps any: they belong to the topic id.
Result<void> open_snapshots(LogState& state) {
  const auto topic_id =
      read_topic_id(state.environment.vfs, state.path(segment::kPartitionMetadataFile));
  if (!topic_id) {
    if (topic_id.error().os_errno != 0) return std::unexpected(topic_id.error());
    state.report.warnings.push_back(topic_id.error().text());
  }
  ONCELOG_TRY_ASSIGN(state.snapshots,
                     state.environment.snapshots.open(state.name, topic_id.value_or("")));
  state.keeps_checkpoints = state.snapshots != nullptr;
  return {};
}

/// What this open took long to find out, the next one need not: a checkpoint where everything was
/// replayed, seals of what was read.
void save_what_was_found(LogState& state) {
  const std::scoped_lock maintenance(state.maintenance_mutex);
  if (state.snapshots && !state.saved_at) {
    if (const auto made = checkpoint_producers(state); !made) {
      state.report.warnings.push_back(made.error().text());
    }
  }
  if (const auto sealed = seal_closed_segments(state); !sealed) {
    state.report.warnings.push_back(sealed.error().text());
  }
}

/// The apply beat: ends, view.
void publish(LogState& state, const OpenRequest& request, Offset log_start, Offset end) {
  state.offsets = LogOffsets(log_start, end);
  state.leader_epoch = std::max(state.options.leader_epoch, state.epochs.latest());
  state.view.publish(make_view(state, nullptr, state.epochs.entries()));
  state.durable_end.store(end.value());
  state.recovery_point.store(end.value());
  state.last_flush_ms.store(state.environment.clock.now().value());
  state.last_scrub_ms.store(state.environment.clock.now().value());
  state.saved_records.store(state.saved_at.value_or(log_start).value());
  state.changed_producer_bytes.store(state.producers.changed_bytes());
  const bool is_manual = state.high_watermark_policy == HighWatermarkPolicy::kManual;
  move_high_watermark(state,
                      is_manual ? request.checkpoint.high_watermark.value_or(log_start) : end);
}

/// Whether the checkpoint files are as a full truncation writes them before it cuts. One damaged
/// file alone does not look like that.
bool has_begun_restart(const LogState& state, const OpenRequest& request,
                       const DirectoryContent& content) {
  const PartitionCheckpoint& saved = request.checkpoint;
  const auto epoch_file = state.environment.vfs.status(state.path(segment::kLeaderEpochFile));
  if (!epoch_file || *epoch_file) return false;
  return saved.log_start && saved.high_watermark == saved.log_start && saved.recovery_point &&
         *saved.recovery_point <= content.bases.front() && state.epochs.entries().empty() &&
         !state.are_epochs_unwritten;
}

/// A crash in the middle of a full truncation: nothing was acknowledged that is missing, and what
/// is left lies below the log start. The log begins there, as it was to (21.10).
Result<void> finish_restart(LogState& state, const OpenRequest& request,
                            const DirectoryContent& content) {
  Vfs& vfs = state.environment.vfs;
  const Offset start = *request.checkpoint.log_start;
  ONCELOG_TRY(remove_strays(state, content));
  for (std::size_t i = content.bases.size(); i-- > 0;) {
    ONCELOG_TRY(segment::remove_segment_files(vfs, state.directory, content.bases[i]));
    state.report.files_removed.push_back(
        segment::segment_file_name(content.bases[i], segment::kLogSuffix));
  }
  ONCELOG_TRY(vfs.sync_directory(state.directory));
  if (state.snapshots) ONCELOG_TRY(state.snapshots->forget_all());
  state.saved_at.reset();
  state.producers = {};
  state.epochs = {};
  state.report.warnings.push_back("an interrupted full truncation to offset " +
                                  std::to_string(start.value()) + " was finished");
  ONCELOG_TRY(write_leader_epochs(vfs, state.path(segment::kLeaderEpochFile), {}));
  ONCELOG_TRY(create_partition(state, start));
  state.report.was_created = false;
  publish(state, request, start, start);
  return {};
}

/// The log start lies above the last batch: a truncation cut the batch that held it (15.4), or
/// records up to an end inside a batch that was cut were deleted. The log goes on at its start, as
/// Kafka's does (21.10); nothing is removed.
Result<void> begin_at_log_start(LogState& state, Offset log_start) {
  state.report.warnings.push_back("the log start " + std::to_string(log_start.value()) +
                                  " lies above the last batch: a segment begins there");
  ONCELOG_TRY_ASSIGN(auto active, create_segment(state, log_start));
  ONCELOG_TRY(active->sync());
  ONCELOG_TRY(state.environment.vfs.sync_directory(state.directory));
  state.segments.push_back(std::move(active));
  return state.environment.checkpoints.save(state.name, {log_start, {}, {}});
}

Result<void> recover(LogState& state, const OpenRequest& request, const DirectoryContent& content) {
  const Trust trust = trust_of(request, content.bases);
  state.report.was_clean = trust.is_clean;
  ONCELOG_TRY(make_log_own(state, content.bases.back()));
  if (!trust.is_clean) {
    ONCELOG_TRY(read_from_disk_only(state, content, trust.recovery_point));
  }
  // Acknowledged batches come to where they belong; that changes nothing, whatever is decided then.
  if (!trust.is_clean && !request.has_foreign_writes) {
    ONCELOG_TRY(replay_ring(state, content.bases.back(), trust.recovery_point));
  }
  ONCELOG_TRY(remove_ring(state));
  ONCELOG_TRY_ASSIGN(const Offset epochs_from, load_epochs(state, trust.recovery_point));
  const bool was_restarting = has_begun_restart(state, request, content);
  ONCELOG_TRY_ASSIGN(const LogScan scan,
                     scan_from_checkpoint(state, request, content, epochs_from, trust));
  ONCELOG_TRY(check_damage(state, scan, trust, content.bases));
  ONCELOG_TRY(check_clean_end(state, request, scan));
  // After our own clean end a checkpoint knows more than the snapshot written for Kafka then. An
  // open that was interrupted has taken Kafka's marker away: its snapshot is still news.
  const bool is_snapshot_news = request.was_clean_for_kafka || !state.saved_at;
  if (is_snapshot_news) ONCELOG_TRY(merge_end_snapshot(state, content, scan.end));
  const Offset log_start =
      std::max(request.checkpoint.log_start.value_or(content.bases.front()), content.bases.front());
  if (log_start > scan.end && was_restarting) return finish_restart(state, request, content);
  if (log_start > scan.end && !trust.is_point_known) {
    return refuse(state, "the log start " + std::to_string(log_start.value()) +
                             " lies above the end " + std::to_string(scan.end.value()));
  }

  // Before the first change of the log: no snapshot may lie above its end when Kafka looks. What
  // only they know is in a checkpoint by then.
  const bool is_last_copy = is_snapshot_news && !content.kafka_snapshots.empty();
  if (is_last_copy) {
    ONCELOG_TRY(save_recovered(state, scan.last_batch, content.bases.front(), keep_from(request)));
  }
  ONCELOG_TRY(remove_strays(state, content));
  ONCELOG_TRY(remove_seals(state, content, scan));
  ONCELOG_TRY(cut(state, scan, content.bases));
  ONCELOG_TRY(open_segments(state, scan, content.bases));
  state.last_batch = scan.last_batch;
  ONCELOG_TRY(drop_stale_checkpoints(state));
  const Offset end = std::max(scan.end, log_start);
  if (end > scan.end) ONCELOG_TRY(begin_at_log_start(state, end));
  ONCELOG_TRY(settle_epochs(state, log_start, end));
  if (!trust.is_clean) {
    ONCELOG_TRY(state.environment.vfs.sync_directory(state.directory));
    ONCELOG_TRY(
        state.environment.checkpoints.save(state.name, {.recovery_point = end, .can_wait = true}));
  }

  publish(state, request, log_start, end);
  return {};
}

}  // namespace

Result<std::unique_ptr<LogState>> open_log(const OpenRequest& request,
                                           const LogEnvironment& environment) {
  PartitionOptions options = request.options;
  if (!options.level) options.level = environment.store.level;
  ONCELOG_TRY(options.check());
  auto state = std::make_unique<LogState>(request.name, request.directory, options, environment);
  state->cleaner_offset = request.checkpoint.cleaner;
  state->high_watermark_policy = options.high_watermark;
  if (state->high_watermark_policy == HighWatermarkPolicy::kByLevel) {
    state->high_watermark_policy = *options.level == Level::kDurable ? HighWatermarkPolicy::kDurable
                                                                     : HighWatermarkPolicy::kLogEnd;
  }
  ONCELOG_TRY_ASSIGN(const auto status, environment.vfs.status(request.directory));
  DirectoryContent content;
  if (status) {
    ONCELOG_TRY_ASSIGN(content, settle_directory(*state));
  } else if (!request.options.create_if_missing) {
    return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, request.directory, ": no such partition");
  }
  if (!content.bases.empty()) {
    ONCELOG_TRY(open_snapshots(*state));
    ONCELOG_TRY(recover(*state, request, content));
    save_what_was_found(*state);
    ONCELOG_TRY(use_ring(*state));
    return state;
  }
  // One that has a recovery point was there: a full truncation had got as far as having no segment.
  if (!request.options.create_if_missing && !request.checkpoint.recovery_point) {
    return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, request.directory, ": holds no segment");
  }
  const Offset base = request.checkpoint.log_start.value_or(Offset(0));
  if (request.clean_end && request.clean_end->next_offset > base) {
    return refuse(*state, "no segment is left, the clean close left the end at offset " +
                              std::to_string(request.clean_end->next_offset.value()));
  }
  if (request.checkpoint.recovery_point.value_or(base) > base) {
    return refuse(*state, "no segment is left, acknowledged up to offset " +
                              std::to_string(request.checkpoint.recovery_point->value()));
  }
  ONCELOG_TRY(remove_strays(*state, content));
  if (status) ONCELOG_TRY(remove_ring(*state));
  ONCELOG_TRY(create_partition(*state, base));
  ONCELOG_TRY(open_snapshots(*state));  // now, for they belong to the topic id
  if (state->snapshots) ONCELOG_TRY(state->snapshots->drop_above(kNoOffset));
  publish(*state, request, base, base);
  ONCELOG_TRY(use_ring(*state));
  return state;
}

}  // namespace oncelog::log
