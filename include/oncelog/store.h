// store.h: a directory of partitions with one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/backup.h"
#include "oncelog/error.h"
#include "oncelog/maintenance.h"
#include "oncelog/metrics.h"
#include "oncelog/options.h"
#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog {

namespace store {
class StoreState;
}

/// One of the partitions that open_partitions is to open.
struct PartitionToOpen {
  TopicPartition name{};
  std::optional<PartitionOptions> options{};  ///< none: those that the store keeps for it
};

/// What the store keeps for a partition.
struct KeptOptions {
  /// Entries by Kafka's names that are not the store's default, as they were given.
  std::map<std::string, std::string> overrides{};
  std::optional<Level> level{};
  HighWatermarkPolicy high_watermark = HighWatermarkPolicy::kByLevel;
  friend bool operator==(const KeptOptions&, const KeptOptions&) = default;
};

/// One entry of a partition's configuration that is to change.
struct ConfigChange {
  std::string name{};                  ///< Kafka's
  std::optional<std::string> value{};  ///< none, or empty: the store's default again
};

/// What became of it.
struct OpenedPartition {
  TopicPartition name{};
  Result<std::shared_ptr<PartitionLog>> log{};
};

/// How far the opening of many partitions is. No number goes back.
struct RecoveryProgress {
  std::int64_t bytes_total = 0;  ///< of the `.log` files that were found
  std::int64_t bytes_done = 0;   ///< read, or known by their seals
  std::int64_t bytes_read = 0;   ///< of these, read
  std::int64_t segments_total = 0;
  std::int64_t segments_done = 0;
  std::int64_t partitions_total = 0;
  std::int64_t partitions_done = 0;    ///< open, or refused
  std::int64_t partitions_failed = 0;  ///< of these, refused
  std::chrono::nanoseconds elapsed{0};

  /// Bytes read in a second, from the begin up to now.
  [[nodiscard]] double bytes_per_second() const {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    return seconds > 0 ? static_cast<double>(bytes_read) / seconds : 0;
  }
};

struct OpenManyOptions {
  int thread_count = 0;  ///< that read; 0: as many as the machine runs at once
  /// Called at the begin, about once every `progress_interval`, and once all is done; always on the
  /// thread that called open_partitions, and with no lock held: it may use the store and the logs
  /// that are open. Must not throw. Without it that thread reads, too.
  std::function<void(const RecoveryProgress&)> on_progress{};
  std::chrono::milliseconds progress_interval{200};
};

/// What a close with a bound has left.
struct CloseReport {
  /// Not closed in time, ascending: the next open recovers them, as after the end of the process.
  std::vector<TopicPartition> unclean{};
};

/// What a scrub of one partition has found, or why it could not look.
struct PartitionScrub {
  TopicPartition name{};
  Result<ScrubReport> report{};
};

/// A directory of partitions, owned by one Store at a time across all processes, a Kafka broker
/// included. Thread-safe.
class Store {
 public:
  /// Takes ownership of the directory. INVALID_CONFIG, with nothing touched, for options that
  /// cannot be; STORE_IN_USE, naming the owner's process, if it has one.
  static Result<std::unique_ptr<Store>> open(const std::string& directory,
                                             StoreOptions options = {});
  /// Ends as after a crash of the process, unless close() came first: nothing acknowledged is lost,
  /// the next open recovers.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Opens a partition, recovering it if its last end was not clean, or creates it. A partition
  /// that is open already: MISUSE. Damage below the recovery point: KAFKA_STORAGE_ERROR, nothing
  /// changed. Where it is made, the store keeps the options, but for leader_epoch and
  /// create_if_missing; of a partition that was there they hold until it is closed.
  Result<std::shared_ptr<PartitionLog>> open_partition(const TopicPartition& name,
                                                       PartitionOptions options);
  /// The same with the options that the store keeps for the partition; the store's defaults where
  /// it keeps none. KAFKA_STORAGE_ERROR, naming file and line, if they cannot be read: alter_config
  /// behind an open with options replaces them.
  Result<std::shared_ptr<PartitionLog>> open_partition(const TopicPartition& name);
  /// Opens many partitions, each as open_partition does, several at a time: those with the most
  /// bytes first. One that is refused keeps no other from opening; one that is named twice is
  /// MISUSE the second time. Answers in the order asked for. The threads end before this returns.
  std::vector<OpenedPartition> open_partitions(const std::vector<PartitionToOpen>& wanted,
                                               const OpenManyOptions& options = {});
  /// The same for all that lie in the directory and are not open, ascending by name, each with the
  /// options that the store keeps for it, if none are given for all. None is created. An error only
  /// if the directory cannot be read.
  Result<std::vector<OpenedPartition>> open_all_partitions(
      const std::optional<PartitionOptions>& partition = {}, const OpenManyOptions& options = {});
  /// Makes a partition that must not exist yet (TOPIC_ALREADY_EXISTS) and opens it; without options
  /// with the store's defaults.
  Result<std::shared_ptr<PartitionLog>> create_partition(const TopicPartition& name,
                                                         PartitionOptions options);
  Result<std::shared_ptr<PartitionLog>> create_partition(const TopicPartition& name);
  /// The handle of an open partition, or null.
  std::shared_ptr<PartitionLog> find_partition(const TopicPartition& name) const;
  /// Removes a partition, open or not, with all that is known of it; its handles answer MISUSE from
  /// then on. Once this returns, or a crash came in between and the store was opened again, the
  /// name is free, or the partition is whole. UNKNOWN_TOPIC_OR_PARTITION if there is none.
  Result<void> delete_partition(const TopicPartition& name);
  /// Reads an open partition again from the disk, which is what a poisoned one needs: its handles
  /// answer MISUSE from then on, as they do if it does not open. Whatever is behind the recovery
  /// point is synced and read from the device before it is believed.
  Result<std::shared_ptr<PartitionLog>> reopen_partition(const TopicPartition& name);
  /// Changes entries of a partition's configuration, open or not, as Kafka's
  /// incrementalAlterConfigs does: all of them or none. INVALID_CONFIG, with the name, for an entry
  /// that TopicConfig::set refuses, a name that is given twice, or values that contradict each
  /// other. On stable storage when this returns, and in force for every verb that begins then;
  /// appends and reads go on meanwhile. After any other error the next open finds the old entries
  /// or the new ones. How level and watermark policy are is not among them.
  Result<void> alter_config(const TopicPartition& name, const std::vector<ConfigChange>& changes);
  /// What is in force in an open partition, or kept for one that is not. UNKNOWN_TOPIC_OR_PARTITION
  /// if there is none, KAFKA_STORAGE_ERROR if it cannot be read.
  Result<KeptOptions> kept_options(const TopicPartition& name) const;
  /// Closes one partition cleanly; its handles answer MISUSE from then on.
  Result<void> close_partition(const TopicPartition& name);
  /// Partitions that lie in the directory, open or not, ascending.
  Result<std::vector<TopicPartition>> partitions() const;

  /// PartitionLog::scrub of every open partition, one behind the other, ascending by name. Appends,
  /// reads and opens go on meanwhile. Changes nothing; findings are no error.
  std::vector<PartitionScrub> scrub() const;

  /// What the store has done since it was opened, and its open partitions one by one. Waits for a
  /// partition that is being closed or deleted.
  [[nodiscard]] StoreMetrics metrics() const;

  /// Copies the store into `directory`, which must not exist or be empty, outside of this one, on
  /// any file system. Appends, reads and all other verbs go on meanwhile; a truncation of the
  /// partition that is just being linked waits for that.
  ///
  /// Of each partition the copy is a prefix, up to an end that was durable, with the producers,
  /// transactions, leader epochs and offsets as they were there: as after a clean close at that
  /// moment, which is not the same moment for all partitions. It opens as a store of its own; Kafka
  /// opens it as after a crash. The copy is on stable storage once this returns; before that, or
  /// after an error or a crash, there is nothing under its name. A crash may leave
  /// `<directory>.backup-partial`, which the next backup to that name removes.
  ///
  /// PARTITION_POISONED if a partition is: it is to be reopened first.
  /// MISUSE: the target is not free, or inside the store; or a partition lies in the store that is
  /// not open. STORE_IN_USE: another backup to that name is under way. STORAGE_FULL and the like:
  /// nothing is left of it.
  Result<BackupReport> backup(const std::string& directory, const BackupOptions& options = {});

  /// The work that is due in the open partitions at `now`, by default the clock's time. Changes
  /// nothing and waits for no verb that is under way: where one that shrinks a log is, what only
  /// behind it can be told is left out. A poisoned partition has none: it is to be reopened.
  [[nodiscard]] MaintenancePlan plan(std::optional<Timestamp> now = {}) const;
  /// Does one job, if it is due still by the clock's time; else nothing, and the report says so. As
  /// durable on return as the verb that it stands for, with that verb's errors.
  Result<MaintenanceReport> run(const MaintenanceJob& job);

  /// Flushes and closes every partition and records the clean end, for Kafka too unless
  /// kafka_handover is off. Waits for opens that are under way. On an error the store is closed all
  /// the same, and the next open recovers.
  Result<void> close();
  /// The same with a bound: partitions that are not closed by `deadline` are let go as they are,
  /// those with the most to be synced last; nothing acknowledged is lost. An open, a close of one
  /// partition or a verb that is under way is not cut short.
  Result<CloseReport> close(Deadline deadline);

 private:
  explicit Store(std::unique_ptr<store::StoreState> state);
  std::unique_ptr<store::StoreState> state_;
};

}  // namespace oncelog
