// crash_every_op_test.cc: each verb, with a crash at every change that it makes to the disk, and
// every image that such a crash may leave.
//
// ONCELOG_CRASH_SUBSETS and ONCELOG_CRASH_NESTED_EVERY make a run longer: subsets of unsynced
// changes by point, and how seldom an open of an image is crashed itself (1: each).
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <ostream>

#include "support/crash_images.h"
#include "support/log_comparison.h"

namespace oncelog::test {

namespace {

struct VerbCase {
  std::string name{};
  std::function<void(CrashWorld&)> prepare{};
  std::function<void(CrashWorld&)> run{};
  std::function<void(CrashOptions&)> configure{};
};

void PrintTo(const VerbCase& verb, std::ostream* out) { *out << verb.name; }

/// Rolled segments, aborted and open transactions, a checkpoint, and batches behind all that.
void fill(CrashWorld& world) {
  world.open();
  world.append(1, false);
  world.append(2, true);
  world.append(1, false);
  world.marker(2, MarkerType::kAbort);
  for (int i = 0; i < 4; ++i) world.append(1, false);
  world.set_high_watermark(world.model().log_end());
  world.append(2, true);
  world.append(4, false, Level::kDurable);
  world.append(1, false, Level::kWritten);
}

/// The same, seen from the end of a process that has closed it.
void fill_and_close(CrashWorld& world) {
  fill(world);
  world.close();
}

Offset base_of(const CrashWorld& world, std::size_t segment) {
  return world.log().segments()[segment];
}

std::vector<VerbCase> verb_cases() {
  return {
      {"Create", [](CrashWorld&) {}, [](CrashWorld& world) { world.open(); }},
      {"Append", fill, [](CrashWorld& world) { world.append(1, false); }},
      {"AppendWritten", fill, [](CrashWorld& world) { world.append(1, false, Level::kWritten); }},
      {"AppendDurable", fill, [](CrashWorld& world) { world.append(1, true, Level::kDurable, 9); }},
      {"AppendsThatRoll", fill,
       [](CrashWorld& world) {
         for (int i = 0; i < 6; ++i) world.append(i % 2 == 0 ? 1 : 2, false);
       }},
      {"MarkerCommit", fill, [](CrashWorld& world) { world.marker(2, MarkerType::kCommit); }},
      {"MarkerAbort", fill, [](CrashWorld& world) { world.marker(2, MarkerType::kAbort); }},
      {"FollowerAppend", fill, [](CrashWorld& world) { world.append_received(3, 2); }},
      {"FollowerAppendWithGap", fill,
       [](CrashWorld& world) {
         world.append_received(2, 1, 5);
         world.append_received(3, 2, 3);
         world.append_received(2, 2, 2);
       }},
      {"Roll", fill, [](CrashWorld& world) { world.roll(); }},
      {"Flush", fill, [](CrashWorld& world) { world.flush(); }},
      {"Checkpoint", fill, [](CrashWorld& world) { world.checkpoint(); }},
      {"TruncateInTheLastSegment", fill,
       [](CrashWorld& world) { world.truncate_to(world.model().log_end() - 3); }},
      {"TruncateAtABatch", fill,
       [](CrashWorld& world) { world.truncate_to(world.model().batches()[4].base_offset); }},
      {"TruncateAtASegment", fill, [](CrashWorld& world) { world.truncate_to(base_of(world, 1)); }},
      {"TruncateToTheFront", fill, [](CrashWorld& world) { world.truncate_to(Offset(0)); }},
      {"TruncateAndAppend", fill,
       [](CrashWorld& world) {
         world.truncate_to(world.model().batches()[5].base_offset);
         world.append(5, false);
         world.append(1, false, Level::kDurable);
       }},
      {"TruncateFullyAbove", fill, [](CrashWorld& world) { world.truncate_fully(Offset(500)); }},
      {"TruncateFullyInside", fill, [](CrashWorld& world) { world.truncate_fully(Offset(5)); }},
      {"TruncateFullyToTheFront", fill, [](CrashWorld& world) { world.truncate_fully(Offset(0)); }},
      {"DeleteRecords", fill, [](CrashWorld& world) { world.delete_records(Offset(5)); }},
      {"DeleteAllRecords", fill, [](CrashWorld& world) { world.delete_records(Offset(-1)); }},
      {"RetentionBelowTheLogStart",
       [](CrashWorld& world) {
         fill(world);
         world.delete_records(base_of(world, 1));
       },
       [](CrashWorld& world) { world.apply_retention(); }},
      {"RetentionBySize", fill, [](CrashWorld& world) { world.apply_retention(); },
       [](CrashOptions& options) { options.partition.config.retention_bytes = 400; }},
      {"RetentionOfAll", fill, [](CrashWorld& world) { world.apply_retention(); },
       [](CrashOptions& options) { options.partition.config.retention_bytes = 0; }},
      {"AppendsThatCheckpoint", fill,
       [](CrashWorld& world) {
         world.append(6, true);
         world.append(1, false);
       },
       [](CrashOptions& options) { options.store.checkpoint_interval_records = 1; }},
      {"AppendsToPreallocatedSegments", fill,
       [](CrashWorld& world) {
         for (int i = 0; i < 4; ++i) world.append(1, false);
       },
       [](CrashOptions& options) { options.partition.config.preallocate = true; }},
      {"ExpireAndCheckpoint", fill,
       [](CrashWorld& world) {
         world.expire_producers(90'000'000);
         world.checkpoint();
       }},
      {"AssignLeaderEpoch", fill,
       [](CrashWorld& world) {
         world.assign_epoch(3);
         world.append(1, false);
       }},
      {"DeletePartition", fill, [](CrashWorld& world) { world.delete_partition(); }},
      {"DeletePartitionAndCreate", fill,
       [](CrashWorld& world) {
         world.delete_partition();
         world.create_again();
         world.append(1, false);
       }},
      {"Close", fill, [](CrashWorld& world) { world.close(); }},
      {"OpenAfterAClose", fill_and_close, [](CrashWorld& world) { world.open(); }},
      {"OpenAfterAProcessDied",
       [](CrashWorld& world) {
         fill(world);
         world.end_process();
       },
       [](CrashWorld& world) { world.open(); }},
      {"CloseAgain",
       [](CrashWorld& world) {
         fill_and_close(world);
         world.open();
         world.append(1, false);
       },
       [](CrashWorld& world) { world.close(); }},
  };
}

/// The ways to acknowledge.
enum class Policy : std::uint8_t { kDurable, kWritten, kManual };

CrashOptions options_of(Policy policy) {
  CrashOptions options;
  options.store.sealed_segment_bytes_min = 0;
  options.partition.config.segment_bytes = 500;
  options.partition.config.index_interval_bytes = 100;
  options.store.append_ring_bytes = 1;  // the smallest: it is drained often
  options.partition.level = policy == Policy::kDurable ? Level::kDurable : Level::kWritten;
  options.partition.high_watermark = policy == Policy::kDurable   ? HighWatermarkPolicy::kDurable
                                     : policy == Policy::kWritten ? HighWatermarkPolicy::kLogEnd
                                                                  : HighWatermarkPolicy::kManual;
  return options;
}

class CrashEveryOp : public testing::TestWithParam<std::tuple<VerbCase, Policy>> {};

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
                         testing::Combine(testing::ValuesIn(verb_cases()),
                                          testing::Values(Policy::kDurable, Policy::kWritten,
                                                          Policy::kManual)),
                         [](const auto& test) {
                           const Policy policy = std::get<1>(test.param);
                           return std::get<0>(test.param).name +
                                  (policy == Policy::kDurable   ? "Durable"
                                   : policy == Policy::kWritten ? "Written"
                                                                : "Manual");
                         });

}  // namespace

}  // namespace oncelog::test
