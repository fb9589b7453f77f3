// What an append promises, through the public interface.
#include <gmock/gmock.h>

#include <cerrno>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::BatchSpec;
using test::Buffer;
using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::make_marker;
using test::Succeeds;
using testing::ElementsAre;
using testing::IsEmpty;

class AppendTest : public test::LogFixture {
 protected:
  static BatchSpec idempotent(std::int32_t sequence, std::int16_t epoch = 0) {
    return {.producer_id = 7, .producer_epoch = epoch, .sequence = sequence};
  }
  static BatchSpec transactional(std::int32_t sequence, std::int64_t id = 7) {
    return {.is_transactional = true, .producer_id = id, .producer_epoch = 0, .sequence = sequence};
  }
  const std::int64_t size_ = std::ssize(make_batch());
};

// ---- offsets, epochs, times

TEST_F(AppendTest, OffsetsFollowEachOther) {
  open();
  const Appended first = append({.records = 3});
  EXPECT_EQ(first.base_offset, Offset(0));
  EXPECT_EQ(first.last_offset, Offset(2));
  EXPECT_FALSE(first.is_duplicate);
  EXPECT_EQ(append().base_offset, Offset(3));
  EXPECT_EQ(log_->ends().log_end, Offset(4));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(AppendTest, TheLeadersEpochIsWrittenIntoTheBatch) {
  options_.leader_epoch = LeaderEpoch(4);
  open();
  append();
  const auto bytes = test::value_of(test::value_of(log_->fetch(Offset(0))).read());
  EXPECT_EQ(test::header_of(bytes).leader_epoch, LeaderEpoch(4));
  EXPECT_THAT(log_->leader_epochs(), ElementsAre(LeaderEpochStart{LeaderEpoch(4), Offset(0)}));
}

TEST_F(AppendTest, TheAppendTimeIsAnsweredWhereTheLogGivesIt) {
  open();
  EXPECT_EQ(append().append_time, kNoTimestamp);
  close();
  options_.config.message_timestamp_type = TimestampType::kLogAppendTime;
  open();
  EXPECT_EQ(append().append_time, Timestamp(1'000'000));
}

TEST_F(AppendTest, ASegmentsAgeCountsFromItsFirstBatchNotFromItsFirstSet) {
  options_.config.segment_ms = 100;
  open();
  const auto batch = [](std::int64_t base, std::int64_t time) {
    return make_batch({.base = base, .leader_epoch = 0, .timestamp = time});
  };
  test::value_of(log_->append_as_follower(test::join({batch(0, 1000), batch(1, 1090)})));
  test::value_of(log_->append_as_follower(batch(2, 1100)));
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0)));
  test::value_of(log_->append_as_follower(batch(3, 1101)));
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3)));
}

TEST_F(AppendTest, BytesWithoutAWholeBatchStoreNothing) {
  open();
  const std::string before = answers();
  Buffer partial = make_batch();
  partial.pop_back();
  for (const Buffer& bytes : {Buffer{}, partial}) {
    const Appended appended = test::value_of(log_->append_as_leader(bytes));
    EXPECT_EQ(appended.base_offset, kNoOffset);
    EXPECT_EQ(appended.last_offset, kNoOffset);
  }
  EXPECT_EQ(answers(), before);
}

// ---- refusals

/// A log whose active segment has room for nothing more, with a producer and an open transaction.
class RefusalTest : public AppendTest {
 protected:
  RefusalTest() {
    options_.config.segment_bytes = 350;
    options_.config.max_message_bytes = 1000;
    options_.leader_epoch = LeaderEpoch(3);
    open();
    append(idempotent(0));
    append(transactional(0, 8));
    append_marker({.producer_id = 9, .producer_epoch = 2, .coordinator_epoch = 5});
    append(idempotent(1));
  }
  template <class Verb>
  void expect_refused(ErrorCode code, Verb verb) {
    const auto files = test::directory_content(store_path());
    const std::string before = answers();
    EXPECT_THAT(verb(), FailsWith(code));
    EXPECT_EQ(answers(), before);
    EXPECT_EQ(test::directory_content(store_path()), files);
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
  }
  void expect_append_refused(ErrorCode code, const Buffer& bytes) {
    expect_refused(code, [&] { return log_->append_as_leader(bytes); });
  }
  void expect_marker_refused(ErrorCode code, const test::MarkerSpec& spec) {
    expect_refused(code, [&] { return log_->append_marker(test::marker_fields(spec)); });
  }
  void expect_follower_refused(ErrorCode code, const Buffer& bytes) {
    expect_refused(code, [&] { return log_->append_as_follower(bytes); });
  }
};

TEST_F(RefusalTest, TheNextBatchWouldRoll) {
  const auto segments = log_->segments().size();
  append(idempotent(2));
  EXPECT_EQ(log_->segments().size(), segments + 1);
}

TEST_F(RefusalTest, ABadBatchLeavesNoTrace) {
  Buffer batch = make_batch();
  batch.back() ^= std::byte{1};
  expect_append_refused(ErrorCode::CORRUPT_MESSAGE, batch);
  expect_append_refused(ErrorCode::INVALID_RECORD, make_batch({.base = 1}));
  expect_append_refused(ErrorCode::INVALID_RECORD, make_marker({.producer_id = 7}));
  expect_append_refused(ErrorCode::INVALID_RECORD, test::join({make_batch(), make_batch()}));
}

TEST_F(RefusalTest, ATooLargeBatchLeavesNoTrace) {
  expect_append_refused(ErrorCode::MESSAGE_TOO_LARGE, make_batch({.value_bytes = 1000}));
  expect_append_refused(ErrorCode::RECORD_LIST_TOO_LARGE, make_batch({.value_bytes = 500}));
}

TEST_F(RefusalTest, AProducersMistakesLeaveNoTrace) {
  expect_append_refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, make_batch(idempotent(3)));
  expect_append_refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, make_batch(idempotent(5, 1)));
  auto old_epoch = idempotent(0, 1);
  old_epoch.producer_id = 9;
  expect_append_refused(ErrorCode::INVALID_PRODUCER_EPOCH, make_batch(old_epoch));
  auto plain = transactional(1, 8);
  plain.is_transactional = false;
  expect_append_refused(ErrorCode::INVALID_TXN_STATE, make_batch(plain));
}

TEST_F(RefusalTest, ADuplicateLeavesNoTraceEither) {
  const auto files = test::directory_content(store_path());
  const std::string before = answers();
  const Appended again = append(idempotent(0));
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_EQ(again.base_offset, Offset(0));
  EXPECT_EQ(again.last_offset, Offset(0));
  EXPECT_EQ(again.append_time, Timestamp(1000));  // its max timestamp, on CreateTime topics too
  EXPECT_EQ(answers(), before);
  EXPECT_EQ(test::directory_content(store_path()), files);
}

TEST_F(RefusalTest, RefusedMarkersLeaveNoTrace) {
  expect_marker_refused(ErrorCode::INVALID_PRODUCER_EPOCH,
                        {.producer_id = 9, .producer_epoch = 1, .coordinator_epoch = 5});
  expect_marker_refused(ErrorCode::TRANSACTION_COORDINATOR_FENCED,
                        {.producer_id = 9, .producer_epoch = 2, .coordinator_epoch = 4});
}

TEST_F(RefusalTest, ABadFollowerAppendLeavesNoTrace) {
  const auto batch = [](std::int64_t base, std::int32_t epoch = 9) {
    return make_batch({.base = base, .leader_epoch = epoch});
  };
  const std::int64_t end = log_->ends().log_end.value();
  expect_follower_refused(ErrorCode::UNKNOWN_SERVER_ERROR, batch(end - 1));
  expect_follower_refused(ErrorCode::UNKNOWN_SERVER_ERROR, batch(end, -1));
  expect_follower_refused(ErrorCode::UNKNOWN_SERVER_ERROR,
                          test::join({batch(end + 1), batch(end)}));
  auto plain = transactional(1, 8);
  plain.is_transactional = false;
  plain.base = end + 1;
  plain.leader_epoch = 9;
  // The first batch is fine; the second is not: neither is stored.
  expect_follower_refused(ErrorCode::INVALID_TXN_STATE,
                          test::join({batch(end), make_batch(plain)}));
  std::vector<Buffer> many(5);
  for (int i = 0; i < 5; ++i) many[static_cast<std::size_t>(i)] = batch(end + i);
  expect_follower_refused(ErrorCode::RECORD_LIST_TOO_LARGE, test::join(many));
  // Where they begin is asked before how many they are.
  many.front() = batch(end - 1);
  expect_follower_refused(ErrorCode::UNKNOWN_SERVER_ERROR, test::join(many));
  // Too far apart for the index of one segment, and the roll that it would need is undone.
  expect_follower_refused(ErrorCode::INVALID_RECORD,
                          test::join({batch(end), batch(end + (std::int64_t{1} << 31))}));
}

// ---- failures

TEST_F(AppendTest, AFailedWriteStoresNothingAndTheNextOneGoesOn) {
  open();
  append();
  const std::string before = answers();
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = ".log", .os_errno = ENOSPC});
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::STORAGE_FULL));
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = ".log"});
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_EQ(answers(), before);
  EXPECT_EQ(append().base_offset, Offset(1));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(AppendTest, AFailedWriteAtARollLeavesNoSegment) {
  options_.config.segment_bytes = static_cast<std::int32_t>(size_);
  open();
  append();
  const std::string before = answers();
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = ".log", .os_errno = ENOSPC});
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(answers(), before);
  EXPECT_FALSE(std::filesystem::exists(log_path(1)));
  close_and_open();
  EXPECT_TRUE(report().was_clean);
  append();
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(1)));
}

TEST_F(AppendTest, ARollThatFindsNoSpaceToPreallocateLeavesNoSegment) {
  options_.config.segment_bytes = static_cast<std::int32_t>(size_);
  options_.config.preallocate = true;
  open();
  append();
  const std::string before = answers();
  vfs_.plan().add(
      {.call = IoCall::kPreallocate, .path_part = ".log", .is_lasting = true, .os_errno = ENOSPC});
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(answers(), before);
  close_and_open();
  EXPECT_TRUE(report().was_clean);
}

TEST_F(AppendTest, AFailedSyncPoisonsUntilTheLogIsReopened) {
  open();
  append();
  vfs_.plan().add({.call = IoCall::kSync, .path_part = ".log"});
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_EQ(vfs_.plan().struck_count(), 1);
  for (int i = 0; i < 2; ++i) {  // nothing is tried again
    EXPECT_THAT(log_->append_as_leader(make_batch()),
                FailsWith(ErrorCode::PARTITION_POISONED, "fault of the test"));
  }
  EXPECT_THAT(log_->flush(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->roll(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->set_high_watermark(Offset(0)), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(5)), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(fetched(0), ElementsAre(0, 1));  // readers go on
  EXPECT_FALSE(store_->close());

  crash_and_open();
  EXPECT_FALSE(report().was_clean);
  append();
}

TEST_F(AppendTest, AStoredBatchIsNotRefusedBecauseAFlushLacksSpace) {
  options_.config.index_interval_bytes = 0;
  options_.config.flush_messages = 1;
  for (const Level level : {Level::kWritten, Level::kDurable}) {
    open();
    append();
    append();
    vfs_.plan().add(
        {.call = IoCall::kWrite, .path_part = "index", .is_lasting = true, .os_errno = ENOSPC});
    const Offset end = log_->ends().log_end;
    const auto appended = log_->append_as_leader(make_batch(), {.level = level});
    vfs_.plan().clear();
    ASSERT_THAT(appended, Succeeds());
    EXPECT_EQ(appended->base_offset, end);
    EXPECT_EQ(appended->level, level);
    close();
  }
}

TEST_F(AppendTest, ADurableBatchNeedsNoSpaceForTheIndexesOfClosedSegments) {
  options_.config.index_interval_bytes = 0;
  options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
  open();
  for (int i = 0; i < 3; ++i) append({.timestamp = 1000 + i});
  vfs_.plan().add(
      {.call = IoCall::kWrite, .path_part = "index", .is_lasting = true, .os_errno = ENOSPC});
  const auto rolled = log_->append_as_leader(make_batch({.timestamp = 2000}));
  ASSERT_THAT(rolled, Succeeds());
  EXPECT_EQ(rolled->level, Level::kDurable);
  vfs_.plan().clear();
  EXPECT_THAT(log_->flush(), Succeeds());
  EXPECT_EQ(test::read_file(file(0, segment::kOffsetIndexSuffix)).size(), 16u);
}

// ---- levels

TEST_F(AppendTest, AnAppendIsAnsweredAtTheLevelItReached) {
  open();
  EXPECT_EQ(append({}, {.level = Level::kWritten}).level, Level::kWritten);
  EXPECT_EQ(log_->ends().durable_end, Offset(0));
  EXPECT_EQ(append().level, Level::kDurable);  // the default
  EXPECT_EQ(log_->ends().durable_end, Offset(2));
  EXPECT_THAT(log_->wait_durable(Offset(2)), Succeeds());
  EXPECT_THAT(log_->wait_durable(Offset(3)), FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE));
}

TEST_F(AppendTest, ADuplicateWaitsForItsOriginalToBeDurable) {
  open();
  append(idempotent(0), {.level = Level::kWritten});
  EXPECT_EQ(append(idempotent(0), {.level = Level::kWritten}).level, Level::kWritten);
  EXPECT_EQ(log_->ends().durable_end, Offset(0));
  const Appended again = append(idempotent(0), {.level = Level::kDurable});
  EXPECT_TRUE(again.is_duplicate);
  EXPECT_EQ(again.level, Level::kDurable);
  EXPECT_EQ(log_->ends().durable_end, Offset(1));
}

// ---- the high watermark

TEST_F(AppendTest, TheHighWatermarkFollowsTheDurableEnd) {
  open();
  append({}, {.level = Level::kWritten});
  EXPECT_EQ(log_->ends().high_watermark, Offset(0));
  append();
  EXPECT_EQ(log_->ends().high_watermark, Offset(2));
}

TEST_F(AppendTest, TheHighWatermarkOfLevelWrittenFollowsTheLogEnd) {
  options_.level = Level::kWritten;
  open();
  EXPECT_EQ(append().level, Level::kWritten);
  EXPECT_EQ(log_->ends().high_watermark, Offset(1));
  EXPECT_EQ(log_->ends().durable_end, Offset(0));
}

TEST_F(AppendTest, AManualHighWatermarkMovesOnlyWhenItIsSet) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  append();
  append();
  EXPECT_EQ(log_->ends().high_watermark, Offset(0));
  EXPECT_EQ(test::value_of(log_->set_high_watermark(Offset(1))), Offset(1));
  EXPECT_EQ(test::value_of(log_->set_high_watermark(Offset(99))), Offset(2));
  EXPECT_EQ(test::value_of(log_->set_high_watermark(Offset(0))), Offset(0));
  EXPECT_THAT(fetched(0, Isolation::kReadUncommitted), IsEmpty());
  test::value_of(log_->set_high_watermark(Offset(1)));
  close_and_open();
  EXPECT_EQ(log_->ends().high_watermark, Offset(1));  // as it was checkpointed
}

TEST_F(AppendTest, ADurableHighWatermarkOverWrittenAppendsMovesWithTheFlush) {
  options_.level = Level::kWritten;
  options_.high_watermark = HighWatermarkPolicy::kDurable;
  options_.config.flush_messages = 3;
  open();
  append();
  append();
  EXPECT_EQ(log_->ends().high_watermark, Offset(0));
  append();
  EXPECT_EQ(log_->ends().high_watermark, Offset(3));
}

TEST_F(AppendTest, ACompletedTransactionIsReleasedWhenItsMarkerIsReplicated) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  append({.records = 6});
  append(transactional(0));
  append(transactional(1));
  append_marker({.producer_id = 7});
  const auto stable_at = [&](std::int64_t high_watermark) {
    test::value_of(log_->set_high_watermark(Offset(high_watermark)));
    return log_->ends().last_stable_offset.value();
  };
  EXPECT_EQ(stable_at(5), 5);
  EXPECT_EQ(stable_at(8), 6);
  EXPECT_EQ(stable_at(9), 9);
}

// ---- as a follower

TEST_F(AppendTest, AFollowerKeepsOffsetsEpochsAndGaps) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  const Buffer bytes = test::join({make_batch({.base = 5, .leader_epoch = 2}),
                                   make_batch({.base = 9, .leader_epoch = 4, .records = 2})});
  const Appended appended =
      test::value_of(log_->append_as_follower(bytes, {.leader_high_watermark = Offset(7)}));
  EXPECT_EQ(appended.base_offset, Offset(5));
  EXPECT_EQ(appended.last_offset, Offset(10));
  EXPECT_EQ(log_->ends().log_end, Offset(11));
  EXPECT_EQ(log_->ends().high_watermark, Offset(7));
  EXPECT_EQ(test::value_of(test::value_of(log_->fetch(Offset(0), {Isolation::kReplica})).read()),
            bytes);
  EXPECT_THAT(log_->leader_epochs(), ElementsAre(LeaderEpochStart{LeaderEpoch(2), Offset(5)},
                                                 LeaderEpochStart{LeaderEpoch(4), Offset(9)}));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(AppendTest, AFollowersHighWatermarkIsClampedToItsLog) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  const auto append_at = [&](std::int64_t base, std::int64_t high_watermark) {
    EXPECT_THAT(log_->append_as_follower(make_batch({.base = base, .leader_epoch = 0}),
                                         {.leader_high_watermark = Offset(high_watermark)}),
                Succeeds());
    return log_->ends().high_watermark.value();
  };
  EXPECT_EQ(append_at(0, 100), 1);
  EXPECT_EQ(append_at(1, 0), 0);
}

TEST_F(AppendTest, AnEmptyFollowerAppendStillMovesTheEnds) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  append();
  EXPECT_THAT(log_->append_as_follower({}, {.leader_high_watermark = Offset(1)}), Succeeds());
  EXPECT_EQ(log_->ends().high_watermark, Offset(1));
}

}  // namespace
}  // namespace oncelog
