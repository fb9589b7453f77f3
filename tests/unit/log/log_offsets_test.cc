#include "log/log_offsets.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace oncelog::log {
namespace {

/// Log start 10, log end 100, high watermark and LSO 50.
class LogOffsetsTest : public testing::Test {
 protected:
  LogOffsetsTest() {
    offsets_.set_high_watermark(Offset(50));
    offsets_.set_first_unstable(std::nullopt);
  }
  [[nodiscard]] std::int64_t stable() const { return offsets_.last_stable_offset().value(); }
  [[nodiscard]] std::int64_t watermark() const { return offsets_.high_watermark().value(); }

  LogOffsets offsets_{Offset(10), Offset(100)};
};

TEST(LogOffsets, TheHighWatermarkBeginsAtTheLogStart) {
  const LogOffsets offsets(Offset(10), Offset(100));
  EXPECT_EQ(offsets.high_watermark(), Offset(10));
  EXPECT_EQ(offsets.last_stable_offset(), Offset(10));
}

TEST_F(LogOffsetsTest, TheHighWatermarkIsClampedAndMayBeLowered) {
  offsets_.set_high_watermark(Offset(1000));
  EXPECT_EQ(watermark(), 100);
  offsets_.set_high_watermark(Offset(30));
  EXPECT_EQ(watermark(), 30);
  offsets_.set_high_watermark(Offset(0));
  EXPECT_EQ(watermark(), 10);
}

TEST_F(LogOffsetsTest, ALoweredHighWatermarkTakesTheLsoWithIt) {
  offsets_.set_high_watermark(Offset(30));
  EXPECT_EQ(stable(), 30);
}

TEST_F(LogOffsetsTest, TheLsoIsTheFirstUnstableOffsetBelowTheHighWatermark) {
  offsets_.set_first_unstable(Offset(40));
  EXPECT_EQ(stable(), 40);
  offsets_.set_first_unstable(Offset(50));
  EXPECT_EQ(stable(), 50);
  offsets_.set_first_unstable(Offset(70));
  EXPECT_EQ(stable(), 50);
  offsets_.set_first_unstable(std::nullopt);
  EXPECT_EQ(stable(), 50);
}

TEST_F(LogOffsetsTest, TheLsoIsNeverBelowTheLogStart) {
  offsets_.set_first_unstable(Offset(5));
  EXPECT_EQ(stable(), 10);
}

TEST_F(LogOffsetsTest, RaisingTheLogStartTakesTheLsoWithIt) {
  offsets_.set_first_unstable(Offset(20));
  offsets_.raise_log_start(Offset(30));
  EXPECT_EQ(offsets_.log_start(), Offset(30));
  EXPECT_EQ(stable(), 30);
  EXPECT_EQ(watermark(), 50);
}

TEST_F(LogOffsetsTest, AnAppendMovesTheLogEndAlone) {
  offsets_.advance_log_end(Offset(120));
  EXPECT_EQ(offsets_.log_end(), Offset(120));
  EXPECT_EQ(watermark(), 50);
  EXPECT_EQ(stable(), 50);
}

using LogOffsetsDeathTest = LogOffsetsTest;

TEST_F(LogOffsetsDeathTest, MovesThatNoVerbMayMakeAreOurOwnMistakes) {
  EXPECT_DEATH(offsets_.advance_log_end(Offset(99)), "invariant broken");
  EXPECT_DEATH(offsets_.raise_log_start(Offset(9)), "invariant broken");
  EXPECT_DEATH(offsets_.raise_log_start(Offset(51)), "invariant broken");
  EXPECT_DEATH(LogOffsets(Offset(11), Offset(10)), "invariant broken");
  EXPECT_DEATH(LogOffsets(Offset(-1), Offset(10)), "invariant broken");
}

TEST(PublishedOffsets, GivesWhatWasPublishedLast) {
  PublishedOffsets published;
  EXPECT_EQ(published.read().ends.log_end, Offset(0));
  Positioned now;
  now.ends = {Offset(1), Offset(2), Offset(3), Offset(4)};
  now.end_segment_base = Offset(5);
  now.end_position = 6;
  published.publish(now);
  const Positioned read = published.read();
  EXPECT_EQ(read.ends.log_start, Offset(1));
  EXPECT_EQ(read.ends.last_stable_offset, Offset(2));
  EXPECT_EQ(read.ends.high_watermark, Offset(3));
  EXPECT_EQ(read.ends.log_end, Offset(4));
  EXPECT_EQ(read.end_segment_base, Offset(5));
  EXPECT_EQ(read.end_position, 6);
}

TEST(PublishedOffsets, ReadersNeverSeeAMixtureOfTwoStates) {
  constexpr std::int64_t kLast = 200'000;
  PublishedOffsets published;
  const auto state = [](std::int64_t n) {
    Positioned now;
    now.ends = {Offset(n), Offset(2 * n), Offset(3 * n), Offset(4 * n)};
    now.end_segment_base = Offset(5 * n);
    now.end_position = 6 * n;
    return now;
  };
  std::atomic<bool> is_mixed{false};
  const auto read = [&] {
    std::int64_t before = 0;
    while (before < kLast) {
      const Positioned now = published.read();
      const std::int64_t n = now.ends.log_start.value();
      const Positioned whole = state(n);
      if (now.ends.last_stable_offset != whole.ends.last_stable_offset ||
          now.ends.high_watermark != whole.ends.high_watermark ||
          now.ends.log_end != whole.ends.log_end ||
          now.end_segment_base != whole.end_segment_base ||
          now.end_position != whole.end_position || n < before) {
        is_mixed = true;
      }
      before = n;
    }
  };
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back(read);
  for (std::int64_t n = 1; n <= kLast; ++n) published.publish(state(n));
  readers.clear();
  EXPECT_FALSE(is_mixed);
}

}  // namespace
}  // namespace oncelog::log
