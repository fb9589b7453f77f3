// no_snapshot_store.h: keeps nothing: replay always.
#pragma once

#include "snapshot/snapshot_store.h"

namespace oncelog::snapshot {

class NoSnapshotStore final : public SnapshotStore {
 public:
  Result<std::unique_ptr<PartitionSnapshots>> open(const TopicPartition&,
                                                   const std::string&) override {
    return nullptr;
  }
  Result<void> drop(const TopicPartition&) override { return {}; }
};

}  // namespace oncelog::snapshot
