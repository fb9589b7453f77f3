#include "producer/transaction_tracker.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "producer/producer_table.h"

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

/// What follows batches through both, one by one, as an open does.
class TrackerAndTable {
 public:
  void add(const record::BatchHeader& header, const std::optional<ControlRecord>& control) {
    pending_.clear();
    // No log holds what replication refuses: the open fails.
    if (!pending_.check(header, control, Strictness::kReplication)) return;
    pending_.prepare();
    table_.apply(pending_);
    const auto aborted = tracker_.add(header, control);
    ASSERT_EQ(aborted.has_value(), !pending_.aborted().empty()) << header.base_offset.value();
    if (aborted) {
      const AbortedTransactionEntry& expected = pending_.aborted().front();
      EXPECT_EQ(aborted->producer_id, expected.producer_id);
      EXPECT_EQ(aborted->first_offset, expected.first_offset);
      EXPECT_EQ(aborted->last_offset, expected.last_offset);
      EXPECT_EQ(aborted->last_stable_offset, expected.last_stable_offset);
      ++aborted_count_;
    }
    std::map<Offset, ProducerId> open;
    constexpr Offset kAll{std::numeric_limits<std::int64_t>::max()};
    for (const auto& [first, id] : table_.open_transactions_below(kAll)) open.emplace(first, id);
    EXPECT_EQ(tracker_.open(), open) << header.base_offset.value();
  }
  [[nodiscard]] const std::map<Offset, ProducerId>& open() const { return tracker_.open(); }
  [[nodiscard]] int aborted_count() const { return aborted_count_; }

 private:
  ProducerTable table_;
  PendingAppend pending_{table_};
  TransactionTracker tracker_;
  int aborted_count_ = 0;
};

ControlRecord control_of(MarkerType type) {
  ControlRecord control;
  control.type = static_cast<std::int16_t>(type);
  return control;
}

TEST(TransactionTrackerAndTable, ADataBatchThatCompactionHasEmptiedBeginsATransactionAllTheSame) {
  TrackerAndTable both;
  auto empty = batch(10, 1, false);
  empty.record_count = 0;  // its marker stays as long as it does (23.4)
  both.add(empty, {});
  EXPECT_EQ(both.open(), (std::map<Offset, ProducerId>{{Offset(10), ProducerId(1)}}));
  empty.base_offset = Offset(11);
  both.add(empty, {});
  EXPECT_EQ(both.open().begin()->first, Offset(10));
  both.add(batch(12, 1, true), {});  // an emptied marker says nothing (6.10)
  EXPECT_EQ(both.open().size(), 1u);
  both.add(batch(13, 1, true), control_of(MarkerType::kAbort));
  EXPECT_TRUE(both.open().empty());
  EXPECT_EQ(both.aborted_count(), 1);
}

TEST(TransactionTrackerAndTable, AgreeOnWhateverALogMayHold) {
  std::mt19937_64 random(11);
  const auto pick = [&](int count) {
    return static_cast<int>(random() % static_cast<unsigned>(count));
  };
  TrackerAndTable both;
  Offset next{};
  for (int i = 0; i < 2000; ++i) {
    const bool is_control = pick(3) == 0;
    auto header = batch(next.value() + pick(2), pick(6) - 1, is_control);
    header.record_count = pick(3);
    header.last_offset_delta = pick(3);
    header.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(pick(2)));
    header.base_sequence = Sequence(pick(4));
    if (pick(4) == 0) header.attributes &= ~record::kTransactionalBit;
    std::optional<ControlRecord> control;
    if (is_control && header.record_count > 0) {
      control = control_of(pick(2) == 0 ? MarkerType::kAbort : MarkerType::kCommit);
    }
    both.add(header, control);
    next = header.next_offset();
  }
  EXPECT_GT(both.aborted_count(), 100);
}

}  // namespace
}  // namespace oncelog::producer
