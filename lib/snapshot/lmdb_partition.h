// lmdb_partition.h: the checkpoints of one partition as rows of the store's environment.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "snapshot/lmdb_collect.h"
#include "snapshot/lmdb_environment.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/state_rows.h"

namespace oncelog::snapshot {

class LmdbPartition final : public PartitionSnapshots {
 public:
  LmdbPartition(LmdbEnvironment& environment, TopicPartition name, std::string topic_id,
                Incarnation life, std::size_t rows_per_transaction = kRowsPerTransaction)
      : environment_(environment),
        name_(std::move(name)),
        topic_id_(std::move(topic_id)),
        rows_per_transaction_(rows_per_transaction),
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
  Result<void> permit_anchor(Offset at, const Anchor& present, const Anchor& rebuilt) override;
  Result<void> drop_below(Offset offset) override;
  Result<void> forget_all() override;

 private:
  /// A row that cannot be right is the store's failure, not that of whom it is read for.
  Result<void> read(const LmdbEnvironment::Body& body);
  /// Whether there is anything above an offset that drop_above() would drop.
  enum class Rest { kNone, kSome };
  Result<Rest> look_above(Offset offset);
  Result<void> drop_parts_above(Offset offset);
  /// Changes the descriptor of a checkpoint that is there.
  Result<void> change_info(Offset at, const std::function<void(CheckpointInfo&)>& change);
  /// Answers how many producers are known so far.
  Result<std::int64_t> save_part(const CheckpointInfo& info, bool is_first_part,
                                 std::span<const ProducerChange> changes);
  [[nodiscard]] Incarnation life() const { return Incarnation(life_.load()); }

  LmdbEnvironment& environment_;
  const TopicPartition name_;
  const std::string topic_id_;
  const std::size_t rows_per_transaction_;
  std::atomic<std::uint64_t> life_;
};

}  // namespace oncelog::snapshot
