#include "oncelog/clock.h"

#include <gtest/gtest.h>

namespace oncelog {
namespace {

TEST(SystemClock, CountsMillisecondsSince1970) {
  const Timestamp now = system_clock().now();
  EXPECT_GT(now, Timestamp(1'700'000'000'000));
  EXPECT_LT(now, Timestamp(10'000'000'000'000));
  EXPECT_GE(system_clock().now(), now);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(Timestamp(5));
  EXPECT_EQ(clock.now(), Timestamp(5));
  clock.set(Timestamp(9));
  EXPECT_EQ(clock.now(), Timestamp(9));
}

}  // namespace
}  // namespace oncelog
