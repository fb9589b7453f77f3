// Offsets by time and by name, through the public interface.
#include <gmock/gmock.h>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::make_batch;
using test::value_of;

/// Segments of two batches, each of two records; the times go up by ten from 1000.
class ListOffsetsTest : public test::LogFixture {
 protected:
  ListOffsetsTest() {
    options_.level = Level::kWritten;
    options_.leader_epoch = LeaderEpoch(4);
    options_.high_watermark = HighWatermarkPolicy::kManual;
    options_.config.segment_bytes =
        static_cast<std::int32_t>(2 * make_batch({.records = 2}).size());
    open();
  }
  void append_at(std::int64_t timestamp) { append({.records = 2, .timestamp = timestamp}); }
  void append_six() {
    for (int i = 0; i < 6; ++i) append_at(1000 + 10 * i);
    value_of(log_->set_high_watermark(Offset(12)));
  }
  std::pair<std::int64_t, std::int64_t> find(Timestamp timestamp,
                                             Isolation isolation = Isolation::kReadUncommitted) {
    const OffsetFound found = value_of(log_->list_offsets(timestamp, isolation));
    return {found.offset.value(), found.timestamp.value()};
  }
};

using Pair = std::pair<std::int64_t, std::int64_t>;
constexpr Pair kNotFound{-1, -1};

TEST_F(ListOffsetsTest, TheEarliestIsTheLogStart) {
  EXPECT_EQ(find(kEarliestTimestamp), Pair(0, -1));
  append_six();
  EXPECT_EQ(find(kEarliestTimestamp), Pair(0, -1));
  EXPECT_EQ(log_->list_offsets(kEarliestTimestamp, Isolation::kReplica)->leader_epoch,
            LeaderEpoch(4));
}

TEST_F(ListOffsetsTest, TheLatestIsTheBoundOfTheIsolation) {
  append_six();
  append({.is_transactional = true, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append_at(2000);
  value_of(log_->set_high_watermark(Offset(13)));
  EXPECT_EQ(find(kLatestTimestamp, Isolation::kReplica), Pair(15, -1));
  EXPECT_EQ(find(kLatestTimestamp, Isolation::kReadUncommitted), Pair(13, -1));
  EXPECT_EQ(find(kLatestTimestamp, Isolation::kReadCommitted), Pair(12, -1));
}

// As Kafka answers (the history largest-time-of-records-without-one).
TEST_F(ListOffsetsTest, WhereNoRecordHasATimeTheLargestIsTheFirstOfThem) {
  append_at(-1);
  append_at(-1);
  append_at(-1);
  value_of(log_->set_high_watermark(Offset(6)));
  EXPECT_EQ(find(kMaxTimestamp), Pair(0, -1));
  value_of(log_->delete_records(Offset(5)));
  EXPECT_EQ(find(kMaxTimestamp), Pair(5, -1));
  append_at(7);
  value_of(log_->set_high_watermark(Offset(8)));
  EXPECT_EQ(find(kMaxTimestamp), Pair(6, 7));
}

TEST_F(ListOffsetsTest, ATimeGivesTheFirstRecordAtOrAfterIt) {
  append_six();
  EXPECT_EQ(find(Timestamp(0)), Pair(0, 1000));
  EXPECT_EQ(find(Timestamp(1000)), Pair(0, 1000));
  EXPECT_EQ(find(Timestamp(1001)), Pair(2, 1010));
  EXPECT_EQ(find(Timestamp(1020)), Pair(4, 1020));
  EXPECT_EQ(find(Timestamp(1050)), Pair(10, 1050));
  EXPECT_EQ(find(Timestamp(1051)), kNotFound);
}

TEST_F(ListOffsetsTest, WhatTheIsolationHidesIsNotFound) {
  append_six();
  value_of(log_->set_high_watermark(Offset(4)));
  EXPECT_EQ(find(Timestamp(1010)), Pair(2, 1010));
  EXPECT_EQ(find(Timestamp(1020)), kNotFound);
  EXPECT_EQ(find(Timestamp(1020), Isolation::kReplica), Pair(4, 1020));
  EXPECT_EQ(find(kMaxTimestamp), kNotFound);
}

TEST_F(ListOffsetsTest, TheMaximumIsTheFirstRecordThatCarriesIt) {
  EXPECT_EQ(find(kMaxTimestamp), kNotFound);
  append_at(1000);
  append_at(9000);
  append_at(5000);
  append_at(9000);
  value_of(log_->set_high_watermark(Offset(8)));
  EXPECT_EQ(find(kMaxTimestamp), Pair(2, 9000));
}

TEST_F(ListOffsetsTest, RecordsBelowTheLogStartAreNotFound) {
  append_six();
  ASSERT_THAT(log_->append_as_follower({}, {.leader_log_start = Offset(3)}), test::Succeeds());
  EXPECT_EQ(find(kEarliestTimestamp), Pair(3, -1));
  EXPECT_EQ(find(Timestamp(0)), Pair(3, 1010));
  close();
  open();
  EXPECT_EQ(log_->ends().log_start, Offset(3));  // and it stays
  EXPECT_EQ(find(Timestamp(0), Isolation::kReplica), Pair(3, 1010));
}

TEST_F(ListOffsetsTest, TheMaximumBelowTheLogStartDoesNotCount) {
  append_at(9000);
  append_at(5000);
  append_at(6000);
  value_of(log_->set_high_watermark(Offset(6)));
  ASSERT_THAT(log_->append_as_follower({}, {.leader_log_start = Offset(2)}), test::Succeeds());
  EXPECT_EQ(find(kMaxTimestamp), Pair(4, 6000));
}

TEST_F(ListOffsetsTest, OtherNegativeTimesHaveNoMeaning) {
  EXPECT_THAT(log_->list_offsets(Timestamp(-4), Isolation::kReplica),
              FailsWith(ErrorCode::UNSUPPORTED_VERSION));
}

TEST_F(ListOffsetsTest, ADamagedBatchIsNamed) {
  append_six();
  test::flip_byte(log_path(0), 70);
  EXPECT_THAT(log_->list_offsets(Timestamp(0), Isolation::kReplica),
              FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_EQ(find(Timestamp(1020)), Pair(4, 1020));  // the log stays open
}

// ---- the log start itself

TEST_F(ListOffsetsTest, TheLogStartNeverPassesTheHighWatermark) {
  append_six();
  value_of(log_->set_high_watermark(Offset(5)));
  EXPECT_THAT(log_->append_as_follower({}, {.leader_log_start = Offset(6)}),
              FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE, "high watermark 5"));
  EXPECT_EQ(log_->ends().log_start, Offset(0));
}

TEST_F(ListOffsetsTest, TheLogStartNeverGoesBack) {
  append_six();
  for (const std::int64_t to : {5, 3}) {
    ASSERT_THAT(log_->append_as_follower({}, {.leader_log_start = Offset(to)}), test::Succeeds());
  }
  EXPECT_EQ(log_->ends().log_start, Offset(5));
  EXPECT_THAT(log_->fetch(Offset(4)), FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE));
  EXPECT_EQ(log_->leader_epochs().front().start, Offset(5));
  EXPECT_GE(log_->ends().durable_end, Offset(5));  // the log up to it was synced first
  EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  crash_and_open();
  EXPECT_EQ(log_->ends().log_start, Offset(5));
}

}  // namespace
}  // namespace oncelog
