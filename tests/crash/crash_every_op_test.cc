// crash_every_op_test.cc: each verb, with a crash at every change that it makes to the disk, and
// every image that such a crash may leave.
//
// ONCELOG_CRASH_SUBSETS, ONCELOG_CRASH_SYSTEMATIC and ONCELOG_CRASH_NESTED_EVERY make a run longer:
// subsets of unsynced changes by point, how many changes are gone through one by one (those of an
// append ring are many), and how seldom an open of an image is crashed itself (1: each).
#include <gtest/gtest.h>

#include <iostream>

#include "support/crash_images.h"
#include "support/crash_verbs.h"
#include "support/environment.h"

namespace oncelog::test {

namespace {

class CrashEveryOp : public testing::TestWithParam<std::tuple<VerbCase, CrashPolicy>> {};

TEST_P(CrashEveryOp, LeavesAllThatWasAcknowledged) {
  const auto& [verb, policy] = GetParam();
  CrashOptions options = options_of(policy);
  if (verb.configure) verb.configure(options);
  CrashWorld world(options);
  verb.prepare(world);
  world.record_points();
  verb.run(world);

  ImageBudget budget;
  budget.choices.subset_count =
      static_cast<std::size_t>(number_from_environment("ONCELOG_CRASH_SUBSETS", 2));
  budget.choices.torn_count = budget.choices.subset_count / 2;
  budget.choices.systematic_max =
      static_cast<std::size_t>(number_from_environment("ONCELOG_CRASH_SYSTEMATIC", 8));
  budget.nested_every =
      static_cast<int>(number_from_environment("ONCELOG_CRASH_NESTED_EVERY", 200));
  CrashImages images(world.options(), budget);
  images.check(world.take_points());
  const CrashTally& tally = images.tally();
  std::cout << verb.name << ": " << tally.points << " crash points, " << tally.images << " images, "
            << tally.nested_points << " crash points during their opens\n";
  EXPECT_GT(tally.points, 0);
  for (const std::string& failure : tally.failures) ADD_FAILURE() << failure;
}

INSTANTIATE_TEST_SUITE_P(Verbs, CrashEveryOp,
                         testing::Combine(testing::ValuesIn(crash_verbs()),
                                          testing::Values(CrashPolicy::kDurable,
                                                          CrashPolicy::kWritten,
                                                          CrashPolicy::kManual)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + name_of(std::get<1>(test.param));
                         });

}  // namespace

}  // namespace oncelog::test
