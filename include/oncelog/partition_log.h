// partition_log.h: one partition: append, fetch, offsets, leader epochs, and how it was recovered.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/options.h"
#include "oncelog/record.h"
#include "oncelog/record_builder.h"
#include "oncelog/types.h"

namespace oncelog {

namespace log {
class EndsTeller;
struct LogState;
}  // namespace log
struct PartitionMetrics;

using Deadline = std::chrono::steady_clock::time_point;

/// The ends of a log: log_start <= last_stable_offset <= high_watermark <= log_end; all exclusive
/// but log_start.
struct LogEnds {
  Offset log_start{};
  Offset last_stable_offset{};
  Offset high_watermark{};
  Offset log_end{};
  Offset durable_end{};  ///< every batch below it is on stable storage

  /// Where a reader of this isolation level stops (semantics 11.1).
  [[nodiscard]] Offset bound_of(Isolation isolation) const {
    if (isolation == Isolation::kReplica) return log_end;
    return isolation == Isolation::kReadCommitted ? last_stable_offset : high_watermark;
  }
  friend bool operator==(const LogEnds&, const LogEnds&) = default;
};

struct LeaderAppendOptions {
  AppendOrigin origin = AppendOrigin::kClient;
  std::optional<Level> level{};  ///< the partition's if none
};

/// The answer to an append.
struct Appended {
  Offset base_offset =
      kNoOffset;  ///< −1 if the bytes held no whole batch: nothing was stored, and that is no error
  Offset last_offset = kNoOffset;  ///< inclusive
  bool is_duplicate =
      false;  ///< a retry: offsets are those of the first answer, nothing was stored
  Timestamp append_time =
      kNoTimestamp;  ///< on LogAppendTime topics; of a duplicate: its original's max timestamp
  Offset log_start{};
  Level level = Level::kWritten;  ///< what the batch is known to survive
};

struct FollowerAppendOptions {
  std::optional<Offset> leader_high_watermark{};
  std::optional<Offset> leader_log_start{};
  std::optional<Level> level{};
};

struct FetchOptions {
  Isolation isolation = Isolation::kReadUncommitted;
  std::int64_t bytes_max = 1 << 20;
  bool min_one_batch = true;  ///< a first batch larger than bytes_max is returned whole
  std::optional<Deadline>
      wait_until{};  ///< wait so long for the first byte; an empty answer then is no error
};

/// Bytes of whole batches (the last may be partial, as in Kafka), still in their file. They stay as
/// they are while the region is held, whatever goes of the log: retention, deleted records,
/// compaction, deletion of the partition. Only a truncation below the region's end takes some away:
/// reads of `file` end there then, whatever is appended later. Who reads by native_handle() must
/// look himself: ends().log_end, taken behind the read, lies below what he has read. Of a log that
/// was closed or reopened nothing is promised.
struct FileRegion {
  std::shared_ptr<const File>
      file{};          ///< readable while held; no native_handle() while bytes are in the ring
  std::string path{};  ///< for messages
  std::int64_t position = 0;
  std::int64_t bytes = 0;
};

struct Fetched {
  FileRegion region{};  ///< no file and 0 bytes if there is nothing to read
  /// For read_committed: aborted transactions that touch the region (or, harmlessly, what follows),
  /// by marker.
  std::optional<std::vector<AbortedTransaction>> aborted{};
  LogEnds ends{};

  /// Copies the region into memory of the caller. KAFKA_STORAGE_ERROR, naming the position, if the
  /// log was truncated meanwhile: the fetch is to be asked anew.
  Result<std::vector<std::byte>> read() const;
};

/// An offset found by timestamp or by one of the special names.
struct OffsetFound {
  Offset offset = kNoOffset;
  Timestamp timestamp = kNoTimestamp;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

inline constexpr Timestamp kLatestTimestamp{-1};
inline constexpr Timestamp kEarliestTimestamp{-2};
inline constexpr Timestamp kMaxTimestamp{-3};

struct LeaderEpochStart {
  LeaderEpoch epoch = kNoLeaderEpoch;
  Offset start{};
  friend bool operator==(const LeaderEpochStart&, const LeaderEpochStart&) = default;
};

/// The end of an epoch (semantics 14.4); (−1, −1) when undefined.
struct LeaderEpochEnd {
  LeaderEpoch epoch = kNoLeaderEpoch;
  Offset end = kNoOffset;
};

/// A stored data batch that a producer's retry would be answered with.
struct ProducerBatch {
  Sequence first_sequence = kNoSequence;
  Sequence last_sequence = kNoSequence;
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  Timestamp max_timestamp = kNoTimestamp;
  friend bool operator==(const ProducerBatch&, const ProducerBatch&) = default;
};

/// What the log knows of one producer (semantics 0.2).
struct ProducerInfo {
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch epoch = kNoProducerEpoch;
  Sequence last_sequence = kNoSequence;
  Offset last_offset = kNoOffset;  ///< of the last data batch; −1 if none is known
  CoordinatorEpoch coordinator_epoch = kNoCoordinatorEpoch;
  std::optional<Offset> transaction_first_offset{};
  Timestamp last_timestamp = kNoTimestamp;
  std::vector<ProducerBatch> batches{};  ///< of this epoch, the last five at most, oldest first
};

/// An entry of a transaction index (formats 9).
struct AbortedTransactionEntry {
  Offset segment{};
  ProducerId producer_id = kNoProducerId;
  Offset first_offset{};
  Offset last_offset{};  ///< of the abort marker
  Offset last_stable_offset{};
};

/// Something cut off by recovery.
struct RecoveryCut {
  std::string file{};
  std::int64_t position = 0;
  std::int64_t bytes = 0;
  Offset end{};  ///< the log end after the cut
  std::string reason{};
};

/// What opening a partition did.
struct RecoveryReport {
  bool was_clean = true;  ///< the last end was a clean close, here or in Kafka
  bool was_created = false;
  std::chrono::nanoseconds elapsed{0};
  std::int64_t segments_read = 0;
  std::int64_t segments_sealed = 0;  ///< not read: their seals say what they hold
  std::int64_t bytes_read = 0;
  std::int64_t batches_read = 0;
  std::int64_t batches_from_ring = 0;  ///< that the process that died had not put into the `.log`
  std::int64_t bytes_cut = 0;          ///< zeros of a preallocated tail excepted
  std::vector<RecoveryCut> cuts{};
  std::vector<std::string> files_rebuilt{};  ///< indexes and epoch files that were missing or wrong
  std::vector<std::string> files_removed{};  ///< leftovers of interrupted work
  /// Offset of the producer-state checkpoint behind which batches were replayed; nothing if all of
  /// the log was: then producers whose data is gone are forgotten.
  std::optional<Offset> replayed_from{};
  std::vector<std::string> warnings{};  ///< what was not as it should be, and cost nothing
};

/// Damage that a scrub has found.
struct ScrubFinding {
  std::string file{};
  std::int64_t position = 0;  ///< where it is, or begins to be believable no more
  Offset begin{};             ///< offsets that may be affected: [begin, end)
  Offset end{};
  std::string reason{};       ///< seen and expected
  std::string safe_action{};  ///< what can be done about it without losing more
};

/// What a scrub has looked at.
struct ScrubReport {
  std::int64_t segments = 0;
  std::int64_t bytes = 0;
  std::vector<ScrubFinding> findings{};
};

/// How far a compaction is.
struct CompactionProgress {
  std::int64_t bytes_total = 0;  ///< the dirty ones twice: their keys come first
  std::int64_t bytes_done = 0;
};

struct CompactionOptions {
  /// Memory for the keys of one round (Kafka's log.cleaner.dedupe.buffer.size). Where they do not
  /// fit, the round covers as much as they do.
  std::int64_t key_map_bytes_max = 128 << 20;
  /// Bytes read in a second, at most (log.cleaner.io.max.bytes.per.second).
  std::int64_t bytes_per_second_max = kUnlimited;
  /// Called about once a MiB, on the thread that called compact(); false ends the round. It may use
  /// the log, but must not compact or close it, nor wait for who does. Must not throw.
  std::function<bool(const CompactionProgress&)> on_progress{};
};

/// What a compaction did.
struct CompactionReport {
  bool was_due = false;  ///< else nothing has been changed (semantics 23.1)
  /// Ended before its end, by on_progress, by a close, or because the segments were cut or removed
  /// meanwhile. Segments that it had rewritten by then stay; the next round begins where this did.
  bool was_interrupted = false;
  double dirty_ratio = 0;       ///< bytes to be compacted, of those and all before them
  Offset first_dirty{};         ///< where the round began
  Offset cleaned_to{};          ///< where the next one begins
  bool has_covered_all = true;  ///< else the keys did not fit
  std::int64_t keys = 0;
  std::int64_t segments_before = 0;  ///< that were rewritten
  std::int64_t segments_after = 0;
  std::int64_t bytes_before = 0;
  std::int64_t bytes_after = 0;
  std::int64_t records_before = 0;
  std::int64_t records_after = 0;
};

/// Told once: success when every batch below the offset is on stable storage, else why it will not
/// be (PARTITION_POISONED, MISUSE after close).
using DurableCallback = std::function<void(const Result<void>&)>;

/// Told where the ends of a log are, once they have moved.
using EndsCallback = std::function<void(const LogEnds&)>;

/// Keeps a callback of PartitionLog::on_ends_moved registered. May outlive the log and its store.
class EndsObserver {
 public:
  EndsObserver() = default;
  explicit EndsObserver(std::shared_ptr<log::EndsTeller> teller) : teller_(std::move(teller)) {}
  ~EndsObserver() { stop(); }
  EndsObserver(EndsObserver&& other) noexcept = default;
  EndsObserver& operator=(EndsObserver&& other) noexcept {
    stop();
    teller_ = std::move(other.teller_);
    return *this;
  }

  /// No call begins any more, and none is under way, unless this is called out of it. Waits for one
  /// on another thread: to be called without a lock that the callback takes.
  void stop() noexcept;

 private:
  std::shared_ptr<log::EndsTeller> teller_{};
};

/// What a truncation did besides cutting.
struct Truncated {
  bool has_cut = false;  ///< else the log ended at or below the offset already
  /// No checkpoint of the producer state was old enough: it was replayed from the log's first
  /// batch, so that producers whose data is gone are forgotten.
  bool has_replayed_all = false;
};

/// A log of one partition. Obtained from a Store, which it must not outlive in use: after the
/// store's close verbs, fetch, list_offsets and the listing of producers answer MISUSE; other
/// listings go on answering what was last. Thread-safe: appends queue behind each other, readers
/// take no lock that an appender holds.
class PartitionLog {
 public:
  explicit PartitionLog(std::unique_ptr<log::LogState> state);
  ~PartitionLog();
  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  [[nodiscard]] const TopicPartition& topic_partition() const;
  [[nodiscard]] const RecoveryReport& recovery_report() const;

  /// Appends one batch as the leader: assigns offsets, the leader epoch and (LogAppendTime) the
  /// time; semantics 1, 2, 5 and 6. `bytes` need to live during the call only. When this returns
  /// without an error, the batch, or the original it repeats, is stored with the level asked for.
  /// An error of a check has changed nothing; KAFKA_STORAGE_ERROR or STORAGE_FULL: nothing is
  /// stored and later appends try again; PARTITION_POISONED: reopen the partition. Level durable:
  /// OFFSET_OUT_OF_RANGE if a truncation cut the batch before it was synced. Behind a gap (a
  /// truncation inside a batch) STORAGE_FULL may come of the recovery point: the batch is in the
  /// log then, and its producer's retry is a duplicate.
  Result<Appended> append_as_leader(Bytes bytes, LeaderAppendOptions options = {});
  /// Writes a transaction marker with the coordinator's authority; ends the producer's open
  /// transaction if there is one.
  Result<Appended> append_marker(const MarkerFields& fields, std::optional<Level> level = {});
  /// Stores batches as a leader sent them, offsets and epochs and all; semantics 3. The first must
  /// begin at or above the log end; where the log is empty and the first batch holds its start, it
  /// is begun anew at that batch (3.3). All are stored, or none. Afterwards high watermark and log
  /// start follow the leader's.
  Result<Appended> append_as_follower(Bytes bytes, FollowerAppendOptions options = {});

  /// Batches from `from` on, as far as the isolation level allows, out of one segment;
  /// semantics 11. OFFSET_OUT_OF_RANGE outside [log start, log end].
  Result<Fetched> fetch(Offset from, FetchOptions options = {}) const;
  /// Looks an offset up by time, or by kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp;
  /// semantics 12. An answer with offset −1 is "not found".
  Result<OffsetFound> list_offsets(Timestamp timestamp, Isolation isolation) const;
  [[nodiscard]] LogEnds ends() const;
  /// Base offsets of the segments, ascending; the last is active.
  [[nodiscard]] std::vector<Offset> segments() const;

  /// Moves the high watermark, clamped to [log start, log end]; it may be lowered. Answers where it
  /// stands.
  Result<Offset> set_high_watermark(Offset to);

  [[nodiscard]] std::vector<LeaderEpochStart> leader_epochs() const;
  /// This leader's epoch from now on, starting at the log end; durable on return. INVALID_REQUEST
  /// for a negative one.
  Result<void> assign_leader_epoch(LeaderEpoch epoch);
  [[nodiscard]] LeaderEpochEnd epoch_end(LeaderEpoch epoch) const;

  /// Producers, ascending by id: one pass over all of them. Waits for an append or a checkpoint
  /// that is under way. KAFKA_STORAGE_ERROR if their state cannot be read.
  Result<std::vector<ProducerInfo>> producers() const;
  /// One producer, or nothing if it is unknown.
  Result<std::optional<ProducerInfo>> find_producer(ProducerId id) const;
  /// Writes what has changed of the producer state since the checkpoint before; on stable storage
  /// on return. Answers the offset that it is good for: the next offset of the last stored batch.
  /// Flushes first. Appends go on meanwhile.
  Result<Offset> checkpoint();
  /// Forgets producers without an open transaction whose last record is older than
  /// producer.id.expiration.ms (semantics 5.10); answers them, ascending. Persistent with the next
  /// checkpoint.
  Result<std::vector<ProducerId>> expire_producers();
  /// All entries of all transaction indexes, in file order.
  [[nodiscard]] std::vector<AbortedTransactionEntry> aborted_transactions() const;

  /// Cuts off everything from offset `to` on; semantics 15. A batch that holds `to` goes whole, the
  /// end is `to` all the same until the next open. At or above the log end: only epochs that begin
  /// there go. Below the first segment: as truncate_fully_and_start_at. Durable on return. Fetches
  /// and look-ups beside it see the log before or behind it; regions that were fetched before keep
  /// what lies below the cut.
  Result<Truncated> truncate_to(Offset to);
  /// Drops everything, producers and leader epochs too, and goes on at `at`; semantics 15.5.
  /// Durable on return.
  Result<void> truncate_fully_and_start_at(Offset at);
  /// Raises the log start to `before` (−1: the high watermark); semantics 16.3. Files go with the
  /// next apply_retention. Answers the log start, durable on return. POLICY_VIOLATION without
  /// cleanup.policy delete, OFFSET_OUT_OF_RANGE above the high watermark.
  Result<Offset> delete_records(Offset before);
  /// Removes the oldest segments that lie below the log start or that retention.bytes or
  /// retention.ms let go; semantics 19. Raises the log start to the first that is left. Answers the
  /// bases of the removed ones, ascending.
  Result<std::vector<Offset>> apply_retention();

  /// One round of compaction, if the log is due for one by cleanup.policy compact and its configs;
  /// semantics 23. Segments below the active one and the LSO are rewritten with the newest record
  /// of each key; offsets and sequences stay. Appends and reads go on meanwhile; readers keep what
  /// they have. CORRUPT_MESSAGE if a batch is damaged: the segments up to it may be rewritten,
  /// nothing is lost.
  Result<CompactionReport> compact(const CompactionOptions& options = {});

  /// Starts a new segment, unless the active one is empty.
  Result<void> roll();
  /// Everything appended so far is in the files and on stable storage when this returns; answers
  /// the recovery point, which is persistent.
  Result<Offset> flush();
  /// Puts what the append ring holds into the `.log`, without a sync: for who reads the file around
  /// the library, which fetch() makes unnecessary. STORAGE_FULL and the like: nothing is lost.
  Result<void> drain();
  /// Waits until every batch below `offset` is on stable storage. Who waits syncs, one for all who
  /// wait. DEADLINE_EXCEEDED if another one's sync lasts longer; a sync of one's own is not cut
  /// short. OFFSET_OUT_OF_RANGE above the log end, or if a truncation brings it down there.
  Result<void> wait_durable(Offset offset, std::optional<Deadline> deadline = {});
  /// Calls back once every batch below `offset` is on stable storage, at once or out of the call
  /// that synced or closed the log; starts no sync itself. The callback must not throw, call this
  /// log or its store, nor wait for another log. An offset above the log end waits for it.
  void when_durable(Offset offset, DurableCallback told);

  /// Calls back with the ends whenever one of them has moved (log start, LSO, high watermark, log
  /// end, durable end), as long as the answer lives or until the log is closed; the ends of now are
  /// known to the caller by ends(). Costs an append nothing while nobody is registered.
  ///
  /// The calls come out of the verbs that moved the ends, on their threads, with no lock of this
  /// library held: the callback may use the log and its store, append too, and stop its own
  /// observer. They come one after the other, never two at a time; while one is running, threads
  /// that move the ends go on, and the one that runs it calls again. So several movements may be
  /// one call, each call has other ends than the one before, and the last call has the last ends.
  /// What moves the ends waits for no callback but one on its own thread. Must not throw.
  [[nodiscard]] EndsObserver on_ends_moved(EndsCallback told);

  /// What the log has done since it was opened, and how it stands (oncelog/metrics.h). Waits for an
  /// append that is under way; reads one batch header if a transaction is open. Of a closed log, or
  /// one that cannot be read just now, what is known without that.
  [[nodiscard]] PartitionMetrics metrics() const;

  /// Reads every stored byte below the present end and compares: sealed segments with their seals,
  /// the others batch by batch. Appends and reads go on meanwhile. Changes nothing; findings are no
  /// error.
  Result<ScrubReport> scrub() const;

  /// Walks the whole object in memory and answers what is not as it must be; for tests.
  [[nodiscard]] std::vector<std::string> check_invariants() const;

 private:
  Result<Fetched> fetch_when_there(Offset from, const FetchOptions& options) const;
  Result<Appended> append_received(Bytes bytes, const FollowerAppendOptions& options);

  std::unique_ptr<log::LogState> state_;
};

}  // namespace oncelog
