#include "log/log_state.h"

#include <gmock/gmock.h>

#include "support/log_fixture.h"

namespace oncelog::log {
namespace {

using test::FailsWith;
using test::Succeeds;
using testing::HasSubstr;

TEST(Poison, IsNotThereUntilItIsSet) {
  const Poison poison;
  EXPECT_THAT(poison.check(), Succeeds());
}

TEST(Poison, KeepsTheFirstCause) {
  Poison poison;
  const Error answer = poison.set({ErrorCode::KAFKA_STORAGE_ERROR, 5, "sync one.log"});
  EXPECT_EQ(answer.code, ErrorCode::PARTITION_POISONED);
  EXPECT_EQ(answer.os_errno, 5);
  EXPECT_THAT(answer.context, HasSubstr("sync one.log"));
  const Error second = poison.set({ErrorCode::KAFKA_STORAGE_ERROR, 28, "sync two.log"});
  EXPECT_THAT(second.context, HasSubstr("sync one.log"));
  EXPECT_THAT(poison.check(), FailsWith(ErrorCode::PARTITION_POISONED, "sync one.log"));
}

class EpochTest : public test::LogFixture {};

TEST_F(EpochTest, AnAssignedEpochIsInItsFileBeforeItIsAnswered) {
  open();
  append();
  ASSERT_THAT(log_->assign_leader_epoch(LeaderEpoch(5)), Succeeds());
  EXPECT_EQ(test::read_text(directory() + "/leader-epoch-checkpoint"), "0\n2\n0 0\n5 1\n");
  EXPECT_EQ(log_->epoch_end(LeaderEpoch(0)).end, Offset(1));
  EXPECT_EQ(log_->epoch_end(LeaderEpoch(5)).end, Offset(1));
  append();
  EXPECT_EQ(log_->epoch_end(LeaderEpoch(5)).end, Offset(2));
  const auto before = log_->leader_epochs();
  crash_and_open();
  EXPECT_EQ(log_->leader_epochs(), before);
}

TEST_F(EpochTest, AnEpochThatBeganAtTheLogEndGoesWithTheNextOpen) {
  open();
  ASSERT_THAT(log_->assign_leader_epoch(LeaderEpoch(5)), Succeeds());
  append();
  ASSERT_THAT(log_->assign_leader_epoch(LeaderEpoch(6)), Succeeds());
  EXPECT_EQ(log_->leader_epochs().size(), 2u);
  crash_and_open();  // 14.7: entries at the end are cut off
  EXPECT_THAT(log_->leader_epochs(),
              testing::ElementsAre(LeaderEpochStart{LeaderEpoch(5), Offset(0)}));
}

TEST_F(EpochTest, ANegativeEpochIsRefused) {
  open();
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(-1)), FailsWith(ErrorCode::INVALID_REQUEST));
}

TEST_F(EpochTest, AnEpochThatCannotBeWrittenIsNotTaken) {
  open();
  append();
  const auto before = log_->leader_epochs();
  vfs_.plan().add({.call = test::IoCall::kWrite, .path_part = "leader-epoch", .os_errno = 28});
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(5)), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(log_->leader_epochs(), before);
  vfs_.plan().add({.call = test::IoCall::kSync, .path_part = "leader-epoch"});
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(5)), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_EQ(log_->leader_epochs(), before);
}

}  // namespace
}  // namespace oncelog::log
