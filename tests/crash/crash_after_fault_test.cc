// crash_after_fault_test.cc: each verb, with each sync, rename and removal that it makes failing in
// turn; then a crash, or a reopen in the same process.
//
// Behind a failed sync the simulated cache looks right and the disk is not: the pages are clean,
// and nothing will ever write them. What was acknowledged before must be there all the same.
// ONCELOG_CRASH_FAULTS is a plan in the words of sim/fault_plan.h to be tried alone: a failure
// prints the one that it met.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "support/crash_images.h"
#include "support/crash_verbs.h"
#include "support/environment.h"
#include "support/log_comparison.h"
#include "support/matchers.h"

namespace oncelog::test {

namespace {

struct FaultTally {
  std::int64_t faults = 0;
  std::int64_t refusals = 0;
  std::int64_t reopens = 0;
  std::int64_t points = 0;
  std::int64_t images = 0;
};

ImageBudget budget() {
  ImageBudget budget;
  budget.choices.exhaustive_max = 2;
  budget.choices.subset_count =
      static_cast<std::size_t>(number_from_environment("ONCELOG_CRASH_SUBSETS", 1));
  budget.choices.torn_count = budget.choices.subset_count;
  budget.choices.systematic_max = 8;
  budget.nested_depth = 0;
  return budget;
}

/// One verb on one kind of partition, again and again, each time with another fault.
class FaultedVerb {
 public:
  FaultedVerb(const VerbCase& verb, const CrashOptions& options) : verb_(verb), options_(options) {}

  /// False if the fault did not strike.
  bool run_with(const std::string& plan) {
    CrashWorld world(options_);
    verb_.prepare(world);
    world.add_faults(value_of(sim::parse_faults(plan)));
    world.record_points_behind_a_fault();
    bool is_refused = false;
    try {
      verb_.run(world);
    } catch (const Refusal& refusal) {
      is_refused = true;
      world.check_refused(refusal);
    }
    if (!world.has_fault_struck()) return false;
    ++tally_.faults;
    check_images(world, plan);
    if (!is_refused) return true;
    ++tally_.refusals;
    if (world.reopen()) check_reopened(world, plan);
    return true;
  }

  [[nodiscard]] const FaultTally& tally() const { return tally_; }

 private:
  /// The same process goes on, and what it makes of the disk is as good as ever.
  void check_reopened(CrashWorld& world, const std::string& plan) {
    ++tally_.reopens;
    world.append(1, false, Level::kDurable);
    world.roll();
    world.append(5, false);
    world.close();
    check_images(world, plan + ", then a reopen");
  }

  void check_images(CrashWorld& world, const std::string& plan) {
    CrashImages images(world.options(), budget());
    images.check(world.take_points());
    tally_.points += images.tally().points;
    tally_.images += images.tally().images;
    for (const std::string& failure : images.tally().failures) {
      ADD_FAILURE() << "ONCELOG_CRASH_FAULTS=\"" << plan << "\": " << failure;
    }
  }

  const VerbCase& verb_;
  CrashOptions options_;
  FaultTally tally_;
};

bool run_with(FaultedVerb& verb, const std::string& plan) {
  try {
    return verb.run_with(plan);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "ONCELOG_CRASH_FAULTS=\"" << plan << "\": " << error.what();
    return false;
  }
}

void run_each_fault(FaultedVerb& verb) {
  if (const char* const plan = std::getenv("ONCELOG_CRASH_FAULTS")) {
    run_with(verb, plan);
    return;
  }
  for (const char* const call : {"sync", "sync_directory", "rename", "remove"}) {
    for (const char* const what : {" EIO", " EIO half"}) {
      const bool has_halves = std::string_view(call) == "sync";
      if (!has_halves && std::string_view(what) != " EIO") continue;
      for (int nth = 1;; ++nth) {
        const std::string plan = std::string(call) + " * #" + std::to_string(nth) + what;
        if (!run_with(verb, plan) || testing::Test::HasFailure()) break;
      }
    }
  }
}

class CrashAfterFault : public testing::TestWithParam<std::tuple<VerbCase, CrashPolicy>> {};

TEST_P(CrashAfterFault, LeavesAllThatWasAcknowledged) {
  const auto& [verb, policy] = GetParam();
  CrashOptions options = options_of(policy);
  if (verb.configure) verb.configure(options);
  FaultedVerb faulted(verb, options);
  run_each_fault(faulted);
  const FaultTally& tally = faulted.tally();
  std::cout << verb.name << ": " << tally.faults << " faults, " << tally.refusals << " refusals, "
            << tally.reopens << " reopens, " << tally.points << " crash points, " << tally.images
            << " images\n";
}

INSTANTIATE_TEST_SUITE_P(Verbs, CrashAfterFault,
                         testing::Combine(testing::ValuesIn(crash_verbs()),
                                          testing::Values(CrashPolicy::kDurable,
                                                          CrashPolicy::kManual)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + name_of(std::get<1>(test.param));
                         });

}  // namespace

}  // namespace oncelog::test
