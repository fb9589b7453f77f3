// found_cases_test.cc: what log_property_test.cc has found, shrunk, each named by what it broke.
#include <gtest/gtest.h>

#include "support/log_machine.h"

namespace oncelog::test {

namespace {

using Kind = OperationKind;

void run(const std::array<std::uint8_t, 12>& configuration,
         const std::vector<Operation>& operations) {
  LogMachine machine(configuration);
  for (const Operation& operation : operations) {
    SCOPED_TRACE(operation.text());
    ASSERT_NO_THROW(machine.run(operation));
  }
}

TEST(FoundCases, RecoveryWritesTheEpochsThatItFinds) {
  run({}, {{Kind::kAppend, {}}, {Kind::kCrash, {}}});
}

// Recovery moved the recovery point over a batch whose epoch was in no file.
TEST(FoundCases, EpochsSurviveTwoCrashes) {
  run({}, {{Kind::kAppend, {}},
           {Kind::kFollower, {0, 0, 0, 5}},
           {Kind::kCrash, {}},
           {Kind::kCrash, {}},
           {Kind::kCrash, {}}});
}

TEST(FoundCases, OlderEpochBehindTheRecoveryPointIsRecoveredAsItWasAssigned) {
  run({}, {{Kind::kFollower, {0, 0, 0, 5}},
           {Kind::kFollower, {0, 0, 0, 5}},
           {Kind::kFlush, {}},
           {Kind::kFollower, {0, 0, 0, 16}},
           {Kind::kCrash, {}}});
}

// An epoch that begins at the end is dropped by an open (14.7); older ones must not come back.
TEST(FoundCases, EpochDroppedByAnOpenStaysDropped) {
  run({}, {{Kind::kAppendCoordinator, {}},
           {Kind::kAssignEpoch, {95}},
           {Kind::kMarker, {}},
           {Kind::kAssignEpoch, {40, 23}},
           {Kind::kReopen, {}},
           {Kind::kReopen, {}}});
}

TEST(FoundCases, NoEpochIsLeftByAnOpenAndOneCrashLaterStill) {
  run({}, {{Kind::kAppend, {}},
           {Kind::kAssignEpoch, {22}},
           {Kind::kAssignEpoch, {4, 231}},
           {Kind::kCrash, {}},
           {Kind::kAppendCoordinator, {}},
           {Kind::kCrash, {}}});
}

// They were stored, and the log would not open any more.
TEST(FoundCases, FollowerRefusesBatchesThatOverlap) {
  run({}, {{Kind::kFollower, {0, 0, 0, 0, 0, 1, 99}}, {Kind::kFlush, {}}, {Kind::kCrash, {}}});
}

}  // namespace

}  // namespace oncelog::test
