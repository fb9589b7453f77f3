#include "producer/append_check.h"

#include <gmock/gmock.h>

#include <limits>

#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::producer {
namespace {

using test::FailsWith;
using test::Succeeds;
using testing::IsEmpty;

constexpr std::int32_t kSequenceMax = std::numeric_limits<std::int32_t>::max();
constexpr auto kNoControl = std::nullopt;

struct DataBatch {
  std::int16_t epoch = 0;
  std::int32_t sequence = 0;
  int records = 1;
  std::int64_t base = 100;
  bool is_transactional = false;
  std::int64_t timestamp = 1000;
};

record::BatchHeader header(const DataBatch& batch) {
  return test::make_header({.base = batch.base,
                            .records = batch.records,
                            .timestamp = batch.timestamp,
                            .is_transactional = batch.is_transactional,
                            .producer_id = 7,
                            .producer_epoch = batch.epoch,
                            .sequence = batch.sequence});
}

struct Marker {
  record::BatchHeader header{};
  std::optional<ControlRecord> control{};
};

Marker marker(MarkerType type, std::int16_t epoch, std::int32_t coordinator_epoch,
              std::int64_t base = 100) {
  const auto bytes = test::make_marker({.base = base,
                                        .type = type,
                                        .producer_id = 7,
                                        .producer_epoch = epoch,
                                        .coordinator_epoch = coordinator_epoch,
                                        .timestamp = 5000});
  return {test::header_of(bytes), *test::value_of(RecordBatchView::parse(bytes)->control_record())};
}

/// The state of a producer (e, L): epoch 5, batches with the sequences 10, …, 16 at offsets 10 …
ProducerEntry known() {
  ProducerEntry entry;
  for (int i = 10; i <= 16; ++i) {
    apply_append(entry, header({.epoch = 5, .sequence = i, .base = i}), kNoControl);
  }
  return entry;
}

/// Known from a marker of epoch 5, without any batch.
ProducerEntry known_by_marker() {
  ProducerEntry entry;
  const Marker abort = marker(MarkerType::kAbort, 5, 0);
  apply_append(entry, abort.header, abort.control);
  return entry;
}

ProducerEntry known_at(std::int32_t last_sequence) {
  ProducerEntry entry;
  apply_append(entry, header({.epoch = 5, .sequence = last_sequence}), kNoControl);
  return entry;
}

Result<AppendVerdict> check_client(const ProducerEntry* entry, const DataBatch& batch) {
  return check_append(entry, header(batch), kNoControl, Strictness::kClient);
}

void expect_accepted(const ProducerEntry* entry, const DataBatch& batch) {
  const auto verdict = check_client(entry, batch);
  ASSERT_THAT(verdict, Succeeds());
  EXPECT_EQ(verdict->duplicate_of, nullptr);
}

constexpr auto kOutOfOrder = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
constexpr auto kOldEpoch = ErrorCode::INVALID_PRODUCER_EPOCH;

// ---- the outcome table, row by row

TEST(AppendCheck, AnUnknownProducerMayBeginAnywhere) {
  expect_accepted(nullptr, {.epoch = 0, .sequence = 0});
  expect_accepted(nullptr, {.epoch = 3, .sequence = 77});
  expect_accepted(nullptr, {.epoch = 32767, .sequence = kSequenceMax});
}

TEST(AppendCheck, TheNextSequenceIsAccepted) {
  const ProducerEntry entry = known();
  expect_accepted(&entry, {.epoch = 5, .sequence = 17});
  expect_accepted(&entry, {.epoch = 5, .sequence = 17, .records = 100});
}

TEST(AppendCheck, ACopyOfOneOfTheLastFiveIsAnsweredWithItsFirstOffsets) {
  const ProducerEntry entry = known();
  for (int i = 12; i <= 16; ++i) {
    const auto verdict = check_client(&entry, {.epoch = 5, .sequence = i, .base = 999});
    ASSERT_THAT(verdict, Succeeds());
    ASSERT_NE(verdict->duplicate_of, nullptr) << i;
    EXPECT_EQ(verdict->duplicate_of->first_offset(), Offset(i));
    EXPECT_EQ(verdict->duplicate_of->last_offset, Offset(i));
  }
}

TEST(AppendCheck, WhatIsOlderThanTheWindowIsOutOfOrder) {
  const ProducerEntry entry = known();
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 11}), FailsWith(kOutOfOrder));
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 0}), FailsWith(kOutOfOrder));
}

TEST(AppendCheck, AGapIsOutOfOrder) {
  const ProducerEntry entry = known();
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 18}),
              FailsWith(kOutOfOrder, "expected 17"));
}

TEST(AppendCheck, APartialOverlapIsOutOfOrder) {
  const ProducerEntry entry = known();
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 16, .records = 2}),
              FailsWith(kOutOfOrder));
}

TEST(AppendCheck, ANewEpochBeginsWithSequenceZero) {
  const ProducerEntry entry = known();
  expect_accepted(&entry, {.epoch = 6, .sequence = 0});
  expect_accepted(&entry, {.epoch = 32767, .sequence = 0});
}

TEST(AppendCheck, ANewEpochWithAnotherSequenceIsOutOfOrder) {
  const ProducerEntry entry = known();
  EXPECT_THAT(check_client(&entry, {.epoch = 6, .sequence = 17}),
              FailsWith(kOutOfOrder, "expected 0"));
  EXPECT_THAT(check_client(&entry, {.epoch = 6, .sequence = 1}), FailsWith(kOutOfOrder));
}

TEST(AppendCheck, AnOlderEpochIsRefusedEvenForAResend) {
  const ProducerEntry entry = known();
  EXPECT_THAT(check_client(&entry, {.epoch = 4, .sequence = 0}), FailsWith(kOldEpoch));
  EXPECT_THAT(check_client(&entry, {.epoch = 4, .sequence = 16}), FailsWith(kOldEpoch));
  ProducerEntry bumped = known();
  apply_append(bumped, header({.epoch = 6, .sequence = 0}), kNoControl);
  EXPECT_THAT(check_client(&bumped, {.epoch = 5, .sequence = 16}),
              FailsWith(kOldEpoch, "epoch 5 of producer 7"));
}

TEST(AppendCheck, AProducerKnownByAMarkerOnlyBeginsWithSequenceZero) {
  const ProducerEntry entry = known_by_marker();
  expect_accepted(&entry, {.epoch = 5, .sequence = 0});
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 77}), FailsWith(kOutOfOrder));
  EXPECT_THAT(check_client(&entry, {.epoch = 8, .sequence = 77}), FailsWith(kOutOfOrder));
  expect_accepted(&entry, {.epoch = 8, .sequence = 0});
  EXPECT_THAT(check_client(&entry, {.epoch = 4, .sequence = 0}), FailsWith(kOldEpoch));
}

TEST(AppendCheck, SequencesWrapInsideABatch) {
  ProducerEntry entry = known_at(kSequenceMax - 1);
  const DataBatch wrapping{.epoch = 5, .sequence = kSequenceMax, .records = 3};
  expect_accepted(&entry, wrapping);
  apply_append(entry, header(wrapping), kNoControl);
  EXPECT_EQ(entry.last_sequence(), Sequence(1));
  EXPECT_NE(check_client(&entry, wrapping)->duplicate_of, nullptr);
  expect_accepted(&entry, {.epoch = 5, .sequence = 2});
}

TEST(AppendCheck, SequenceZeroFollowsTheLargest) {
  const ProducerEntry entry = known_at(kSequenceMax);
  expect_accepted(&entry, {.epoch = 5, .sequence = 0});
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 1}), FailsWith(kOutOfOrder));
  const ProducerEntry elsewhere = known_at(16);
  EXPECT_THAT(check_client(&elsewhere, {.epoch = 5, .sequence = 0}), FailsWith(kOutOfOrder));
}

// ---- what an accepted batch changes

TEST(AppendCheck, ANewEpochEmptiesTheWindowWhenItIsStored) {
  ProducerEntry entry = known();
  apply_append(entry, header({.epoch = 6, .sequence = 0, .base = 50}), kNoControl);
  EXPECT_EQ(entry.epoch, ProducerEpoch(6));
  EXPECT_EQ(entry.window().size(), 1u);
  EXPECT_THAT(check_client(&entry, {.epoch = 6, .sequence = 16}), FailsWith(kOutOfOrder));
}

TEST(AppendCheck, TheLastTimestampIsThatOfTheLatestBatchEvenIfItIsOlder) {
  ProducerEntry entry = known_at(0);
  apply_append(entry, header({.epoch = 5, .sequence = 1, .timestamp = 30}), kNoControl);
  EXPECT_EQ(entry.last_timestamp, Timestamp(30));
}

TEST(AppendCheck, ARefusalChangesNothing) {
  const ProducerEntry before = known();
  const ProducerEntry entry = before;
  std::ignore = check_client(&entry, {.epoch = 5, .sequence = 99});
  std::ignore = check_client(&entry, {.epoch = 6, .sequence = 9});
  EXPECT_EQ(entry, before);
}

// ---- how strict

TEST(AppendCheck, ACoordinatorsBatchIsCheckedForItsEpochOnly) {
  const ProducerEntry entry = known();
  const auto check = [&](std::int16_t epoch, std::int32_t sequence) {
    return check_append(&entry, header({.epoch = epoch, .sequence = sequence}), kNoControl,
                        Strictness::kCoordinator);
  };
  EXPECT_THAT(check(5, 99), Succeeds());
  EXPECT_THAT(check(5, -1), Succeeds());
  EXPECT_THAT(check(6, 9), Succeeds());
  EXPECT_EQ(check(5, 16)->duplicate_of, nullptr);
  EXPECT_THAT(check(4, 17), FailsWith(kOldEpoch));
}

TEST(AppendCheck, AFollowerTakesWhatTheLeaderDecided) {
  ProducerEntry entry = known();
  const auto old = header({.epoch = 4, .sequence = 99, .base = 200});
  const auto verdict = check_append(&entry, old, kNoControl, Strictness::kReplication);
  ASSERT_THAT(verdict, Succeeds());
  EXPECT_EQ(verdict->duplicate_of, nullptr);
  apply_append(entry, old, kNoControl);
  EXPECT_EQ(entry.epoch, ProducerEpoch(4));  // it goes back
  EXPECT_EQ(entry.last_sequence(), Sequence(99));

  const auto repeated = header({.epoch = 4, .sequence = 99, .base = 201});
  EXPECT_EQ(check_append(&entry, repeated, kNoControl, Strictness::kReplication)->duplicate_of,
            nullptr);
}

// ---- transactions

TEST(AppendCheck, ATransactionalBatchOpensATransactionAtItsBaseOffset) {
  ProducerEntry entry;
  const auto step =
      apply_append(entry, header({.records = 3, .base = 40, .is_transactional = true}), kNoControl);
  EXPECT_TRUE(step.has_started);
  EXPECT_EQ(entry.transaction_first_offset, Offset(40));
  const auto more = apply_append(
      entry, header({.sequence = 3, .base = 43, .is_transactional = true}), kNoControl);
  EXPECT_FALSE(more.has_started);
  EXPECT_EQ(entry.transaction_first_offset, Offset(40));
}

TEST(AppendCheck, APlainBatchInsideATransactionIsRefusedHoweverItComes) {
  ProducerEntry entry;
  apply_append(entry, header({.base = 40, .is_transactional = true}), kNoControl);
  for (const auto strictness :
       {Strictness::kClient, Strictness::kCoordinator, Strictness::kReplication}) {
    EXPECT_THAT(check_append(&entry, header({.sequence = 1}), kNoControl, strictness),
                FailsWith(ErrorCode::INVALID_TXN_STATE, "since offset 40"));
  }
}

TEST(AppendCheck, AHigherEpochJoinsTheOpenTransaction) {
  ProducerEntry entry;
  apply_append(entry, header({.base = 40, .is_transactional = true}), kNoControl);
  const DataBatch later{.epoch = 1, .sequence = 0, .base = 50, .is_transactional = true};
  expect_accepted(&entry, later);
  const auto step = apply_append(entry, header(later), kNoControl);
  EXPECT_FALSE(step.has_started);
  EXPECT_EQ(entry.transaction_first_offset, Offset(40));
  EXPECT_EQ(entry.window().size(), 1u);
}

// ---- markers

TEST(AppendCheck, AMarkerEndsTheOpenTransaction) {
  for (const MarkerType type : {MarkerType::kAbort, MarkerType::kCommit}) {
    ProducerEntry entry;
    apply_append(entry, header({.base = 40, .is_transactional = true}), kNoControl);
    const Marker end = marker(type, 0, 3, 60);
    EXPECT_THAT(check_append(&entry, end.header, end.control, Strictness::kCoordinator),
                Succeeds());
    const auto step = apply_append(entry, end.header, end.control);
    ASSERT_TRUE(step.completed);
    EXPECT_EQ(step.completed->producer_id, ProducerId(7));
    EXPECT_EQ(step.completed->first_offset, Offset(40));
    EXPECT_EQ(step.completed->last_offset, Offset(60));
    EXPECT_EQ(step.completed->is_aborted, type == MarkerType::kAbort);
    EXPECT_EQ(entry.transaction_first_offset, std::nullopt);
    EXPECT_EQ(entry.coordinator_epoch, CoordinatorEpoch(3));
    EXPECT_EQ(entry.last_timestamp, Timestamp(5000));
  }
}

TEST(AppendCheck, AMarkerOfTheSameEpochLeavesTheWindowAndTheSequences) {
  ProducerEntry entry = known();
  const Marker commit = marker(MarkerType::kCommit, 5, 0);
  apply_append(entry, commit.header, commit.control);
  EXPECT_EQ(entry.window().size(), 5u);
  expect_accepted(&entry, {.epoch = 5, .sequence = 17});
  EXPECT_NE(check_client(&entry, {.epoch = 5, .sequence = 12})->duplicate_of, nullptr);
}

TEST(AppendCheck, AMarkerThatBumpsTheEpochEmptiesTheWindow) {
  ProducerEntry entry = known();
  const Marker commit = marker(MarkerType::kCommit, 6, 0);
  apply_append(entry, commit.header, commit.control);
  EXPECT_THAT(entry.window(), IsEmpty());
  EXPECT_THAT(check_client(&entry, {.epoch = 5, .sequence = 16}), FailsWith(kOldEpoch));
  EXPECT_THAT(check_client(&entry, {.epoch = 6, .sequence = 17}), FailsWith(kOutOfOrder));
  expect_accepted(&entry, {.epoch = 6, .sequence = 0});
}

TEST(AppendCheck, AMarkerWithAHigherEpochCompletesTheOlderEpochsTransaction) {
  ProducerEntry entry;
  apply_append(entry, header({.epoch = 2, .base = 40, .is_transactional = true}), kNoControl);
  const Marker abort = marker(MarkerType::kAbort, 3, 0, 41);
  EXPECT_THAT(check_append(&entry, abort.header, abort.control, Strictness::kCoordinator),
              Succeeds());
  EXPECT_TRUE(apply_append(entry, abort.header, abort.control).completed);
}

TEST(AppendCheck, AMarkerNeedsNoOpenTransaction) {
  ProducerEntry entry;
  const Marker abort = marker(MarkerType::kAbort, 3, 2);
  EXPECT_THAT(check_append(nullptr, abort.header, abort.control, Strictness::kCoordinator),
              Succeeds());
  EXPECT_FALSE(apply_append(entry, abort.header, abort.control).completed);
  EXPECT_EQ(entry.epoch, ProducerEpoch(3));
  EXPECT_EQ(entry.coordinator_epoch, CoordinatorEpoch(2));
}

TEST(AppendCheck, AMarkerOfAnOlderProducerEpochIsRefused) {
  const ProducerEntry entry = known();
  const Marker old = marker(MarkerType::kCommit, 4, 0);
  EXPECT_THAT(check_append(&entry, old.header, old.control, Strictness::kCoordinator),
              FailsWith(kOldEpoch));
  const Marker same = marker(MarkerType::kCommit, 5, 0);
  EXPECT_THAT(check_append(&entry, same.header, same.control, Strictness::kCoordinator),
              Succeeds());
}

TEST(AppendCheck, AMarkerOfAnOlderCoordinatorIsFenced) {
  ProducerEntry entry;
  const Marker first = marker(MarkerType::kCommit, 5, 9);
  apply_append(entry, first.header, first.control);
  const Marker old = marker(MarkerType::kCommit, 5, 8);
  EXPECT_THAT(check_append(&entry, old.header, old.control, Strictness::kCoordinator),
              FailsWith(ErrorCode::TRANSACTION_COORDINATOR_FENCED));
  EXPECT_THAT(check_append(&entry, first.header, first.control, Strictness::kCoordinator),
              Succeeds());
}

TEST(AppendCheck, AFollowerTakesMarkersWhoseEpochsGoBack) {
  ProducerEntry entry = known();
  const Marker first = marker(MarkerType::kCommit, 5, 9);
  apply_append(entry, first.header, first.control);
  const Marker old = marker(MarkerType::kAbort, 4, 8);
  EXPECT_THAT(check_append(&entry, old.header, old.control, Strictness::kReplication), Succeeds());
  apply_append(entry, old.header, old.control);
  EXPECT_EQ(entry.epoch, ProducerEpoch(4));
  EXPECT_EQ(entry.coordinator_epoch, CoordinatorEpoch(8));
}

TEST(AppendCheck, AControlBatchEmptiedByCompactionSaysNothing) {
  ProducerEntry entry = known();
  const ProducerEntry before = entry;
  const Marker old = marker(MarkerType::kAbort, 2, 0);
  EXPECT_THAT(check_append(&entry, old.header, kNoControl, Strictness::kReplication), Succeeds());
  const auto step = apply_append(entry, old.header, kNoControl);
  EXPECT_EQ(entry, before);
  EXPECT_FALSE(step.completed);
  EXPECT_FALSE(step.has_started);
}

TEST(AppendCheck, AnEntryLeftByAnEmptiedControlBatchCountsAsUnknown) {
  ProducerEntry entry;
  const Marker empty = marker(MarkerType::kAbort, 2, 0);
  apply_append(entry, empty.header, kNoControl);
  EXPECT_EQ(entry.epoch, kNoProducerEpoch);
  expect_accepted(&entry, {.epoch = 1, .sequence = 77});
}

TEST(AppendCheck, AnotherControlRecordOfAProducerIsRefused) {
  const Marker some = marker(MarkerType::kAbort, 5, 0);
  ControlRecord leader_change = *some.control;
  leader_change.type = 2;
  EXPECT_THAT(check_append(nullptr, some.header, leader_change, Strictness::kReplication),
              FailsWith(ErrorCode::UNKNOWN_SERVER_ERROR, "type 2"));
}

}  // namespace
}  // namespace oncelog::producer
