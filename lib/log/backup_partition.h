// backup_partition.h: a copy of one partition's directory, made while the log is in use.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "log/checkpoint_keeper.h"
#include "log/log_state.h"
#include "snapshot/snapshot_store.h"

namespace oncelog::log {

/// Where a copy goes, and how.
struct BackupTarget {
  std::string directory{};  ///< of the partition; must not exist yet
  bool hard_links = true;
  bool for_kafka = true;                         ///< with a producer snapshot of Kafka's
  snapshot::SnapshotStore* snapshots = nullptr;  ///< of the copy; null: it keeps none
  /// Told how many bytes of `.log` files are there since it was told last, linked or copied; an
  /// error ends the backup. Called without a lock.
  std::function<Result<void>(std::int64_t bytes, bool are_linked)> on_bytes{};
};

/// What the copy is.
struct PartitionBackup {
  CleanEnd end{};
  PartitionCheckpoint checkpoint{};
  std::int64_t segments = 0;
  std::int64_t segments_linked = 0;
  std::int64_t bytes = 0;
  std::int64_t bytes_linked = 0;
};

/// Copies the log up to an end that is durable, with the producers as a checkpoint has them that is
/// made for it: the rest of them is behind that in the log. Files and directory are synced on
/// return, but for the directory's own name. MISUSE if the log is closed. What an error leaves is
/// the caller's to remove.
///
/// Takes maintenance, file and writer mutexes, none of them while it copies what is not linked,
/// unless a truncation came in between: then it copies anew, and holds truncations off.
Result<PartitionBackup> back_up_partition(LogState& state, const BackupTarget& target);

}  // namespace oncelog::log
