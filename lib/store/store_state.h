// store_state.h: what a Store owns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/due_work.h"
#include "log/log_state.h"
#include "oncelog/store.h"
#include "snapshot/snapshot_store.h"
#include "store/checkpoint_files.h"
#include "store/clean_record.h"
#include "store/maintenance_plan.h"
#include "store/maintenance_thread.h"

namespace oncelog::store {

class StoreBackup;

/// Kafka's rule for topic names; anything else could leave the directory or be unreadable for a
/// broker.
Result<void> check_name(const TopicPartition& name);

/// How a partition is to be opened.
struct OpenManner {
  std::optional<PartitionOptions> options{};  ///< none: those that are kept
  bool create_if_missing = true;
  bool is_one_of_many = false;  ///< whoever opens them writes the checkpoint files behind all

  OpenManner() = default;
  explicit OpenManner(const PartitionOptions& given)
      : options(given), create_if_missing(given.create_if_missing) {}
  explicit OpenManner(const std::optional<PartitionOptions>& given)
      : options(given), create_if_missing(!given || given->create_if_missing) {}
};

class StoreState final : public MaintenanceWork {
 public:
  static Result<std::unique_ptr<StoreState>> open(const std::string& directory,
                                                  const StoreOptions& options);
  ~StoreState() override;

  /// Tells how far it is, if somebody wants to know.
  Result<std::shared_ptr<PartitionLog>> open_partition(const TopicPartition& name,
                                                       const OpenManner& manner,
                                                       log::OpenProgress* progress = nullptr);
  std::vector<OpenedPartition> open_partitions(const std::vector<PartitionToOpen>& wanted,
                                               const OpenManyOptions& options);
  Result<std::vector<OpenedPartition>> open_all_partitions(
      const std::optional<PartitionOptions>& partition, const OpenManyOptions& options);
  std::vector<PartitionScrub> scrub() const;
  MaintenancePlan plan(std::optional<Timestamp> now) const;
  Result<MaintenanceReport> run(const MaintenanceJob& job);
  Result<void> alter_config(const TopicPartition& name, const std::vector<ConfigChange>& changes);
  Result<KeptOptions> kept_options(const TopicPartition& name) const;
  /// `.log` files of a partition's directory, and their bytes; nothing where they cannot be seen.
  struct LogFiles {
    std::int64_t count = 0;
    std::int64_t bytes = 0;
  };
  [[nodiscard]] LogFiles measure(const TopicPartition& name) const;
  Result<std::shared_ptr<PartitionLog>> create_partition(const TopicPartition& name,
                                                         OpenManner manner);
  std::shared_ptr<PartitionLog> find_partition(const TopicPartition& name) const;
  Result<void> delete_partition(const TopicPartition& name);
  Result<std::shared_ptr<PartitionLog>> reopen_partition(const TopicPartition& name);
  Result<void> close_partition(const TopicPartition& name);
  Result<std::vector<TopicPartition>> partitions() const;
  [[nodiscard]] StoreMetrics metrics() const;
  Result<BackupReport> backup(const std::string& target, const BackupOptions& options);
  /// No deadline: however long it takes.
  Result<CloseReport> close(std::optional<Deadline> deadline);
  /// Checkpoint files of partitions that were opened as one of many. What fails now is tried again
  /// by the next save, whose error it is.
  void write_waiting_checkpoints() { std::ignore = checkpoints_.write_waiting(); }

 private:
  friend class StoreBackup;

  StoreState(const std::string& directory, const StoreOptions& options);

  /// An open partition; the log belongs to the handle.
  struct OpenPartition {
    std::shared_ptr<PartitionLog> handle{};
    log::LogState* state = nullptr;
    PartitionOptions options{};  ///< as they are now
    KeptOptions kept{};          ///< the same as `.options` will say once they are altered
  };
  /// A log that is open, for who works on it without mutex_.
  struct Handle {
    std::shared_ptr<PartitionLog> log{};
    log::LogState* state = nullptr;
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
  Result<log::OpenRequest> plan_open(const TopicPartition& name);
  /// Reads and recovers without the lock, which is held before and behind: others open theirs
  /// meanwhile.
  Result<std::shared_ptr<PartitionLog>> open_one(Lock& lock, const TopicPartition& name,
                                                 const OpenManner& manner,
                                                 log::OpenProgress* progress = nullptr);
  /// What such an open has made.
  struct OpenedLog {
    std::unique_ptr<log::LogState> state{};
    PartitionOptions options{};
    KeptOptions kept{};
  };
  /// Puts the options into the request. Touched by no other meanwhile, without mutex_.
  Result<OpenedLog> open_log(log::OpenRequest& request, const OpenManner& manner);
  Result<void> keep_options_of_new(const std::string& directory,
                                   const Result<std::optional<KeptOptions>>& before,
                                   const KeptOptions& kept);

  // ---- alter_config
  struct Altered {
    KeptOptions kept{};
    PartitionOptions options{};
  };
  /// Together with what the store says where they say nothing.
  [[nodiscard]] Result<void> check_in_force(PartitionOptions options) const;
  /// The check and write beats, without mutex_. `before`: of an open partition.
  Result<Altered> write_altered(const std::string& directory,
                                const std::optional<KeptOptions>& before,
                                const std::vector<ConfigChange>& changes);
  /// UNKNOWN_TOPIC_OR_PARTITION if it is not there.
  Result<std::string> find_directory(const TopicPartition& name) const;

  // ---- maintenance
  [[nodiscard]] std::vector<Handle> handles() const;
  [[nodiscard]] Handle find_handle(const TopicPartition& name) const;
  static void add_due_work(MaintenancePlan& plan, const Handle& handle,
                           const log::DueWorkOptions& options);
  [[nodiscard]] MaintenancePlan make_plan(const log::DueWorkOptions& options,
                                          bool is_of_the_present) const;
  Result<MaintenanceReport> run_job(const MaintenanceJob& job, const log::RunOptions& options);
  Result<MaintenanceReport> run_deletion(const MaintenanceJob& job);
  MaintenancePlan find_all() override;
  MaintenancePlan find_in(const std::set<TopicPartition>& names) override;
  Result<MaintenanceReport> run(const MaintenanceJob& job,
                                const std::atomic<bool>& is_to_end) override;
  void tell(const MaintenanceJob& job, const Result<MaintenanceReport>& result) override;
  Result<void> start_maintenance();
  /// Before all logs go: a compaction that is under way ends, and none begins any more.
  void end_thread();

  Result<void> believe(const CleanRecord& record);
  /// Writes `.clean`, then (if every partition is clean) Kafka's marker by a last rename.
  Result<void> write_clean_end();
  Result<void> close_one(const TopicPartition& name);
  /// Those with the least to be synced first. Requires mutex_.
  [[nodiscard]] std::vector<TopicPartition> order_of_close() const;
  /// Closes all, or lets go of those that are left at the deadline. Requires mutex_.
  Result<CloseReport> close_all(std::optional<Deadline> deadline);
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
  const std::shared_ptr<segment::OpenFiles> open_files_;
  std::shared_ptr<snapshot::SnapshotStore> snapshots_;  ///< owned, but for one of the options
  std::unique_ptr<MaintenanceThread> thread_;           ///< null: nobody asked for one
  std::atomic<std::int64_t> last_expiry_look_ms_{0};    ///< of the thread
  mutable FirstSights first_sights_;

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
