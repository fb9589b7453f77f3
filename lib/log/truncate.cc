// truncate.cc: the end of the log comes down, as a new leader's log says (semantics 15), or the log
// begins anew elsewhere.
//
// Invariant: what is left is what an open would find: batches below the cut, and the producers,
//   epochs and indexes that they make.
//
// 1 check: where to cut, the producers as they were there. Die here: nothing has happened.
//
// 2 write: newer checkpoints of producers are dropped, the recovery point comes down, both synced;
//   then files go, from the end downwards. Die here: the log ends where the removal had got to.
//
// 3 apply: memory. Of a cut before the files, so that who reads beside it finds the new end, or
//   what lies below it, and not a file that ends early. A failure of 2 poisons the partition, as
//   only the disk knows what is left.
#include <algorithm>

#include "log/checkpoint.h"
#include "log/file_copy.h"
#include "log/producer_checkpoint.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"

namespace oncelog {

namespace log {

namespace {

using segment::Segment;

/// What the log will be.
struct Cut {
  std::size_t kept_count = 0;             ///< segments, the last of them cut
  std::shared_ptr<Segment> last{};        ///< a new object for it; readers keep the old one
  std::optional<LastBatch> last_batch{};  ///< of those that stay
  std::optional<Offset> saved_at{};       ///< the checkpoint behind `producers`
  producer::ProducerTable producers{};
  LeaderEpochs epochs{};
  std::shared_ptr<const LogView> view{};
};

/// The last batch of these segments, or nothing if they are empty.
Result<std::optional<LastBatch>> last_batch_of(std::span<const std::shared_ptr<Segment>> segments) {
  for (std::size_t i = segments.size(); i-- > 0;) {
    ONCELOG_TRY_ASSIGN(const auto last, segments[i]->last_batch());
    if (last) {
      return LastBatch{{last->base_offset, last->leader_epoch, last->crc}, last->next_offset()};
    }
  }
  return std::nullopt;
}

/// The producers as they were before offset `to`, and the checkpoint that this builds on.
Result<void> restore_producers(const LogState& state, Offset to,
                               std::span<const std::shared_ptr<Segment>> segments, Cut& cut) {
  std::vector<snapshot::CheckpointInfo> present;
  if (state.snapshots) {
    ONCELOG_TRY_ASSIGN(present, state.snapshots->list());
  }
  Offset from = segments.front()->base_offset();
  const auto base = std::ranges::find_if(present, [&](const snapshot::CheckpointInfo& one) {
    return one.offset <= to && is_continued_by(one, from);
  });
  if (base != present.end()) {
    from = base->offset;
    cut.saved_at = from;
    ONCELOG_TRY_ASSIGN(cut.producers, open_table(*state.snapshots, from));
  }
  ONCELOG_TRY(replay_producers(cut.producers, state.snapshots.get(), from, segments, {from, to}));
  cut.producers.adopt_unreleased(state.producers, to);
  return {};
}

/// The segment that will be the last one is changed in place from then on: a `.log` that a backup
/// shares is copied first. The active one shares none.
Result<void> make_last_own(LogState& state, Offset to) {
  const auto above = std::ranges::upper_bound(
      state.segments, to, {}, [](const auto& segment) { return segment->base_offset(); });
  if (above == state.segments.end()) return {};
  return poison_unless_full(state,
                            make_file_own(state.environment.vfs, (*std::prev(above))->log_path()));
}

/// The check beat. Requires maintenance, file and writer mutexes.
Result<Cut> plan_cut(const LogState& state, Offset to) {
  Cut cut;
  const auto above = std::ranges::upper_bound(
      state.segments, to, {}, [](const auto& segment) { return segment->base_offset(); });
  cut.kept_count = static_cast<std::size_t>(above - state.segments.begin());
  std::vector<std::shared_ptr<Segment>> segments(state.segments.begin(), above);
  ONCELOG_TRY_ASSIGN(
      cut.last, segments.back()->cut_at(to, state.config.read(), state.environment.clock.now()));
  segments.back() = cut.last;
  ONCELOG_TRY(cut.last->use_ring(state.ring));
  ONCELOG_TRY_ASSIGN(cut.last_batch, last_batch_of(segments));
  ONCELOG_TRY(restore_producers(state, to, segments, cut));
  cut.epochs = state.epochs;
  cut.epochs.truncate_from_end(to);
  auto view = std::make_shared<LogView>();
  view->segments = std::move(segments);
  view->epochs = cut.epochs.entries();
  cut.view = std::move(view);
  return cut;
}

/// Dirty from the new active segment on: what is appended there is to be compacted (15.6).
std::optional<Offset> lowered_cleaner_offset(const LogState& state, Offset active_base) {
  if (!state.cleaner_offset || *state.cleaner_offset <= active_base) return state.cleaner_offset;
  return active_base;
}

/// The write beat, up to where the files are cut.
Result<void> write_lowered_ends(LogState& state, const Cut& cut, Offset to) {
  ONCELOG_TRY(empty_ring(state));
  if (state.snapshots) ONCELOG_TRY(state.snapshots->drop_above(to));
  if (state.segments[cut.kept_count - 1]->is_sealed()) {
    ONCELOG_TRY(
        segment::remove_seal(state.environment.vfs, state.directory, cut.last->base_offset()));
    ONCELOG_TRY(state.environment.vfs.sync_directory(state.directory));
  }
  const LogOffsets& offsets = state.offsets;
  const Offset stored_end = cut.last_batch ? cut.last_batch->next_offset : Offset(0);
  const Offset point =
      std::min(Offset(state.recovery_point.load()), std::max(stored_end, cut.last->base_offset()));
  return state.environment.checkpoints.save(
      state.name, {point, std::min(offsets.log_start(), to), std::min(offsets.high_watermark(), to),
                   lowered_cleaner_offset(state, cut.last->base_offset())});
}

/// The rest of it; memory has been cut. `before`: the segments from the cut one on, as they were.
Result<void> cut_files(LogState& state, std::span<const std::shared_ptr<Segment>> before) {
  Vfs& vfs = state.environment.vfs;
  Segment& last = *state.active();
  for (const auto& one : before.subspan(1)) one->retire();
  for (std::size_t i = before.size(); i-- > 1;) {
    ONCELOG_TRY(segment::remove_segment_files(vfs, state.directory, before[i]->base_offset()));
  }
  // Before the segment is cut: a later one that came back would look sound then.
  if (before.size() > 1) ONCELOG_TRY(vfs.sync_directory(state.directory));
  before.front()->end_reads_at(last.bytes());
  ONCELOG_TRY(last.trim_log());
  ONCELOG_TRY(last.write_indexes());
  ONCELOG_TRY(last.sync());
  ONCELOG_TRY(
      write_leader_epochs(vfs, state.path(segment::kLeaderEpochFile), state.epochs.entries()));
  return vfs.sync_directory(state.directory);
}

void apply_cut(LogState& state, Cut& cut, Offset to) {
  const Reshaping reshaping(state.reshapes);
  state.metrics.truncations.add(1);
  state.cut_count.fetch_add(1);
  state.segments = cut.view->segments;
  std::erase_if(state.closed_unsynced, [&](const auto& segment) {
    return segment->base_offset() >= cut.last->base_offset();
  });
  state.cleaner_offset = lowered_cleaner_offset(state, cut.last->base_offset());
  state.last_batch = cut.last_batch;
  state.end_gap = to - state.reopen_end();
  state.saved_at = cut.saved_at;
  cut.producers.succeed(state.producers);
  state.producers = std::move(cut.producers);
  state.changed_producer_bytes.store(state.producers.changed_bytes());
  state.epochs = std::move(cut.epochs);
  state.are_epochs_unwritten = false;
  state.offsets.truncate(to);
  state.durable_end.store(std::min(state.durable_end.load(), to.value()));
  state.recovery_point.store(std::min(state.recovery_point.load(), state.reopen_end().value()));
  // Older gaps may be unsaved, too; a recovery point at the last segment is above all of them.
  state.gap_base.store(std::min(state.gap_base.load(), cut.last->base_offset().value()));
  state.view.publish(std::move(cut.view));
  move_high_watermark(state, state.offsets.high_watermark());
}

/// At or above the end: only epochs without a batch go (15.1).
Result<void> drop_epochs_at_end(LogState& state) {
  LeaderEpochs epochs = state.epochs;
  epochs.truncate_from_end(state.offsets.log_end());
  if (epochs.entries() == state.epochs.entries()) return {};
  auto view = make_view(state, nullptr, epochs.entries());
  ONCELOG_TRY(poison_unless_full(
      state, write_leader_epochs(state.environment.vfs, state.path(segment::kLeaderEpochFile),
                                 epochs.entries())));
  state.epochs = std::move(epochs);
  state.are_epochs_unwritten = false;
  state.view.publish(std::move(view));
  return {};
}

/// The write beat of a restart. What a crash leaves in between is the old log, a part of it, or an
/// empty one, all without epochs and producers.
Result<void> write_restart(LogState& state, Offset at) {
  Vfs& vfs = state.environment.vfs;
  ONCELOG_TRY(empty_ring(state));
  if (state.snapshots) ONCELOG_TRY(state.snapshots->forget_all());
  // Missing, not empty: no other verb leaves a log without the file and a start above its end.
  ONCELOG_TRY(vfs.remove(state.path(segment::kLeaderEpochFile)));
  ONCELOG_TRY(vfs.sync_directory(state.directory));
  const Offset first_base = state.segments.front()->base_offset();
  // One by one. The watermark is raised last: over the old log it would show what was never
  // replicated. With it stand all signs of a restart; before that, an open of a log that ends below
  // its start removes nothing and goes on at the start.
  CheckpointKeeper& checkpoints = state.environment.checkpoints;
  const Offset high_watermark = std::min(state.offsets.high_watermark(), at);
  ONCELOG_TRY(checkpoints.save(
      state.name, {std::min(first_base, at), {}, {}, lowered_cleaner_offset(state, at)}));
  ONCELOG_TRY(checkpoints.save(state.name, {{}, {}, high_watermark}));
  ONCELOG_TRY(checkpoints.save(state.name, {{}, at, {}}));
  ONCELOG_TRY(checkpoints.save(state.name, {{}, {}, at}));
  for (const auto& one : state.segments) one->retire();
  for (std::size_t i = state.segments.size(); i-- > 0;) {
    ONCELOG_TRY(segment::remove_segment_files(state.environment.vfs, state.directory,
                                              state.segments[i]->base_offset()));
  }
  return vfs.sync_directory(state.directory);
}

/// Requires maintenance, file and writer mutexes.
Result<void> restart_log(LogState& state, Offset at) {
  ONCELOG_TRY(poison_if_failed(state, write_restart(state, at)));
  auto created = create_segment(state, at);
  if (!created) return std::unexpected(state.poison.set(created.error()));
  const std::shared_ptr<Segment> active = *std::move(created);
  const auto sync = [&]() -> Result<void> {
    ONCELOG_TRY(active->sync());
    ONCELOG_TRY(
        write_leader_epochs(state.environment.vfs, state.path(segment::kLeaderEpochFile), {}));
    ONCELOG_TRY(state.environment.vfs.sync_directory(state.directory));
    return state.environment.checkpoints.save(state.name, {at, at, at});
  };
  ONCELOG_TRY(poison_if_failed(state, sync()));

  state.metrics.truncations.add(1);
  state.cut_count.fetch_add(1);
  state.cleaner_offset = lowered_cleaner_offset(state, at);
  state.segments = {active};
  state.closed_unsynced.clear();
  state.is_directory_unsynced = false;
  state.last_batch.reset();
  state.end_gap = 0;
  state.saved_at.reset();
  producer::ProducerTable none;
  none.succeed(state.producers);
  state.producers = std::move(none);
  state.changed_producer_bytes.store(0);
  state.epochs = {};
  state.are_epochs_unwritten = false;
  state.offsets = LogOffsets(at, at);
  state.durable_end.store(at.value());
  state.recovery_point.store(at.value());
  state.gap_base.store(at.value());
  auto view = make_view(state, nullptr, {});
  const Reshaping reshaping(state.reshapes);
  state.view.publish(std::move(view));
  move_high_watermark(state, at);
  return {};
}

}  // namespace

}  // namespace log

using log::LogState;

Result<Truncated> PartitionLog::truncate_to(Offset to) {
  LogState& state = *state_;
  const log::TellsEnds tells(state);
  if (to < Offset(0)) {
    return fail(ErrorCode::INVALID_REQUEST, "truncate_to: ", to, " is negative");
  }
  const std::scoped_lock maintenance(state.maintenance_mutex);
  const std::scoped_lock files(state.file_mutex);
  const std::scoped_lock lock(state.writer_mutex);
  ONCELOG_TRY(log::check_writable(state));
  if (to >= state.offsets.log_end()) {
    ONCELOG_TRY(log::drop_epochs_at_end(state));
    return Truncated{};
  }
  if (to < state.segments.front()->base_offset()) {
    ONCELOG_TRY(log::restart_log(state, to));
    return Truncated{true, false};
  }
  ONCELOG_TRY(log::drain_ring(state));  // what stays is read from the files
  ONCELOG_TRY(log::make_last_own(state, to));
  ONCELOG_TRY_ASSIGN(log::Cut cut, log::plan_cut(state, to));
  const bool has_replayed_all = !cut.saved_at;
  const std::vector<std::shared_ptr<segment::Segment>> before(
      state.segments.begin() + static_cast<std::ptrdiff_t>(cut.kept_count) - 1,
      state.segments.end());

  auto written = log::poison_if_failed(state, log::write_lowered_ends(state, cut, to));

  // Also where that has failed: some of it may be on the disk, and the log is poisoned.
  log::apply_cut(state, cut, to);

  if (written) written = log::poison_if_failed(state, log::cut_files(state, before));
  ONCELOG_TRY(written);
  return Truncated{true, has_replayed_all};
}

Result<void> PartitionLog::truncate_fully_and_start_at(Offset at) {
  LogState& state = *state_;
  const log::TellsEnds tells(state);
  if (at < Offset(0)) {
    return fail(ErrorCode::INVALID_REQUEST, "truncate_fully_and_start_at: ", at, " is negative");
  }
  const std::scoped_lock maintenance(state.maintenance_mutex);
  const std::scoped_lock files(state.file_mutex);
  const std::scoped_lock lock(state.writer_mutex);
  ONCELOG_TRY(log::check_writable(state));
  return log::restart_log(state, at);
}

}  // namespace oncelog
