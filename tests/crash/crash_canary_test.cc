// crash_canary_test.cc: bugs that were planted on purpose must be found, or the crash tests find
// nothing. Each is a disk that answers one kind of sync without making it: as if the library had
// forgotten that sync.
#include <gtest/gtest.h>

#include <iostream>

#include "support/crash_images.h"
#include "support/log_comparison.h"
#include "support/matchers.h"

namespace oncelog::test {

namespace {

struct Canary {
  std::string name{};
  std::string faults{};  ///< in the words of sim/fault_plan.h
};

void PrintTo(const Canary& canary, std::ostream* out) { *out << canary.name; }

CrashTally run_with(const std::string& faults) {
  CrashOptions options;
  options.partition.config.segment_bytes = 500;
  options.partition.config.index_interval_bytes = 100;
  options.partition.high_watermark = HighWatermarkPolicy::kDurable;
  CrashWorld world(options);
  for (const sim::Fault& fault : value_of(sim::parse_faults(faults))) {
    world.disk().faults().add(fault);
  }
  world.open();
  world.append(1, false);
  world.append(2, true);
  world.record_points();
  for (int i = 0; i < 5; ++i) world.append(1, false);
  world.marker(2, MarkerType::kAbort);
  world.delete_records(Offset(3));
  world.truncate_to(world.model().batches().back().base_offset);
  world.append(1, false);
  ImageBudget budget;
  budget.choices = {.exhaustive_max = 3, .subset_count = 1, .torn_count = 1};
  budget.nested_depth = 0;
  CrashImages images(world.options(), budget);
  images.check(world.take_points());
  return images.tally();
}

TEST(CrashCanary, ASoundDiskHasNoFailures) {
  const CrashTally tally = run_with("");
  for (const std::string& failure : tally.failures) ADD_FAILURE() << failure;
}

class CrashCanaries : public testing::TestWithParam<Canary> {};

TEST_P(CrashCanaries, AreFound) {
  const CrashTally tally = run_with(GetParam().faults);
  EXPECT_FALSE(tally.failures.empty())
      << GetParam().faults << ": " << tally.images << " images, and none of them shows it";
  if (tally.failures.empty()) return;
  std::cout << GetParam().faults << " is found: " << tally.failures.front() << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Syncs, CrashCanaries,
    testing::Values(Canary{"OfTheLog", "sync .log #3 skipped lasting"},
                    Canary{"OfThePartitionDirectory", "sync_directory crash-0 #2 skipped lasting"},
                    Canary{"OfFilesWrittenAside", "sync checkpoint.tmp #3 skipped lasting"},
                    Canary{"OfTheStoreDirectory", "sync_directory /store #6 skipped lasting"}),
    [](const auto& test) { return test.param.name; });

}  // namespace

}  // namespace oncelog::test
