#include "compaction/decided_transactions.h"

#include <gtest/gtest.h>

#include "support/batches.h"

namespace oncelog::compaction {
namespace {

using segment::TxnIndexEntry;
using test::make_header;

record::BatchHeader data(std::int64_t base, std::int64_t id, bool is_transactional = true) {
  return make_header({.base = base,
                      .is_transactional = is_transactional,
                      .producer_id = id,
                      .producer_epoch = 0,
                      .sequence = 0});
}
record::BatchHeader marker(std::int64_t base, std::int64_t id) { return data(base, id); }
TxnIndexEntry aborted(std::int64_t id, std::int64_t first, std::int64_t last) {
  return {ProducerId(id), Offset(first), Offset(last), Offset(last + 1)};
}

constexpr ControlRecord kAbort{.type = 0, .coordinator_epoch = CoordinatorEpoch(0)};
constexpr ControlRecord kCommit{.type = 1, .coordinator_epoch = CoordinatorEpoch(0)};

class DecidedTransactionsTest : public testing::Test {
 protected:
  void add(const std::vector<TxnIndexEntry>& entries) { transactions_.add_aborted(entries); }
  DecidedTransactions transactions_;
};

TEST_F(DecidedTransactionsTest, DataOfAnAbortedTransactionIsTold) {
  add({aborted(1, 10, 20)});
  EXPECT_FALSE(transactions_.read_data(data(5, 1)));
  EXPECT_TRUE(transactions_.read_data(data(10, 1)));
  EXPECT_TRUE(transactions_.read_data(data(12, 1)));
  EXPECT_FALSE(transactions_.read_data(data(13, 2))) << "another producer's";
  EXPECT_FALSE(transactions_.read_data(data(14, 1, false))) << "not transactional";
}

TEST_F(DecidedTransactionsTest, AnAbortMarkerWithDataStaysWithItsEntry) {
  const TxnIndexEntry entry{ProducerId(1), Offset(10), Offset(20), Offset(7)};
  add({entry});
  EXPECT_TRUE(transactions_.read_data(data(10, 1)));
  const auto verdict = transactions_.read_marker(marker(20, 1), kAbort);
  EXPECT_FALSE(verdict.is_removable);
  EXPECT_EQ(verdict.aborted, entry);
  EXPECT_FALSE(transactions_.read_data(data(21, 1))) << "the next one is committed";
}

TEST_F(DecidedTransactionsTest, AnAbortMarkerWithoutDataIsRemovable) {
  add({aborted(1, 10, 20)});
  const auto verdict = transactions_.read_marker(marker(20, 1), kAbort);
  EXPECT_TRUE(verdict.is_removable);
  EXPECT_FALSE(verdict.aborted);
  EXPECT_TRUE(transactions_.read_marker(marker(30, 1), kAbort).is_removable) << "without an entry";
}

TEST_F(DecidedTransactionsTest, ACommitMarkerStaysAsLongAsDataWasSeen) {
  EXPECT_FALSE(transactions_.read_data(data(1, 1)));
  EXPECT_FALSE(transactions_.read_marker(marker(2, 1), kCommit).is_removable);
  EXPECT_TRUE(transactions_.read_marker(marker(3, 1), kCommit).is_removable);
}

TEST_F(DecidedTransactionsTest, TheSameEntryMayComeAgainBeforeItsMarker) {
  add({aborted(1, 10, 20)});
  EXPECT_TRUE(transactions_.read_data(data(10, 1)));
  add({aborted(1, 10, 20)});
  EXPECT_TRUE(transactions_.read_marker(marker(20, 1), kAbort).aborted);
  EXPECT_FALSE(transactions_.read_data(data(21, 1)));
}

TEST_F(DecidedTransactionsTest, AnotherControlRecordIsNeverRemovableAnEmptyOneAlways) {
  EXPECT_FALSE(transactions_.read_marker(marker(1, 1), ControlRecord{.type = 5}).is_removable);
  EXPECT_TRUE(transactions_.read_marker(marker(2, 1), std::nullopt).is_removable);
}

}  // namespace
}  // namespace oncelog::compaction
