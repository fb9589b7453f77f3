// What flush, roll and close make persistent, through the public interface.
#include <gmock/gmock.h>

#include <cerrno>

#include "snapshot/kafka_snapshot.h"
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

class FlushTest : public test::LogFixture {
 protected:
  FlushTest() { options_.level = Level::kWritten; }
  void append_many(int batches) {
    for (int i = 0; i < batches; ++i) append();
  }
  [[nodiscard]] std::string checkpoint(std::string_view name) const {
    return test::read_text(store_path() + "/" + std::string(name) + "-offset-checkpoint");
  }
  [[nodiscard]] std::string recovery_point() const { return checkpoint("recovery-point"); }

  const std::int64_t size_ = std::ssize(make_batch());
};

TEST_F(FlushTest, AFlushMovesTheRecoveryPointToTheEnd) {
  open();
  append_many(2);
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 0\n");
  EXPECT_EQ(value_of(log_->flush()), Offset(2));
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 2\n");
  EXPECT_EQ(log_->ends().durable_end, Offset(2));
}

TEST_F(FlushTest, WaitingForDurabilityLeavesTheRecoveryPoint) {
  open();
  append_many(2);
  EXPECT_THAT(log_->wait_durable(Offset(1)), Succeeds());
  EXPECT_EQ(log_->ends().durable_end, Offset(2));
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 0\n");
}

TEST_F(FlushTest, WhatIsDurableAlreadyIsNotSyncedAgain) {
  open();
  append_many(2);
  EXPECT_THAT(log_->wait_durable(Offset(2)), Succeeds());
  vfs_.plan().add({.call = IoCall::kSync, .is_lasting = true});
  EXPECT_THAT(log_->wait_durable(Offset(2)), Succeeds());
}

TEST_F(FlushTest, ARollMovesTheRecoveryPoint) {
  open();
  append_many(2);
  EXPECT_THAT(log_->roll(), Succeeds());
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(2)));
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 2\n");
  EXPECT_THAT(log_->roll(), Succeeds());  // an empty segment is not rolled
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(2)));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  close_and_open();
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(2)));
}

TEST_F(FlushTest, AnAppendThatRollsMovesTheRecoveryPoint) {
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_);
  open();
  append_many(3);
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 3\n");
}

TEST_F(FlushTest, EnoughOffsetsStartAFlush) {
  options_.config.flush_messages = 3;
  open();
  append_many(2);
  EXPECT_EQ(log_->ends().durable_end, Offset(0));
  append();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 3\n");
}

TEST_F(FlushTest, EnoughTimeStartsAFlush) {
  options_.config.flush_ms = 100;
  open();
  append();
  clock_.set(Timestamp(1'000'099));
  append();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 0\n");
  clock_.set(Timestamp(1'000'100));
  append();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 3\n");
}

TEST_F(FlushTest, EnoughBytesStartAFlush) {
  store_options_.recovery_point_interval_bytes = 2 * size_;
  open();
  append();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 0\n");
  append();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 2\n");
  append();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 2\n");
}

TEST_F(FlushTest, TheHighWatermarkIsSavedAsTheFlushLeavesIt) {
  options_.high_watermark = HighWatermarkPolicy::kDurable;
  options_.config.flush_messages = 100;
  open();
  append_many(3);
  value_of(log_->flush());
  EXPECT_EQ(log_->ends().high_watermark, Offset(3));
  EXPECT_EQ(checkpoint("replication"), "0\n1\nt 0 3\n");
}

TEST_F(FlushTest, AFailedCheckpointPoisonsUnlessItOnlyLackedSpace) {
  open();
  append_many(1);
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = "recovery-point", .os_errno = ENOSPC});
  EXPECT_THAT(log_->flush(), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(value_of(log_->flush()), Offset(1));
  append_many(1);
  vfs_.plan().add({.call = IoCall::kRename, .path_part = "recovery-point"});
  EXPECT_THAT(log_->flush(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::PARTITION_POISONED));
}

TEST_F(FlushTest, AFailedSyncOfTheDirectoryPoisons) {
  open();
  append_many(1);
  vfs_.plan().add({.call = IoCall::kSyncDirectory, .path_part = "/t-0"});
  EXPECT_THAT(log_->roll(), FailsWith(ErrorCode::PARTITION_POISONED));
}

// ---- closing

TEST_F(FlushTest, ACloseLeavesWhatKafkaNeeds) {
  open();
  append({.is_transactional = true, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append_marker({.producer_id = 2, .coordinator_epoch = 3});
  close();
  EXPECT_EQ(recovery_point(), "0\n1\nt 0 2\n");
  EXPECT_EQ(checkpoint("replication"), "0\n1\nt 0 2\n");
  EXPECT_EQ(test::read_text(directory() + "/leader-epoch-checkpoint"), "0\n1\n0 0\n");
  EXPECT_EQ(test::read_file(file(0, segment::kTimeIndexSuffix)).size(), 12u);
  const auto entries =
      value_of(snapshot::decode_kafka_snapshot(test::read_file(file(2, segment::kSnapshotSuffix))));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].second.transaction_first_offset, Offset(0));
  EXPECT_EQ(entries[1].second.coordinator_epoch, CoordinatorEpoch(3));
}

TEST_F(FlushTest, WithoutHandoverACloseLeavesNoSnapshot) {
  store_options_.kafka_handover = false;
  open();
  append_many(1);
  close();
  EXPECT_FALSE(std::filesystem::exists(file(1, segment::kSnapshotSuffix)));
}

TEST_F(FlushTest, ACloseCutsAPreallocatedSegment) {
  options_.config.preallocate = true;
  options_.config.segment_bytes = 4096;
  open();
  append_many(1);
  close();
  EXPECT_EQ(std::ssize(test::read_file(log_path(0))), size_);
}

TEST_F(FlushTest, EveryVerbOfAClosedLogIsAMisuse) {
  open();
  append_many(1);
  ASSERT_THAT(store_->close(), Succeeds());
  const auto files = test::directory_content(store_path());
  constexpr auto kMisuse = ErrorCode::MISUSE;
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(kMisuse));
  EXPECT_THAT(log_->append_as_leader({}), FailsWith(kMisuse));
  EXPECT_THAT(log_->append_marker(test::marker_fields({})), FailsWith(kMisuse));
  EXPECT_THAT(log_->append_as_follower(make_batch({.base = 1, .leader_epoch = 0})),
              FailsWith(kMisuse));
  EXPECT_THAT(log_->append_as_follower({}, {.leader_log_start = Offset(1)}), FailsWith(kMisuse));
  EXPECT_THAT(log_->fetch(Offset(0)), FailsWith(kMisuse));
  EXPECT_THAT(log_->list_offsets(kLatestTimestamp, Isolation::kReplica), FailsWith(kMisuse));
  EXPECT_THAT(log_->set_high_watermark(Offset(0)), FailsWith(kMisuse));
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(1)), FailsWith(kMisuse));
  EXPECT_THAT(log_->roll(), FailsWith(kMisuse));
  EXPECT_THAT(log_->flush(), FailsWith(kMisuse));
  EXPECT_THAT(log_->wait_durable(Offset(0)), FailsWith(kMisuse));
  EXPECT_EQ(test::directory_content(store_path()), files);
}

}  // namespace
}  // namespace oncelog
