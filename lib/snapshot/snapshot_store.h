// snapshot_store.h: where checkpoints of the producer state live. A shortcut only: what is lost is
// replayed from the log.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"
#include "producer/producer_entry.h"

namespace oncelog::snapshot {

using ProducerEntries = std::vector<std::pair<ProducerId, producer::ProducerEntry>>;

/// The state of all producers after every batch below `offset`.
struct ProducerCheckpoint {
  Offset offset{};
  ProducerEntries entries{};
};

/// Thread-safe. A checkpoint is never newer than the durable log.
class SnapshotStore {
 public:
  virtual ~SnapshotStore() = default;
  /// The newest checkpoint of a partition, or nothing: then the whole log is replayed.
  virtual Result<std::optional<ProducerCheckpoint>> load(const TopicPartition& name) = 0;
  /// On stable storage on return, as far as the store keeps anything.
  virtual Result<void> save(const TopicPartition& name, const ProducerCheckpoint& checkpoint) = 0;
};

}  // namespace oncelog::snapshot
