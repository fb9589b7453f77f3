// close.cc: a clean close: everything is on stable storage, and Kafka finds what it needs to go on.
//
// Crash: until the store has written its record of the clean end, the next open recovers; nothing
// written here harms that.
#include "log/checkpoint.h"
#include "log/log_state.h"
#include "log/producer_checkpoint.h"
#include "log/ring_replay.h"
#include "log/seals.h"
#include "segment/segment_names.h"
#include "snapshot/kafka_snapshot.h"

namespace oncelog::log {

namespace {

/// `<end>.snapshot`, so that Kafka forgets no producer and no open transaction: one pass over all
/// of them. Requires maintenance and writer mutexes.
Result<void> write_kafka_snapshot(LogState& state) {
  const std::string name = segment::segment_file_name(state.reopen_end(), segment::kSnapshotSuffix);
  ONCELOG_TRY_ASSIGN(FileReplacement replacement,
                     FileReplacement::begin(state.environment.vfs, state.path(name)));
  snapshot::KafkaSnapshotWriter writer(replacement.file());
  ONCELOG_TRY(visit_producers(state, [&](ProducerId id, const producer::ProducerEntry& entry) {
    return writer.add(id, entry);
  }));
  ONCELOG_TRY(writer.finish());
  return replacement.commit();
}

CleanEnd describe_end(const LogState& state) {
  CleanEnd end;
  end.next_offset = state.reopen_end();
  end.active_bytes = state.active()->bytes();
  end.last_batch_crc = end.active_bytes == 0 ? 0 : state.last_batch->anchor.crc;
  end.segment_count = static_cast<std::int32_t>(state.segments.size());
  for (const auto& segment : state.segments) end.log_bytes += segment->bytes();
  return end;
}

Result<CleanEnd> flush_and_close(LogState& state) {
  const std::scoped_lock maintenance(state.maintenance_mutex);
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    state.active()->finish_time_index();
  }
  ONCELOG_TRY(sync_log(state, SyncScope::kRecoveryPoint, Offset(0)));
  ONCELOG_TRY_ASSIGN(const Offset saved, checkpoint_producers(state));

  const std::scoped_lock files(state.file_mutex);
  const std::scoped_lock lock(state.writer_mutex);
  if (saved != state.checkpoint_end() ||
      Offset(state.recovery_point.load()) != state.reopen_end()) {
    return fail(ErrorCode::MISUSE, state.directory, ": appended to while it was being closed");
  }
  ONCELOG_TRY(state.active()->trim_log());
  ONCELOG_TRY(state.active()->sync());
  // A shortcut for the next open; what is in the way of it is for that to find.
  std::ignore = seal_all_segments(state);
  ONCELOG_TRY(state.poison.check());
  ONCELOG_TRY(remove_ring(state));
  if (state.environment.store.kafka_handover) ONCELOG_TRY(write_kafka_snapshot(state));
  state.is_closed = true;
  return describe_end(state);
}

}  // namespace

void end_compaction(LogState& state) {
  state.is_compaction_to_end.store(true);
  const std::scoped_lock compaction(state.compaction_mutex);
}

Result<CleanEnd> close_log(LogState& state) {
  end_compaction(state);
  auto end = flush_and_close(state);
  abandon_log(state);
  return end;
}

void abandon_log(LogState& state) {
  end_compaction(state);
  const std::scoped_lock maintenance(state.maintenance_mutex);
  {
    // A sync that is under way writes checkpoints in the end: they must not be over newer ones.
    const std::scoped_lock files(state.file_mutex);
    const std::scoped_lock lock(state.writer_mutex);
    state.is_closed = true;
    state.is_closed_for_readers.store(true);
    // Their names may be another log's from now on.
    for (const auto& one : state.segments) one->retire();
  }
  {
    const std::unique_lock snapshots(state.snapshots_mutex);
    state.snapshots.reset();  // it lives in the store
  }
  {
    const std::scoped_lock lock(state.wait_mutex);
  }
  state.ends_moved.notify_all();
  end_tellers(state);
  tell_durable(state, fail(ErrorCode::MISUSE, state.directory, ": the log is closed"));
}

}  // namespace oncelog::log
