// Checkpoints in memory: the contract of snapshot_store.h, and what a crash leaves of them.
#include "sim/mem_snapshot_store.h"

#include <gmock/gmock.h>

#include "support/snapshot_oracle.h"

namespace oncelog::sim {
namespace {

using test::Changes;
using test::FailsWith;
using test::kAny;
using test::make_entry;
using test::offsets_of;
using test::Producers;
using test::Succeeds;
using test::value_of;
using test::visited;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr ProducerId kP1{1};
constexpr ProducerId kP2{2};

using Partition = std::unique_ptr<snapshot::PartitionSnapshots>;

Partition open(const MemSnapshotStore& store, const std::string& topic_id = "an id") {
  return value_of(store.store()->open({"t", 0}, topic_id));
}

Result<void> save_at(snapshot::PartitionSnapshots& partition, std::int64_t at,
                     const Changes& changes, std::int64_t keep_from = 0) {
  snapshot::CheckpointInfo info;
  info.offset = Offset(at);
  return test::save(partition, info, changes, Offset(keep_from));
}

TEST(MemSnapshotStore, AgreesWithAMapOfVersionsWhateverComes) {
  const MemSnapshotStore store;
  const Partition partition = open(store);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    test::SnapshotOracle oracle(*partition, seed);
    for (int step = 0; step < 500; ++step) {
      oracle.step();
      oracle.compare();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", step " << step;
    }
    ASSERT_THAT(partition->forget_all(), Succeeds());
  }
}

TEST(MemSnapshotStore, AnotherTopicIdIsAnotherLife) {
  const MemSnapshotStore store;
  ASSERT_THAT(save_at(*open(store, "a"), 10, {{kP1, make_entry()}}), Succeeds());
  EXPECT_THAT(offsets_of(*open(store, "")), ElementsAre(10)) << "an unreadable id says nothing";
  EXPECT_THAT(offsets_of(*open(store, "b")), IsEmpty());
  EXPECT_THAT(offsets_of(*open(store, "a")), IsEmpty()) << "the old life does not come back";
}

TEST(MemSnapshotStore, AnAbandonedHandleDoesNotWriteIntoTheNextLife) {
  const MemSnapshotStore store;
  const Partition old = open(store, "a");
  ASSERT_THAT(save_at(*old, 10, {{kP1, make_entry()}}), Succeeds());
  ASSERT_THAT(store.store()->drop({"t", 0}), Succeeds());
  EXPECT_THAT(store.store()->drop({"t", 0}), Succeeds());
  const Partition next = open(store, "a");
  EXPECT_THAT(save_at(*old, 20, {}), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_THAT(value_of(next->list()), IsEmpty());
  EXPECT_THAT(value_of(old->list()), IsEmpty());
}

TEST(MemSnapshotStore, PartitionsDoNotSeeEachOther) {
  const MemSnapshotStore store;
  const Partition a = open(store);
  const Partition b = value_of(store.store()->open({"t", 1}, "b"));
  ASSERT_THAT(save_at(*a, 10, {{kP1, make_entry({.open = 4})}}), Succeeds());
  EXPECT_THAT(visited(*b, kAny), IsEmpty());
  ASSERT_THAT(b->forget_all(), Succeeds());
  EXPECT_THAT(offsets_of(*a), ElementsAre(10));
}

TEST(MemSnapshotStore, ACommitIsThereOrNotWhenTheDiskStops) {
  SimDisk disk;
  const MemSnapshotStore store(&disk);
  const Partition partition = open(store);
  ASSERT_THAT(save_at(*partition, 10, {{kP1, make_entry()}}), Succeeds());
  disk.stop_at(disk.change_count() + 1);
  const auto stopped = save_at(*partition, 20, {{kP2, make_entry()}});
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(is_stopped(stopped.error()));
  const auto left = store.after_crash(nullptr);
  EXPECT_THAT(offsets_of(*open(*left)), ElementsAre(10));
  EXPECT_THAT(offsets_of(*partition), ElementsAre(10));
}

TEST(MemSnapshotStore, AnObserverOfTheDiskMayTakeACopyOfACommitThatIsUnderWay) {
  SimDisk disk;
  const MemSnapshotStore store(&disk);
  const Partition partition = open(store);
  std::unique_ptr<MemSnapshotStore> copy;
  disk.set_observer([&](const SimCall&) { copy = store.after_crash(nullptr); });
  ASSERT_THAT(save_at(*partition, 10, {}), Succeeds());
  ASSERT_TRUE(copy);
  EXPECT_THAT(offsets_of(*open(*copy)), IsEmpty());
}

TEST(MemSnapshotStore, WhatDoesNotChangeIsNoCommit) {
  SimDisk disk;
  const MemSnapshotStore store(&disk);
  const Partition partition = open(store);
  ASSERT_THAT(save_at(*partition, 10, {}), Succeeds());
  const std::int64_t before = disk.change_count();
  EXPECT_THAT(partition->drop_above(Offset(10)), Succeeds());
  EXPECT_THAT(partition->list(), Succeeds());
  open(store);
  EXPECT_EQ(disk.change_count(), before);
}

TEST(MemSnapshotStore, EveryEarlierCommitCanBeGoneBackTo) {
  const MemSnapshotStore store;
  const Partition partition = open(store);
  const std::size_t opened = store.commit_count();
  for (int at = 10; at <= 30; at += 10) {
    ASSERT_THAT(save_at(*partition, at, {{ProducerId(at), make_entry()}}), Succeeds());
  }
  EXPECT_EQ(store.commit_count(), opened + 3);
  const auto back = store.rolled_back(opened + 1, nullptr);
  const Partition restored = open(*back);
  EXPECT_THAT(offsets_of(*restored), ElementsAre(10));
  ASSERT_THAT(save_at(*restored, 15, {}), Succeeds());
  EXPECT_THAT(offsets_of(*partition), ElementsAre(30, 20, 10)) << "a store of its own";
  const auto lost = store.rolled_back(0, nullptr);
  EXPECT_THAT(offsets_of(*open(*lost)), IsEmpty());
}

}  // namespace
}  // namespace oncelog::sim
