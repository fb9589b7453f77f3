// Who is told that the ends have moved: by which verbs, where, and how often.
#include "log/ends_teller.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class EndsTellerTest : public test::LogFixture {
 protected:
  EndsTellerTest() { options_.level = Level::kWritten; }
  /// Told from now on.
  [[nodiscard]] EndsObserver observe() {
    return log_->on_ends_moved([this](const LogEnds& ends) { told_.push_back(ends); });
  }
  /// How often a verb tells; the ends told last are those that are.
  template <class Verb>
  std::size_t calls_of(const Verb& verb) {
    told_.clear();
    verb();
    if (!told_.empty()) {
      EXPECT_EQ(told_.back(), log_->ends());
    }
    return told_.size();
  }
  std::vector<LogEnds> told_;
};

TEST_F(EndsTellerTest, AnAppendTellsOnce) {
  open();
  const EndsObserver observer = observe();
  append();
  ASSERT_THAT(told_, SizeIs(1));
  EXPECT_EQ(told_.back(), log_->ends());
  EXPECT_EQ(told_.back().log_end, Offset(1));
}

TEST_F(EndsTellerTest, EachVerbThatMovesAnEndTells) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  const EndsObserver observer = observe();
  EXPECT_EQ(calls_of([&] { append(); }), 1U);
  EXPECT_EQ(calls_of([&] { append_marker({.producer_id = 7}); }), 1U);
  EXPECT_EQ(calls_of([&] {
              ASSERT_THAT(log_->append_as_follower(make_batch({.base = 2, .leader_epoch = 0})),
                          Succeeds());
            }),
            1U);
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->set_high_watermark(Offset(3)), Succeeds()); }), 1U);
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->wait_durable(Offset(2)), Succeeds()); }), 1U);
  append();
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->flush(), Succeeds()); }), 1U);
  append();
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->roll(), Succeeds()); }), 1U);
  append();
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->checkpoint(), Succeeds()); }), 1U);
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->delete_records(Offset(1)), Succeeds()); }), 1U);
  EXPECT_EQ(calls_of([&] { ASSERT_THAT(log_->truncate_to(Offset(2)), Succeeds()); }), 1U);
  EXPECT_EQ(
      calls_of([&] { ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(9)), Succeeds()); }), 1U);
}

TEST_F(EndsTellerTest, AFollowersAppendTellsEachEndThatItsLeaderGave) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  const EndsObserver observer = observe();
  ASSERT_THAT(log_->append_as_follower(make_batch({.base = 0, .leader_epoch = 0}),
                                       {.leader_high_watermark = Offset(1)}),
              Succeeds());
  EXPECT_EQ(told_.back(), log_->ends());
  EXPECT_EQ(told_.back().high_watermark, Offset(1));
}

TEST_F(EndsTellerTest, WhatMovesNoEndTellsNothing) {
  open();
  append({.producer_id = 7, .producer_epoch = 0, .sequence = 0});
  ASSERT_THAT(log_->flush(), Succeeds());
  const EndsObserver observer = observe();
  append({.producer_id = 7, .producer_epoch = 0, .sequence = 0});  // a duplicate
  EXPECT_FALSE(
      log_->append_as_leader(make_batch({.producer_id = 7, .producer_epoch = 0, .sequence = 9})));
  ASSERT_THAT(log_->flush(), Succeeds());
  ASSERT_THAT(log_->set_high_watermark(log_->ends().high_watermark), Succeeds());
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(EndsTellerTest, ADurableAppendTellsBeforeItWaitsAndBehindThat) {
  options_.level = Level::kDurable;
  open();
  const EndsObserver observer = observe();
  append();
  ASSERT_THAT(told_, SizeIs(2));
  EXPECT_EQ(told_[0].log_end, Offset(1));
  EXPECT_EQ(told_[0].durable_end, Offset(0));
  EXPECT_EQ(told_[1].high_watermark, Offset(1));
}

TEST_F(EndsTellerTest, NobodyIsToldBehindTheObserversEnd) {
  open();
  {
    EndsObserver observer = observe();
    append();
    observer.stop();
    append();
  }
  {
    const EndsObserver observer = observe();
  }
  append();
  EXPECT_THAT(told_, SizeIs(1));
}

TEST_F(EndsTellerTest, SeveralObserversAreAllToldAndAMovedOneGoesOn) {
  open();
  int others = 0;
  EndsObserver first = observe();
  const EndsObserver second = log_->on_ends_moved([&](const LogEnds&) { ++others; });
  const EndsObserver moved = std::move(first);
  append();
  EXPECT_THAT(told_, SizeIs(1));
  EXPECT_EQ(others, 1);
}

TEST_F(EndsTellerTest, TheCallbackMayUseTheLogAndStopItself) {
  open();
  EndsObserver observer;
  int calls = 0;
  observer = log_->on_ends_moved([&](const LogEnds& ends) {
    ++calls;
    EXPECT_EQ(value_of(log_->producers()).size(), 0U);
    ASSERT_THAT(log_->flush(), Succeeds());
    if (ends.log_end < Offset(4)) append();  // is told behind this call, not inside
    if (ends.log_end == Offset(4) && ends.durable_end == Offset(4)) observer.stop();
  });
  append();
  EXPECT_EQ(log_->ends().log_end, Offset(4));
  const int before = calls;
  append();
  EXPECT_EQ(calls, before);
}

TEST_F(EndsTellerTest, ACloseEndsTheCalls) {
  open();
  const EndsObserver observer = observe();
  append();
  ASSERT_THAT(store_->close_partition(name_), Succeeds());
  EXPECT_THAT(told_, SizeIs(1));
  const EndsObserver late = observe();  // of a closed log: nothing comes
  log_.reset();
  store_.reset();
  EXPECT_THAT(told_, SizeIs(1));  // the observers outlive both
}

TEST_F(EndsTellerTest, MoversDoNotWaitForACallOnAnotherThread) {
  open();
  std::atomic<bool> is_inside{false};
  std::atomic<bool> may_leave{false};
  std::vector<Offset> ends;
  const EndsObserver observer = log_->on_ends_moved([&](const LogEnds& now) {
    ends.push_back(now.log_end);
    is_inside = true;
    is_inside.notify_all();
    may_leave.wait(false);
  });
  std::thread first([&] { append(); });
  is_inside.wait(false);
  for (int i = 0; i < 5; ++i) append();  // would hang here
  may_leave = true;
  may_leave.notify_all();
  first.join();
  EXPECT_THAT(ends, ElementsAre(Offset(1), Offset(6)));  // five movements, one call
}

TEST_F(EndsTellerTest, StoppingWaitsForTheCallOnAnotherThread) {
  open();
  std::atomic<bool> is_inside{false};
  std::atomic<bool> has_left{false};
  EndsObserver observer = log_->on_ends_moved([&](const LogEnds&) {
    is_inside = true;
    is_inside.notify_all();
    while (log_->ends().log_end < Offset(2)) std::this_thread::yield();
    has_left = true;
  });
  std::thread mover([&] { append(); });
  is_inside.wait(false);
  std::thread releaser([&] { append(); });
  observer.stop();
  EXPECT_TRUE(has_left);
  mover.join();
  releaser.join();
}

TEST_F(EndsTellerTest, BesideManyMoversCallsComeOneByOneAndTheLastHasTheLastEnds) {
  open();
  constexpr int kThreads = 4;
  constexpr int kAppends = 300;
  std::atomic<int> inside{0};
  LogEnds last;
  const EndsObserver observer = log_->on_ends_moved([&](const LogEnds& now) {
    EXPECT_EQ(inside.fetch_add(1), 0);
    EXPECT_NE(now, last);
    EXPECT_GE(now.log_end, last.log_end);
    last = now;
    inside.fetch_sub(1);
  });
  std::vector<std::thread> movers;
  for (int i = 0; i < kThreads; ++i) {
    movers.emplace_back([&] {
      for (int j = 0; j < kAppends; ++j) append();
    });
  }
  std::thread registrar([&] {
    for (int i = 0; i < kAppends; ++i) {
      const EndsObserver other = log_->on_ends_moved([](const LogEnds&) {});
    }
  });
  for (std::thread& mover : movers) mover.join();
  registrar.join();
  EXPECT_EQ(last, log_->ends());
  EXPECT_EQ(last.log_end, Offset(kThreads * kAppends));
}

}  // namespace
}  // namespace oncelog
