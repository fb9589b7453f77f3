// ring_replay_test.cc: the append ring and what an open makes of it.
#include "log/ring_replay.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cerrno>

#include "segment/append_ring.h"
#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

class RingReplayTest : public LogFixture {
 protected:
  RingReplayTest() {
    options_.level = Level::kWritten;
    store_options_.append_ring_bytes = 64 << 10;
  }

  [[nodiscard]] std::string ring_path() const {
    return directory() + "/" + std::string(segment::kRingFile);
  }
  [[nodiscard]] bool has_ring() const { return std::filesystem::exists(ring_path()); }
  /// answers(), but for the durable end, which an open moves.
  [[nodiscard]] std::string answers_now() const {
    const std::string all = answers();
    const std::size_t line_end = all.find('\n');
    return all.substr(0, all.rfind(' ', line_end)) + all.substr(line_end);
  }
  void append_batches(int count) {
    for (int i = 0; i < count; ++i) {
      append({.producer_id = 1, .producer_epoch = 0, .sequence = next_sequence_++});
    }
  }

  std::int32_t next_sequence_ = 0;
};

TEST_F(RingReplayTest, AppendsOfLevelWrittenAreNoWritesAndSurviveTheProcess) {
  open();
  append_batches(3);
  EXPECT_EQ(read_file(log_path(0)).size(), 0U);
  const std::string before = answers_now();
  crash_and_open();
  EXPECT_EQ(answers_now(), before);
  EXPECT_EQ(report().batches_from_ring, 3);
  EXPECT_EQ(report().bytes_cut, 0);
  EXPECT_FALSE(has_ring()) << "made again by the first append";
  append_batches(1);
  EXPECT_TRUE(append({.producer_id = 1, .producer_epoch = 0, .sequence = 1}).is_duplicate);
}

TEST_F(RingReplayTest, WhatIsInTheLogAlreadyIsNotReplayed) {
  open();
  append_batches(2);
  value_of(log_->flush());
  append_batches(2);
  const std::string before = answers_now();
  crash_and_open();
  EXPECT_EQ(answers_now(), before);
  EXPECT_EQ(report().batches_from_ring, 2);
}

TEST_F(RingReplayTest, LevelDurableHasNoRing) {
  options_.level = Level::kDurable;
  open();
  append_batches(1);
  EXPECT_FALSE(has_ring());
}

TEST_F(RingReplayTest, CanBeSwitchedOff) {
  store_options_.append_ring_bytes = 0;
  open();
  append_batches(1);
  EXPECT_FALSE(has_ring());
  EXPECT_GT(read_file(log_path(0)).size(), 0U);
}

TEST_F(RingReplayTest, PartitionsThatFindNoRoomGoWithout) {
  store_options_.append_ring_bytes_total = store_options_.append_ring_bytes - 1;
  open();
  append_batches(2);
  EXPECT_FALSE(has_ring());
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
}

class RingPoolTest : public RingReplayTest {
 protected:
  RingPoolTest() {
    store_options_.append_ring_bytes_total = store_options_.append_ring_bytes;
    store_options_.append_ring_idle_ms = 1000;
  }
  std::shared_ptr<PartitionLog> open_another() {
    return value_of(store_->open_partition({"t", 1}, options_));
  }
  [[nodiscard]] bool has_other_ring() const {
    return std::filesystem::exists(store_path() + "/t-1/" + std::string(segment::kRingFile));
  }
};

TEST_F(RingPoolTest, AnIdlePartitionDrainsAndGivesItsRingToABusyOne) {
  open();
  append_batches(3);
  clock_.set(clock_.now() + 1000);
  const Fetched held = value_of(log_->fetch(Offset(0), {}));
  const Buffer bytes = value_of(held.read());
  const auto other = open_another();
  value_of(other->append_as_leader(make_batch({})));
  EXPECT_FALSE(has_ring());
  EXPECT_TRUE(has_other_ring());
  EXPECT_GT(read_file(log_path(0)).size(), 0U);
  EXPECT_EQ(value_of(held.read()), bytes) << "a region that is held stays readable";

  append_batches(2);
  EXPECT_FALSE(has_ring()) << "not worth it";
  const std::string before = answers_now();
  crash_and_open();
  EXPECT_EQ(answers_now(), before);
  EXPECT_EQ(report().batches_from_ring, 0);
}

TEST_F(RingPoolTest, ARingThatIsInUseIsNotTaken) {
  open();
  append_batches(3);
  clock_.set(clock_.now() + 999);
  const auto other = open_another();
  value_of(other->append_as_leader(make_batch({})));
  EXPECT_TRUE(has_ring());
  EXPECT_FALSE(has_other_ring());
}

TEST_F(RingPoolTest, WhoAppendsMuchAsksAgain) {
  open();
  append_batches(1);
  const auto other = open_another();
  value_of(other->append_as_leader(make_batch({})));
  clock_.set(clock_.now() + 1000);
  for (int i = 0; i < 20'000 && !has_other_ring(); ++i) {
    value_of(other->append_as_leader(make_batch({})));
  }
  EXPECT_TRUE(has_other_ring());
  EXPECT_FALSE(has_ring());
}

TEST_F(RingPoolTest, ARemovalThatFailsPoisonsTheIdlePartitionAlone) {
  open();
  append_batches(2);
  clock_.set(clock_.now() + 1000);
  const auto other = open_another();
  vfs_.plan().add({.call = IoCall::kSyncDirectory, .path_part = "t-0", .os_errno = EIO});
  vfs_.plan().set_skips_syncs(false);
  value_of(other->append_as_leader(make_batch({})));
  EXPECT_THAT(log_->append_as_leader(make_batch({})),
              FailsWith(ErrorCode::PARTITION_POISONED, "sync directory"));
  EXPECT_EQ(fetched(0).size(), 2U);
  EXPECT_THAT(other->append_as_leader(make_batch({})), Succeeds());
}

TEST_F(RingReplayTest, SpaceForADrainIsSetAsideBeforeAFill) {
  open();
  vfs_.plan().add(
      {.call = IoCall::kPreallocate, .path_part = ".log", .is_lasting = true, .os_errno = ENOSPC});
  append_batches(2);
  EXPECT_GT(read_file(log_path(0)).size(), 0U) << "past the ring";
  vfs_.plan().clear();
  const auto bytes = read_file(log_path(0)).size();
  append_batches(1);
  EXPECT_EQ(read_file(log_path(0)).size(), bytes) << "into the ring again";
}

TEST_F(RingReplayTest, ACloseGivesBackWhatWasSetAside) {
  const auto blocks = [&] {
    struct stat found{};
    return ::stat(log_path(0).c_str(), &found) == 0 ? std::int64_t{found.st_blocks} * 512 : -1;
  };
  open();
  append_batches(1);
  EXPECT_GE(blocks(), 1 << 20);
  close();
  EXPECT_LE(blocks(), 64 << 10);
}

TEST_F(RingReplayTest, ACleanCloseLeavesNone) {
  open();
  append_batches(2);
  EXPECT_TRUE(has_ring());
  close();
  EXPECT_FALSE(has_ring());
  open();
  EXPECT_TRUE(report().was_clean);
  EXPECT_EQ(log_->ends().log_end, Offset(2));
}

TEST_F(RingReplayTest, WhatATruncationCutsDoesNotComeBack) {
  open();
  append_batches(5);
  value_of(log_->truncate_to(Offset(2)));
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
  next_sequence_ = 2;
  append_batches(1);
  EXPECT_THAT(log_->truncate_fully_and_start_at(Offset(2)), Succeeds());
  crash_and_open();
  EXPECT_EQ(log_->ends().log_start, Offset(2));
  EXPECT_EQ(log_->ends().log_end, Offset(2));
}

TEST_F(RingReplayTest, ACopyThatComesBackFillsNothingUp) {
  open();
  append_batches(1);
  value_of(log_->flush());
  append_batches(3);
  const Buffer copy = read_file(ring_path());
  value_of(log_->truncate_to(Offset(1)));
  next_sequence_ = 1;
  append({.value_bytes = 99, .producer_id = 1, .producer_epoch = 0, .sequence = 1});
  value_of(log_->flush());
  const std::string before = answers_now();
  crash();
  write_file(ring_path(), copy);
  open();
  EXPECT_EQ(answers_now(), before) << "another batch follows its anchor";
  EXPECT_EQ(report().batches_from_ring, 0);
}

TEST_F(RingReplayTest, WhatWasOnStableStorageIsNotMadeUpFromIt) {
  open();
  append_batches(2);
  const Buffer copy = read_file(ring_path());
  value_of(log_->flush());
  crash();
  std::filesystem::resize_file(log_path(0), 0);
  write_file(ring_path(), copy);
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "acknowledged up to offset 2"));
  EXPECT_EQ(read_file(log_path(0)).size(), 0U);
}

TEST_F(RingReplayTest, ATornDrainIsMadeWhole) {
  namespace fs = std::filesystem;
  open();
  append_batches(4);
  const std::string before = answers_now();
  const auto all = value_of(value_of(log_->fetch(Offset(0), {})).read());
  crash();
  fs::copy(store_path(), dir_.file("left"), fs::copy_options::recursive);
  for (std::size_t bytes = 1; bytes < all.size(); bytes += 13) {
    fs::remove_all(store_path());
    fs::copy(dir_.file("left"), store_path(), fs::copy_options::recursive);
    write_file(log_path(0), Bytes(all).first(bytes));
    open();
    ASSERT_EQ(answers_now(), before) << bytes;
    EXPECT_EQ(report().bytes_cut, 0);
    crash();
  }
}

TEST_F(RingReplayTest, AFullDiskRefusesAppendsOnceTheRingIsFullAndLosesNothing) {
  store_options_.append_ring_bytes = segment::kRingBytesMin;
  open();
  vfs_.plan().add(
      {.call = IoCall::kWrite, .path_part = ".log", .is_lasting = true, .os_errno = ENOSPC});
  std::int32_t sequence = 0;
  const auto try_append = [&] {
    return log_->append_as_leader(
        make_batch({.producer_id = 1, .producer_epoch = 0, .sequence = sequence}));
  };
  while (try_append()) ++sequence;
  EXPECT_GT(sequence, 10);
  EXPECT_THAT(try_append(), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(log_->ends().log_end, Offset(sequence));
  const std::string before = answers_now();
  vfs_.plan().clear();
  crash_and_open();
  EXPECT_EQ(answers_now(), before);
  EXPECT_EQ(report().batches_from_ring, sequence);
  EXPECT_THAT(try_append(), Succeeds());
}

TEST_F(RingReplayTest, RegionsHaveADescriptorOnceTheyAreInTheLog) {
  open();
  append_batches(2);
  const Fetched in_ring = value_of(log_->fetch(Offset(0), {}));
  EXPECT_EQ(in_ring.region.file->native_handle(), -1);
  const Buffer bytes = value_of(in_ring.read());
  value_of(log_->flush());
  const Fetched drained = value_of(log_->fetch(Offset(0), {}));
  EXPECT_GE(drained.region.file->native_handle(), 0);
  EXPECT_EQ(value_of(drained.read()), bytes);
  EXPECT_EQ(value_of(in_ring.read()), bytes) << "a region that is held stays readable";
}

TEST_F(RingReplayTest, RetentionKnowsWhenABatchWithoutATimeWasAppended) {
  options_.config.retention_ms = 1000;
  options_.high_watermark = HighWatermarkPolicy::kLogEnd;
  open();
  const auto now = std::chrono::system_clock::now();
  std::filesystem::last_write_time(log_path(0),
                                   std::chrono::file_clock::from_sys(now - std::chrono::hours(1)));
  append({.timestamp = -1});
  clock_.set(Timestamp(
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count()));
  EXPECT_THAT(value_of(log_->apply_retention()), testing::IsEmpty());
}

TEST_F(RingReplayTest, ADamagedRingCostsWhatItHeldAndNothingElse) {
  open();
  append_batches(1);
  value_of(log_->flush());
  append_batches(2);
  crash();
  write_file(ring_path(), Buffer(100, std::byte{0xAB}));
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(1));
}

}  // namespace
}  // namespace oncelog::test
