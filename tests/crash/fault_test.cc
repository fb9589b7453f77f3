// fault_test.cc: a full disk, failed syncs, failed cuts: what is refused, what stays, and how the
// log goes on.
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <string>

#include "oncelog/inspect.h"
#include "support/files.h"
#include "support/log_fixture.h"

namespace oncelog::test {

namespace {

class FaultTest : public LogFixture {
 protected:
  FaultTest() {
    options_.level = Level::kWritten;
    options_.config.segment_bytes = 1 << 20;
  }

  static BatchSpec spec_of(std::int32_t sequence) {
    return {.value_bytes = 40, .producer_id = 7, .producer_epoch = 0, .sequence = sequence};
  }
  void append_three() {
    for (int sequence = 0; sequence < 3; ++sequence) {
      EXPECT_EQ(append(spec_of(sequence)).base_offset, Offset(sequence));
    }
  }
  Result<Appended> try_append(std::int32_t sequence, Level level = Level::kWritten) {
    return log_->append_as_leader(make_batch(spec_of(sequence)), {.level = level});
  }
  FaultPlan& plan() { return vfs_.plan(); }

  /// Every verb that writes is refused with the first cause; reads of what was there go on.
  void expect_poisoned(std::string_view cause, std::int64_t readable_end) {
    const auto expect_refused = [&](const auto& result) {
      EXPECT_THAT(result, FailsWith(ErrorCode::PARTITION_POISONED, std::string(cause)));
    };
    expect_refused(try_append(3));
    expect_refused(log_->append_marker(marker_fields({.producer_id = 7})));
    expect_refused(log_->append_as_follower(make_batch({.base = 100, .leader_epoch = 1})));
    expect_refused(log_->flush());
    expect_refused(log_->roll());
    expect_refused(log_->assign_leader_epoch(LeaderEpoch(5)));
    expect_refused(log_->set_high_watermark(Offset(0)));
    std::vector<std::int64_t> seen = fetched(0);
    ASSERT_GE(std::ssize(seen), readable_end);
    for (std::int64_t offset = 0; offset < readable_end; ++offset) {
      EXPECT_EQ(seen[static_cast<std::size_t>(offset)], offset);
    }
    EXPECT_THAT(log_->list_offsets(kMaxTimestamp, Isolation::kReplica), Succeeds());
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  }

  /// A new store on a sound disk has what was acknowledged, and the producer goes on.
  void expect_recovers(std::int64_t acknowledged, std::int64_t submitted) {
    plan().clear();
    crash_and_open();
    const std::int64_t end = log_->ends().log_end.value();
    EXPECT_GE(end, acknowledged);
    EXPECT_LE(end, submitted);
    for (std::int64_t sequence = end - 1; sequence <= end; ++sequence) {
      const auto appended = value_of(try_append(static_cast<std::int32_t>(sequence)));
      EXPECT_EQ(appended.base_offset, Offset(sequence));
      EXPECT_EQ(appended.is_duplicate, sequence < end);
    }
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
    EXPECT_THAT(value_of(verify_partition(directory())), testing::IsEmpty());
  }
};

TEST_F(FaultTest, FullDiskRefusesLeavesNoTraceAndGoesOnWithSpace) {
  open();
  append_three();
  const std::string before = answers();
  const auto files = directory_content(store_path());

  plan().add({.call = IoCall::kWrite, .is_lasting = true, .os_errno = ENOSPC});
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_THAT(try_append(3), FailsWith(ErrorCode::STORAGE_FULL));
    EXPECT_THAT(log_->append_as_follower(make_batch({.base = 10, .leader_epoch = 0})),
                FailsWith(ErrorCode::STORAGE_FULL));
    EXPECT_EQ(answers(), before);
    EXPECT_EQ(directory_content(store_path()), files);
  }
  EXPECT_TRUE(value_of(try_append(2)).is_duplicate);

  plan().clear();
  EXPECT_EQ(value_of(try_append(3)).base_offset, Offset(3));
  EXPECT_TRUE(value_of(try_append(3)).is_duplicate);
  EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  close_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(4));
}

TEST_F(FaultTest, FailedWriteIsTriedAgainByTheNextAppend) {
  open();
  append_three();
  for (const bool leaves_half : {true, false}) {
    const std::string before = answers();
    plan().add({.call = IoCall::kWrite, .leaves_half_a_write = leaves_half});
    const std::int64_t end = log_->ends().log_end.value();
    const auto sequence = static_cast<std::int32_t>(end);
    EXPECT_THAT(try_append(sequence),
                FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "fault of the test"));
    EXPECT_EQ(answers(), before);
    EXPECT_EQ(value_of(try_append(sequence)).base_offset, Offset(end));
  }
  expect_recovers(5, 5);
}

TEST_F(FaultTest, FullDiskAtARollLeavesTheOldSegmentActive) {
  options_.config.segment_bytes = 400;
  open();
  append_three();
  ASSERT_EQ(log_->segments().size(), 1u);
  const std::string before = answers();
  const auto files = directory_content(store_path());
  for (const IoCall call : {IoCall::kOpen, IoCall::kWrite}) {
    plan().clear();
    plan().add({.call = call, .path_part = ".log", .os_errno = ENOSPC});
    EXPECT_THAT(try_append(3), FailsWith(ErrorCode::STORAGE_FULL));
    EXPECT_EQ(answers(), before);
    EXPECT_EQ(directory_content(store_path()), files);
  }
  EXPECT_EQ(value_of(try_append(3)).base_offset, Offset(3));
  EXPECT_EQ(log_->segments().size(), 2u);
  expect_recovers(4, 4);
}

TEST_F(FaultTest, AppendThatIsStoredIsAnsweredAlsoIfItsIndexesFindNoSpace) {
  options_.config.segment_bytes = 400;
  options_.config.index_interval_bytes = 1;
  open();
  append_three();
  plan().add(
      {.call = IoCall::kWrite, .path_part = "index", .is_lasting = true, .os_errno = ENOSPC});
  // It rolls, and the finished segment's indexes are due.
  const auto appended = try_append(3);
  if (appended) {
    EXPECT_EQ(log_->ends().log_end, Offset(4));
  } else {
    EXPECT_THAT(appended, FailsWith(ErrorCode::STORAGE_FULL));
    EXPECT_EQ(log_->ends().log_end, Offset(3)) << "refused, but stored";
  }
  plan().clear();
  EXPECT_EQ(value_of(try_append(3)).base_offset, Offset(3));
  EXPECT_THAT(log_->flush(), Succeeds());
  close_and_open();
  EXPECT_THAT(value_of(verify_partition(directory())), testing::IsEmpty());
  EXPECT_TRUE(report().files_rebuilt.empty());
}

TEST_F(FaultTest, FailedSyncPoisons) {
  open();
  append_three();
  plan().add({.call = IoCall::kSync, .path_part = ".log"});
  EXPECT_THAT(try_append(3, Level::kDurable),
              FailsWith(ErrorCode::PARTITION_POISONED, "fault of the test"));
  // The fault is over, but what the disk has is not known any more.
  expect_poisoned("fault of the test", 3);
  EXPECT_THAT(store_->close(), FailsWith(ErrorCode::PARTITION_POISONED));
  expect_recovers(3, 4);
}

TEST_F(FaultTest, FailedDirectorySyncPoisons) {
  open();
  append_three();
  plan().add({.call = IoCall::kSyncDirectory, .path_part = "/t-0"});
  EXPECT_THAT(log_->roll(), FailsWith(ErrorCode::PARTITION_POISONED, "sync directory"));
  expect_poisoned("sync directory", 3);
  expect_recovers(3, 3);
}

TEST_F(FaultTest, FailedRenamePoisons) {
  open();
  append_three();
  plan().add({.call = IoCall::kRename});
  EXPECT_THAT(log_->flush(), FailsWith(ErrorCode::PARTITION_POISONED, "rename"));
  expect_poisoned("rename", 3);
  expect_recovers(3, 3);
}

TEST_F(FaultTest, FailedEpochFilePoisons) {
  open();
  append_three();
  plan().add({.call = IoCall::kRename, .path_part = "leader-epoch"});
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(3)), FailsWith(ErrorCode::PARTITION_POISONED));
  expect_poisoned("rename", 3);
  expect_recovers(3, 3);
}

TEST_F(FaultTest, EpochThatFindsNoSpaceIsNotAssigned) {
  open();
  append_three();
  const std::string before = answers();
  plan().add({.call = IoCall::kWrite, .os_errno = ENOSPC});
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(3)), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(3)), Succeeds());
  expect_recovers(3, 3);
}

TEST_F(FaultTest, FailureToCutBackPoisons) {
  open();
  append_three();
  plan().add({.call = IoCall::kWrite});
  plan().add({.call = IoCall::kTruncate});
  EXPECT_THAT(try_append(3), FailsWith(ErrorCode::PARTITION_POISONED, "write"));
  expect_poisoned("truncate", 3);
  expect_recovers(3, 3);
  EXPECT_FALSE(report().cuts.empty());
}

TEST_F(FaultTest, ACutThatFailedHalfWayIsReadBelow) {
  open();
  append_three();
  plan().add({.call = IoCall::kRename, .path_part = "leader-epoch"});
  EXPECT_THAT(log_->truncate_to(Offset(2)), FailsWith(ErrorCode::PARTITION_POISONED));
  expect_poisoned("rename", 2);
  EXPECT_EQ(fetched(0), (std::vector<std::int64_t>{0, 1})) << "the file ends there";
  expect_recovers(2, 3);
}

TEST_F(FaultTest, AnOpenThatCannotReadForgetsNoProducer) {
  options_.config.segment_bytes = 300;
  open();
  append_three();
  EXPECT_THAT(log_->delete_records(Offset(2)), Succeeds());
  EXPECT_THAT(log_->checkpoint(), Succeeds());
  const std::string before = answers();
  close();
  store_ = value_of(Store::open(store_path(), store_options_));
  // The scan fails behind the checkpoint of the producers: a second one without it is no way out.
  plan().add({.call = IoCall::kOpen, .path_part = "index"});
  EXPECT_FALSE(try_open());
  EXPECT_THAT(try_open(), Succeeds());
  EXPECT_EQ(answers(), before);
  EXPECT_TRUE(report().replayed_from);
}

TEST_F(FaultTest, ReadThatFailsHarmsNothing) {
  open();
  append_three();
  plan().add({.call = IoCall::kRead});
  EXPECT_FALSE(log_->fetch(Offset(1), {.isolation = Isolation::kReplica}));
  EXPECT_EQ(fetched(1), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(value_of(try_append(3)).base_offset, Offset(3));
}

TEST_F(FaultTest, OpenThatFailsCanBeRepeated) {
  open();
  append_three();
  const std::map<IoCall, std::string> paths{{IoCall::kOpen, ".log"},
                                            {IoCall::kRead, ".log"},
                                            {IoCall::kList, "/t-0"},
                                            {IoCall::kSync, "/t-0"},
                                            {IoCall::kStatus, "leader-epoch"}};
  for (const auto& [call, path] : paths) {
    crash();
    store_ = value_of(Store::open(store_path(), store_options_));
    plan().add({.call = call, .path_part = path});
    EXPECT_FALSE(try_open()) << path;
    plan().clear();
    EXPECT_THAT(try_open(), Succeeds());
    EXPECT_EQ(log_->ends().log_end, Offset(3));
  }
  expect_recovers(3, 3);
}

}  // namespace

}  // namespace oncelog::test
