// durable_test.cc: who waits for the level durable, who syncs, and who is told.
#include <gmock/gmock.h>

#include <cerrno>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

using namespace std::chrono_literals;

class DurableTest : public LogFixture {
 protected:
  DurableTest() { options_.level = Level::kWritten; }

  /// A thread that appends with the level durable; in the end it has.
  std::jthread append_durable() {
    return std::jthread([this] {
      const auto appended = log_->append_as_leader(make_batch(), {.level = Level::kDurable});
      ASSERT_THAT(appended, Succeeds());
      EXPECT_EQ(appended->level, Level::kDurable);
      EXPECT_GT(log_->ends().durable_end, appended->last_offset);
    });
  }
  void await_end(std::int64_t end) const {
    while (log_->ends().log_end < Offset(end)) std::this_thread::sleep_for(1ms);
  }
};

TEST_F(DurableTest, OneSyncServesAllWhoCameWhileAnotherRan) {
  open();
  const std::int64_t before = vfs_.syncs().count();
  vfs_.syncs().hold(true);
  {
    const std::jthread first = append_durable();
    vfs_.syncs().await(before + 1);
    std::vector<std::jthread> others;
    for (int i = 0; i < 8; ++i) others.push_back(append_durable());
    await_end(9);  // nobody waits for a sync before its batch is stored
    vfs_.syncs().hold(false);
  }
  EXPECT_EQ(vfs_.syncs().count() - before, 2);
  EXPECT_EQ(log_->ends().durable_end, Offset(9));
}

TEST_F(DurableTest, AppendsAndReadsGoOnWhileASyncRuns) {
  open();
  const std::int64_t before = vfs_.syncs().count();
  vfs_.syncs().hold(true);
  const std::jthread waiting = append_durable();
  vfs_.syncs().await(before + 1);
  EXPECT_EQ(append().level, Level::kWritten);
  EXPECT_EQ(fetched(0), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(log_->ends().durable_end, Offset(0));
  vfs_.syncs().hold(false);
}

TEST_F(DurableTest, ADeadlineEndsTheWaitForAnotherOnesSync) {
  open();
  const std::int64_t before = vfs_.syncs().count();
  vfs_.syncs().hold(true);
  const std::jthread waiting = append_durable();
  vfs_.syncs().await(before + 1);
  EXPECT_THAT(log_->wait_durable(Offset(1), std::chrono::steady_clock::now() + 5ms),
              FailsWith(ErrorCode::DEADLINE_EXCEEDED, "offset 1"));
  vfs_.syncs().hold(false);
  EXPECT_THAT(log_->wait_durable(Offset(1), std::chrono::steady_clock::now() + 1h), Succeeds());
}

TEST_F(DurableTest, ADuplicateWaitsAsItsOriginalDid) {
  open();
  const BatchSpec spec{.producer_id = 1, .producer_epoch = 0, .sequence = 0};
  EXPECT_EQ(append(spec).level, Level::kWritten);
  const Appended again = append(spec, {.level = Level::kDurable});
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_EQ(again.level, Level::kDurable);
  EXPECT_EQ(log_->ends().durable_end, Offset(1));
}

TEST_F(DurableTest, TheStoreSaysTheLevelOfPartitionsThatDoNot) {
  options_.level.reset();
  store_options_.level = Level::kWritten;
  open();
  EXPECT_EQ(append().level, Level::kWritten);
  close();
  store_options_.level = Level::kDurable;
  open();
  EXPECT_EQ(append().level, Level::kDurable);
}

TEST_F(DurableTest, WhoAskedIsToldOnceWhenTheSyncHasPassedItsOffset) {
  open();
  append();
  append();
  std::vector<std::string> told;
  const auto note = [&](std::string name) {
    return [&told, name](const Result<void>& outcome) {
      told.push_back(name + (outcome ? "" : " failed"));
    };
  };
  log_->when_durable(Offset(0), note("what is durable already"));
  EXPECT_EQ(told, std::vector<std::string>{"what is durable already"});
  log_->when_durable(Offset(2), note("two"));
  log_->when_durable(Offset(1), note("one"));
  log_->when_durable(Offset(3), note("not yet stored"));
  EXPECT_EQ(told.size(), 1u) << "nobody has synced";
  ASSERT_THAT(log_->flush(), Succeeds());
  EXPECT_EQ(told, (std::vector<std::string>{"what is durable already", "one", "two"}));
  append({}, {.level = Level::kDurable});
  EXPECT_EQ(told.back(), "not yet stored");
  log_->when_durable(Offset(99), note("never"));
  close();
  EXPECT_EQ(told.back(), "never failed");
  EXPECT_EQ(told.size(), 5u);
}

TEST_F(DurableTest, WhoAskedIsToldOfTheFailure) {
  open();
  append();
  std::optional<ErrorCode> told;
  log_->when_durable(Offset(1), [&](const Result<void>& outcome) { told = outcome.error().code; });
  vfs_.plan().add({.call = IoCall::kSync, .path_part = ".log"});
  EXPECT_FALSE(log_->flush());
  EXPECT_EQ(told, ErrorCode::PARTITION_POISONED);
  told.reset();
  log_->when_durable(Offset(1), [&](const Result<void>& outcome) { told = outcome.error().code; });
  EXPECT_EQ(told, ErrorCode::PARTITION_POISONED) << "at once";
}

// ---- a failed sync, and the way out

TEST_F(DurableTest, AFailedSyncIsNeverTriedAgainAndAReopenReadsFromTheDisk) {
  open();
  append({}, {.level = Level::kDurable});
  append();
  vfs_.plan().add({.call = IoCall::kSync, .path_part = ".log", .os_errno = EIO});
  EXPECT_THAT(log_->wait_durable(Offset(2)), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->wait_durable(Offset(2)), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_EQ(fetched(0), (std::vector<std::int64_t>{0, 1})) << "reads go on";

  const auto poisoned = log_;
  log_ = value_of(store_->reopen_partition(name_));
  EXPECT_THAT(poisoned->append_as_leader(make_batch()), FailsWith(ErrorCode::MISUSE));
  EXPECT_EQ(log_->ends().durable_end, Offset(2)) << "what was found is synced";
  EXPECT_EQ(append({}, {.level = Level::kDurable}).base_offset, Offset(2));
  close_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(3));
}

TEST_F(DurableTest, APartitionThatDoesNotReopenCanBeOpenedLater) {
  open();
  append();
  vfs_.plan().add({.call = IoCall::kSync, .path_part = ".log", .is_lasting = true});
  EXPECT_FALSE(log_->flush());
  EXPECT_FALSE(store_->reopen_partition(name_));
  EXPECT_THAT(store_->reopen_partition(name_), FailsWith(ErrorCode::MISUSE, "not open"));
  vfs_.plan().clear();
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(1));
}

TEST_F(DurableTest, AReopenKeepsOptionsAndProducers) {
  options_.config.segment_bytes = 300;
  open();
  for (int i = 0; i < 5; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
  const std::string before = answers();
  log_ = value_of(store_->reopen_partition(name_));
  ASSERT_THAT(log_->flush(), Succeeds());
  EXPECT_EQ(log_->segments().size(), 2u);
  EXPECT_TRUE(append({.producer_id = 1, .producer_epoch = 0, .sequence = 4}).is_duplicate);
  append({.producer_id = 1, .producer_epoch = 0, .sequence = 5});
  EXPECT_NE(answers(), before);
}

}  // namespace
}  // namespace oncelog::test
