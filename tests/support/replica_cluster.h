// replica_cluster.h: replicas of one partition, replicated as a broker would do it with this
// library: fetches, follower appends, leader epochs, truncation where histories part.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "oncelog/clock.h"
#include "oncelog/store.h"
#include "sim/mem_snapshot_store.h"
#include "sim/sim_disk.h"
#include "support/batches.h"
#include "support/log_comparison.h"

namespace oncelog::test {

/// One copy, in a store on a disk of its own.
class Replica {
 public:
  Replica(const PartitionOptions& options, Clock& clock);

  [[nodiscard]] PartitionLog& log() const { return *log_; }
  /// The process dies, or closes the store, and the next one opens it.
  void restart(bool is_clean);
  /// What was not synced is there, torn, or gone, as the seed says.
  void lose_power(std::uint32_t seed);

  /// The epoch in which it takes itself for the leader, also when it no longer is.
  std::optional<LeaderEpoch> leads_in{};
  /// The epoch for which its log has been cut to what it has in common with the leader.
  std::optional<LeaderEpoch> follows_in{};
  /// It was begun anew in the middle: what only the batches before say, it cannot know.
  bool knows_all = true;

 private:
  void open();
  /// The store's end; what the next one finds.
  void go_on_with(std::unique_ptr<sim::SimDisk> disk);

  std::unique_ptr<sim::SimDisk> disk_;
  std::unique_ptr<sim::MemSnapshotStore> snapshots_;
  PartitionOptions options_;
  StoreOptions store_options_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

/// Several copies, of which one leads. What lies below the high watermark is committed: every later
/// leader must have it. Each verb throws Disagreement if a rule is broken.
class ReplicaCluster {
 public:
  static constexpr std::size_t kReplicas = 3;

  /// `choice` picks segment sizes.
  explicit ReplicaCluster(std::uint8_t choice);

  /// One batch by the leader, or by one who was it and has not heard of the next.
  void produce(std::uint8_t who, std::uint8_t choice);
  void end_transaction(std::uint8_t who, std::uint8_t choice);
  /// One step of a follower: the cut if it has just begun to follow, then a fetch.
  void replicate(std::uint8_t who, std::uint8_t choice);
  /// The next leader, of those in sync.
  void elect(std::uint8_t who);
  /// A follower is no longer waited for.
  void leave_behind(std::uint8_t who);
  void restart(std::uint8_t who, bool is_clean);
  /// Who loses power may lack what was committed: it is waited for no longer, and leads no more
  /// before it has caught up. The last one that is in sync is spared.
  void lose_power(std::uint8_t who, std::uint8_t seed);
  void roll_or_flush(std::uint8_t who, std::uint8_t choice);
  void delete_records(std::uint8_t choice);
  void apply_retention(std::uint8_t who);

  /// Everybody catches up; then all logs are the same.
  void converge();

 private:
  [[nodiscard]] PartitionLog& leader() const { return replicas_[leader_]->log(); }
  [[nodiscard]] Replica& replica(std::uint8_t who) const { return *replicas_[who % kReplicas]; }
  [[nodiscard]] Replica* any_leader(std::uint8_t who) const;
  void follow(std::size_t index);
  void begin_anew(Replica& follower, Offset at) const;
  void fetch(std::size_t index, std::uint8_t choice);
  void note_fetched(std::size_t index);
  void move_high_watermark();
  void check_committed() const;
  void compare(const PartitionLog& one, const PartitionLog& other, bool both_know_all) const;

  ManualClock clock_{Timestamp(1'700'000'000'000)};
  std::array<std::unique_ptr<Replica>, kReplicas> replicas_;
  std::size_t leader_ = 0;
  LeaderEpoch epoch_{0};
  Offset epoch_start_{};
  std::set<std::size_t> in_sync_;
  std::map<std::size_t, Offset> fetched_to_;  ///< of the followers, in this epoch
  std::map<Offset, Buffer> committed_;        ///< batches by base offset
};

}  // namespace oncelog::test
