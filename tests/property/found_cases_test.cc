// found_cases_test.cc: what log_property_test.cc has found, shrunk, each named by what it broke.
#include <gtest/gtest.h>

#include "support/log_machine.h"

namespace oncelog::test {

namespace {

using Kind = OperationKind;

void run(const ConfigurationChoices& configuration, const std::vector<Operation>& operations) {
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

// The rows of a checkpoint that had been dropped came back with the next one.
TEST(FoundCases, ProducersThatATruncationCutOffStayAway) {
  run({0, 0, 0, 6}, {{Kind::kAppend, {}},
                     {Kind::kFollower, {0, 0, 0, 0, 0, 1}},
                     {Kind::kAppendCoordinator, {}},
                     {Kind::kSetHighWatermark, {}},
                     {Kind::kAppend, {0, 0, 0, 0, 0, 1}},
                     {Kind::kTruncate, {61}},
                     {Kind::kTruncate, {}},
                     {Kind::kAppendCoordinator, {0, 0, 0, 0, 0, 42}}});
}

// As above, behind a replay of all that is left, which forgets producers whose data is gone.
TEST(FoundCases, ProducersThatAReplayForgotStayAway) {
  run({7, 189, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 142}, {{Kind::kFollower, {0, 0, 0, 0, 0, 17}},
                                                             {Kind::kAppendCoordinator, {}},
                                                             {Kind::kAppend, {}},
                                                             {Kind::kAppend, {0, 0, 0, 0, 4}},
                                                             {Kind::kMarker, {}},
                                                             {Kind::kAppend, {}},
                                                             {Kind::kAppend, {0, 0, 0, 0, 0, 3}},
                                                             {Kind::kApplyRetention, {}},
                                                             {Kind::kTruncate, {1}},
                                                             {Kind::kAppend, {}},
                                                             {Kind::kAppend, {0, 0, 0, 0, 4, 1}}});
}

// It named the checkpoint that the open had made on its way.
TEST(FoundCases, AnOpenWithoutTheStateSaysThatAllWasReplayed) {
  run({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11},
      {{Kind::kMarker, {}}, {Kind::kMarker, {1}}, {Kind::kCrash, {}}});
}

// The open waited for open transactions to leave the cache.
TEST(FoundCases, AnOpenEndsWithMoreOpenTransactionsThanTheCacheHolds) {
  run({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, {{Kind::kFollower, {224, 1}}, {Kind::kReopen, {}}});
}

// The only batch holds the log start and was cut off: the end would lie below the start.
TEST(FoundCases, ALogCutAroundItsStartOpensAgain) {
  for (const Kind kind : {Kind::kReopen, Kind::kCrash}) {
    run({8}, {{Kind::kAppend, {0, 0, 0, 0, 0, 1}},
              {Kind::kDeleteRecords, {}},
              {Kind::kTruncate, {0, 0, 5}},
              {kind, {}},
              {Kind::kAppend, {}},
              {kind, {}}});
  }
}

// The checkpoint that was left had lost the batch by which an open knows it.
TEST(FoundCases, ACheckpointHoldsAfterRetentionAndTruncation) {
  run({0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 9, 0, 0, 12}, {{Kind::kFollower, {3, 73, 0, 0, 0, 1}},
                                                          {Kind::kMarker, {}},
                                                          {Kind::kSetHighWatermark, {}},
                                                          {Kind::kApplyRetention, {}},
                                                          {Kind::kTruncate, {0, 1, 5}},
                                                          {Kind::kReopen, {}}});
}

// The log was emptied before the append was refused.
TEST(FoundCases, ARefusedAppendDoesNotBeginTheLogAnew) {
  run({5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 66},
      {{Kind::kAppend, {}},
       {Kind::kApplyRetention, {}},
       {Kind::kFollower, {0, 1, 192, 0, 3, 0, 0, 0, 0, 7}}});
}

// A checkpoint that retention makes is older than others, which had kept silent of what it says: a
// transaction that has ended since.
TEST(FoundCases, ACheckpointMadeBelowOthersOpensNoTransaction) {
  run({0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 232}, {{Kind::kAppend, {1, 0, 0, 1}},
                                                           {Kind::kFollower, {0, 0, 0, 0, 0, 1}},
                                                           {Kind::kAppend, {}},
                                                           {Kind::kSetHighWatermark, {}},
                                                           {Kind::kAppend, {}},
                                                           {Kind::kMarker, {}},
                                                           {Kind::kAppend, {}},
                                                           {Kind::kTruncate, {4, 0, 1}},
                                                           {Kind::kMarker, {1}},
                                                           {Kind::kRetry, {}},
                                                           {Kind::kAppend, {}},
                                                           {Kind::kApplyRetention, {}},
                                                           {Kind::kCrash, {}}});
}

// And a producer that has expired since.
TEST(FoundCases, ACheckpointMadeBelowOthersBringsNobodyBack) {
  run({211, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 2}, {{Kind::kFollower, {0, 0, 1}},
                                                         {Kind::kDeleteRecords, {}},
                                                         {Kind::kRoll, {}},
                                                         {Kind::kAppend, {0, 0, 0, 0, 0, 3}},
                                                         {Kind::kMarker, {}},
                                                         {Kind::kExpireProducers, {1, 227}},
                                                         {Kind::kAppend, {1, 0, 0, 0, 0, 1}},
                                                         {Kind::kSetHighWatermark, {1}},
                                                         {Kind::kApplyRetention, {}}});
}

TEST(FoundCases, ALogStartRaisedBehindACutBatchOpensAgain) {
  for (const Kind kind : {Kind::kReopen, Kind::kCrash}) {
    run({}, {{Kind::kAppend, {0, 0, 0, 0, 0, 1}},
             {Kind::kFollower, {0, 0, 0, 0, 0, 0, 0, 1}},
             {Kind::kTruncate, {0, 2, 5}},
             {Kind::kDeleteRecords, {}},
             {kind, {}},
             {Kind::kAppend, {}},
             {kind, {}}});
  }
}

TEST(FoundCases, ABatchInsideOfATransactionIsRefusedBeforeTheLogBeginsAnew) {
  run({}, {{Kind::kTruncateFully, {1, 1}}, {Kind::kFollower, {7, 3, 0, 0, 3, 5}}});
}

// The checkpoint that retention made, from nothing as the watermark had been lowered below the
// others, had lost a batch whose segment was gone, and with it those others.
TEST(FoundCases, ACheckpointMadeBelowOthersForgetsNoBatch) {
  run({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 184, 0, 0, 6},
      {{Kind::kAppend, {238}},
       {Kind::kRoll, {}},
       {Kind::kSetHighWatermark, {}},
       {Kind::kFollower, {1, 224, 170, 0, 7, 5}},
       {Kind::kFollower, {0, 41, 234, 0, 7, 2}},
       {Kind::kFollower, {12, 235, 91, 0, 0, 5}},
       {Kind::kFollower, {0, 0, 0, 0, 0, 1}},
       {Kind::kAppend, {}},
       {Kind::kAppend, {}},
       {Kind::kRoll, {}},
       {Kind::kAppend, {0, 0, 0, 0, 0, 1}},
       {Kind::kMarker, {1}},
       {Kind::kApplyRetention, {}},
       {Kind::kFollower, {0, 0, 0, 0, 0, 0, 0, 1}},
       {Kind::kExpireProducers, {}},
       {Kind::kAppend, {}},
       {Kind::kSetHighWatermark, {1, 36}},
       {Kind::kApplyRetention, {}}});
}

// It was taken for a full truncation that had been interrupted: a producer was forgotten.
TEST(FoundCases, ACrashAfterACutAroundTheLogStartForgetsNobody) {
  run({5}, {{Kind::kAppend, {1}},
            {Kind::kAppend, {0, 0, 0, 0, 0, 1}},
            {Kind::kRaiseLogStart, {2}},
            {Kind::kTruncate, {0, 1}},
            {Kind::kCrash, {}}});
}

// As above; and the torn tail that went with it was in no report.
TEST(FoundCases, ATornTailBehindACutAroundTheLogStartIsReported) {
  run({5}, {{Kind::kAppend, {0, 0, 0, 0, 0, 1}},
            {Kind::kRaiseLogStart, {1}},
            {Kind::kTruncate, {0, 1}},
            {Kind::kCrash, {0, 1}}});
}

// Its data had gone by retention, so the oracle forgot it; the log need not (7.3).
TEST(FoundCases, ATransactionMayStayUnreplicatedOverATruncationByReplay) {
  run({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 250, 0, 0, 6}, {{Kind::kAppend, {219, 0, 0, 15}},
                                                           {Kind::kRoll, {}},
                                                           {Kind::kFollower, {}},
                                                           {Kind::kSetHighWatermark, {}},
                                                           {Kind::kMarker, {191}},
                                                           {Kind::kApplyRetention, {}},
                                                           {Kind::kAppend, {}},
                                                           {Kind::kTruncate, {}}});
}

// The truncation went on from a checkpoint behind which batches had gone by retention.
TEST(FoundCases, ACheckpointWhoseSuccessorsAreGoneIsNotRolledForward) {
  run({0, 0, 0, 56, 0, 0, 63, 0, 0, 0, 0, 0, 251}, {{Kind::kFollower, {0, 0, 149, 0, 0, 191}},
                                                    {Kind::kSetHighWatermark, {}},
                                                    {Kind::kDeleteRecords, {}},
                                                    {Kind::kReopen, {}},
                                                    {Kind::kFollower, {}},
                                                    {Kind::kSetHighWatermark, {}},
                                                    {Kind::kApplyRetention, {}},
                                                    {Kind::kTruncate, {}}});
}

// The batch of long ago that lay behind the end was taken for the last one below the checkpoint.
TEST(FoundCases, ATornTailThatIsAWholeBatchHidesNoCheckpoint) {
  run({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22}, {{Kind::kAppend, {}},
                                                    {Kind::kCheckpoint, {}},
                                                    {Kind::kAppend, {}},
                                                    {Kind::kCrash, {0, 7, 0, 0, 4}}});
}

// Below the first segment's base an open believed the index any entry, also without a marker.
TEST(FoundCases, AnAbortThatBeganBelowTheLogHasItsMarkerInTheSegment) {
  run({0, 0, 0, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32},
      {{Kind::kFollower, {88, 21, 97}},
       {Kind::kFollower, {0, 0, 0, 0, 62}},
       {Kind::kFollower, {0, 0, 0, 0, 0, 0, 0, 255}},
       {Kind::kMarker, {219, 0, 0, 3}},
       {Kind::kMarker, {}},
       {Kind::kAppend, {}},
       {Kind::kApplyRetention, {}},
       {Kind::kReopen, {0, 0, 3, 0, 0, 0, 0, 92}}});
}

// The oracle let a replay's first batch of a decided transaction hide the one that memory knows.
TEST(FoundCases, ADecidedTransactionBeganWhereMemorySaysAlsoIfItsFirstBatchIsGone) {
  run({0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0, 0, 58, 0, 0, 6},
      {{Kind::kFollower, {0, 10, 142}},
       {Kind::kFollower, {13, 176, 166, 0, 0, 185, 1, 3}},
       {Kind::kApplyRetention, {}},
       {Kind::kAppend, {}},
       {Kind::kTruncate, {}}});
}

}  // namespace

}  // namespace oncelog::test
