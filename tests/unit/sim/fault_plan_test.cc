// Faults as text: what is read, what is printed, what is refused; and which call they strike.
#include "sim/fault_plan.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "support/matchers.h"

namespace oncelog::sim {
namespace {

using test::FailsWith;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(FaultPlanText, SaysWhichCallFailsAndHow) {
  EXPECT_THAT(
      value_of(parse_faults("sync .log #3 EIO")),
      ElementsAre(Fault{
          .call = IoCall::kSync, .path_part = ".log", .nth = 3, .leaves_half_a_write = false}));
  EXPECT_THAT(value_of(parse_faults("write *.index #2 ENOSPC half lasting; any * skipped")),
              ElementsAre(Fault{.call = IoCall::kWrite,
                                .path_part = "*.index",
                                .nth = 2,
                                .is_lasting = true,
                                .os_errno = ENOSPC},
                          Fault{.os_errno = 0, .leaves_half_a_write = false, .is_skipped = true}));
  EXPECT_THAT(value_of(parse_faults("")), IsEmpty());
}

TEST(FaultPlanText, WhatIsPrintedIsReadAgain) {
  for (const std::string text :
       {"sync .log #3 EIO", "write *.index #2 ENOSPC half lasting; any * #1 skipped",
        "sync_directory t-0 #1 skipped lasting", "commit .state #9 EDQUOT; open * #1 ENOENT"}) {
    EXPECT_EQ(print_faults(value_of(parse_faults(text))), text);
  }
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const std::vector<Fault> faults = random_faults(seed);
    EXPECT_EQ(value_of(parse_faults(print_faults(faults))), faults) << print_faults(faults);
  }
}

TEST(FaultPlanText, EveryCallHasItsName) {
  for (std::uint8_t call = 0; call < kIoCalls; ++call) {
    const Fault fault{.call = static_cast<IoCall>(call), .path_part = "x"};
    EXPECT_THAT(value_of(parse_faults(print_faults({fault}))), ElementsAre(fault));
  }
}

TEST(FaultPlanText, AnythingElseIsRefusedByTheWord) {
  const auto expect_refused = [](std::string_view text, std::string_view why) {
    EXPECT_THAT(parse_faults(text), FailsWith(ErrorCode::INVALID_CONFIG, std::string(why))) << text;
  };
  expect_refused("fsync .log EIO", "no call is named \"fsync\"");
  expect_refused("sync", "no path");
  expect_refused("sync #1 EIO", "no path");
  expect_refused("sync .log", "expected an errno");
  expect_refused("sync .log #0 EIO", "number from 1");
  expect_refused("sync .log #1x EIO", "number from 1");
  expect_refused("sync .log # EIO", "number from 1");
  expect_refused("sync .log #99999999999999999999 EIO", "number from 1");
  expect_refused("sync .log #1 eio", "expected an errno");
  expect_refused("sync .log #1 EIO lasting half", "\"half\" is one word too many");
  expect_refused("sync .log #1 EIO twice", "\"twice\" is one word too many");
  expect_refused("sync .log #1 skipped half", "leaves nothing");
  expect_refused("sync .log EIO;", "nothing follows");
  expect_refused("; sync .log EIO", "no call");
  expect_refused("  ", "no call");
}

TEST(FaultPlanText, TheSameSeedGivesTheSameFaults) {
  EXPECT_EQ(random_faults(7), random_faults(7));
  int different = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    different += random_faults(seed) != random_faults(seed + 1) ? 1 : 0;
  }
  EXPECT_GT(different, 15);
}

TEST(FaultPaths, APartMayHoldStars) {
  EXPECT_TRUE(is_path_meant("", "/store/t-0/00.log"));
  EXPECT_TRUE(is_path_meant("*", "/store/t-0/00.log"));
  EXPECT_TRUE(is_path_meant(".log", "/store/t-0/00.log"));
  EXPECT_TRUE(is_path_meant("t-*.log", "/store/t-0/00.log"));
  EXPECT_TRUE(is_path_meant("*t-0*00*log*", "/store/t-0/00.log"));
  EXPECT_FALSE(is_path_meant("t-1", "/store/t-0/00.log"));
  EXPECT_FALSE(is_path_meant(".log*t-0", "/store/t-0/00.log"));
}

TEST(FaultPlan, StrikesTheNthCallThatCounts) {
  FaultPlan plan;
  plan.add(value_of(parse_faults("sync .log #2 EIO")).front());
  EXPECT_FALSE(plan.strike(IoCall::kSync, "a.log"));
  EXPECT_FALSE(plan.strike(IoCall::kWrite, "a.log"));
  EXPECT_FALSE(plan.strike(IoCall::kSync, "a.index"));
  EXPECT_TRUE(plan.strike(IoCall::kSync, "b.log"));
  EXPECT_FALSE(plan.strike(IoCall::kSync, "b.log")) << "once";
  EXPECT_EQ(plan.call_count(), 5);
  EXPECT_EQ(plan.struck_count(), 1);
}

TEST(FaultPlan, ALastingFaultGoesOn) {
  FaultPlan plan;
  plan.add(value_of(parse_faults("any * #2 ENOSPC lasting")).front());
  EXPECT_FALSE(plan.strike(IoCall::kOpen, "a"));
  EXPECT_TRUE(plan.strike(IoCall::kRead, "a"));
  EXPECT_TRUE(plan.strike(IoCall::kList, "b"));
  plan.set_paused(true);
  EXPECT_FALSE(plan.strike(IoCall::kList, "b"));
  plan.set_paused(false);
  plan.clear();
  EXPECT_FALSE(plan.strike(IoCall::kList, "b"));
}

TEST(FaultPlan, AnErrorHasTheErrnoAndNamesThePath) {
  const Fault full{.os_errno = ENOSPC};
  const Error error = fault_error(full, IoCall::kSyncDirectory, "/s/t-0").error();
  EXPECT_EQ(error.code, ErrorCode::STORAGE_FULL);
  EXPECT_EQ(error.os_errno, ENOSPC);
  EXPECT_EQ(error.context, "sync directory /s/t-0: fault of the test");
}

}  // namespace
}  // namespace oncelog::sim
