// store_state.h: what a Store owns.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/log_state.h"
#include "oncelog/store.h"
#include "snapshot/snapshot_store.h"
#include "store/checkpoint_files.h"
#include "store/clean_record.h"

namespace oncelog::store {

class StoreBackup;

class StoreState {
 public:
  static Result<std::unique_ptr<StoreState>> open(const std::string& directory,
                                                  const StoreOptions& options);
  ~StoreState();

  Result<std::shared_ptr<PartitionLog>> open_partition(const TopicPartition& name,
                                                       const PartitionOptions& options);
  /// As open_partition, telling how far it is.
  Result<std::shared_ptr<PartitionLog>> open_partition(const TopicPartition& name,
                                                       const PartitionOptions& options,
                                                       log::OpenProgress* progress);
  std::vector<OpenedPartition> open_partitions(const std::vector<PartitionToOpen>& wanted,
                                               const OpenManyOptions& options);
  Result<std::vector<OpenedPartition>> open_all_partitions(const PartitionOptions& partition,
                                                           const OpenManyOptions& options);
  std::vector<PartitionScrub> scrub() const;
  /// `.log` files of a partition's directory, and their bytes; nothing where they cannot be seen.
  struct LogFiles {
    std::int64_t count = 0;
    std::int64_t bytes = 0;
  };
  [[nodiscard]] LogFiles measure(const TopicPartition& name) const;
  Result<std::shared_ptr<PartitionLog>> create_partition(const TopicPartition& name,
                                                         const PartitionOptions& options);
  std::shared_ptr<PartitionLog> find_partition(const TopicPartition& name) const;
  Result<void> delete_partition(const TopicPartition& name);
  Result<std::shared_ptr<PartitionLog>> reopen_partition(const TopicPartition& name);
  Result<void> close_partition(const TopicPartition& name);
  Result<std::vector<TopicPartition>> partitions() const;
  [[nodiscard]] StoreMetrics metrics() const;
  Result<BackupReport> backup(const std::string& target, const BackupOptions& options);
  Result<void> close();

 private:
  friend class StoreBackup;

  StoreState(const std::string& directory, const StoreOptions& options);

  /// An open partition; the log belongs to the handle.
  struct OpenPartition {
    std::shared_ptr<PartitionLog> handle{};
    log::LogState* state = nullptr;
    PartitionOptions options{};
  };

  /// Reads `.clean` and Kafka's marker, decides what they are worth, and removes them, `.clean`
  /// first. Answers what `.state` was then.
  Result<std::optional<std::uint64_t>> take_clean_end();
  Result<void> open_snapshots(std::optional<std::uint64_t> state_close_record);
  /// Finishes deletions that were interrupted.
  Result<void> finish_deletions();
  /// What is known of a partition outside of its directory goes, then its renamed directory.
  Result<void> finish_deletion(const TopicPartition& name, const std::string& directory);
  Result<void> remove_partition_files(const std::string& directory);
  Result<void> check_is_free(const TopicPartition& name) const;
  using Lock = std::unique_lock<std::mutex>;
  /// Takes a partition that has been closed or abandoned out of the open ones. Requires mutex_.
  void forget_open(std::map<TopicPartition, OpenPartition>::iterator closed);
  /// Waits while the partition is being opened: until then it is neither open nor closed.
  void await_opening(Lock& lock, const TopicPartition& name);
  /// What an open of it needs to know, or why it cannot be. Requires mutex_.
  Result<log::OpenRequest> plan_open(const TopicPartition& name, const PartitionOptions& options);
  /// Reads and recovers without the lock, which is held before and behind: others open theirs
  /// meanwhile.
  Result<std::shared_ptr<PartitionLog>> open_one(Lock& lock, const TopicPartition& name,
                                                 const PartitionOptions& options,
                                                 log::OpenProgress* progress = nullptr);
  Result<void> believe(const CleanRecord& record);
  /// Writes `.clean`, then (if every partition is clean) Kafka's marker by a last rename.
  Result<void> write_clean_end();
  Result<void> close_one(const TopicPartition& name);
  /// The partition that has appended nothing for the longest time gives its ring back, if that is
  /// long enough. Called out of the append of another one, without locks.
  void reclaim_ring();
  [[nodiscard]] std::string path(std::string_view file) const {
    return directory_ + "/" + std::string(file);
  }

  const std::string directory_;
  const StoreOptions options_;
  Vfs& vfs_;
  Clock& clock_;
  std::unique_ptr<FileLock> lock_;
  CheckpointFiles checkpoints_;
  const std::shared_ptr<segment::RingBudget> ring_budget_;  ///< outlived by no reclaim_ring()
  std::shared_ptr<snapshot::SnapshotStore> snapshots_;      ///< owned, but for one of the options

  mutable std::mutex mutex_;
  // ---- mutex_
  bool is_closed_ = false;           ///< nothing is opened any more
  bool has_ended_ = false;           ///< and the clean end is written, or failed to be
  bool had_kafka_marker_ = false;    ///< Kafka's marker stood when we came
  bool has_foreign_writes_ = false;  ///< our last clean end was not the last write here
  std::map<TopicPartition, log::CleanEnd> clean_ends_;  ///< of partitions that are closed and clean
  std::map<TopicPartition, OpenPartition> open_;
  std::set<TopicPartition>
      opening_;  ///< by a thread that does not hold mutex_; touched by no other
  std::condition_variable opening_ended_;
  std::set<TopicPartition> unclean_;             ///< opened here and not closed cleanly
  std::set<TopicPartition> recovered_;           ///< opened here once
  std::map<TopicPartition, std::string> going_;  ///< being deleted, as directories of this name
  std::vector<std::string> warnings_;            ///< for the report of each open
  PartitionCounters closed_totals_;              ///< of partitions that are not open any more
};

}  // namespace oncelog::store
