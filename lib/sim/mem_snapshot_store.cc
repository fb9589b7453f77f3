#include "sim/mem_snapshot_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "snapshot/snapshot_store.h"

namespace oncelog::sim {

namespace {

using producer::ProducerEntry;
using snapshot::CheckpointInfo;
using snapshot::PartitionSnapshots;
using snapshot::ProducerChange;
using snapshot::ProducerEntries;

using Producers = std::map<ProducerId, ProducerEntry>;

/// A checkpoint with all producers, not only with those that have changed.
struct Version {
  CheckpointInfo info{};
  std::shared_ptr<const Producers> producers = std::make_shared<Producers>();
};

/// One life of a partition; its number is never used again.
struct Life {
  std::int64_t number = 0;
  std::string topic_id{};
  std::map<Offset, Version> versions{};
};

using Lives = std::map<TopicPartition, Life>;

/// Every state that there has been, the newest last.
class History {
 public:
  History(std::vector<std::shared_ptr<const Lives>> states, std::int64_t next_life, SimDisk* disk)
      : disk_(disk), states_(std::move(states)), next_life_(next_life) {}

  [[nodiscard]] std::shared_ptr<const Lives> newest() const {
    const std::scoped_lock lock(mutex_);
    return states_.back();
  }
  [[nodiscard]] std::size_t commit_count() const {
    const std::scoped_lock lock(mutex_);
    return states_.size() - 1;
  }
  [[nodiscard]] std::vector<std::shared_ptr<const Lives>> states(std::size_t commits) const {
    const std::scoped_lock lock(mutex_);
    const auto end = states_.begin() + static_cast<std::ptrdiff_t>(commits) + 1;
    return {states_.begin(), end};
  }
  [[nodiscard]] std::int64_t next_life() const {
    const std::scoped_lock lock(mutex_);
    return next_life_;
  }
  std::int64_t take_life() {
    const std::scoped_lock lock(mutex_);
    return next_life_++;
  }

  /// `change` turns the newest state into the next; its error, or the disk's, leaves all as it was.
  template <class Change>
  Result<void> commit(const Change& change) {
    const std::scoped_lock commits(commit_mutex_);
    auto next = std::make_shared<Lives>(*newest());
    ONCELOG_TRY(change(*next));
    // Without the other lock: an observer of the disk may want a copy.
    if (disk_ != nullptr) ONCELOG_TRY(disk_->note_commit(".state"));
    const std::scoped_lock lock(mutex_);
    states_.push_back(std::move(next));
    return {};
  }

 private:
  SimDisk* const disk_;
  std::mutex commit_mutex_;  ///< one commit after the other
  mutable std::mutex mutex_;
  // ---- mutex_
  std::vector<std::shared_ptr<const Lives>> states_;
  std::int64_t next_life_;
};

class MemPartition final : public PartitionSnapshots {
 public:
  MemPartition(History& history, TopicPartition name, std::string topic_id, std::int64_t life)
      : history_(history), name_(std::move(name)), topic_id_(std::move(topic_id)), life_(life) {}

  Result<std::vector<CheckpointInfo>> list() override {
    std::vector<CheckpointInfo> infos;
    for (const auto& [offset, version] : versions()) infos.push_back(version.info);
    std::ranges::reverse(infos);
    return infos;
  }

  Result<std::optional<ProducerEntry>> find(ProducerId id, Offset at) override {
    const auto all = producers(at);
    const auto found = all->find(id);
    if (found == all->end()) return std::nullopt;
    return found->second;
  }

  Result<ProducerEntries> open_transactions(Offset at) override {
    ProducerEntries open;
    const auto all = producers(at);
    for (const auto& [id, entry] : *all) {
      if (entry.transaction_first_offset) open.emplace_back(id, entry);
    }
    return open;
  }

  Result<std::vector<ProducerId>> find_older(Offset at, Timestamp until) override {
    std::vector<ProducerId> older;
    const auto all = producers(at);
    for (const auto& [id, entry] : *all) {
      const bool is_old = entry.last_timestamp <= until && !entry.transaction_first_offset;
      if (is_old) older.push_back(id);
    }
    return older;
  }

  Result<void> visit(Offset at, const Visitor& visitor) override {
    const auto all = producers(at);
    for (const auto& [id, entry] : *all) ONCELOG_TRY(visitor(id, entry));
    return {};
  }

  Result<void> save(const CheckpointInfo& info, std::span<const ProducerChange> changes,
                    Offset keep_from) override {
    return commit([&](std::map<Offset, Version>& versions) -> Result<void> {
      auto now = std::make_shared<Producers>(*producers_at(versions, info.offset));
      for (const ProducerChange& change : changes) {
        if (change.entry == nullptr) {
          now->erase(change.id);
        } else {
          (*now)[change.id] = *change.entry;
        }
      }
      Version saved{info, now};
      saved.info.producer_count = std::ssize(*now);
      versions[info.offset] = std::move(saved);
      const auto above = versions.upper_bound(keep_from);
      if (above != versions.begin()) versions.erase(versions.begin(), std::prev(above));
      return {};
    });
  }

  Result<void> drop_above(Offset offset) override {
    const auto present = versions();
    if (present.upper_bound(offset) == present.end()) return {};
    return commit([&](std::map<Offset, Version>& versions) -> Result<void> {
      versions.erase(versions.upper_bound(offset), versions.end());
      return {};
    });
  }

  Result<void> note_first_base(Offset at, Offset first_base) override {
    return change_info(at, [&](CheckpointInfo& info) { info.noted_first_base = first_base; });
  }

  Result<void> permit_anchor(Offset at, const snapshot::Anchor& present,
                             const snapshot::Anchor& rebuilt) override {
    return change_info(at, [&](CheckpointInfo& info) {
      info.anchor = present == snapshot::kNoBatchLeft ? std::nullopt : std::optional(present);
      info.rebuilt_anchor = rebuilt;
    });
  }

  Result<void> drop_below(Offset offset) override {
    const auto present = versions();
    if (present.empty() || present.begin()->first >= offset) return {};
    return commit([&](std::map<Offset, Version>& versions) -> Result<void> {
      versions.erase(versions.begin(), versions.lower_bound(offset));
      return {};
    });
  }

  Result<void> forget_all() override {
    const std::int64_t life = history_.take_life();
    ONCELOG_TRY(history_.commit([&](Lives& lives) -> Result<void> {
      lives[name_] = {life, topic_id_, {}};
      return {};
    }));
    const std::scoped_lock lock(mutex_);
    life_ = life;
    return {};
  }

 private:
  [[nodiscard]] std::int64_t life() const {
    const std::scoped_lock lock(mutex_);
    return life_;
  }
  /// Of this life; a handle from before the partition was dropped has none.
  [[nodiscard]] std::map<Offset, Version> versions() const {
    const auto lives = history_.newest();
    const auto found = lives->find(name_);
    if (found == lives->end() || found->second.number != life()) return {};
    return found->second.versions;
  }
  [[nodiscard]] static std::shared_ptr<const Producers> producers_at(
      const std::map<Offset, Version>& versions, Offset at) {
    const auto above = versions.upper_bound(at);
    if (above == versions.begin()) return std::make_shared<Producers>();
    return std::prev(above)->second.producers;
  }
  [[nodiscard]] std::shared_ptr<const Producers> producers(Offset at) const {
    return producers_at(versions(), at);
  }

  /// Changes the descriptor of a checkpoint that is there.
  template <class Change>
  Result<void> change_info(Offset at, const Change& change) {
    return commit([&](std::map<Offset, Version>& versions) -> Result<void> {
      const auto found = versions.find(at);
      if (found == versions.end()) {
        return fail(ErrorCode::KAFKA_STORAGE_ERROR, "producer state: no checkpoint at ", at);
      }
      change(found->second.info);
      return {};
    });
  }

  template <class Change>
  Result<void> commit(const Change& change) {
    return history_.commit([&](Lives& lives) -> Result<void> {
      const auto found = lives.find(name_);
      if (found == lives.end() || found->second.number != life()) {
        return fail(ErrorCode::KAFKA_STORAGE_ERROR, "producer state: the partition was dropped");
      }
      return change(found->second.versions);
    });
  }

  History& history_;
  const TopicPartition name_;
  const std::string topic_id_;
  mutable std::mutex mutex_;
  std::int64_t life_;
};

}  // namespace

class MemSnapshotStore::Store final : public snapshot::SnapshotStore {
 public:
  Store(std::vector<std::shared_ptr<const Lives>> states, std::int64_t next_life, SimDisk* disk)
      : history(std::move(states), next_life, disk) {}

  Result<std::unique_ptr<PartitionSnapshots>> open(const TopicPartition& name,
                                                   const std::string& topic_id) override {
    const auto lives = history.newest();
    const auto found = lives->find(name);
    const bool is_known = found != lives->end();
    auto opened = std::make_unique<MemPartition>(history, name, topic_id,
                                                 is_known ? found->second.number : 0);
    // An id that cannot be read says nothing.
    const bool is_other = is_known && !topic_id.empty() && found->second.topic_id != topic_id;
    if (!is_known || is_other) ONCELOG_TRY(opened->forget_all());
    return opened;
  }

  Result<void> drop(const TopicPartition& name) override {
    if (!history.newest()->contains(name)) return {};
    return history.commit([&](Lives& lives) -> Result<void> {
      lives.erase(name);
      return {};
    });
  }

  History history;
};

MemSnapshotStore::MemSnapshotStore(SimDisk* disk)
    : MemSnapshotStore(std::make_unique<Store>(
          std::vector<std::shared_ptr<const Lives>>{std::make_shared<const Lives>()}, 1, disk)) {}
MemSnapshotStore::MemSnapshotStore(std::unique_ptr<Store> store) : store_(std::move(store)) {}
MemSnapshotStore::~MemSnapshotStore() = default;

snapshot::SnapshotStore* MemSnapshotStore::store() const { return store_.get(); }

std::size_t MemSnapshotStore::commit_count() const { return store_->history.commit_count(); }

std::unique_ptr<MemSnapshotStore> MemSnapshotStore::after_crash(SimDisk* disk) const {
  return rolled_back(commit_count(), disk);
}

std::unique_ptr<MemSnapshotStore> MemSnapshotStore::rolled_back(std::size_t commits,
                                                                SimDisk* disk) const {
  return std::unique_ptr<MemSnapshotStore>(new MemSnapshotStore(
      std::make_unique<Store>(store_->history.states(commits), store_->history.next_life(), disk)));
}

}  // namespace oncelog::sim
