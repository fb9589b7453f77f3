// What a swap does to the directory, to seals and to the checkpoints of the producers, and what an
// open makes of one that was interrupted.
#include "log/segment_swap.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "support/compaction_fixture.h"

namespace oncelog {
namespace {

using segment::kCleanedSuffix;
using segment::kLogSuffix;
using segment::kOffsetIndexSuffix;
using segment::kSealSuffix;
using segment::kSwapSuffix;
using test::FailsWith;
using test::value_of;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

class SegmentSwapTest : public test::CompactionFixture {
 protected:
  SegmentSwapTest() {
    store_options_.sealed_segment_bytes_min = 0;
    options_.config.index_interval_bytes = 0;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    return value_of(posix_vfs().list(directory()));
  }
  /// Two segments with one record of a key each, and a third.
  void make_segments() {
    open();
    put({{"b", "0"}});
    put_segment({{"a", "1"}});
    put({{"b", "1"}});
    put_segment({{"a", "2"}});
    put({{"c", "1"}});
  }
};

TEST_F(SegmentSwapTest, OnlyTheNewFilesAreLeftAndTheyAreSealed) {
  make_segments();
  compact();
  EXPECT_THAT(names(), Contains("00000000000000000000.log"));
  EXPECT_THAT(names(), Contains("00000000000000000000.seal"));
  EXPECT_THAT(names(), Not(Contains("00000000000000000002.log")));
  EXPECT_THAT(names(), Not(Contains(testing::HasSubstr(".swap"))));
  EXPECT_THAT(names(), Not(Contains(testing::HasSubstr(".cleaned"))));
  expect_same_after_opens();
  EXPECT_THAT(value_of(log_->scrub()).findings, IsEmpty());
}

TEST_F(SegmentSwapTest, AFailureBeforeTheSwapLeavesTheLogAsItWas) {
  make_segments();
  ASSERT_THAT(log_->flush(), test::Succeeds());
  const std::string before = answers();
  vfs_.plan().add({.call = sim::IoCall::kSync, .path_part = ".index.cleaned", .os_errno = EIO});
  EXPECT_THAT(log_->compact(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(names(), Not(Contains(testing::HasSubstr(".cleaned"))));
  EXPECT_TRUE(compact().was_due);
}

TEST_F(SegmentSwapTest, AFailureInsideTheSwapPoisons) {
  make_segments();
  vfs_.plan().add({.call = sim::IoCall::kRename, .path_part = ".log.swap", .os_errno = EIO});
  EXPECT_THAT(log_->compact(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(records(), ElementsAre("0 b=0", "1 a=1", "2 b=1", "3 a=2", "4 c=1"));
  crash_and_open();
  EXPECT_THAT(records(), ElementsAre("0 b=0", "1 a=1", "2 b=1", "3 a=2", "4 c=1"));
  EXPECT_TRUE(compact().was_due);
  EXPECT_THAT(records(), ElementsAre("2 b=1", "3 a=2", "4 c=1"));
}

TEST_F(SegmentSwapTest, AnOpenFinishesASwapWhoseFilesAreAllThere) {
  make_segments();
  vfs_.plan().add({.call = sim::IoCall::kRemove, .path_part = "0000.log", .os_errno = EIO});
  EXPECT_THAT(log_->compact(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(records(), ElementsAre("2 b=1", "3 a=2", "4 c=1")) << "readers see the new segment";
  crash_and_open();
  EXPECT_THAT(records(), ElementsAre("2 b=1", "3 a=2", "4 c=1"));
  EXPECT_THAT(bases(), ElementsAre(0, 4));
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(SegmentSwapTest, ALeftoverOfAnEarlierRoundDoesNotUndoTheNextOne) {
  make_segments();
  const std::string leftover =
      file(0, std::string(kOffsetIndexSuffix) + std::string(kCleanedSuffix));
  std::ofstream(leftover, std::ios::binary) << "x";
  compact();
  EXPECT_FALSE(std::filesystem::exists(leftover));
}

TEST_F(SegmentSwapTest, ACheckpointIsKnownByTheBatchThatTookTheOldOnesPlace) {
  open();
  put_by(1, 0, "a");
  put_by(1, 1, "a");
  roll();
  value_of(log_->checkpoint());  // its last batch is the one that loses its record
  put_segment({{"a", "new"}});
  put({{"z", "1"}});
  compact();
  expect_same_after_opens();
  EXPECT_TRUE(put_by(1, 0, "a").is_duplicate);
}

TEST_F(SegmentSwapTest, OlderCheckpointsGoBecauseNothingCanBeReplayedBehindThem) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  put_by(1, 0, "a");
  value_of(log_->checkpoint());
  put_by(1, 1, "b");
  roll();
  put_by(1, 2, "b");
  value_of(log_->set_high_watermark(Offset(3)));
  compact();
  EXPECT_TRUE(value_of(log_->truncate_to(Offset(1))).has_replayed_all);
}

}  // namespace
}  // namespace oncelog
