// log_model.h: the oracle: one partition as a plain list of what has happened to it.
//
// It keeps the history and nothing else: each batch and marker that was accepted, each truncation,
// deletion, expiry, checkpoint and reopening. Every answer is computed from the whole list, by
// loops written from the rules of semantics.md (their numbers stand at the loops), without any code
// of lib/. It is slow, and meant to be obviously right.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "oncelog/options.h"
#include "oncelog/partition_log.h"

namespace oncelog::test {

struct ModelRecord {
  Timestamp timestamp = kNoTimestamp;
  std::optional<std::string> key{};
  std::optional<std::string> value{};

  friend bool operator==(const ModelRecord&, const ModelRecord&) = default;
};

struct ModelMarker {
  MarkerType type = MarkerType::kCommit;
  CoordinatorEpoch coordinator_epoch{0};
};

/// A batch with all its fields; a marker is one with one record and `marker` set.
struct ModelBatch {
  Offset base_offset{};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  Codec codec = Codec::kNone;
  TimestampType timestamp_type = TimestampType::kCreateTime;
  bool is_transactional = false;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  Sequence base_sequence = kNoSequence;
  std::optional<ModelMarker> marker{};
  std::vector<ModelRecord> records{};
  int append_number = 0;  ///< batches that one call stored share it

  [[nodiscard]] Offset last_offset() const {
    return base_offset + static_cast<std::int64_t>(records.size()) - 1;
  }
  [[nodiscard]] Offset next_offset() const { return last_offset() + 1; }
  /// Wraps from 2^31−1 to 0; −1 without a sequence.
  [[nodiscard]] Sequence last_sequence() const;
  [[nodiscard]] Timestamp max_timestamp() const;
};

/// What an append must answer: a code, or offsets.
struct ModelAnswer {
  ErrorCode code = ErrorCode::NONE;
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  bool is_duplicate = false;
  Timestamp append_time = kNoTimestamp;
  std::optional<ErrorCode> other_code{};  ///< where two rules refuse, either may be named
};

struct ModelProducer {
  ProducerEpoch epoch = kNoProducerEpoch;
  CoordinatorEpoch coordinator_epoch = kNoCoordinatorEpoch;
  Timestamp last_timestamp = kNoTimestamp;
  std::optional<Offset> transaction_first_offset{};
  std::vector<ProducerBatch> window{};  ///< the last five at most, oldest first
};
using ModelProducers = std::map<ProducerId, ModelProducer>;

/// A transaction of the history, ended or not.
struct ModelTransaction {
  ProducerId producer_id = kNoProducerId;
  std::vector<Offset> batches{};       ///< base offsets of its batches, deleted ones too
  std::optional<Offset> first_left{};  ///< of those whose segment has not been removed
  std::optional<Offset> marker_offset{};
  bool is_aborted = false;
  int first_append = 0;   ///< append_number of its first batch
  int marker_append = 0;  ///< and of its marker
  /// What an index entry of it may name as its last stable offset: batch by batch (as a leader and
  /// recovery do), and with all transactions of the same append taken as open already (9.3).
  std::vector<Offset> last_stable_offsets{};
  /// The same for an index that was made from the segments that are left.
  std::vector<Offset> last_stable_offsets_left{};

  [[nodiscard]] Offset first_offset() const { return batches.front(); }
  /// Whether a list or an index may say that it begins there: at its first batch, or, made after
  /// segments were removed, at a later one; but never behind the first that is left.
  [[nodiscard]] bool may_begin_at(Offset offset) const;
  [[nodiscard]] bool may_have_last_stable_offset(Offset offset) const;
};

/// A record as a reader gets it.
struct ModelRead {
  Offset offset{};
  Timestamp timestamp = kNoTimestamp;
  std::optional<std::string> key{};
  std::optional<std::string> value{};

  friend bool operator==(const ModelRead&, const ModelRead&) = default;
};

/// A segment as it lies in the directory.
struct ModelSegment {
  Offset base{};
  std::int64_t bytes = 0;  ///< of its batches
  Timestamp modified{};    ///< of the file
};

struct ModelRetention {
  std::int64_t bytes = -1;  ///< −1: unlimited
  std::int64_t ms = -1;     ///< −1: unlimited
};

/// Where a log that is opened has its producers from.
enum class ProducersFrom : std::uint8_t {
  kHistory,         ///< checkpoints and the log: nobody is forgotten
  kLog,             ///< a replay of the batches that are left
  kLogAndSnapshot,  ///< and what Kafka's snapshot of the clean end adds
};

/// What an open finds.
struct ModelReopening {
  bool is_clean = true;
  ProducersFrom producers_from = ProducersFrom::kHistory;
  std::vector<Offset> bases{};  ///< of the segments
  LogEnds ends{};
};

class LogModel {
 public:
  explicit LogModel(PartitionOptions options) : options_(std::move(options)) {}

  // ---- operations: each answers what the log must answer, and adds to the history what the log
  // must have done (log_model.cc, log_model_verbs.cc)

  /// `batch` as it was sent, with `bytes` on the wire.
  ModelAnswer append_as_leader(ModelBatch batch, AppendOrigin origin, std::int64_t bytes,
                               Timestamp now);
  ModelAnswer append_as_follower(std::vector<ModelBatch> batches,
                                 std::optional<Offset> leader_high_watermark,
                                 std::optional<Offset> leader_log_start);
  void assign_epoch(LeaderEpoch epoch);
  /// Answers where it stands.
  Offset set_high_watermark(Offset to);
  /// Everything appended so far has been synced: a watermark of policy durable follows.
  void note_synced();
  void truncate_to(Offset to);
  void truncate_fully_and_start_at(Offset at);
  /// NONE, or why it is refused.
  ErrorCode delete_records(Offset before);
  /// `segments`: all of the log. Answers the bases of those that go.
  std::vector<Offset> apply_retention(std::vector<ModelSegment> segments,
                                      const ModelRetention& limits, Timestamp now);
  /// Answers who is forgotten, ascending.
  std::vector<ProducerId> expire_producers(Timestamp now);
  /// Producers have been made anew from the batches that are left.
  void note_replayed();
  /// A checkpoint of the producer state is good for an offset in [at_least, at_most].
  void note_checkpoint(Offset at_least, Offset at_most);
  /// The log was closed, or its process died, and it was opened again.
  void note_reopened(const ModelReopening& reopening);

  // ---- what the rules leave open: from now on what was seen is right

  /// Only the first `kept` expiries are in the checkpoint that the producers were read from.
  void settle_expiries(std::size_t kept);
  /// After a reopen epochs of recovered batches may have been added (14.7), where the epochs that
  /// were left did not know them: none was left, or they had gone back.
  void settle_leader_epochs(const std::vector<LeaderEpochStart>& seen);
  /// After a reopen or a truncation any of last_stable_offsets() is right.
  void settle_last_stable_offset(Offset seen);

  // ---- answers from the history (log_model_history.cc, _producers.cc, _reads.cc)

  [[nodiscard]] Offset log_start() const { return now().log_start; }
  [[nodiscard]] Offset high_watermark() const { return now().high_watermark; }
  [[nodiscard]] Offset log_end() const { return now().log_end; }
  /// Base of the first segment.
  [[nodiscard]] Offset first_base() const { return now().first_base; }
  /// The next offset of the last stored batch; the first segment's base if there is none.
  [[nodiscard]] Offset stored_end() const;
  /// As that, but the last segment's base if that is empty.
  [[nodiscard]] Offset end_in_files(const std::vector<Offset>& bases) const;
  /// The log starts and ends that an open may find, given the segments that it finds: one pair, or
  /// two where the rules leave it open.
  [[nodiscard]] std::set<std::pair<Offset, Offset>> ends_after_reopen(
      const std::vector<Offset>& bases) const;
  /// More than one while it is open which transactions decided before are still known (7.6, Q20).
  [[nodiscard]] std::set<Offset> last_stable_offsets() const;
  /// Whether the watermark ever stood there, as far as a log with these ends allows it.
  [[nodiscard]] bool has_had_high_watermark(Offset offset, Offset start, Offset end) const;
  [[nodiscard]] ModelProducers producers() const { return now().producers; }
  /// The producers if only so many of the expiries had happened.
  [[nodiscard]] ModelProducers producers_with(std::size_t expiries) const;
  [[nodiscard]] std::size_t expiry_count() const;
  /// So many expiries are in a checkpoint for certain.
  [[nodiscard]] std::size_t certain_expiry_count() const;
  /// An open reads no batch below, for there is a checkpoint.
  [[nodiscard]] Offset replay_bound() const;
  /// Whether a checkpoint at or below `to` must have been kept.
  [[nodiscard]] bool has_checkpoint_for_truncation(Offset to) const;
  [[nodiscard]] std::vector<ModelTransaction> transactions() const;
  [[nodiscard]] std::vector<LeaderEpochStart> leader_epochs() const { return now().epochs; }
  [[nodiscard]] LeaderEpoch leader_epoch() const { return now().leader_epoch; }
  [[nodiscard]] LeaderEpochEnd epoch_end(LeaderEpoch epoch) const;
  /// Whether some epoch has been followed by an older one: then no epoch file can agree with every
  /// batch (14.2).
  [[nodiscard]] bool has_epochs_gone_back() const { return now().have_epochs_gone_back; }
  /// What a consumer gets from `from` on, below `bound`.
  [[nodiscard]] std::vector<ModelRead> read(Offset from, Offset bound, bool is_committed) const;
  /// Semantics 12; `bases` are the segments of the log, `limit` is where the reader's isolation
  /// ends.
  [[nodiscard]] OffsetFound list_offsets(Timestamp timestamp, const std::vector<Offset>& bases,
                                         Offset limit) const;
  /// Those in the segments, below the log start too. Valid until the next operation.
  [[nodiscard]] const std::vector<ModelBatch>& batches() const { return now().stored; }
  /// All that were ever accepted, those that are gone too.
  [[nodiscard]] const std::vector<ModelBatch>& accepted() const { return accepted_; }

 private:
  enum class EventKind : std::uint8_t {
    kBatch,
    kEpoch,
    kHighWatermark,
    kLogStart,
    kSegmentsRemoved,  ///< those below `offset`
    kTruncation,
    kFullTruncation,
    kExpiry,
    kExpiriesUndone,  ///< all but the first `count`
    kCheckpoint,      ///< for an offset in [offset, until]
    kReplayAfterTruncation,
    kReplayAtOpen,
    kReplayAtOpenWithSnapshot,
    kReopen,          ///< from `start` to `until`, with watermark `offset` and first segment `base`
    kDecidedSettled,  ///< markers below `offset` are forgotten, those at or above `until` are not
    kEpochsFound,     ///< those of the batches from `offset` on
  };
  struct Event {
    EventKind kind = EventKind::kBatch;
    std::size_t batch = 0;  ///< its index in accepted_
    Offset offset{};
    Offset until{};
    Offset start{};
    Offset base{};
    LeaderEpoch epoch{};
    std::size_t count = 0;
    std::vector<ProducerId> ids{};
  };
  /// One thing that has made the producers what they are: a batch, an expiry, or entries that a
  /// snapshot has added.
  struct ProducerChange {
    std::optional<std::size_t> batch{};  ///< its index in accepted_
    std::vector<ProducerId> expired{};
    ModelProducers adopted{};
  };
  struct Checkpoint {
    Offset at_least{};
    Offset at_most{};
    std::size_t expiries = 0;  ///< how many it contains
  };
  /// A transaction that is decided, but whose marker is not below the watermark yet (7.3).
  struct Undecided {
    Offset first_offset{};
    Offset marker_offset{};
    bool is_forgettable = false;
  };
  /// Where the history has led.
  struct State {
    Offset log_start{};
    Offset high_watermark{};
    Offset log_end{};
    Offset first_base{};
    LeaderEpoch leader_epoch{0};
    std::vector<LeaderEpochStart> epochs{};
    bool have_epochs_gone_back = false;
    std::vector<Offset> watermarks{};
    std::vector<std::size_t> written{};  ///< batches that no truncation has cut, deleted ones too
    std::vector<ProducerChange> changes{};
    std::vector<Checkpoint> checkpoints{};
    ModelProducers producers{};        ///< what `changes` give
    std::vector<Undecided> decided{};  ///< transactions that `changes` end
    std::vector<Undecided> unreplicated{};
    std::vector<ModelBatch> stored{};  ///< of `written` those that are left
  };

  [[nodiscard]] State walk() const;
  /// As walk(), which is asked again only when something has happened.
  [[nodiscard]] const State& now() const;
  void walk_event(State& state, const Event& event) const;
  void walk_batch(State& state, std::size_t batch) const;
  void walk_truncation(State& state, Offset to) const;
  void walk_full_truncation(State& state, Offset at) const;
  void walk_replay(State& state, bool has_snapshot) const;
  void walk_replay_after_truncation(State& state) const;
  void walk_reopen(State& state, const Event& event) const;
  void walk_epoch(State& state, LeaderEpoch epoch, Offset start) const;
  void set_watermark(State& state, Offset to) const;
  void take_leader_epoch(State& state) const;
  void walk_expiries_undone(State& state, std::size_t kept) const;
  void change_producers(State& state, const ProducerChange& change) const;
  void make_producers(State& state) const;
  void reconsider_decided(State& state) const;
  [[nodiscard]] ModelProducers adopt_snapshot(const State& state,
                                              const ModelProducers& closed) const;
  /// Whether the segment of a batch is still there.
  [[nodiscard]] static bool is_left(const State& state, const ModelBatch& batch) {
    return batch.base_offset >= state.first_base;
  }
  [[nodiscard]] static std::size_t count_expiries(const State& state);
  static void keep_expiries(State& state, std::size_t kept);
  [[nodiscard]] std::vector<Offset> markers_in_doubt() const;
  [[nodiscard]] Offset last_stable_offset(Offset known_from) const;
  void add_cut_last_stable_offsets(ModelTransaction& ended) const;

  [[nodiscard]] std::optional<ModelAnswer> find_refusal(const ModelBatch& batch,
                                                        AppendOrigin origin, std::int64_t bytes,
                                                        Timestamp now) const;
  [[nodiscard]] ModelAnswer check_producer(const ModelBatch& batch, AppendOrigin origin) const;
  [[nodiscard]] ErrorCode check_received(const std::vector<ModelBatch>& batches,
                                         bool is_begun_anew) const;
  [[nodiscard]] bool is_leader_start_too_high(const std::vector<ModelBatch>& batches,
                                              bool is_begun_anew,
                                              std::optional<Offset> leader_high_watermark,
                                              Offset leader_log_start) const;
  [[nodiscard]] OffsetFound find_by_time(Timestamp timestamp,
                                         const std::vector<Offset>& bases) const;
  [[nodiscard]] OffsetFound find_max_timestamp() const;
  [[nodiscard]] Timestamp largest_timestamp(Offset begin, Offset end) const;
  void store(ModelBatch batch);
  void raise_log_start(Offset to);
  void add_event(Event event);

  PartitionOptions options_;
  std::vector<ModelBatch> accepted_;
  std::vector<Event> events_;
  mutable std::optional<State> walked_;
  int append_count_ = 0;
};

/// 5.5, 6.1, 6.7: what a stored batch does to its producer.
void apply_to_producer(ModelProducer& producer, const ModelBatch& batch);

}  // namespace oncelog::test
