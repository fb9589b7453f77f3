#include "producer/transaction_tracker.h"

#include <gtest/gtest.h>

namespace oncelog::producer {
namespace {

record::BatchHeader batch(std::int64_t offset, std::int64_t producer, bool is_control) {
  record::BatchHeader header;
  header.base_offset = Offset(offset);
  header.producer_id = ProducerId(producer);
  header.attributes = record::kTransactionalBit;
  if (is_control) header.attributes |= record::kControlBit;
  header.record_count = 1;
  return header;
}

class TransactionTrackerTest : public testing::Test {
 protected:
  void data(std::int64_t offset, std::int64_t producer) {
    EXPECT_FALSE(tracker_.add(batch(offset, producer, false), {}));
  }
  std::optional<AbortedTransactionEntry> marker(std::int64_t offset, std::int64_t producer,
                                                MarkerType type) {
    ControlRecord control;
    control.type = static_cast<std::int16_t>(type);
    return tracker_.add(batch(offset, producer, true), control);
  }
  TransactionTracker tracker_;
};

TEST_F(TransactionTrackerTest, InterleavedAbortsNameTheOldestOtherTransaction) {  // B9
  data(10, 1);
  data(11, 2);
  const auto first = marker(12, 1, MarkerType::kAbort);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->first_offset, Offset(10));
  EXPECT_EQ(first->last_offset, Offset(12));
  EXPECT_EQ(first->last_stable_offset, Offset(11));
  const auto second = marker(13, 2, MarkerType::kAbort);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->last_stable_offset, Offset(14));
}

TEST_F(TransactionTrackerTest, CommitsAndEmptyTransactionsHaveNoEntry) {
  data(0, 1);
  EXPECT_FALSE(marker(1, 1, MarkerType::kCommit));
  EXPECT_FALSE(marker(2, 1, MarkerType::kAbort));
}

TEST_F(TransactionTrackerTest, ATransactionThatBeganBelowTheLogIsEndedLikeAnyOther) {
  tracker_.begin(ProducerId(5), Offset(3));
  data(100, 5);
  const auto aborted = marker(101, 5, MarkerType::kAbort);
  ASSERT_TRUE(aborted);
  EXPECT_EQ(aborted->first_offset, Offset(3));
}

TEST_F(TransactionTrackerTest, BatchesWithoutAProducerOrARecordSayNothing) {
  data(0, -1);
  data(1, 4);
  EXPECT_FALSE(tracker_.add(batch(2, 4, true), {}));
  EXPECT_TRUE(marker(3, 4, MarkerType::kAbort));
}

}  // namespace
}  // namespace oncelog::producer
