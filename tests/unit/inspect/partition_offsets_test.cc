#include <gmock/gmock.h>

#include "oncelog/inspect_transactions.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::join;
using test::make_batch;
using test::make_marker;
using test::transactional;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ReadOffsets : public testing::Test {
 protected:
  void write_checkpoint(std::string_view name, std::int64_t offset) {
    files_.write(files_.data_file(name), "0\n1\nt 0 " + std::to_string(offset) + "\n");
  }
  void write_high_watermark(std::int64_t offset) {
    write_checkpoint("replication-offset-checkpoint", offset);
  }
  PartitionOffsets read() {
    auto offsets = read_offsets(files_.path());
    EXPECT_TRUE(offsets) << offsets.error().text();
    return offsets ? *std::move(offsets) : PartitionOffsets{};
  }

  test::PartitionFiles files_;
};

TEST_F(ReadOffsets, WithoutCheckpointsTheBatchesSayAll) {
  files_.append(3, join({make_batch({.base = 3}), make_batch({.base = 4, .records = 2})}));
  const PartitionOffsets offsets = read();
  EXPECT_EQ(offsets.log_start, Offset(3));
  EXPECT_EQ(offsets.last_stable_offset, Offset(6));
  EXPECT_EQ(offsets.high_watermark, Offset(6));
  EXPECT_EQ(offsets.log_end, Offset(6));
  EXPECT_FALSE(offsets.stored_high_watermark);
  EXPECT_EQ(offsets.bound, StableOffsetBound::kNothing);
  EXPECT_THAT(offsets.problems, IsEmpty());
}

TEST_F(ReadOffsets, TheEarliestOpenTransactionHoldsTheStableOffset) {
  files_.append(0, join({make_batch({.base = 0}), transactional(1, 8), transactional(2, 7)}));
  write_high_watermark(3);
  const PartitionOffsets offsets = read();
  EXPECT_EQ(offsets.last_stable_offset, Offset(1));
  EXPECT_EQ(offsets.bound, StableOffsetBound::kOpenTransaction);
  EXPECT_EQ(offsets.holder->producer_id, ProducerId(8));
  EXPECT_EQ(offsets.open_transaction_count, 2);
}

// Semantics 7.3: a marker at 8 needs a high watermark of 9.
TEST_F(ReadOffsets, ACompletedTransactionHoldsItUntilTheWatermarkIsAboveTheMarker) {
  files_.append(0, join({make_batch({.base = 0, .records = 6}), transactional(6, 1, 0, 2),
                         make_marker(8, MarkerType::kCommit, 1)}));
  write_high_watermark(8);
  PartitionOffsets offsets = read();
  EXPECT_EQ(offsets.last_stable_offset, Offset(6));
  EXPECT_EQ(offsets.bound, StableOffsetBound::kUnreplicatedTransaction);
  EXPECT_EQ(offsets.holder->marker_offset, Offset(8));
  write_high_watermark(9);
  offsets = read();
  EXPECT_EQ(offsets.last_stable_offset, Offset(9));
  EXPECT_EQ(offsets.bound, StableOffsetBound::kNothing);
}

TEST_F(ReadOffsets, BelowAllOfThemTheWatermarkHoldsIt) {
  files_.append(0, join({make_batch({.base = 0, .records = 4}), transactional(4, 1)}));
  write_high_watermark(4);
  const PartitionOffsets offsets = read();
  EXPECT_EQ(offsets.last_stable_offset, Offset(4));
  EXPECT_EQ(offsets.bound, StableOffsetBound::kHighWatermark);
  EXPECT_EQ(offsets.holder->first_offset, Offset(4));  // what comes next
}

TEST_F(ReadOffsets, AnOpenTransactionBelowTheLogStartHoldsItAtTheLogStart) {
  files_.append(0, join({transactional(0, 1), make_batch({.base = 1, .records = 4})}));
  write_checkpoint("log-start-offset-checkpoint", 3);
  const PartitionOffsets offsets = read();
  EXPECT_EQ(offsets.log_start, Offset(3));
  EXPECT_EQ(offsets.last_stable_offset, Offset(3));
  EXPECT_EQ(offsets.bound, StableOffsetBound::kOpenTransaction);
}

TEST_F(ReadOffsets, ACheckpointBehindTheLogEndIsAProblem) {
  files_.append(0, make_batch({.base = 0}));
  write_checkpoint("recovery-point-offset-checkpoint", 9);
  write_checkpoint("cleaner-offset-checkpoint", 9);  // Kafka mends this one itself
  const PartitionOffsets offsets = read();
  EXPECT_EQ(offsets.recovery_point, Offset(9));
  ASSERT_THAT(offsets.problems, SizeIs(1));
  EXPECT_THAT(offsets.problems[0].problem, HasSubstr("behind the log end 1"));
}

TEST_F(ReadOffsets, ACheckpointThatCannotBeReadIsAProblem) {
  files_.append(0, make_batch({.base = 0}));
  files_.write(files_.data_file("replication-offset-checkpoint"), "what?\n");
  EXPECT_THAT(read().problems, SizeIs(1));
}

}  // namespace
}  // namespace oncelog
