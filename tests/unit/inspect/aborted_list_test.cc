#include <gmock/gmock.h>

#include "oncelog/inspect_transactions.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_marker;
using test::transactional;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ListAborted : public testing::Test {
 protected:
  std::vector<ListedAbort> list() {
    std::vector<ListedAbort> all;
    auto problems = list_aborted(files_.path(), [&](const ListedAbort& found) {
      all.push_back(found);
      return true;
    });
    EXPECT_TRUE(problems) << problems.error().text();
    if (problems) problems_ = *std::move(problems);
    return all;
  }
  /// Producer 1 aborts 0 to 1, in the second segment producer 2 aborts 2 to 3.
  void write_two_aborts() {
    files_.append(0, join({transactional(0, 1), make_marker(1, MarkerType::kAbort, 1)}));
    files_.append(2, join({transactional(2, 2), make_marker(3, MarkerType::kAbort, 2)}));
  }

  test::PartitionFiles files_;
  std::vector<Problem> problems_;
};

TEST_F(ListAborted, EntriesThatTheBatchesConfirmAgree) {
  write_two_aborts();
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(1), Offset(2)}});
  files_.write_txn_index(2, {{ProducerId(2), Offset(2), Offset(3), Offset(4)}});
  const auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  for (const ListedAbort& one : all) {
    EXPECT_EQ(one.problem, "");
    EXPECT_EQ(one.position, 0);
    EXPECT_TRUE(one.stored && one.replayed);
  }
  EXPECT_EQ(all[1].stored->segment, Offset(2));
  EXPECT_EQ(all[1].stored->last_offset, Offset(3));
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(ListAborted, WhatTheIndexLacksIsListedFromTheBatches) {
  write_two_aborts();
  files_.write_txn_index(2, {{ProducerId(2), Offset(2), Offset(3), Offset(4)}});
  const auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_FALSE(all[0].stored);
  EXPECT_EQ(all[0].replayed->producer_id, ProducerId(1));
  EXPECT_THAT(all[0].problem, HasSubstr("is missing"));
  EXPECT_EQ(all[1].problem, "");
}

// An owner of ours writes the index of its last segment behind the batches.
TEST_F(ListAborted, TheLastIndexMayLackWhatLiesBehindTheRecoveryPoint) {
  write_two_aborts();
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(1), Offset(2)}});
  auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_FALSE(all[1].stored);
  EXPECT_EQ(all[1].problem, "");
  files_.write(files_.data_file("recovery-point-offset-checkpoint"), "0\n1\nt 0 4\n");
  all = list();
  EXPECT_THAT(all[1].problem, HasSubstr("is missing"));
}

TEST_F(ListAborted, AnEntryThatTheBatchesDenyIsNamed) {
  write_two_aborts();
  files_.write_txn_index(0, {{ProducerId(5), Offset(0), Offset(1), Offset(2)}});
  files_.write_txn_index(2, {{ProducerId(2), Offset(2), Offset(3), Offset(4)}});
  const auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_THAT(all[0].problem, HasSubstr("the marker is of producer 1"));
}

TEST_F(ListAborted, BehindDamageNothingIsDenied) {
  write_two_aborts();
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(1), Offset(2)}});
  files_.flip(files_.segment(0), 70);
  const auto all = list();
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[0].problem, "");
  EXPECT_FALSE(all[0].replayed);
  EXPECT_FALSE(all[1].stored);
  EXPECT_EQ(all[1].problem, "");
  EXPECT_THAT(problems_, SizeIs(1));
}

TEST_F(ListAborted, AFileThatCannotBeReadIsAProblem) {
  write_two_aborts();
  files_.write(files_.segment(0, ".txnindex"), Buffer(34, std::byte{0x7f}));
  (void)list();
  EXPECT_THAT(problems_, SizeIs(1));
}

}  // namespace
}  // namespace oncelog
