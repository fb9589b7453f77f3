#include <gmock/gmock.h>

#include "oncelog/inspect_partition.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::join;
using test::make_batch;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ListEpochs : public testing::Test {
 protected:
  ListEpochs() {
    files_.append(0, join({make_batch({.base = 0, .leader_epoch = 1}),
                           make_batch({.base = 1, .records = 2, .leader_epoch = 1}),
                           make_batch({.base = 3, .leader_epoch = 4})}));
  }
  void write_epochs(std::string_view text) {
    files_.write(files_.file("leader-epoch-checkpoint"), text);
  }
  EpochListing list() {
    auto listing = list_epochs(files_.path());
    EXPECT_TRUE(listing) << listing.error().text();
    return listing ? *std::move(listing) : EpochListing{};
  }

  test::PartitionFiles files_;
};

TEST_F(ListEpochs, FileAndBatchesStandBesideEachOther) {
  write_epochs("0\n3\n1 0\n4 3\n6 4\n");
  const EpochListing listing = list();
  ASSERT_THAT(listing.epochs, SizeIs(3));
  EXPECT_EQ(listing.epochs[0].start, Offset(0));
  EXPECT_EQ(listing.epochs[0].first_offset, Offset(0));
  EXPECT_EQ(listing.epochs[0].last_offset, Offset(2));
  EXPECT_EQ(listing.epochs[0].batch_count, 2);
  EXPECT_EQ(listing.epochs[2].start, Offset(4));
  EXPECT_FALSE(listing.epochs[2].first_offset);
  EXPECT_THAT(listing.problems, IsEmpty());
}

TEST_F(ListEpochs, ABatchThatTheFileDeniesIsAProblem) {
  write_epochs("0\n2\n1 0\n4 2\n");
  const EpochListing listing = list();
  EXPECT_THAT(listing.problems, IsEmpty());  // the batch at 1 begins in epoch 1
  write_epochs("0\n2\n1 0\n5 3\n");
  const EpochListing wrong = list();
  ASSERT_THAT(wrong.problems, SizeIs(1));
  EXPECT_THAT(wrong.problems[0].problem, HasSubstr("leader epoch is 4"));
  EXPECT_THAT(wrong.epochs, SizeIs(3));
}

// An owner of ours writes the file behind the batches.
TEST_F(ListEpochs, TheFileMayLackWhatBeginsBehindTheRecoveryPoint) {
  write_epochs("0\n1\n1 0\n");
  EXPECT_THAT(list().problems, IsEmpty());
  files_.write(files_.data_file("recovery-point-offset-checkpoint"), "0\n1\nt 0 4\n");
  EXPECT_THAT(list().problems, SizeIs(1));
}

TEST_F(ListEpochs, AnEpochBehindTheLogEndIsAProblem) {
  write_epochs("0\n3\n1 0\n4 3\n7 9\n");
  EXPECT_THAT(list().problems, SizeIs(1));
}

TEST_F(ListEpochs, AFileThatCannotBeReadLeavesTheBatches) {
  write_epochs("nonsense");
  const EpochListing listing = list();
  EXPECT_THAT(listing.problems, SizeIs(1));
  EXPECT_THAT(listing.epochs, SizeIs(2));
}

}  // namespace
}  // namespace oncelog
