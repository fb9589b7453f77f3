// backup.h: what a backup of a running store can be told, and what it tells.
#pragma once

#include <cstdint>
#include <functional>

#include "oncelog/types.h"

namespace oncelog {

namespace snapshot {
class SnapshotStore;
}

/// How far a backup is. No number goes back, but for a partition that is copied again because it
/// was truncated meanwhile.
struct BackupProgress {
  std::int64_t partitions_total = 0;
  std::int64_t partitions_done = 0;
  std::int64_t bytes_done = 0;    ///< of `.log` files, copied or linked, up to now
  std::int64_t bytes_linked = 0;  ///< of these, linked
};

struct BackupOptions {
  /// Finished segments become hard links where the file system has them: no bytes are copied for
  /// them. This library never changes a `.log` that has another name, it makes itself a copy first.
  /// Others do: turn it off where a broker is to work in the backup, or in this store later.
  bool hard_links = true;
  /// Called at the begin, about once a MiB and behind each partition, on the thread that called
  /// backup(), with no lock held: it may use the store, but must not close it. False ends the
  /// backup. Must not throw.
  std::function<bool(const BackupProgress&)> on_progress{};
  /// For simulations (oncelog::sim): takes the place of the backup's `.state`.
  snapshot::SnapshotStore* snapshots = nullptr;  ///< not owned
};

/// What a backup holds.
struct BackupReport {
  bool was_cancelled = false;  ///< by on_progress: then there is no backup
  std::int64_t partitions = 0;
  std::int64_t segments = 0;
  std::int64_t segments_linked = 0;
  std::int64_t bytes = 0;         ///< of `.log` files
  std::int64_t bytes_linked = 0;  ///< of these, not copied
};

}  // namespace oncelog
