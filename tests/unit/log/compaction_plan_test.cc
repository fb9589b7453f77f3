// When a round is due, where it begins and ends, and which segments become one.
#include "log/compaction_plan.h"

#include <gmock/gmock.h>

#include "support/compaction_fixture.h"

namespace oncelog {
namespace {

using test::value_of;
using testing::ElementsAre;

class CompactionPlanTest : public test::CompactionFixture {
 protected:
  [[nodiscard]] std::int64_t cleaned_to() { return compact().cleaned_to.value(); }
  const std::int64_t size_ = std::ssize(test::make_keyed({{"a", "1"}}));
};

TEST_F(CompactionPlanTest, WithoutThePolicyNothingIsDue) {
  options_.config.cleanup_compact = false;
  options_.config.cleanup_delete = true;
  open();
  put_segment({{"a", "1"}});
  EXPECT_FALSE(compact().was_due);
}

TEST_F(CompactionPlanTest, TheDirtyRatioMustBeExceeded) {
  options_.config.min_cleanable_dirty_ratio = 0.5;
  open();
  put_segment({{"a", "1"}});
  EXPECT_DOUBLE_EQ(compact().dirty_ratio, 1.0);
  put_segment({{"b", "1"}});
  const CompactionReport equal = compact();
  EXPECT_DOUBLE_EQ(equal.dirty_ratio, 0.5);
  EXPECT_FALSE(equal.was_due);
  put_segment({{"c", "1"}});
  EXPECT_TRUE(compact().was_due);
}

TEST_F(CompactionPlanTest, TheSegmentWithTheLastStableOffsetIsLeftAlone) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"a", "2"}});
  put({{"a", "3"}});
  put_by(1, 0, "t", true);
  roll();
  put_segment({{"a", "4"}});
  EXPECT_EQ(cleaned_to(), 2);
  append_marker({.type = MarkerType::kCommit, .producer_id = 1});
  roll();
  EXPECT_EQ(cleaned_to(), 6);
}

TEST_F(CompactionPlanTest, TheSegmentWithTheHighWatermarkIsLeftAlone) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  put_segment({{"a", "1"}});
  put({{"a", "2"}});
  put_segment({{"a", "3"}});
  value_of(log_->set_high_watermark(Offset(2)));
  EXPECT_EQ(cleaned_to(), 1);
}

TEST_F(CompactionPlanTest, WhatIsYoungerThanTheMinimumLagIsLeftAlone) {
  options_.config.min_compaction_lag_ms = 1000;
  open();
  clock_.set(Timestamp(10'000));
  put_segment({{"a", "1", 8999}});
  put_segment({{"a", "2", 9001}});
  put_segment({{"a", "3", 8000}});
  EXPECT_EQ(cleaned_to(), 1);
  clock_.set(Timestamp(10'001));
  EXPECT_EQ(cleaned_to(), 3);
}

TEST_F(CompactionPlanTest, WhatIsOlderThanTheMaximumLagIsDueWhateverTheRatio) {
  options_.config.min_cleanable_dirty_ratio = 1;
  options_.config.max_compaction_lag_ms = 1000;
  options_.config.segment_ms = kUnlimited;
  open();
  clock_.set(Timestamp(10'000));
  put_segment({{"a", "1", 9000}});
  EXPECT_FALSE(compact().was_due);
  clock_.set(Timestamp(10'001));
  EXPECT_TRUE(compact().was_due);
}

TEST_F(CompactionPlanTest, ACheckpointOutsideOfTheLogIsWrittenAnew) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"a", "2"}});
  compact();
  close();
  {
    const std::string path = store_path() + "/cleaner-offset-checkpoint";
    const std::string text = "0\n1\nt 0 99\n";
    std::ofstream(path, std::ios::binary) << text;
  }
  open();
  const CompactionReport report = compact();
  EXPECT_TRUE(report.was_due);
  EXPECT_EQ(report.first_dirty, Offset(0));
  EXPECT_EQ(report.cleaned_to, Offset(2));
}

TEST_F(CompactionPlanTest, ATruncationTakesTheBeginOfTheNextRoundBack) {
  open();
  for (int i = 0; i < 3; ++i) put_segment({{std::to_string(i), "1"}});
  options_.config.segment_bytes = static_cast<std::int32_t>(size_);
  EXPECT_EQ(cleaned_to(), 3);
  value_of(log_->truncate_to(Offset(2)));
  put_segment({{"0", "2"}});
  EXPECT_EQ(cleaned_to(), 3);
  EXPECT_THAT(records(), ElementsAre("1 1=1", "2 0=2"));
}

TEST_F(CompactionPlanTest, SegmentsBecomeOneAsLongAsTheirBytesFit) {
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_);
  open();
  for (int i = 0; i < 5; ++i) put_segment({{std::to_string(i), "1"}});
  compact();
  EXPECT_THAT(bases(), ElementsAre(0, 2, 4, 5));
}

TEST_F(CompactionPlanTest, SizesBeforeTheRoundDecide) {
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_ - 1);
  open();
  for (int i = 0; i < 3; ++i) put_segment({{"a", "1"}});
  compact();
  EXPECT_THAT(bases(), ElementsAre(0, 1, 2, 3));
  put_segment({{"a", "1"}});
  compact();
  EXPECT_THAT(bases(), ElementsAre(0, 3, 4)) << "the empty ones are taken in";
}

}  // namespace
}  // namespace oncelog
