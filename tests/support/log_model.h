// log_model.h: the oracle: one partition as a plain list of what has happened to it.
//
// It keeps the history and nothing else. Every answer is computed from the whole list, by loops
// written from the rules of semantics.md (their numbers stand at the loops), without any code of
// lib/. It is slow, and meant to be obviously right.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
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
};

/// What a producer's window keeps of a data batch.
struct ModelSent {
  Sequence first_sequence = kNoSequence;
  Sequence last_sequence = kNoSequence;
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  Timestamp max_timestamp = kNoTimestamp;
};

struct ModelProducer {
  ProducerEpoch epoch = kNoProducerEpoch;
  CoordinatorEpoch coordinator_epoch = kNoCoordinatorEpoch;
  Timestamp last_timestamp = kNoTimestamp;
  std::optional<Offset> transaction_first_offset{};
  std::vector<ModelSent> window{};  ///< the last five at most, oldest first
};

/// A transaction of the history, ended or not.
struct ModelTransaction {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset{};
  std::optional<Offset> marker_offset{};
  bool is_aborted = false;
  int first_append = 0;   ///< append_number of its first batch
  int marker_append = 0;  ///< and of its marker
  /// What an index entry of it may name as its last stable offset: batch by batch (as a leader and
  /// recovery do), and with all transactions of the same append taken as open already (9.3).
  std::vector<Offset> last_stable_offsets{};
};

/// A record as a reader gets it.
struct ModelRead {
  Offset offset{};
  Timestamp timestamp = kNoTimestamp;
  std::optional<std::string> key{};
  std::optional<std::string> value{};

  friend bool operator==(const ModelRead&, const ModelRead&) = default;
};

class LogModel {
 public:
  explicit LogModel(PartitionOptions options) : options_(std::move(options)) {}

  // ---- operations: each answers what the log must answer, and adds to the history what the log
  // must have stored

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
  /// The log was closed, or its process died, and it was opened again; `high_watermark` is where
  /// its watermark stood then.
  void note_reopened(Offset high_watermark);
  /// Two cases of leader epochs after a reopen are left open; from now on what was seen is right.
  /// If none is left (14.7 drops one that begins at the log end), those that the batches tell may
  /// be there instead. If epochs have gone back behind a raised log start, an epoch that they
  /// dropped may stand at the log start again: the file had not heard of the raise (14.6).
  void settle_leader_epochs(const std::vector<LeaderEpochStart>& seen);
  /// After a reopen either of last_stable_offsets() is right; from now on this one is.
  void settle_last_stable_offset(Offset seen);

  // ---- answers from the history

  [[nodiscard]] Offset log_start() const { return walk().log_start; }
  [[nodiscard]] Offset high_watermark() const { return walk().high_watermark; }
  [[nodiscard]] Offset log_end() const;
  /// One, or two while it is open whether transactions decided before a reopen are still known
  /// (7.6, Q20).
  [[nodiscard]] std::set<Offset> last_stable_offsets() const;
  /// Whether the watermark ever stood there, as far as log start and end allow it now.
  [[nodiscard]] bool has_had_high_watermark(Offset offset) const;
  [[nodiscard]] std::map<ProducerId, ModelProducer> producers() const;
  [[nodiscard]] std::vector<ModelTransaction> transactions() const;
  [[nodiscard]] std::vector<LeaderEpochStart> leader_epochs() const { return walk().epochs; }
  [[nodiscard]] LeaderEpoch leader_epoch() const { return walk().leader_epoch; }
  [[nodiscard]] LeaderEpochEnd epoch_end(LeaderEpoch epoch) const;
  /// Whether some epoch has been followed by an older one: then no epoch file can agree with every
  /// batch (14.2).
  [[nodiscard]] bool has_epochs_gone_back() const;
  /// What a consumer gets from `from` on, below `bound`.
  [[nodiscard]] std::vector<ModelRead> read(Offset from, Offset bound, bool is_committed) const;
  /// Aborted transactions that must accompany a read_committed fetch at `from` of batches that end
  /// at `until` (9.4).
  [[nodiscard]] std::vector<AbortedTransaction> must_list_aborted(Offset from, Offset until) const;
  /// Semantics 12; `bases` are the segments of the log, `limit` is where the reader's isolation
  /// ends.
  [[nodiscard]] OffsetFound list_offsets(Timestamp timestamp, const std::vector<Offset>& bases,
                                         Offset limit) const;
  [[nodiscard]] const std::vector<ModelBatch>& batches() const { return batches_; }

 private:
  enum class EventKind : std::uint8_t {
    kBatch,
    kEpoch,
    kHighWatermark,
    kLogStart,
    kReopen,
    kForgotten,   ///< transactions decided before the reopen are not known any more
    kRemembered,  ///< they are
    kEpochsRebuilt,
    kEpochInFront,
  };
  struct Event {
    EventKind kind = EventKind::kBatch;
    std::size_t batch = 0;  ///< its index in batches_
    Offset offset{};
    LeaderEpoch epoch{};
  };
  /// A transaction that is decided, but whose marker is not below the watermark yet (7.3).
  struct Undecided {
    Offset first_offset{};
    Offset marker_offset{};
    bool is_from_before_reopen = false;
  };
  struct State {
    Offset log_start{};
    Offset high_watermark{};
    Offset log_end{};
    std::map<ProducerId, Offset> open{};
    std::vector<Undecided> decided{};  ///< of the whole history
    std::vector<Undecided> unreplicated{};
    std::vector<LeaderEpochStart> epochs{};
    LeaderEpoch leader_epoch{0};
    std::vector<Offset> watermarks{};
  };

  [[nodiscard]] State walk() const;
  void walk_batch(State& state, const ModelBatch& batch) const;
  [[nodiscard]] std::optional<ModelAnswer> find_refusal(const ModelBatch& batch,
                                                        AppendOrigin origin, std::int64_t bytes,
                                                        Timestamp now) const;
  [[nodiscard]] ModelAnswer check_producer(const ModelBatch& batch, AppendOrigin origin) const;
  [[nodiscard]] OffsetFound find_by_time(Timestamp timestamp,
                                         const std::vector<Offset>& bases) const;
  [[nodiscard]] OffsetFound find_max_timestamp() const;
  void store(ModelBatch batch);
  void add_event(Event event) { events_.push_back(event); }

  PartitionOptions options_;
  std::vector<ModelBatch> batches_;
  std::vector<Event> events_;
  int append_count_ = 0;
};

}  // namespace oncelog::test
