// lmdb_partition.h: the checkpoints of one partition as rows of the store's environment.
#pragma once

#include <atomic>
#include <string>

#include "snapshot/lmdb_environment.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/state_rows.h"

namespace oncelog::snapshot {

class LmdbPartition final : public PartitionSnapshots {
 public:
  LmdbPartition(LmdbEnvironment& environment, TopicPartition name, std::string topic_id,
                Incarnation life)
      : environment_(environment),
        name_(std::move(name)),
        topic_id_(std::move(topic_id)),
        life_(life.value()) {}

  Result<std::vector<CheckpointInfo>> list() override;
  Result<std::optional<producer::ProducerEntry>> find(ProducerId id, Offset at) override;
  Result<ProducerEntries> open_transactions(Offset at) override;
  Result<std::vector<ProducerId>> find_older(Offset at, Timestamp until) override;
  Result<void> visit(Offset at, const Visitor& visitor) override;
  Result<void> save(const CheckpointInfo& info, std::span<const ProducerChange> changes,
                    Offset keep_from) override;
  Result<void> drop_above(Offset offset) override;
  Result<void> note_first_base(Offset at, Offset first_base) override;
  Result<void> forget_all() override;

 private:
  /// A row that cannot be right is the store's failure, not that of whom it is read for.
  Result<void> read(const LmdbEnvironment::Body& body);
  Result<bool> has_producers();
  [[nodiscard]] Incarnation life() const { return Incarnation(life_.load()); }

  LmdbEnvironment& environment_;
  const TopicPartition name_;
  const std::string topic_id_;
  std::atomic<std::uint64_t> life_;
};

}  // namespace oncelog::snapshot
