// snapshot_oracle.h: checkpoints against a map of versions, for whatever keeps them.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "snapshot/snapshot_store.h"
#include "support/matchers.h"

namespace oncelog::test {

using producer::ProducerEntry;
using snapshot::Anchor;
using snapshot::CheckpointInfo;
using snapshot::PartitionSnapshots;
using snapshot::ProducerChange;
using snapshot::ProducerEntries;

/// Above every checkpoint.
inline constexpr Offset kAny{std::numeric_limits<std::int64_t>::max()};

struct EntrySpec {
  std::int32_t sequence = 0;  ///< of the last of two batches
  std::int64_t offset = 0;
  std::int64_t timestamp = 1000;
  std::optional<std::int64_t> open{};
};

[[nodiscard]] ProducerEntry make_entry(const EntrySpec& spec = {});

/// Changes of one checkpoint; no entry: forgotten.
using Changes = std::map<ProducerId, std::optional<ProducerEntry>>;
using Producers = std::map<ProducerId, ProducerEntry>;

Result<void> save(PartitionSnapshots& partition, const CheckpointInfo& info, const Changes& changes,
                  Offset keep_from);
/// All producers; their order is checked.
[[nodiscard]] Producers visited(PartitionSnapshots& partition, Offset at);
/// Newest first.
[[nodiscard]] std::vector<std::int64_t> offsets_of(PartitionSnapshots& partition);

/// Random verbs of one partition, and what each must do.
class SnapshotOracle {
 public:
  explicit SnapshotOracle(PartitionSnapshots& partition, std::uint64_t seed)
      : partition_(partition), random_(seed) {}

  void step() {
    const int kind = pick(0, 99);
    if (kind < 45) {
      save_at_end();
    } else if (kind < 55) {
      save_again();
    } else if (kind < 75) {
      insert();
    } else if (kind < 85) {
      drop();
    } else if (kind < 95) {
      note();
    } else if (kind < 96) {
      EXPECT_THAT(partition_.forget_all(), Succeeds());
      versions_.clear();
    }
  }

  void compare() {
    std::vector<CheckpointInfo> expected;
    for (const auto& [offset, version] : versions_) {
      expected.insert(expected.begin(), version.info);
      expected.front().producer_count = std::ssize(version.producers);
    }
    ASSERT_EQ(value_of(partition_.list()), expected);
    for (const auto& [offset, version] : versions_) compare_at(offset, version.producers);
    if (versions_.empty()) {
      compare_at(kAny, {});
      return;
    }
    const auto next = std::next(versions_.begin(), pick(0, static_cast<int>(versions_.size()) - 1));
    const auto above = std::next(next);
    const Offset last = above == versions_.end() ? kAny : above->first - 1;
    compare_at(last, next->second.producers);
  }

 private:
  struct Version {
    CheckpointInfo info{};
    Producers producers{};
    std::set<ProducerId> changed{};  ///< since the one before, when it was written
  };

  int pick(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }

  ProducerEntry random_entry() {
    EntrySpec spec{.sequence = pick(0, 1000),
                   .offset = pick(0, 1000),
                   .timestamp = pick(-50, 50) * kTwentyMinutes};
    if (pick(0, 3) == 0) spec.open = pick(0, 500);
    return make_entry(spec);
  }
  Changes random_changes(const std::set<ProducerId>& among) {
    Changes changes;
    for (const ProducerId id : among) {
      if (pick(0, 2) > 0) continue;
      changes[id] = pick(0, 3) == 0 ? std::nullopt : std::optional(random_entry());
    }
    return changes;
  }
  std::set<ProducerId> anybody() {
    std::set<ProducerId> ids;
    for (int id = 0; id < kProducers; ++id) ids.insert(ProducerId(id));
    return ids;
  }

  void write(Offset at, const Changes& changes, Offset keep_from) {
    CheckpointInfo info;
    info.offset = at;
    if (pick(0, 3) > 0) info.anchor = Anchor{at - 1, LeaderEpoch(pick(0, 3)), 5};
    ASSERT_THAT(save(partition_, info, changes, keep_from), Succeeds());

    const auto above = versions_.upper_bound(at);
    Version version;
    if (above != versions_.begin()) version = std::prev(above)->second;
    const bool is_again = version.info.offset == at && above != versions_.begin();
    if (!is_again) version.changed.clear();
    version.info = info;
    for (const auto& [id, entry] : changes) {
      version.changed.insert(id);
      if (entry) {
        version.producers[id] = *entry;
      } else {
        version.producers.erase(id);
      }
    }
    versions_[at] = std::move(version);
    const auto kept = versions_.upper_bound(keep_from);
    if (kept != versions_.begin()) versions_.erase(versions_.begin(), std::prev(kept));
  }

  Offset newest() const { return versions_.empty() ? Offset(0) : versions_.rbegin()->first; }

  void save_at_end() {
    const Offset at = newest() + pick(1, 20);
    write(at, random_changes(anybody()), at - pick(-5, 120));
  }
  void save_again() {
    if (versions_.empty()) return;
    write(newest(), random_changes(anybody()), newest() - pick(0, 120));
  }
  /// As retention does it: among those that the later one has changed, and none below what is kept.
  void insert() {
    if (versions_.size() < 2) return;
    const auto below =
        std::next(versions_.begin(), pick(0, static_cast<int>(versions_.size()) - 2));
    const auto above = std::next(below);
    if (above->first - below->first < 2) return;
    const Offset at = below->first + pick(1, static_cast<int>(above->first - below->first) - 1);
    const Changes changes = random_changes(above->second.changed);
    write(at, changes, pick(0, 1) == 0 ? at : below->first);
  }
  void drop() {
    const Offset above = newest() - pick(0, 60);
    ASSERT_THAT(partition_.drop_above(above), Succeeds());
    versions_.erase(versions_.upper_bound(above), versions_.end());
  }
  void note() {
    if (versions_.empty()) return;
    const auto noted =
        std::next(versions_.begin(), pick(0, static_cast<int>(versions_.size()) - 1));
    const Offset base(pick(0, 100));
    ASSERT_THAT(partition_.note_first_base(noted->first, base), Succeeds());
    noted->second.info.noted_first_base = base;
  }

  void compare_at(Offset at, const Producers& expected) {
    ASSERT_EQ(visited(partition_, at), expected) << at.value();
    ProducerEntries open;
    const Timestamp until(pick(-60, 60) * kTwentyMinutes);
    std::vector<ProducerId> older;
    for (const auto& [id, entry] : expected) {
      if (entry.transaction_first_offset) {
        open.emplace_back(id, entry);
      } else if (entry.last_timestamp <= until) {
        older.push_back(id);
      }
    }
    ASSERT_EQ(value_of(partition_.open_transactions(at)), open) << at.value();
    ASSERT_EQ(value_of(partition_.find_older(at, until)), older) << at.value();
    const ProducerId id(pick(0, kProducers));
    const auto known = expected.find(id);
    ASSERT_EQ(value_of(partition_.find(id, at)),
              known == expected.end() ? std::nullopt : std::optional(known->second))
        << id.value() << " at " << at.value();
  }

  static constexpr int kProducers = 8;
  static constexpr int kTwentyMinutes = 1'200'000;
  PartitionSnapshots& partition_;
  std::mt19937_64 random_;
  std::map<Offset, Version> versions_;
};

}  // namespace oncelog::test
