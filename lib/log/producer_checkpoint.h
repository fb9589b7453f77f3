// producer_checkpoint.h: the producer state between memory and the snapshot store: read where it is
// not in memory, written as what has changed.
#pragma once

#include <mutex>
#include <optional>
#include <span>

#include "log/log_state.h"
#include "record/batch_header.h"

namespace oncelog::log {

/// Makes sure that the producers of these batches are in memory, and that there is room for those
/// that are new. Where the store must be asked, or a checkpoint be made first, `lock` on the writer
/// mutex is released meanwhile; it is held again on return, whatever is returned.
Result<void> read_producers(LogState& state, std::unique_lock<std::mutex>& lock,
                            std::span<const record::BatchHeader> headers);

/// The same for one producer, whom nothing is kept waiting for.
Result<void> read_producer(LogState& state, std::unique_lock<std::mutex>& lock, ProducerId id);

/// Writes a checkpoint of the present end and answers its offset; flushes first. Requires
/// maintenance_mutex; takes file and writer locks.
Result<Offset> checkpoint_producers(LogState& state);
/// Whether one is due: after a roll, so many bytes or records, or half a cache of changes.
[[nodiscard]] bool is_checkpoint_due(const LogState& state, bool has_rolled);

/// Producers that have been silent for producer.id.expiration.ms at `now`. Requires
/// maintenance_mutex; takes the writer lock.
Result<std::int64_t> count_expired(const LogState& state, Timestamp now);

/// Whether a log that begins at `first_base` has every batch behind a checkpoint: only then can it
/// be rolled forward.
[[nodiscard]] bool is_continued_by(const snapshot::CheckpointInfo& info, Offset first_base);

/// A checkpoint that holds all that is known from bytes below `end` and lies at or below the high
/// watermark: one that is there, or a new one. Where all lie above it, because it was lowered, the
/// oldest of them. Requires maintenance_mutex, and that checkpoints are kept.
Result<snapshot::CheckpointInfo> checkpoint_between(LogState& state, Offset end);

/// The state of all producers at an offset, as memory and store have it together, ascending by id.
/// Requires maintenance_mutex and writer_mutex.
Result<void> visit_producers(const LogState& state,
                             const snapshot::PartitionSnapshots::Visitor& visitor);

/// Feeds a table with the stored batches in `[from, to)` of these segments, as a follower appends
/// them. `snapshots`, where `at` stands behind the table, may be null. Answers the last batch that
/// was fed: one that reaches beyond `to` is not.
struct ReplayRange {
  Offset from{};
  Offset to{};
};
Result<std::optional<LastBatch>> replay_producers(
    producer::ProducerTable& table, snapshot::PartitionSnapshots* snapshots, Offset at,
    std::span<const std::shared_ptr<segment::Segment>> segments, ReplayRange range);

/// One batch of a replay.
Result<void> replay_batch(producer::ProducerTable& table, producer::PendingAppend& pending,
                          snapshot::PartitionSnapshots* snapshots, Offset at,
                          const RecordBatchView& batch, const record::BatchHeader& header);

/// A table over the checkpoint `at`, with its open transactions in memory.
Result<producer::ProducerTable> open_table(snapshot::PartitionSnapshots& snapshots, Offset at);

/// Writes the changes of a table as a checkpoint. Nothing else may touch it meanwhile.
Result<void> save_table(snapshot::PartitionSnapshots& snapshots,
                        const producer::ProducerTable& table, const snapshot::CheckpointInfo& info,
                        Offset keep_from);

}  // namespace oncelog::log
