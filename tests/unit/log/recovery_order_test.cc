// recovery_order_test.cc: what a loss of power or a kill leaves of several files, in whatever order
// it reached the disk.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "log/recovery.h"
#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class RecoveryOrderTest : public LogFixture {};

TEST_F(RecoveryOrderTest, ASegmentThatRollLeftBehindIsDroppedForGood) {
  open();
  append({.records = 5});
  crash();
  write_text(log_path(3), "");  // a roll made it, the write failed, its removal did not survive
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(5));
  close_and_open();
  EXPECT_TRUE(report().was_clean);
  EXPECT_EQ(log_->ends().log_end, Offset(5));
}

TEST_F(RecoveryOrderTest, AGapBetweenSegmentsBehindTheRecoveryPointEndsTheLog) {
  open();
  append({.is_transactional = true, .producer_id = 7, .producer_epoch = 0, .sequence = 0});
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string checkpoint = store_path() + "/recovery-point-offset-checkpoint";
  const std::string old_point = read_text(checkpoint);
  const auto flushed_bytes = fs::file_size(log_path(0));
  append({.is_transactional = true, .producer_id = 7, .producer_epoch = 0, .sequence = 1});
  ASSERT_THAT(log_->roll(), Succeeds());
  append_marker({.producer_id = 7, .producer_epoch = 0});
  crash();
  fs::resize_file(log_path(0), flushed_bytes);  // the new file survived, the old one's end did not
  write_text(checkpoint, old_point);

  open();
  EXPECT_EQ(log_->ends().log_end, Offset(1)) << "half of a transaction must not be committed";
  ASSERT_EQ(report().cuts.size(), 1u);
  EXPECT_THAT(report().cuts[0].reason, HasSubstr("missing"));
  EXPECT_FALSE(fs::exists(log_path(2)));
}

TEST_F(RecoveryOrderTest, SegmentsBehindTheDamageAreRefusedOnRequest) {
  const auto size = static_cast<std::size_t>(std::ssize(make_batch()));
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size);
  options_.level = Level::kWritten;
  open();
  for (int i = 0; i < 5; ++i) append();
  crash();
  const std::string checkpoint = store_path() + "/recovery-point-offset-checkpoint";
  write_text(checkpoint, "0\n1\nt 0 0\n");
  store_options_.refuse_any_damage = true;
  const std::string sound = read_text(log_path(2));
  const auto expect_refused = [&] {
    const auto before = directory_content(directory());
    EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "whole batches lie behind"));
    EXPECT_EQ(directory_content(directory()), before);
    crash();
  };
  fs::resize_file(log_path(2), 2 * size - 1);  // torn, and a segment behind it
  expect_refused();
  write_text(log_path(2), sound.substr(0, size));  // nothing is torn: a gap
  expect_refused();
  fs::remove(log_path(4));  // what lies behind is gone, too
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(3));
}

TEST_F(RecoveryOrderTest, NothingIsPublishedBeforeItIsSynced) {
  options_.level = Level::kWritten;
  const auto size = static_cast<std::size_t>(std::ssize(make_batch()));
  open();
  for (int i = 0; i < 4; ++i) append();
  crash();
  fs::resize_file(log_path(0), 4 * size - 1);
  const std::string checkpoint = store_path() + "/recovery-point-offset-checkpoint";
  const std::string old_point = read_text(checkpoint);
  // Whichever sync of the log fails, the open does, and claims nothing; the last one is behind the
  // cut.
  int syncs = 0;
  for (bool has_opened = false; !has_opened;) {
    vfs_.plan().clear();
    vfs_.plan().add({.call = IoCall::kSync, .path_part = "0.log", .nth = ++syncs});
    has_opened = try_open().has_value();
    if (has_opened) break;
    EXPECT_EQ(read_text(checkpoint), old_point) << "sync " << syncs;
    crash();
  }
  EXPECT_GE(syncs, 3) << "before the scan, and behind the cut";
  EXPECT_EQ(log_->ends().log_end, Offset(3));
  EXPECT_EQ(log_->ends().durable_end, Offset(3));
  EXPECT_EQ(read_text(checkpoint), "0\n1\nt 0 3\n");
}

TEST_F(RecoveryOrderTest, AFollowersGapSurvivesACrash) {
  options_.config.segment_bytes = 150;
  open();
  const auto follower_append = [&](std::int64_t base) {
    ASSERT_THAT(log_->append_as_follower(make_batch({.base = base, .leader_epoch = 0})),
                Succeeds());
  };
  follower_append(0);
  follower_append(1);
  follower_append(10);  // rolls, and leaves a gap in front of the new segment
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(11));
  EXPECT_EQ(report().bytes_cut, 0);
}

/// A truncation inside a batch has left a gap, which recovery believes below the recovery point
/// only.
TEST_F(RecoveryOrderTest, NothingBehindAGapIsAcknowledgedBeforeTheRecoveryPointIsThere) {
  options_.level = Level::kWritten;
  open();
  append({.records = 5});
  append({.records = 5});
  ASSERT_THAT(log_->truncate_to(Offset(7)), Succeeds());
  vfs_.plan().add({.call = IoCall::kWrite,
                   .path_part = "recovery-point",
                   .is_lasting = true,
                   .os_errno = ENOSPC});
  EXPECT_THAT(log_->roll(), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_THAT(log_->wait_durable(Offset(8)), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_LT(log_->ends().durable_end, Offset(8));
  vfs_.plan().clear();
  vfs_.plan().set_skips_syncs(true);
  EXPECT_EQ(append().base_offset, Offset(8));
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(9));
  EXPECT_THAT(report().cuts, testing::IsEmpty());
}

/// What the flush behind a gap has made persistent first moves with the durable end, not before it.
TEST_F(RecoveryOrderTest, TheRecoveryPointIsNeverSeenAboveTheDurableEnd) {
  options_.level = Level::kWritten;
  vfs_.plan().set_skips_syncs(true);
  open();
  for (int i = 0; i < 500; ++i) append();  // the observer keeps the writer lock for a while
  std::atomic<bool> is_done{false};
  std::thread observer([&] {
    while (!is_done.load()) EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  });
  for (int i = 0; i < 100; ++i) {
    append({.records = 3});
    EXPECT_THAT(log_->truncate_to(log_->ends().log_end - 1), Succeeds());
    EXPECT_THAT(log_->roll(), Succeeds());
  }
  is_done.store(true);
  observer.join();
}

/// Of several segments that retention removed, a loss of power may bring any back.
TEST_F(RecoveryOrderTest, AHoleThatRetentionLeavesEndsNoLog) {
  options_.level = Level::kWritten;
  options_.config.segment_bytes = 100;
  options_.config.retention_bytes = 0;
  open();
  const Fault full{.call = IoCall::kWrite,
                   .path_part = "recovery-point",
                   .is_lasting = true,
                   .os_errno = ENOSPC};
  vfs_.plan().add(full);
  for (int i = 0; i < 5; ++i) append();
  vfs_.plan().clear();
  vfs_.plan().set_skips_syncs(true);
  const std::string first = read_text(log_path(0));
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 5U);
  append();
  crash();
  write_text(log_path(0), first);
  open();
  EXPECT_EQ(log_->ends().log_start, Offset(5));
  EXPECT_EQ(log_->ends().log_end, Offset(6));
  EXPECT_THAT(report().cuts, testing::IsEmpty());
}

TEST_F(RecoveryOrderTest, ACleanedFileOutlivesTheSwapsThatItSpeaksOf) {
  open();
  append({.records = 10});
  ASSERT_THAT(log_->roll(), Succeeds());
  append({.records = 2});
  crash();
  // The removals, in order, as the file system sees them.
  write_text(file(0, ".log.cleaned"), "half a segment");
  write_text(file(5, ".log.swap"), "a replacement that is not complete without it");
  open();
  EXPECT_THAT(report().files_removed, testing::ElementsAre("00000000000000000005.log.swap",
                                                           "00000000000000000000.log.cleaned"));
  EXPECT_EQ(log_->ends().log_end, Offset(12));
}

TEST_F(RecoveryOrderTest, AMissingSegmentIsNoticedAfterACleanClose) {
  open();
  for (int i = 0; i < 3; ++i) {
    append({.records = 5});
    ASSERT_THAT(log_->roll(), Succeeds());
  }
  close();
  fs::remove(log_path(5));
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(RecoveryOrderTest, AllSegmentsMissingAreNoticedWithoutTheRecoveryPoint) {
  open();
  append({.records = 5});
  close();
  fs::remove(log_path(0));
  // In place, so that the file keeps its inode.
  std::fstream(store_path() + "/recovery-point-offset-checkpoint", std::ios::in | std::ios::out)
      << "x";
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(RecoveryOrderTest, OnlyBytesInFrontOfAPreallocatedTailCountAsCut) {
  options_.config.preallocate = true;
  options_.config.segment_bytes = 8192;
  open();
  append();
  const Appended last = append();
  ASSERT_EQ(last.last_offset, Offset(1));
  crash();
  const std::size_t batch_bytes = make_batch().size();
  flip_byte(log_path(0), 2 * batch_bytes - 1);
  open();
  EXPECT_EQ(report().bytes_cut, std::ssize(make_batch()));
}

TEST_F(RecoveryOrderTest, AnEpochFileOfALaterVersionIsRefusedByName) {
  open();
  append();
  close();
  write_text(directory() + "/leader-epoch-checkpoint", "1\n1\n0 0\n");
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::UNSUPPORTED_VERSION));
}

TEST_F(RecoveryOrderTest, AnIndexFileLargerThanTheLogAllowsIsNotRead) {
  open();
  append();
  close();
  write_text(file(0, ".index"), "");
  fs::resize_file(file(0, ".index"), 1 << 30);
  open();
  EXPECT_THAT(report().files_rebuilt, testing::Contains("00000000000000000000.index"));
  EXPECT_EQ(fs::file_size(file(0, ".index")), 0u);
}

TEST_F(RecoveryOrderTest, WhateverAFollowerStoresIsOpenedAgain) {
  open();
  // A control batch without a producer id whose record is none: nobody looks into it (6.11).
  Buffer control = make_batch({.leader_epoch = 0});
  record::BatchHeader header = header_of(control);
  header.attributes = record::kControlBit;
  header.crc = record::batch_crc(header, Bytes(control).subspan(record::kHeaderBytes));
  record::encode_batch_header(header, std::span(control).first<record::kHeaderBytes>());
  ASSERT_THAT(log_->append_as_follower(control), Succeeds());
  close_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(1));

  Buffer negative = make_batch({.base = 1, .leader_epoch = 0});
  header = header_of(negative);
  header.record_count = -1;
  header.crc = record::batch_crc(header, Bytes(negative).subspan(record::kHeaderBytes));
  record::encode_batch_header(header, std::span(negative).first<record::kHeaderBytes>());
  EXPECT_THAT(log_->append_as_follower(negative), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

TEST_F(RecoveryOrderTest, NoAppendReachesTheEndOfAllOffsets) {
  open();
  const std::int64_t last = std::numeric_limits<std::int64_t>::max() - 1;
  ASSERT_THAT(log_->append_as_follower(make_batch({.base = last, .leader_epoch = 0})), Succeeds());
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(log_->append_marker(marker_fields({.producer_id = 1})),
              FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_EQ(log_->ends().log_end, Offset(last + 1));
}

TEST_F(RecoveryOrderTest, ALeadersLogStartAboveItsWatermarkStoresNothing) {
  open();
  FollowerAppendOptions options;
  options.leader_high_watermark = Offset(1);
  options.leader_log_start = Offset(2);
  EXPECT_THAT(log_->append_as_follower(make_batch({.leader_epoch = 0, .records = 3}), options),
              FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE));
  EXPECT_EQ(log_->ends().log_end, Offset(0));
}

}  // namespace
}  // namespace oncelog::test
