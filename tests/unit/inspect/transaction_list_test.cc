#include "inspect/transaction_list.h"

#include <gmock/gmock.h>

#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using test::make_marker;
using test::transactional;
using testing::IsEmpty;
using testing::SizeIs;

class ListTransactions : public testing::Test {
 protected:
  std::vector<ListedTransaction> list() {
    std::vector<ListedTransaction> all;
    const auto listing = list_transactions(files_.path(), [&](const ListedTransaction& one) {
      all.push_back(one);
      return true;
    });
    EXPECT_TRUE(listing) << listing.error().text();
    if (listing) listing_ = *listing;
    return all;
  }

  test::PartitionFiles files_;
  TransactionListing listing_;
};

TEST_F(ListTransactions, ATransactionHasItsRecordsItsMarkerAndItsEnd) {
  files_.append(0, join({transactional(0, 1, 0, 2), make_batch({.base = 2}), transactional(3, 1, 2),
                         make_marker(4, MarkerType::kCommit, 1, 5000), transactional(5, 1, 3),
                         make_marker(6, MarkerType::kAbort, 1)}));
  const auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].state, TransactionState::kCommitted);
  EXPECT_EQ(all[0].first_offset, Offset(0));
  EXPECT_EQ(all[0].last_offset, Offset(3));
  EXPECT_EQ(all[0].marker_offset, Offset(4));
  EXPECT_EQ(all[0].record_count, 3);
  EXPECT_EQ(all[0].batch_count, 2);
  EXPECT_EQ(all[0].first_timestamp, Timestamp(1000));
  EXPECT_EQ(all[0].last_timestamp, Timestamp(5000));
  EXPECT_EQ(all[1].state, TransactionState::kAborted);
  EXPECT_EQ(all[1].first_offset, Offset(5));
  EXPECT_EQ(listing_.newest_timestamp, Timestamp(5000));
}

TEST_F(ListTransactions, OpenOnesComeLastByFirstOffset) {
  files_.append(0, join({transactional(0, 9), transactional(1, 2), transactional(2, 5),
                         make_marker(3, MarkerType::kCommit, 2)}));
  files_.append(4, transactional(4, 2, 1));
  const auto all = list();
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(all[0].producer_id, ProducerId(2));
  EXPECT_EQ(all[1].producer_id, ProducerId(9));
  EXPECT_EQ(all[2].producer_id, ProducerId(5));
  EXPECT_EQ(all[3].producer_id, ProducerId(2));
  EXPECT_EQ(all[3].state, TransactionState::kOpen);
  EXPECT_FALSE(all[3].marker_offset);
  // What the marker before brought is what an abort by hand has to name.
  EXPECT_EQ(all[3].coordinator_epoch, all[0].coordinator_epoch);
  EXPECT_EQ(all[1].coordinator_epoch, kNoCoordinatorEpoch);
}

TEST_F(ListTransactions, AMarkerWithoutDataIsATransactionThatWroteNothing) {
  files_.append(0, make_marker(0, MarkerType::kAbort, 7));
  const auto all = list();
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_FALSE(all[0].first_offset);
  EXPECT_EQ(all[0].record_count, 0);
  EXPECT_EQ(all[0].marker_offset, Offset(0));
}

TEST_F(ListTransactions, DamageIsNamedAndWhatFollowsIsListed) {
  const Buffer first = transactional(0, 1);
  files_.append(0, join({first, make_marker(1, MarkerType::kCommit, 1), transactional(2, 3)}));
  files_.flip(files_.segment(0), first.size() + 70);
  const auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].state, TransactionState::kOpen);  // its marker is what was damaged
  EXPECT_THAT(listing_.problems, SizeIs(1));
}

TEST_F(ListTransactions, TheVisitorEndsTheListing) {
  files_.append(0, join({transactional(0, 1), transactional(1, 2)}));
  int visits = 0;
  ASSERT_TRUE(list_transactions(files_.path(), [&](const ListedTransaction&) {
    ++visits;
    return false;
  }));
  EXPECT_EQ(visits, 1);
}

TEST_F(ListTransactions, PlainBatchesAreNone) {
  files_.append(0, make_batch({.base = 0, .producer = 4}));
  EXPECT_THAT(list(), IsEmpty());
}

}  // namespace
}  // namespace oncelog
