// checkpoint_files.h: the four offset checkpoints that all partitions of a store share.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "log/checkpoint_keeper.h"
#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog::store {

inline constexpr std::string_view kRecoveryPointFile = "recovery-point-offset-checkpoint";
inline constexpr std::string_view kLogStartFile = "log-start-offset-checkpoint";
inline constexpr std::string_view kHighWatermarkFile = "replication-offset-checkpoint";
inline constexpr std::string_view kCleanerFile = "cleaner-offset-checkpoint";

/// Invariant: a partition that is opened again after a failed write goes on from what find()
/// answers,
///   so the files say the same once the next save has succeeded.
/// Thread-safe. Lines of partitions that this process has not opened are kept as they were.
class CheckpointFiles final : public log::CheckpointKeeper {
 public:
  CheckpointFiles(Vfs& vfs, std::string directory) : vfs_(vfs), directory_(std::move(directory)) {}

  /// Reads the files. One that cannot be parsed counts as empty (formats 11.3) and is named in the
  /// answer.
  Result<std::vector<std::string>> load();

  [[nodiscard]] log::PartitionCheckpoint find(const TopicPartition& name) const;
  Result<void> save(const TopicPartition& name,
                    const log::PartitionCheckpoint& checkpoint) override;
  /// While one of many partitions is opened or closed, what can wait of it waits for the next
  /// write, or for write_waiting(): one file for all of them, not one for each. Until then a crash
  /// leaves what was saved before, as it would have in front of the save.
  void set_waits(const TopicPartition& name, bool waits);
  /// Whatever waits is on stable storage when this returns without an error.
  Result<void> write_waiting();
  /// Drops the lines of a partition that is deleted.
  Result<void> remove(const TopicPartition& name);

 private:
  /// One file and the offsets in it.
  struct Table {
    std::string_view file;
    std::map<TopicPartition, Offset> offsets{};
    /// A write has failed, or waits: the file has older offsets or these.
    bool is_file_uncertain = false;
  };
  Result<void> load_table(Table& table, std::vector<std::string>& unreadable);
  /// Writes the file, then takes the offsets over.
  Result<void> write(Table& table, std::map<TopicPartition, Offset> offsets);
  /// Writes the file if the entry is new or other than before, or if the file is uncertain.
  Result<void> save_entry(Table& table, const TopicPartition& name, std::optional<Offset> offset,
                          bool waits);

  Vfs& vfs_;
  const std::string directory_;
  mutable std::mutex mutex_;
  std::set<TopicPartition> waiting_;
  Table recovery_points_{kRecoveryPointFile};
  Table log_starts_{kLogStartFile};
  Table high_watermarks_{kHighWatermarkFile};
  Table cleaner_offsets_{kCleanerFile};
};

}  // namespace oncelog::store
