// producer_checkpoint.cc: a checkpoint: what has changed of the producers since the one before,
// from a view that nothing changes any more, without the append lock.
//
// Invariant: a checkpoint is never newer than the durable log.
// Crash: it is one transaction of the store: all of it is there, or the one before is the newest.
#include "log/producer_checkpoint.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/assert.h"
#include "oncelog/record.h"
#include "segment/batch_scan.h"

namespace oncelog::log {

namespace {

using producer::ProducerTable;
using record::BatchHeader;
using snapshot::CheckpointInfo;

/// Appenders wait for no more than so many slots to be moved.
constexpr std::size_t kThawSlots = 256;

/// The first producer that must be read, or for which there is no room.
struct Obstacle {
  ProducerId unread = kNoProducerId;
  bool is_full = false;
};

Obstacle find_obstacle(const LogState& state, std::span<const BatchHeader> headers) {
  const ProducerTable& producers = state.producers;
  const bool is_full = producers.changed_bytes() > 2 * state.environment.store.producer_cache_bytes;
  for (const BatchHeader& header : headers) {
    if (!header.has_producer_id()) continue;
    if (producers.is_unread(header.producer_id)) return {header.producer_id, false};
    if (is_full && producers.find(header.producer_id) == nullptr) return {kNoProducerId, true};
  }
  return {};
}

/// A producer that was dropped while another one was read has been missed twice: no hit then.
void count_lookups(LogState& state, std::span<const BatchHeader> headers, std::int64_t misses) {
  const std::int64_t lookups = std::ranges::count_if(
      headers, [](const BatchHeader& header) { return header.has_producer_id(); });
  if (lookups > misses) state.metrics.producer_cache_hits.add(lookups - misses);
  if (misses > 0) state.metrics.producer_cache_misses.add(misses);
}

/// The anchor of a checkpoint at the end of what is stored. Requires writer_mutex.
CheckpointInfo describe_end(const LogState& state) {
  CheckpointInfo info;
  info.offset = state.checkpoint_end();
  const bool is_anchor_there = state.last_batch && state.last_batch->anchor.base_offset >=
                                                       state.segments.front()->base_offset();
  if (is_anchor_there) info.anchor = state.last_batch->anchor;
  return info;
}

/// The frozen changes become cache, with the append lock held for short moments only.
void thaw(LogState& state, Offset saved_at) {
  bool is_done = false;
  while (!is_done) {
    const std::scoped_lock lock(state.writer_mutex);
    state.saved_at = saved_at;
    is_done = state.producers.thaw_some(kThawSlots);
    state.producers.evict_some(state.environment.store.producer_cache_bytes);
    state.changed_producer_bytes.store(state.producers.changed_bytes());
  }
}

/// A checkpoint, or the end of the one that is under way, releases what new producers wait for.
Result<void> make_room(LogState& state, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto checkpoint = [&]() -> Result<void> {
    const std::scoped_lock maintenance(state.maintenance_mutex);
    const bool is_still_full =
        state.changed_producer_bytes.load() > 2 * state.environment.store.producer_cache_bytes;
    if (!is_still_full) return {};
    ONCELOG_TRY(checkpoint_producers(state));
    return {};
  };
  auto made = checkpoint();
  lock.lock();
  return made;
}

}  // namespace

Result<void> save_table(snapshot::PartitionSnapshots& snapshots, const ProducerTable& table,
                        const CheckpointInfo& info, Offset keep_from) {
  std::vector<snapshot::ProducerChange> changes;
  changes.reserve(table.saving().size());
  for (const auto& [id, slot] : table.saving()) changes.push_back({id, slot ? &*slot : nullptr});
  std::ranges::sort(changes, {}, &snapshot::ProducerChange::id);
  return snapshots.save(info, changes, keep_from);
}

Result<void> read_producer(LogState& state, std::unique_lock<std::mutex>& lock, ProducerId id) {
  while (state.producers.is_unread(id)) {
    if (state.is_closed) return fail(ErrorCode::MISUSE, state.directory, ": the log is closed");
    const std::uint64_t generation = state.producers.generation();
    std::shared_lock snapshots(state.snapshots_mutex);
    lock.unlock();
    const auto stored = state.snapshots->find(id, snapshot::kNewestCheckpoint);
    snapshots.unlock();
    lock.lock();
    ONCELOG_TRY(stored);
    // What was read is true still if nothing that was newer can have left memory since.
    const bool is_current = state.producers.generation() == generation;
    if (is_current && state.producers.is_unread(id)) state.producers.admit(id, *stored);
  }
  return {};
}

Result<void> read_producers(LogState& state, std::unique_lock<std::mutex>& lock,
                            std::span<const BatchHeader> headers) {
  if (!state.keeps_checkpoints) return {};
  if (std::ranges::none_of(headers, &BatchHeader::has_producer_id)) return {};
  // Here and not below: what is admitted must stay until it is used.
  state.producers.evict_some(state.environment.store.producer_cache_bytes);
  std::int64_t misses = 0;
  while (true) {
    const Obstacle obstacle = find_obstacle(state, headers);
    if (obstacle.unread != kNoProducerId) {
      ++misses;
      ONCELOG_TRY(read_producer(state, lock, obstacle.unread));
    } else if (obstacle.is_full) {
      ONCELOG_TRY(make_room(state, lock));
    } else {
      count_lookups(state, headers, misses);
      return {};
    }
    ONCELOG_TRY(check_writable(state));  // the lock was let go meanwhile
  }
}

Result<Offset> checkpoint_producers(LogState& state) {
  CheckpointInfo info;
  std::int64_t appended_bytes = 0;
  Offset log_end{};
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    info = describe_end(state);
    appended_bytes = state.appended_bytes.load();
    log_end = state.offsets.log_end();
    if (state.snapshots) state.producers.freeze();
  }
  const auto write = [&]() -> Result<void> {
    const bool is_flushed = Offset(state.recovery_point.load()) >= info.offset;
    if (!is_flushed) ONCELOG_TRY(sync_log(state, SyncScope::kRecoveryPoint, Offset(0)));
    if (!state.snapshots) return {};
    const bool is_same = !state.producers.is_saving() && state.saved_at == info.offset;
    if (is_same) return {};
    const base::Stopwatch stopwatch(state.metrics.checkpoint_time);
    return save_table(*state.snapshots, state.producers, info,
                      state.published.read().ends.high_watermark);
  };
  if (auto written = write(); !written) {
    const std::scoped_lock lock(state.writer_mutex);
    state.producers.unfreeze();
    return std::unexpected(std::move(written).error());
  }
  if (state.snapshots) thaw(state, info.offset);
  state.saved_bytes.store(appended_bytes);
  state.saved_records.store(log_end.value());
  return info.offset;
}

bool is_checkpoint_due(const LogState& state, bool has_rolled) {
  if (!state.keeps_checkpoints) return false;
  const StoreOptions& options = state.environment.store;
  return has_rolled ||
         state.appended_bytes.load() - state.saved_bytes.load() >=
             options.checkpoint_interval_bytes ||
         state.published.log_end().value() - state.saved_records.load() >=
             options.checkpoint_interval_records ||
         state.changed_producer_bytes.load() >= options.producer_cache_bytes / 2;
}

Result<ProducerTable> open_table(snapshot::PartitionSnapshots& snapshots, Offset at) {
  ProducerTable table;
  table.set_incomplete();
  ONCELOG_TRY_ASSIGN(const auto open, snapshots.open_transactions(at));
  for (const auto& [id, entry] : open) table.adopt_open(id, entry);
  return table;
}

Result<void> replay_batch(ProducerTable& table, producer::PendingAppend& pending,
                          snapshot::PartitionSnapshots* snapshots, Offset at,
                          const RecordBatchView& batch, const BatchHeader& header) {
  if (!header.has_producer_id()) return {};
  if (table.is_unread(header.producer_id)) {
    ONCELOG_ASSERT(snapshots != nullptr, header.producer_id);
    ONCELOG_TRY_ASSIGN(const auto stored, snapshots->find(header.producer_id, at));
    table.admit(header.producer_id, stored);
  }
  std::optional<ControlRecord> control;
  if (header.is_control()) {
    ONCELOG_TRY_ASSIGN(control, batch.control_record());
  }
  pending.clear();
  ONCELOG_TRY(pending.check(header, control, producer::Strictness::kReplication));
  pending.prepare();
  table.apply(pending);
  return {};
}

Result<std::optional<LastBatch>> replay_producers(
    ProducerTable& table, snapshot::PartitionSnapshots* snapshots, Offset at,
    std::span<const std::shared_ptr<segment::Segment>> segments, ReplayRange range) {
  producer::PendingAppend pending(table);
  std::optional<LastBatch> last;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const segment::Segment& one = *segments[i];
    const bool is_below = i + 1 < segments.size() && segments[i + 1]->base_offset() <= range.from;
    if (is_below || one.base_offset() >= range.to) continue;
    ONCELOG_TRY_ASSIGN(const auto first, one.find_batch(range.from, one.bytes()));
    if (!first) continue;
    segment::BatchScan batches(*one.log_file(), {.begin = first->position, .end = one.bytes()});
    while (true) {
      ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, batches.next());
      if (!batch) break;
      const BatchHeader header = record::header_of(*batch);
      if (header.next_offset() > range.to) return last;
      ONCELOG_TRY(replay_batch(table, pending, snapshots, at, *batch, header));
      last = LastBatch{{header.base_offset, header.leader_epoch, header.crc}, header.next_offset()};
    }
    if (!batches.damage().empty()) {
      return fail(ErrorCode::CORRUPT_MESSAGE, one.log_path(), " position ", batches.position(),
                  ": ", batches.damage());
    }
  }
  return last;
}

bool is_continued_by(const CheckpointInfo& info, Offset first_base) {
  const auto anchor = info.lowest_anchor();
  if (anchor && anchor->base_offset >= first_base) return true;
  const bool is_at_begin = !info.anchor && info.offset == first_base;
  const bool has_lost_all = info.anchor && !anchor && info.offset >= first_base;
  return is_at_begin || has_lost_all || info.noted_first_base == first_base;
}

Result<CheckpointInfo> checkpoint_between(LogState& state, Offset end) {
  std::optional<CheckpointInfo> oldest_above;
  const Offset first_base = [&] {
    const std::scoped_lock lock(state.writer_mutex);
    return state.segments.front()->base_offset();
  }();
  const auto find = [&]() -> Result<std::optional<CheckpointInfo>> {
    const Offset high_watermark = state.published.read().ends.high_watermark;
    ONCELOG_TRY_ASSIGN(auto present, state.snapshots->list());
    std::erase_if(present,
                  [&](const CheckpointInfo& one) { return !is_continued_by(one, first_base); });
    if (!present.empty() && present.back().offset > high_watermark) oldest_above = present.back();
    const auto newest = std::ranges::find_if(
        present, [&](const CheckpointInfo& one) { return one.offset <= high_watermark; });
    if (newest == present.end()) return std::nullopt;
    return *newest;
  };
  ONCELOG_TRY_ASSIGN(std::optional<CheckpointInfo> base, find());
  if (base && base->offset >= end) return *base;
  std::vector<std::shared_ptr<segment::Segment>> segments;
  Offset stored_end{};
  {
    const std::scoped_lock lock(state.writer_mutex);
    segments = state.segments;
    stored_end = state.checkpoint_end();
  }
  const Offset high_watermark = state.published.read().ends.high_watermark;
  if (stored_end <= high_watermark) {
    ONCELOG_TRY(checkpoint_producers(state));
    ONCELOG_TRY_ASSIGN(base, find());
    // Unless an append came in between, and it lies above.
    if (base && base->offset >= end) return *base;
  }
  // Where the watermark was lowered below all of them, a replay cannot tell what they know: the
  // oldest stands in. A truncation below it replays what is left of the log, and says so.
  if (!base && oldest_above) return *oldest_above;
  // The present state is too new: the newest checkpoint that is old enough is rolled forward.
  ONCELOG_TRY(sync_log(state, SyncScope::kLog, high_watermark));
  ProducerTable table;
  const Offset from = base ? base->offset : segments.front()->base_offset();
  if (base) {
    ONCELOG_TRY_ASSIGN(table, open_table(*state.snapshots, from));
  }
  ONCELOG_TRY_ASSIGN(const auto last, replay_producers(table, state.snapshots.get(), from, segments,
                                                       {from, high_watermark}));
  if (!last || last->next_offset < end) {
    return fail(ErrorCode::OFFSET_OUT_OF_RANGE, state.directory, ": no batch ends between offset ",
                end, " and the high watermark ", high_watermark);
  }
  table.freeze();
  {
    const base::Stopwatch stopwatch(state.metrics.checkpoint_time);
    ONCELOG_TRY(save_table(*state.snapshots, table,
                           {.offset = last->next_offset, .anchor = last->anchor}, high_watermark));
  }
  ONCELOG_TRY_ASSIGN(base, find());
  if (base && base->offset >= end) return *base;
  return fail(ErrorCode::OFFSET_OUT_OF_RANGE, state.directory,
              ": the high watermark was lowered meanwhile");
}

Result<void> visit_producers(const LogState& state,
                             const snapshot::PartitionSnapshots::Visitor& visitor) {
  const auto changed = state.producers.changed();
  auto next = changed.begin();
  const auto visit_changed_below = [&](ProducerId id) -> Result<void> {
    for (; next != changed.end() && next->first < id; ++next) {
      if (next->second) ONCELOG_TRY(visitor(next->first, *next->second));
    }
    return {};
  };
  if (state.snapshots && state.saved_at) {
    ONCELOG_TRY(state.snapshots->visit(
        *state.saved_at, [&](ProducerId id, const producer::ProducerEntry& entry) -> Result<void> {
          ONCELOG_TRY(visit_changed_below(id));
          const bool is_changed = next != changed.end() && next->first == id;
          return is_changed ? Result<void>{} : visitor(id, entry);
        }));
  }
  for (; next != changed.end(); ++next) {
    if (next->second) ONCELOG_TRY(visitor(next->first, *next->second));
  }
  return {};
}

}  // namespace oncelog::log

namespace oncelog {

Result<Offset> PartitionLog::checkpoint() {
  const log::TellsEnds tells(*state_);
  const std::scoped_lock maintenance(state_->maintenance_mutex);
  return log::checkpoint_producers(*state_);
}

Result<std::optional<ProducerInfo>> PartitionLog::find_producer(ProducerId id) const {
  std::unique_lock lock(state_->writer_mutex);
  if (state_->is_closed) {
    return fail(ErrorCode::MISUSE, state_->directory, ": the log is closed");
  }
  state_->producers.evict_some(state_->environment.store.producer_cache_bytes);
  ONCELOG_TRY(log::read_producer(*state_, lock, id));
  const producer::ProducerEntry* entry = state_->producers.find(id);
  if (entry == nullptr) return std::nullopt;
  return producer::describe(id, *entry);
}

Result<std::vector<ProducerInfo>> PartitionLog::producers() const {
  const std::scoped_lock maintenance(state_->maintenance_mutex);
  const std::scoped_lock lock(state_->writer_mutex);
  if (state_->is_closed) {
    return fail(ErrorCode::MISUSE, state_->directory, ": the log is closed");
  }
  std::vector<ProducerInfo> infos;
  ONCELOG_TRY(log::visit_producers(
      *state_, [&](ProducerId id, const producer::ProducerEntry& entry) -> Result<void> {
        infos.push_back(producer::describe(id, entry));
        return {};
      }));
  return infos;
}

}  // namespace oncelog
