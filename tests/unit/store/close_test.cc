// The end of a store of many partitions: what it costs, and what a bound leaves.
#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

#include "sim/sim_disk.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kMany = 20;

TopicPartition nth(int index) { return {"many", index}; }

class CloseTest : public test::LogFixture {
 protected:
  CloseTest() { options_.level = Level::kWritten; }
  void open_store() { store_ = value_of(Store::open(store_path(), store_options_)); }
  /// The one with index i has i batches that are in no recovery point.
  void open_many(int count) {
    for (int i = 0; i < count; ++i) {
      const auto log = value_of(store_->open_partition(nth(i), options_));
      for (int k = 0; k < i; ++k) value_of(log->append_as_leader(make_batch()));
    }
  }
};

TEST_F(CloseTest, ABoundThatHasPassedLeavesAllAsACrashDoes) {
  open_store();
  open_many(4);
  const CloseReport left = value_of(store_->close(std::chrono::steady_clock::now()));
  EXPECT_THAT(left.unclean, ElementsAre(nth(0), nth(1), nth(2), nth(3)));
  EXPECT_FALSE(std::filesystem::exists(store_path() + "/.kafka_cleanshutdown"));
  crash();
  open_store();
  for (int i = 0; i < 4; ++i) {
    const auto log = value_of(store_->open_partition(nth(i)));
    EXPECT_FALSE(log->recovery_report().was_clean);
    EXPECT_EQ(log->ends().log_end, Offset(i)) << "nothing acknowledged is lost";
  }
}

TEST_F(CloseTest, WithTimeEnoughNothingIsLeft) {
  open_store();
  open_many(4);
  const auto later = std::chrono::steady_clock::now() + std::chrono::hours(1);
  EXPECT_THAT(value_of(store_->close(later)).unclean, IsEmpty());
  EXPECT_THAT(value_of(store_->close(later)).unclean, IsEmpty()) << "there is none any more";
  EXPECT_TRUE(std::filesystem::exists(store_path() + "/.kafka_cleanshutdown"));
}

TEST_F(CloseTest, OneThatFailsLeavesTheOthersClean) {
  open_store();
  open_many(3);
  // Its failure is told; the others are clean all the same.
  vfs_.plan().add({.call = IoCall::kSync, .path_part = "many-2/", .is_lasting = true});
  const auto bound = std::chrono::steady_clock::now() + std::chrono::hours(1);
  EXPECT_THAT(store_->close(bound), FailsWith(ErrorCode::PARTITION_POISONED));
  vfs_.plan().clear();
  crash();
  open_store();
  EXPECT_TRUE(value_of(store_->open_partition(nth(0)))->recovery_report().was_clean);
  EXPECT_TRUE(value_of(store_->open_partition(nth(1)))->recovery_report().was_clean);
  const auto last = value_of(store_->open_partition(nth(2)));
  EXPECT_FALSE(last->recovery_report().was_clean);
  EXPECT_EQ(last->ends().log_end, Offset(2));
}

TEST_F(CloseTest, WhatIsClosedInTimeIsCleanAndThatWithTheMostToSyncIsLeft) {
  open_store();
  open_many(3);
  // The close of the first comes no further than its sync before the bound has passed.
  const auto bound = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  vfs_.syncs().hold(true);
  std::thread release([&] {
    std::this_thread::sleep_until(bound);
    vfs_.syncs().hold(false);
  });
  const CloseReport left = value_of(store_->close(bound));
  release.join();
  // On a slow machine the bound may have passed before the first was begun.
  ASSERT_THAT(left.unclean, testing::IsSupersetOf({nth(1), nth(2)}));
  crash();
  open_store();
  for (int i = 0; i < 3; ++i) {
    const auto log = value_of(store_->open_partition(nth(i)));
    EXPECT_EQ(log->recovery_report().was_clean, std::ranges::count(left.unclean, nth(i)) == 0);
    EXPECT_EQ(log->ends().log_end, Offset(i));
  }
}

/// Calls of a simulated disk that rename a recovery-point file into place.
class OneFileForAll : public testing::Test {
 protected:
  OneFileForAll() {
    options_.vfs = disk_.get();
    options_.append_ring_bytes = 0;
    disk_->set_observer([this](const sim::SimCall& call) {
      const bool is_point = call.path.find("recovery-point") != std::string::npos;
      if (is_point && call.call == sim::IoCall::kRename) ++points_written_;
    });
  }
  void open_store() { store_ = value_of(Store::open("/store", options_)); }
  [[nodiscard]] std::vector<PartitionToOpen> all() const {
    std::vector<PartitionToOpen> wanted;
    for (int i = 0; i < kMany; ++i) wanted.push_back({nth(i), {}});
    return wanted;
  }
  void append_to_all() {
    for (int i = 0; i < kMany; ++i) {
      value_of(store_->find_partition(nth(i))->append_as_leader(make_batch()));
    }
  }
  [[nodiscard]] int count_and_reset() { return std::exchange(points_written_, 0); }

  std::unique_ptr<sim::SimDisk> disk_ = std::make_unique<sim::SimDisk>();
  StoreOptions options_;
  int points_written_ = 0;
  std::unique_ptr<Store> store_;
};

TEST_F(OneFileForAll, ManyThatAreMadeRecoveredOrClosedWriteTheRecoveryPointsOnce) {
  open_store();
  for (const auto& one : store_->open_partitions(all())) ASSERT_THAT(one.log, Succeeds());
  EXPECT_EQ(count_and_reset(), 1) << "made";
  append_to_all();
  store_.reset();
  open_store();
  for (const auto& one : store_->open_partitions(all())) {
    EXPECT_EQ(value_of(one.log)->ends().log_end, Offset(1));
  }
  EXPECT_EQ(count_and_reset(), 1) << "recovered";
  append_to_all();
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_EQ(count_and_reset(), 1) << "closed";
  open_store();
  for (const auto& one : store_->open_partitions(all())) {
    EXPECT_TRUE(value_of(one.log)->recovery_report().was_clean);
  }
  EXPECT_EQ(count_and_reset(), 0) << "nothing is new";
}

TEST_F(OneFileForAll, AFlushWhileOthersAreOpenedDoesNotWait) {
  open_store();
  bool was_persistent = false;
  OpenManyOptions options;
  options.thread_count = 1;
  options.on_progress = [&](const RecoveryProgress& progress) {
    const auto log = store_->find_partition(nth(0));
    if (!log || progress.partitions_done == kMany || was_persistent) return;
    const int before = points_written_;
    value_of(log->append_as_leader(make_batch()));
    EXPECT_THAT(log->flush(), Succeeds());
    was_persistent = points_written_ == before + 1;
  };
  options.progress_interval = std::chrono::milliseconds(0);
  for (const auto& one : store_->open_partitions(all(), options)) ASSERT_THAT(one.log, Succeeds());
  const auto log = store_->find_partition(nth(0));
  const int before = points_written_;
  value_of(log->append_as_leader(make_batch()));
  EXPECT_THAT(log->flush(), Succeeds());
  EXPECT_EQ(points_written_, before + 1);
}

}  // namespace
}  // namespace oncelog
