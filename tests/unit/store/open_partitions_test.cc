// Many partitions opened by one call, several at a time, through the public interface.
#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

class OpenPartitionsTest : public test::LogFixture {
 protected:
  OpenPartitionsTest() { options_.level = Level::kWritten; }

  static TopicPartition name_of(int index) { return {"many", index}; }
  [[nodiscard]] std::string log_of(int index) const {
    return store_path() + "/many-" + std::to_string(index) + "/00000000000000000000.log";
  }
  void open_store() { store_ = value_of(Store::open(store_path(), store_options_)); }
  /// `count` partitions, the one with index i with i + 1 batches, not closed.
  void make_many(int count) {
    open_store();
    for (int i = 0; i < count; ++i) {
      const auto log = value_of(store_->open_partition(name_of(i), options_));
      for (int k = 0; k <= i; ++k) value_of(log->append_as_leader(make_batch()));
    }
    crash();
    open_store();
  }
  [[nodiscard]] std::vector<PartitionToOpen> all_of(int count) const {
    std::vector<PartitionToOpen> wanted;
    for (int i = 0; i < count; ++i) wanted.push_back({name_of(i), options_});
    return wanted;
  }
  const std::int64_t size_ = std::ssize(make_batch());
};

TEST_F(OpenPartitionsTest, EachIsRecoveredAndAnsweredInTheOrderAskedFor) {
  constexpr int kCount = 24;
  make_many(kCount);
  for (const int threads : {1, 4, 100}) {
    const auto opened = store_->open_partitions(all_of(kCount), {.thread_count = threads});
    ASSERT_EQ(opened.size(), std::size_t{kCount});
    for (int i = 0; i < kCount; ++i) {
      const OpenedPartition& one = opened[static_cast<std::size_t>(i)];
      EXPECT_EQ(one.name, name_of(i));
      const auto log = value_of(one.log);
      EXPECT_EQ(log->ends().log_end, Offset(i + 1));
      EXPECT_FALSE(log->recovery_report().was_clean);
      EXPECT_EQ(log, store_->find_partition(name_of(i)));
      EXPECT_THAT(log->check_invariants(), IsEmpty());
    }
    crash();
    open_store();
  }
}

TEST_F(OpenPartitionsTest, ADamagedOneKeepsNoOtherFromOpening) {
  make_many(6);
  for (const auto& one : store_->open_partitions(all_of(6))) value_of(value_of(one.log)->flush());
  crash();
  test::flip_byte(log_of(3), static_cast<std::size_t>(size_ + 65));
  open_store();
  const auto opened = store_->open_partitions(all_of(6), {.thread_count = 3});
  for (std::size_t i = 0; i < opened.size(); ++i) {
    if (i == 3) {
      EXPECT_THAT(opened[i].log, FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "many-3"));
    } else {
      EXPECT_THAT(opened[i].log, Succeeds());
    }
  }
  EXPECT_EQ(store_->find_partition(name_of(3)), nullptr);
  ASSERT_THAT(store_->close(), Succeeds());
  crash();
  open_store();
  EXPECT_TRUE(value_of(store_->open_partition(name_of(2), options_))->recovery_report().was_clean);
}

TEST_F(OpenPartitionsTest, OneThatIsNamedTwiceOrIsOpenIsMisuse) {
  make_many(3);
  value_of(store_->open_partition(name_of(2), options_));
  std::vector<PartitionToOpen> wanted = all_of(3);
  wanted.push_back(wanted.front());
  const auto opened = store_->open_partitions(wanted, {.thread_count = 4});
  EXPECT_THAT(opened[0].log, Succeeds());
  EXPECT_THAT(opened[1].log, Succeeds());
  EXPECT_THAT(opened[2].log, FailsWith(ErrorCode::MISUSE, "open already"));
  EXPECT_THAT(opened[3].log, FailsWith(ErrorCode::MISUSE, "twice"));
}

TEST_F(OpenPartitionsTest, AllThatLieInTheDirectoryAndAreNotOpenAreOpened) {
  make_many(4);
  value_of(store_->open_partition(name_of(1), options_));
  std::filesystem::create_directory(store_path() + "/half-0");  // an interrupted creation
  const auto opened = value_of(store_->open_all_partitions(options_));
  ASSERT_EQ(opened.size(), 4u);
  EXPECT_EQ(opened[0].name, (TopicPartition{"half", 0}));
  EXPECT_THAT(opened[0].log, FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
  EXPECT_EQ(opened[1].name, name_of(0));
  EXPECT_EQ(opened[3].name, name_of(3));
  for (std::size_t i = 1; i < 4; ++i) EXPECT_THAT(opened[i].log, Succeeds());
}

TEST_F(OpenPartitionsTest, NoPartitionIsNoWork) {
  open_store();
  std::int64_t calls = 0;
  const auto opened = store_->open_partitions(
      {}, {.on_progress = [&](const RecoveryProgress& now) { calls += now.partitions_total + 1; }});
  EXPECT_THAT(opened, IsEmpty());
  EXPECT_GE(calls, 1);
}

// ---- progress

TEST_F(OpenPartitionsTest, ProgressIsToldFromTheCallingThreadAndNeverGoesBack) {
  constexpr int kCount = 12;
  make_many(kCount);
  test::flip_byte(log_of(5), 65);  // recovered: it is cut
  std::vector<RecoveryProgress> told;
  OpenManyOptions options;
  options.thread_count = 3;
  options.progress_interval = std::chrono::milliseconds(1);
  options.on_progress = [&, caller = std::this_thread::get_id()](const RecoveryProgress& now) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    told.push_back(now);
    // No lock is held: the store answers, and so do logs that are open.
    if (const auto log = store_->find_partition(name_of(0))) {
      EXPECT_EQ(log->ends().log_end, Offset(1));
    }
  };
  std::vector<PartitionToOpen> wanted = all_of(kCount);
  wanted.push_back({{"bad name", 0}, options_});
  const auto opened = store_->open_partitions(wanted, options);

  ASSERT_GE(told.size(), 2u);
  std::int64_t bytes = 0;
  for (int i = 0; i < kCount; ++i) bytes += (i + 1) * size_;
  EXPECT_THAT(told, Each(Field(&RecoveryProgress::bytes_total, bytes)));
  EXPECT_THAT(told, Each(Field(&RecoveryProgress::segments_total, kCount)));
  EXPECT_THAT(told, Each(Field(&RecoveryProgress::partitions_total, kCount + 1)));
  for (std::size_t i = 1; i < told.size(); ++i) {
    EXPECT_GE(told[i].bytes_done, told[i - 1].bytes_done);
    EXPECT_GE(told[i].bytes_read, told[i - 1].bytes_read);
    EXPECT_GE(told[i].segments_done, told[i - 1].segments_done);
    EXPECT_GE(told[i].partitions_done, told[i - 1].partitions_done);
    EXPECT_GE(told[i].elapsed, told[i - 1].elapsed);
  }
  const RecoveryProgress& last = told.back();
  EXPECT_EQ(last.bytes_done, bytes);
  EXPECT_EQ(last.bytes_read, bytes - 6 * size_) << "all but the one that was damaged at its begin";
  EXPECT_EQ(last.segments_done, kCount);
  EXPECT_EQ(last.partitions_done, kCount + 1);
  EXPECT_EQ(last.partitions_failed, 1);
  EXPECT_GT(last.bytes_per_second(), 0);
}

TEST_F(OpenPartitionsTest, WhatASealSavesIsDoneButNotRead) {
  store_options_.sealed_segment_bytes_min = 0;
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_);
  open_store();
  const auto log = value_of(store_->open_partition(name_of(0), options_));
  for (int i = 0; i < 5; ++i) value_of(log->append_as_leader(make_batch()));
  ASSERT_THAT(store_->close(), Succeeds());
  crash();
  open_store();
  RecoveryProgress last;
  store_->open_partitions(all_of(1),
                          {.on_progress = [&](const RecoveryProgress& now) { last = now; }});
  EXPECT_EQ(last.bytes_total, 5 * size_);
  EXPECT_EQ(last.bytes_done, 5 * size_);
  EXPECT_LT(last.bytes_read, 5 * size_);
  EXPECT_EQ(last.segments_done, 3);
}

// ---- beside other verbs

TEST_F(OpenPartitionsTest, OnePartitionIsRecoveredWhileAnotherOneStillIs) {
  make_many(2);
  const std::int64_t before = vfs_.syncs().count();
  vfs_.syncs().hold(true);
  std::thread opener([&] { store_->open_partitions(all_of(2), {.thread_count = 2}); });
  vfs_.syncs().await(before + 2);  // each waits for the device, neither for the other
  EXPECT_EQ(store_->find_partition(name_of(0)), nullptr) << "answers at once: it is not open yet";
  vfs_.syncs().hold(false);
  opener.join();
  EXPECT_NE(store_->find_partition(name_of(0)), nullptr);
}

/// A loss of power may bring any of several segments back: below the recovery point only is the gap
/// between them believed.
TEST_F(OpenPartitionsTest, RetentionBesideOtherOpensFindsTheRecoveryPointOnTheDisk) {
  constexpr int kCount = 100;
  options_.config.retention_ms = -1;
  open_store();
  for (int i = 0; i < kCount; ++i) {
    const auto log = value_of(store_->open_partition(name_of(i), options_));
    value_of(log->append_as_leader(make_batch()));
    value_of(log->roll());
    value_of(log->append_as_leader(make_batch()));
    value_of(log->delete_records(Offset(1)));
  }
  crash();
  const std::string checkpoint = store_path() + "/recovery-point-offset-checkpoint";
  test::write_text(checkpoint, "0\n1\nmany 0 0\n");
  open_store();
  bool was_beside_others = false;
  const auto retain = [&](const RecoveryProgress& now) {
    const auto log = store_->find_partition(name_of(0));
    if (was_beside_others || !log || now.partitions_done == kCount) return;
    was_beside_others = true;
    EXPECT_EQ(value_of(log->apply_retention()).size(), 1U);
    EXPECT_THAT(test::read_text(checkpoint), testing::HasSubstr("many 0 2\n"));
  };
  const auto opened =
      store_->open_partitions(all_of(kCount), {.thread_count = 1,
                                               .on_progress = retain,
                                               .progress_interval = std::chrono::milliseconds(0)});
  EXPECT_TRUE(was_beside_others);
}

TEST_F(OpenPartitionsTest, OtherVerbsOfTheSamePartitionWaitForItsOpen) {
  make_many(8);
  std::thread opener([&] { store_->open_partitions(all_of(8), {.thread_count = 4}); });
  // Whichever comes first: the partition is open, or is not, but never half.
  for (int i = 0; i < 8; ++i) {
    const auto again = store_->open_partition(name_of(i), options_);
    if (!again) {
      EXPECT_THAT(again, FailsWith(ErrorCode::MISUSE, "open already"));
    }
    EXPECT_THAT(store_->delete_partition(name_of(i)), Succeeds());
  }
  opener.join();
}

TEST_F(OpenPartitionsTest, ACloseWaitsForOpensThatAreUnderWay) {
  make_many(8);
  std::vector<OpenedPartition> opened;
  std::thread opener([&] { opened = store_->open_partitions(all_of(8), {.thread_count = 4}); });
  ASSERT_THAT(store_->close(), Succeeds());
  opener.join();
  for (const OpenedPartition& one : opened) {
    if (one.log) {
      EXPECT_THAT((*one.log)->flush(), FailsWith(ErrorCode::MISUSE));
    } else {
      EXPECT_THAT(one.log, FailsWith(ErrorCode::MISUSE, "closed"));
    }
  }
  crash();
  open_store();  // its lock is free
}

// ---- scrub

TEST_F(OpenPartitionsTest, AScrubOfTheStoreLooksAtEveryOpenPartition) {
  make_many(4);
  store_->open_partitions({all_of(4)[0], all_of(4)[1], all_of(4)[3]});
  test::flip_byte(log_of(1), 65);
  const std::vector<PartitionScrub> scrubs = store_->scrub();
  ASSERT_EQ(scrubs.size(), 3u);
  EXPECT_EQ(scrubs[0].name, name_of(0));
  EXPECT_THAT(value_of(scrubs[0].report).findings, IsEmpty());
  EXPECT_EQ(scrubs[1].name, name_of(1));
  EXPECT_THAT(value_of(scrubs[1].report).findings,
              ElementsAre(Field(&ScrubFinding::file, log_of(1))));
  EXPECT_EQ(value_of(scrubs[2].report).bytes, 4 * size_);
}

}  // namespace
}  // namespace oncelog
