// mem_snapshot_store.h: checkpoints of producers in memory, for stores on a SimDisk: LMDB writes
// files that a simulated disk cannot tear. Marked unstable: may change with every version.
//
// A commit is durable when it returns, as snapshot_store.h asks, so that a crash finds it or does
// not: it is a call of the disk, at which the disk can be stopped. Besides, a state file may be
// lost or restored from a copy: every earlier commit can be gone back to.
#pragma once

#include <cstddef>
#include <memory>

#include "sim/sim_disk.h"

namespace oncelog::snapshot {
class SnapshotStore;
}

namespace oncelog::sim {

/// Thread-safe. Outlives the Store that uses it.
class MemSnapshotStore {
 public:
  /// Commits are calls of this disk, which is not owned and must live as long; of none if null.
  explicit MemSnapshotStore(SimDisk* disk = nullptr);
  ~MemSnapshotStore();

  /// For StoreOptions::snapshots.
  [[nodiscard]] snapshot::SnapshotStore* store() const;
  [[nodiscard]] std::size_t commit_count() const;
  /// What a crash leaves, beside the disk that it leaves.
  [[nodiscard]] std::unique_ptr<MemSnapshotStore> after_crash(SimDisk* disk) const;
  /// As it was after the first `commits` commits.
  [[nodiscard]] std::unique_ptr<MemSnapshotStore> rolled_back(std::size_t commits,
                                                              SimDisk* disk) const;

 private:
  class Store;
  explicit MemSnapshotStore(std::unique_ptr<Store> store);

  std::unique_ptr<Store> store_;
};

}  // namespace oncelog::sim
