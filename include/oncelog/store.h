// store.h: a directory of partitions with one owner.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/options.h"
#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog {

namespace store {
class StoreState;
}

/// A directory of partitions, owned by one Store at a time across all processes, a Kafka broker
/// included. Thread-safe.
class Store {
 public:
  /// Takes ownership of the directory. STORE_IN_USE, naming the owner's process, if it has one.
  static Result<std::unique_ptr<Store>> open(const std::string& directory,
                                             StoreOptions options = {});
  /// Ends as after a crash of the process, unless close() came first: nothing acknowledged is lost,
  /// the next open recovers.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// Opens a partition, recovering it if its last end was not clean, or creates it. A partition
  /// that is open already: MISUSE. Damage below the recovery point: KAFKA_STORAGE_ERROR, nothing
  /// changed.
  Result<std::shared_ptr<PartitionLog>> open_partition(const TopicPartition& name,
                                                       PartitionOptions options = {});
  /// Makes a partition that must not exist yet (TOPIC_ALREADY_EXISTS) and opens it.
  Result<std::shared_ptr<PartitionLog>> create_partition(const TopicPartition& name,
                                                         PartitionOptions options = {});
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
  /// Closes one partition cleanly; its handles answer MISUSE from then on.
  Result<void> close_partition(const TopicPartition& name);
  /// Partitions that lie in the directory, open or not, ascending.
  Result<std::vector<TopicPartition>> partitions() const;

  /// Flushes and closes every partition and records the clean end, for Kafka too unless
  /// kafka_handover is off. On an error the store is closed all the same, and the next open
  /// recovers.
  Result<void> close();

 private:
  explicit Store(std::unique_ptr<store::StoreState> state);
  std::unique_ptr<store::StoreState> state_;
};

}  // namespace oncelog
