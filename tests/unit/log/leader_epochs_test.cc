#include "log/leader_epochs.h"

#include <gmock/gmock.h>

namespace oncelog::log {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Start = LeaderEpochStart;

Start start(std::int32_t epoch, std::int64_t offset) {
  return {LeaderEpoch(epoch), Offset(offset)};
}

/// Epochs 2, 5 and 6, which begin at 10, 20 and 40; the log ends at 50.
class LeaderEpochsTest : public testing::Test {
 protected:
  void assign(std::int32_t epoch, std::int64_t offset) {
    const bool is_new = epochs_.is_new(LeaderEpoch(epoch), Offset(offset));
    const auto before = epochs_.entries();
    epochs_.assign(LeaderEpoch(epoch), Offset(offset));
    EXPECT_EQ(is_new, epochs_.entries() != before);
  }
  [[nodiscard]] std::pair<std::int32_t, std::int64_t> end_of(std::int32_t epoch) const {
    const LeaderEpochEnd end = epochs_.end_of(LeaderEpoch(epoch), Offset(50));
    return {end.epoch.value(), end.end.value()};
  }
  [[nodiscard]] std::int32_t epoch_at(std::int64_t offset) const {
    return epochs_.epoch_at(Offset(offset)).value();
  }

  LeaderEpochs epochs_{std::vector{start(2, 10), start(5, 20), start(6, 40)}};
};

using Pair = std::pair<std::int32_t, std::int64_t>;

// ---- 14.2

TEST_F(LeaderEpochsTest, ALaterEpochIsAddedBehind) {
  assign(9, 45);
  EXPECT_THAT(epochs_.entries(),
              ElementsAre(start(2, 10), start(5, 20), start(6, 40), start(9, 45)));
  EXPECT_EQ(epochs_.latest(), LeaderEpoch(9));
}

TEST_F(LeaderEpochsTest, TheSameEpochAtOrBehindItsStartChangesNothing) {
  assign(6, 40);
  assign(6, 49);
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 10), start(5, 20), start(6, 40)));
}

TEST_F(LeaderEpochsTest, TheSameEpochBeforeItsStartMovesIt) {
  assign(6, 35);
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 10), start(5, 20), start(6, 35)));
}

TEST_F(LeaderEpochsTest, AnOlderEpochErasesTheNewerOnes) {
  assign(3, 50);
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 10), start(3, 50)));
}

TEST_F(LeaderEpochsTest, AnEpochErasesTheEntriesAtOrBehindItsStart) {
  assign(9, 20);
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 10), start(9, 20)));
  assign(10, 0);
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(10, 0)));
}

TEST(LeaderEpochs, AStoredListIsTakenInByTheSameRule) {
  const LeaderEpochs epochs(std::vector{start(5, 20), start(3, 30), start(4, 30)});
  EXPECT_THAT(epochs.entries(), ElementsAre(start(4, 30)));
}

TEST(LeaderEpochsDeathTest, NegativeEpochsAndOffsetsAreOurOwnMistake) {
  LeaderEpochs epochs;
  EXPECT_DEATH(epochs.assign(LeaderEpoch(-1), Offset(0)), "invariant broken");
  EXPECT_DEATH(epochs.assign(LeaderEpoch(0), Offset(-1)), "invariant broken");
}

// ---- 14.4

TEST_F(LeaderEpochsTest, TheLatestEpochEndsAtTheLogEnd) { EXPECT_EQ(end_of(6), Pair(6, 50)); }

TEST_F(LeaderEpochsTest, AnEarlierEpochEndsWhereTheNextBegins) {
  EXPECT_EQ(end_of(2), Pair(2, 20));
  EXPECT_EQ(end_of(5), Pair(5, 40));
}

TEST_F(LeaderEpochsTest, AnUnknownEpochInBetweenGivesTheOneBelow) {
  EXPECT_EQ(end_of(3), Pair(2, 20));
  EXPECT_EQ(end_of(4), Pair(2, 20));
}

TEST_F(LeaderEpochsTest, AnEpochBelowTheFirstEndsWhereTheFirstBegins) {
  EXPECT_EQ(end_of(0), Pair(0, 10));
  EXPECT_EQ(end_of(1), Pair(1, 10));
}

TEST_F(LeaderEpochsTest, ALaterOrNoEpochIsUndefined) {
  EXPECT_EQ(end_of(7), Pair(-1, -1));
  EXPECT_EQ(end_of(-1), Pair(-1, -1));
  epochs_ = {};
  EXPECT_EQ(end_of(0), Pair(-1, -1));
}

// ---- 14.5

TEST_F(LeaderEpochsTest, AnOffsetBelongsToTheLastEpochThatBeganAtOrBelowIt) {
  EXPECT_EQ(epoch_at(9), -1);
  EXPECT_EQ(epoch_at(10), 2);
  EXPECT_EQ(epoch_at(19), 2);
  EXPECT_EQ(epoch_at(20), 5);
  EXPECT_EQ(epoch_at(39), 5);
  EXPECT_EQ(epoch_at(1000), 6);
  EXPECT_EQ(LeaderEpochs().epoch_at(Offset(0)), kNoLeaderEpoch);
}

// ---- 14.6

TEST_F(LeaderEpochsTest, TruncatingTheEndDropsWhatBeginsThereOrBehind) {
  epochs_.truncate_from_end(Offset(41));
  EXPECT_EQ(epochs_.entries().size(), 3u);
  epochs_.truncate_from_end(Offset(40));
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 10), start(5, 20)));
  epochs_.truncate_from_end(Offset(0));
  EXPECT_THAT(epochs_.entries(), IsEmpty());
  EXPECT_EQ(epochs_.latest(), kNoLeaderEpoch);
}

TEST_F(LeaderEpochsTest, TruncatingTheStartLetsTheEpochInForceBeginThere) {
  epochs_.truncate_from_start(Offset(5));
  EXPECT_EQ(epochs_.entries().size(), 3u);
  epochs_.truncate_from_start(Offset(10));
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 10), start(5, 20), start(6, 40)));
  epochs_.truncate_from_start(Offset(15));
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(2, 15), start(5, 20), start(6, 40)));
  epochs_.truncate_from_start(Offset(20));
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(5, 20), start(6, 40)));
  epochs_.truncate_from_start(Offset(99));
  EXPECT_THAT(epochs_.entries(), ElementsAre(start(6, 99)));
}

TEST(LeaderEpochs, AnEmptyListStaysEmpty) {
  LeaderEpochs epochs;
  epochs.truncate_from_start(Offset(5));
  epochs.truncate_from_end(Offset(5));
  EXPECT_THAT(epochs.entries(), IsEmpty());
}

}  // namespace
}  // namespace oncelog::log
