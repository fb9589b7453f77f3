// no_snapshot_store.h: keeps nothing: every open replays the log.
#pragma once

#include "snapshot/snapshot_store.h"

namespace oncelog::snapshot {

class NoSnapshotStore final : public SnapshotStore {
 public:
  Result<std::optional<ProducerCheckpoint>> load(const TopicPartition&) override {
    return std::nullopt;
  }
  Result<void> save(const TopicPartition&, const ProducerCheckpoint&) override { return {}; }
};

}  // namespace oncelog::snapshot
