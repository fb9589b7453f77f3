// log_state.h: what one PartitionLog owns, grouped by who guards it.
//
// Locks, in the order in which they may be taken: compaction_mutex, maintenance_mutex, file_mutex,
// writer_mutex, then one of snapshots_mutex, sync_mutex, wait_mutex. Appenders take maintenance and
// file mutex only after they have released the writer lock. A fetch takes none but, where it waits
// for bytes, wait_mutex.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <tuple>
#include <vector>

#include "log/checkpoint_keeper.h"
#include "log/ends_teller.h"
#include "log/leader_epochs.h"
#include "log/log_metrics.h"
#include "log/log_offsets.h"
#include "log/log_view.h"
#include "log/maintenance_waker.h"
#include "log/open_progress.h"
#include "log/published_config.h"
#include "oncelog/options.h"
#include "oncelog/partition_log.h"
#include "producer/producer_table.h"
#include "segment/segment.h"
#include "snapshot/snapshot_store.h"

namespace oncelog::log {

/// What the store gives a log to live in. The references outlive the log.
struct LogEnvironment {
  Vfs& vfs;
  Clock& clock;
  CheckpointKeeper& checkpoints;
  snapshot::SnapshotStore& snapshots;
  std::shared_ptr<segment::RingBudget> ring_budget{};
  StoreOptions store{};  ///< a copy: handles may outlive the store, as long as they are not used
  MaintenanceWaker* waker = nullptr;  ///< null: who makes work due does it
  std::shared_ptr<segment::OpenFiles> open_files{};
};

/// The first error after which nothing may be written any more (design: a failed sync poisons the
/// partition).
class Poison {
 public:
  /// Keeps the first cause; answers the error to return.
  Error set(const Error& cause);
  /// PARTITION_POISONED with the first cause, once there is one.
  [[nodiscard]] Result<void> check() const {
    if (!is_set_.load()) [[likely]]
      return {};
    return refuse();
  }

 private:
  [[nodiscard]] Result<void> refuse() const;

  mutable std::mutex mutex_;
  std::atomic<bool> is_set_{false};
  std::string cause_;
};

/// The last batch that lies in the files.
struct LastBatch {
  snapshot::Anchor anchor{};
  Offset next_offset{};
};

struct LogState {
  LogState(TopicPartition partition, std::string path, const PartitionOptions& opened_with,
           const LogEnvironment& in)
      : name(std::move(partition)),
        directory(std::move(path)),
        options(opened_with),
        environment(in),
        config(opened_with.config) {}

  // ---- set by open, then constant
  const TopicPartition name;
  const std::string directory;
  const PartitionOptions options;  ///< but for its config, which `config` has
  const LogEnvironment environment;
  HighWatermarkPolicy high_watermark_policy = HighWatermarkPolicy::kManual;
  RecoveryReport report;
  /// Checkpoints of the producer state; null if none are kept, and once the log is closed.
  std::unique_ptr<snapshot::PartitionSnapshots> snapshots;
  bool keeps_checkpoints = false;             ///< whether there is one while the log is open
  std::shared_ptr<segment::AppendRing> ring;  ///< of the active segment; null where none is wanted

  // ---- compaction_mutex: a round, from its plan to its last swap
  mutable std::mutex compaction_mutex;
  std::atomic<bool> is_compaction_to_end{false};  ///< somebody closes the log

  // ---- maintenance_mutex: checkpoints of producers, and verbs that shrink the log
  mutable std::mutex maintenance_mutex;
  std::optional<Offset> cleaner_offset;  ///< first dirty offset, as the checkpoint file has it

  // ---- `snapshots`, the pointer: shared by look-ups that let go of the writer lock meanwhile;
  // held alone, behind maintenance_mutex, it parts the log from a store that closes
  mutable std::shared_mutex snapshots_mutex;

  // ---- writer_mutex: the state that a verb checks, writes and applies
  mutable std::mutex writer_mutex;
  producer::ProducerTable producers;
  producer::PendingAppend pending{producers};
  LeaderEpochs epochs;
  LeaderEpoch leader_epoch{0};  ///< written into batches appended as leader
  bool are_epochs_unwritten = false;
  std::vector<std::shared_ptr<segment::Segment>> segments;
  std::vector<std::shared_ptr<segment::Segment>>
      closed_unsynced;  ///< rolled away, not below a recovery point yet
  bool is_directory_unsynced = false;
  LogOffsets offsets;
  std::optional<LastBatch> last_batch;
  std::int64_t end_gap = 0;        ///< log end − reopen_end(), after a truncation inside a batch
  std::optional<Offset> saved_at;  ///< newest checkpoint of the producers; changed with both locks
  bool is_closed = false;

  // ---- file_mutex: index files, epoch file, syncs, the recovery point
  mutable std::mutex file_mutex;

  // ---- read by anyone, without a lock; moved under writer_mutex, if no other is named
  PublishedOffsets published;
  PublishedView view;
  ReshapeCount reshapes;
  PublishedConfig config;
  std::atomic<std::int64_t> durable_end{0};     ///< moved under file_mutex, too
  std::atomic<std::int64_t> recovery_point{0};  ///< persistent; moved under file_mutex
  /// Base of the newest segment that does not begin where the log before it ended: an open believes
  /// in it, and in all behind it, only below the recovery point.
  std::atomic<std::int64_t> gap_base{0};
  std::atomic<std::int64_t> appended_bytes{0};  ///< since the log was opened
  std::atomic<std::int64_t> cut_count{0};       ///< times that an end came down: file_mutex, too
  std::atomic<std::int64_t> flushed_bytes{0};   ///< of these, below the recovery point: file_mutex
  std::atomic<std::int64_t> last_flush_ms{0};   ///< file_mutex
  std::atomic<std::int64_t> saved_bytes{0};    ///< when the producers were saved: maintenance_mutex
  std::atomic<std::int64_t> saved_records{0};  ///< the log end then
  std::atomic<std::int64_t> changed_producer_bytes{0};
  std::atomic<std::int64_t> last_scrub_ms{0};  ///< or the open; by whoever has scrubbed
  std::atomic<bool> has_woken{false};          ///< and whoever was woken has not come yet
  std::atomic<bool> is_closed_for_readers{false};
  Poison poison;

  // ---- sync_mutex: who waits for a level, and who is to be told; taken behind all others
  std::mutex sync_mutex;
  std::condition_variable sync_ended;
  bool is_syncing = false;  ///< one of those who wait does it for all
  std::multimap<Offset, DurableCallback> told_when_durable;

  std::atomic<std::int64_t> sync_arrivals{0};  ///< who came to wait for a level; without the mutex

  // ---- the thread that has set is_syncing
  std::int64_t synced_arrivals = 0;  ///< for whom there has been a sync
  std::int64_t last_group = 0;       ///< of these, for whom the last one was
  std::chrono::nanoseconds last_sync_time{0};

  // ---- wait_mutex: readers that wait for bytes
  mutable std::mutex wait_mutex;
  mutable std::condition_variable ends_moved;
  mutable std::atomic<int> waiting_count{0};

  // ---- observers_mutex: who is told that the ends have moved; taken without any other
  std::mutex observers_mutex;
  std::vector<std::shared_ptr<EndsTeller>> ends_tellers;
  std::atomic<std::ptrdiff_t> ends_teller_count{0};

  // ---- counted as its fields say
  mutable LogMetrics metrics;

  [[nodiscard]] const std::shared_ptr<segment::Segment>& active() const { return segments.back(); }
  /// The next offset of the last stored batch, or the base of the first segment.
  [[nodiscard]] Offset stored_end() const {
    const Offset first_base = segments.front()->base_offset();
    return last_batch ? std::max(first_base, last_batch->next_offset) : first_base;
  }
  /// Where a checkpoint of the producers stands: at the end of what is stored, unless a compaction
  /// has taken batches away in front of the newest checkpoint, which stays where it was.
  [[nodiscard]] Offset checkpoint_end() const {
    return std::max(stored_end(), saved_at.value_or(Offset(0)));
  }
  /// The log end that an open would find. The log end lies above it by end_gap.
  [[nodiscard]] Offset reopen_end() const {
    return std::max(stored_end(), active()->base_offset());
  }
  [[nodiscard]] std::string path(std::string_view file) const {
    return directory + "/" + std::string(file);
  }
};

// ---- pieces that the verbs share; each names the lock it requires

/// MISUSE after close, PARTITION_POISONED after a failed sync. Requires writer_mutex.
Result<void> check_writable(const LogState& state);
/// Behind a failure the disk can no longer be believed.
Result<void> poison_if_failed(LogState& state, Result<void> result);
/// A failed write of a shortcut or checkpoint for lack of space can be tried again; whatever else
/// failed may have been a sync or a rename, after which the disk can no longer be believed.
Result<void> poison_unless_full(LogState& state, Result<void> result);
/// The view of the present segments, one more if `added` is not null, and the given epochs.
/// Requires writer_mutex.
[[nodiscard]] std::shared_ptr<const LogView> make_view(
    const LogState& state, const std::shared_ptr<segment::Segment>& added,
    const std::vector<LeaderEpochStart>& epochs);
/// Largest record time, or when the file was last written if no record has one (12.4).
Result<Timestamp> largest_timestamp(const LogState& state, const segment::Segment& one);
/// What a reader sees of the log.
struct Sight {
  Positioned now{};
  std::shared_ptr<const LogView> view{};
};
/// Ends that were true together, and a list of segments that is the same or has grown at its end
/// since. Takes no lock; waits for a change of the list to be over, which is some stores of memory.
[[nodiscard]] Sight look_at(const LogState& state);
/// Whether something that was looked up in this view has failed because its files have gone
/// meanwhile: then there is a newer view, or will be at once, or the log is closed.
[[nodiscard]] bool is_outdated(const LogState& state, const std::shared_ptr<const LogView>& view);
/// An empty segment that may become the active one, with the log's ring. Nothing is synced.
Result<std::shared_ptr<segment::Segment>> create_segment(const LogState& state, Offset base);
/// Allocates what apply_roll needs. Requires writer_mutex.
void reserve_roll(LogState& state);
/// Makes `next` the active segment, before which these transactions are open; the caller publishes
/// the view. Requires writer_mutex.
void apply_roll(LogState& state, const std::shared_ptr<segment::Segment>& next,
                std::vector<segment::OpenTransaction> open_transactions) noexcept;
/// Recomputes the LSO, publishes all ends and wakes who waits for them. Requires writer_mutex.
void publish_ends(LogState& state) noexcept;
/// Sets the high watermark, releases decided transactions and publishes. Requires writer_mutex.
void move_high_watermark(LogState& state, Offset to) noexcept;

/// The ends as anyone may read them, without a lock.
[[nodiscard]] LogEnds read_ends(const LogState& state);
/// Calls back who observes the ends. Behind what moved them, without any lock.
void tell_ends_to_all(LogState& state);
inline void tell_ends(LogState& state) {
  if (state.ends_teller_count.load() == 0) [[likely]]
    return;
  tell_ends_to_all(state);
}
/// Tells at the end of its life: declared by a verb before its locks.
class TellsEnds {
 public:
  explicit TellsEnds(LogState& state) : state_(state) {}
  ~TellsEnds() { tell_ends(state_); }
  TellsEnds(const TellsEnds&) = delete;
  TellsEnds& operator=(const TellsEnds&) = delete;

 private:
  LogState& state_;
};
/// Nobody is called back any more, but for calls that are under way.
void end_tellers(LogState& state);

/// Sees to a ring for the append that is to come at `now`. Takes file_mutex where there is none,
/// and the locks of other logs; to be called without any.
void prepare_ring(LogState& state, Timestamp now);
/// Every batch is in its `.log` when this returns without an error. Requires writer_mutex.
Result<void> drain_ring(LogState& state);
/// As drain_ring, and nothing that the ring ever held comes back: before the log is cut. Requires
/// writer_mutex.
Result<void> empty_ring(LogState& state);

/// Whether a crash would take what was appended last, though it is in the files: the recovery point
/// must be persistent before any of that is acknowledged.
[[nodiscard]] inline bool has_unsaved_gap(const LogState& state) {
  return state.gap_base.load() > state.recovery_point.load();
}

/// How much of the state a sync makes persistent.
enum class SyncScope : std::uint8_t {
  kLog,            ///< closed segments, directory and active log: the durable end moves
  kRecoveryPoint,  ///< index and epoch files as well, then the recovery point: recovery begins
                   ///< there
};
/// Syncs everything appended before the call; appends go on meanwhile. Nothing to do if the durable
/// end is at or above `needed` already (scope kLog). Takes file_mutex and, briefly, writer_mutex.
Result<void> sync_log(LogState& state, SyncScope scope, Offset needed);
/// Until every batch below `needed` is on stable storage: one of those who wait syncs for all.
/// Requires none of the locks.
Result<void> sync_with_others(LogState& state, Offset needed, std::optional<Deadline> deadline);
/// Calls back whose offset is below the durable end; all of them, with the error, if nothing more
/// will become durable. Requires none of the locks but, at most, maintenance_mutex.
void tell_durable(LogState& state, const Result<void>& outcome);

/// Whether the recovery point should be made persistent now: after a roll, by flush.messages or
/// flush.ms, or because so many bytes lie behind it. `now`: the clock's time, if it is not given.
[[nodiscard]] bool is_flush_due(const LogState& state, bool has_rolled,
                                std::optional<Timestamp> now = {});

/// Starts a new segment, unless the active one is empty, and flushes. Takes file and writer locks.
Result<void> roll_log(LogState& state);
/// The same for an active segment whose time has come at `now`; whether it had. Takes file and
/// writer locks.
Result<bool> roll_if_aged(LogState& state, Timestamp now);

/// From now on the log is kept by this configuration, which has been checked: each verb that begins
/// then, and the next roll. Takes the writer lock.
void apply_config(LogState& state, const TopicConfig& config) noexcept;

/// Raises the log start as a leader's answer, deleteRecords or retention asks (semantics 16.1).
/// Takes file and writer locks.
Result<void> raise_log_start(LogState& state, Offset to);

/// Opens, recovers or creates the partition in `directory`. An open that is refused has touched no
/// batch; leftovers of an interrupted compaction or deletion may be settled by then.
struct OpenRequest {
  TopicPartition name{};
  std::string directory{};
  PartitionOptions options{};
  std::optional<CleanEnd> clean_end{};  ///< what the last clean close said, if it was clean
  bool was_clean_for_kafka = false;     ///< Kafka's marker stood, without a record of our own
  bool has_foreign_writes = false;      ///< somebody else may have written since our last end
  PartitionCheckpoint checkpoint{};
  OpenProgress* progress = nullptr;  ///< told while segments are read, if there is one
};
Result<std::unique_ptr<LogState>> open_log(const OpenRequest& request,
                                           const LogEnvironment& environment);

/// A compaction that is under way ends, and none begins any more. Requires none of the locks.
void end_compaction(LogState& state);

/// Flushes, writes what Kafka needs, and closes; the record of the clean end is the store's to
/// keep.
Result<CleanEnd> close_log(LogState& state);
/// Verbs answer MISUSE from now on. For a store that goes away without a clean close.
void abandon_log(LogState& state);

}  // namespace oncelog::log
