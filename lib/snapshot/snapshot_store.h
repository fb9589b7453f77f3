// snapshot_store.h: where checkpoints of the producer state live. A shortcut only: what is lost is
// replayed from the log.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"
#include "producer/producer_entry.h"

namespace oncelog::snapshot {

using ProducerEntries = std::vector<std::pair<ProducerId, producer::ProducerEntry>>;

/// A stored batch, by which a checkpoint is recognised as one of this log and not of a restored,
/// truncated or foreign one.
struct Anchor {
  Offset base_offset{};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::uint32_t crc = 0;
  friend bool operator==(const Anchor&, const Anchor&) = default;
};

/// In an anchor's place: no batch below the checkpoint is left.
inline constexpr Anchor kNoBatchLeft{kNoOffset, LeaderEpoch(-1), 0};

/// The state of all producers after every batch below `offset`, which is the next offset of a
/// stored batch or the base of the first segment. Its offset is its name: a later one at the same
/// offset takes its place.
struct CheckpointInfo {
  Offset offset{};
  std::optional<Anchor> anchor{};  ///< the last stored batch below `offset`, if there is one
  /// What a compaction that was begun leaves in the anchor's place; either is right.
  std::optional<Anchor> rebuilt_anchor{};
  /// The anchor's bytes went when the log's first segment became this one.
  std::optional<Offset> noted_first_base{};
  std::int64_t producer_count = 0;

  /// The lower one of the two, if a batch is there.
  [[nodiscard]] std::optional<Anchor> lowest_anchor() const {
    if (!rebuilt_anchor) return anchor;
    return *rebuilt_anchor == kNoBatchLeft ? std::nullopt : rebuilt_anchor;
  }
  friend bool operator==(const CheckpointInfo&, const CheckpointInfo&) = default;
};

/// Above every checkpoint: where the newest row of a producer is wanted.
inline constexpr Offset kNewestCheckpoint{std::numeric_limits<std::int64_t>::max()};

/// A producer as it is now; no entry: it has been forgotten.
struct ProducerChange {
  ProducerId id = kNoProducerId;
  const producer::ProducerEntry* entry = nullptr;
};

/// The checkpoints of one life of a partition. Thread-safe.
///
/// Every read names the checkpoint that it wants, by offset, and sees of each producer the newest
/// row at or below it. A row that does not carry its own hash is KAFKA_STORAGE_ERROR.
class PartitionSnapshots {
 public:
  virtual ~PartitionSnapshots() = default;

  /// Newest first.
  virtual Result<std::vector<CheckpointInfo>> list() = 0;
  virtual Result<std::optional<producer::ProducerEntry>> find(ProducerId id, Offset at) = 0;
  /// Producers with an open transaction.
  virtual Result<ProducerEntries> open_transactions(Offset at) = 0;
  /// Producers without one whose last timestamp is at or below `until`, ascending by id.
  virtual Result<std::vector<ProducerId>> find_older(Offset at, Timestamp until) = 0;
  /// Visits all producers, ascending by id.
  using Visitor = std::function<Result<void>(ProducerId, const producer::ProducerEntry&)>;
  virtual Result<void> visit(Offset at, const Visitor& visitor) = 0;

  /// Writes what has changed since the checkpoint before; `changes` ascend by id. Checkpoints below
  /// the newest at or below `keep_from` are dropped. On stable storage on return.
  virtual Result<void> save(const CheckpointInfo& info, std::span<const ProducerChange> changes,
                            Offset keep_from) = 0;
  /// Drops checkpoints above `offset`, on stable storage on return.
  virtual Result<void> drop_above(Offset offset) = 0;
  /// Before the bytes below `first_base` go: the checkpoint `at` holds without its anchor's batch
  /// from now on, where the log begins there. On stable storage on return.
  virtual Result<void> note_first_base(Offset at, Offset first_base) = 0;
  /// Before a compaction takes the batches below the checkpoint `at` away: it is known by the last
  /// of them, `present`, and by the last that will be left, `rebuilt`; either may be kNoBatchLeft.
  /// On stable storage on return.
  virtual Result<void> permit_anchor(Offset at, const Anchor& present, const Anchor& rebuilt) = 0;
  /// Drops checkpoints below `offset`, on stable storage on return.
  virtual Result<void> drop_below(Offset offset) = 0;
  /// Begins a new life without any checkpoint, on stable storage on return.
  virtual Result<void> forget_all() = 0;
};

/// Thread-safe. Outlives what it has opened.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;
  /// Checkpoints of the partition that has this topic id; those of another life under the same name
  /// are forgotten. Null if nothing is ever kept: then the whole log is replayed.
  virtual Result<std::unique_ptr<PartitionSnapshots>> open(const TopicPartition& name,
                                                           const std::string& topic_id) = 0;
  /// Forgets a partition that is deleted, on stable storage on return.
  virtual Result<void> drop(const TopicPartition& name) = 0;
};

}  // namespace oncelog::snapshot
