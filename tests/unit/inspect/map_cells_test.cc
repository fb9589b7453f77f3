#include "inspect/map_cells.h"

#include <gmock/gmock.h>

#include <numeric>

#include "unit/inspect/partition_files.h"

namespace oncelog::inspect {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

void add_up(int& into, int&& next) { into += next; }

TEST(MergedRuns, KeepItemsApartWhileThereIsRoom) {
  MergedRuns<int, add_up> runs(4);
  for (int i = 1; i <= 4; ++i) runs.add(i);
  EXPECT_THAT(runs.runs(), ElementsAre(1, 2, 3, 4));
}

TEST(MergedRuns, AreMergedInPairsWhenThereIsNone) {
  MergedRuns<int, add_up> runs(4);
  for (int i = 1; i <= 7; ++i) runs.add(i);
  EXPECT_THAT(runs.runs(), ElementsAre(1 + 2, 3 + 4, 5 + 6, 7));
}

TEST(MergedRuns, AnOddLastOneTakesItsOtherHalf) {
  MergedRuns<int, add_up> runs(3);
  for (int i = 0; i < 8; ++i) runs.add(1);
  EXPECT_THAT(runs.runs(), ElementsAre(4, 4));
}

TEST(MergedRuns, StayWithinTheirBoundAndLoseNothing) {
  for (const int max : {1, 2, 3, 7, 100}) {
    MergedRuns<int, add_up> runs(max);
    for (int i = 1; i <= 12'345; ++i) {
      runs.add(1);
      const auto& all = runs.runs();
      ASSERT_LE(std::ssize(all), max);
      ASSERT_GE(2 * std::ssize(all), std::min(i, max));
      ASSERT_EQ(std::accumulate(all.begin(), all.end(), 0), i);
    }
  }
}

MapCell cell(std::int64_t begin, std::int64_t end, std::int64_t batches = 1) {
  return {.begin = Offset(begin), .end = Offset(end), .batch_count = batches};
}

TEST(MapCell, TakesThePlaceOfTheFirstAndTheEpochOfTheLast) {
  MapCell into = cell(5, 8);
  into.position = 500;
  into.producer_epoch = ProducerEpoch(2);
  into.first_timestamp = Timestamp(70);
  MapCell other = cell(1, 3, 2);
  other.position = 100;
  other.producer_epoch = ProducerEpoch(1);
  other.first_timestamp = kNoTimestamp;
  merge(into, other);
  EXPECT_EQ(into.begin, Offset(1));
  EXPECT_EQ(into.end, Offset(8));
  EXPECT_EQ(into.position, 100);
  EXPECT_EQ(into.producer_epoch, ProducerEpoch(2));
  EXPECT_EQ(into.batch_count, 3);
  EXPECT_EQ(into.first_timestamp, Timestamp(70));
}

TEST(MapCell, WithoutABatchSaysNothing) {
  MapCell into;
  merge(into, cell(7, 9));
  EXPECT_EQ(into.begin, Offset(7));
  merge(into, MapCell{});
  EXPECT_EQ(into.begin, Offset(7));
  EXPECT_EQ(into.batch_count, 1);
}

TEST(ProducerShares, OfTooManyProducersTheSmallestBecomeTheRest) {
  ProducerShares shares;
  constexpr auto kCount = static_cast<std::int64_t>(ProducerShares::kSharesMax);
  for (std::int64_t id = 0; id < kCount; ++id) shares.add(ProducerId(id), cell(id, id + 1, 2));
  EXPECT_EQ(shares.rest().batch_count, 0);
  shares.add(ProducerId(kCount), cell(kCount, kCount + 1, 1));
  EXPECT_EQ(shares.rest().batch_count, 1);
  EXPECT_THAT(shares.shares(), SizeIs(kCount));
  EXPECT_EQ(shares.shares().back().producer_id, ProducerId(kCount - 1));
}

class MapCellsTest : public testing::Test {
 protected:
  void add(std::int64_t producer, int count = 1) {
    for (int i = 0; i < count; ++i) {
      const auto bytes = test::make_batch({.base = next_, .producer = producer});
      cells_.add(*RecordBatchView::parse(bytes), {.segment = Offset(0), .position = 10 * next_});
      ++next_;
    }
  }
  PartitionMap fill(std::int64_t lanes_max, const std::vector<ListedTransaction>& open = {}) {
    PartitionMap map;
    cells_.fill(map, open, lanes_max);
    return map;
  }
  static std::vector<std::int64_t> lanes_of(const PartitionMap& map) {
    std::vector<std::int64_t> ids;
    for (const MapLane& lane : map.lanes) ids.push_back(lane.producer_id.value());
    return ids;
  }

  MapCells cells_{8};
  std::int64_t next_ = 0;
};

TEST_F(MapCellsTest, WhoWroteMostHasALane) {
  add(1, 1);
  add(2, 3);
  add(-1, 2);
  const PartitionMap map = fill(2);
  EXPECT_THAT(lanes_of(map), ElementsAre(2, -1));
  EXPECT_EQ(map.producer_count, 2);
  EXPECT_EQ(map.lanes[0].total.batch_count, 3);
  EXPECT_THAT(map.others.cells, SizeIs(1));
  EXPECT_EQ(map.others.total.batch_count, 1);
  EXPECT_EQ(map.total.batch_count, 6);
}

TEST_F(MapCellsTest, OpenTransactionsComeFirstUpToHalfOfTheLanes) {
  for (const std::int64_t producer : {3, 4, 5}) add(producer);
  add(6, 4);
  std::vector<ListedTransaction> open(3);
  open[0].producer_id = ProducerId(4);
  open[1].producer_id = ProducerId(77);  // without a batch that could be drawn
  open[2].producer_id = ProducerId(3);
  EXPECT_THAT(lanes_of(fill(2, open)), ElementsAre(4, 6));
  EXPECT_THAT(lanes_of(fill(1, open)), ElementsAre(4));
  EXPECT_THAT(lanes_of(fill(9, open)), ElementsAre(4, 3, 6, 5));
}

TEST_F(MapCellsTest, LanesTogetherHoldWhatAllCellsHold) {
  for (int i = 0; i < 300; ++i) add(i % 50);
  const PartitionMap map = fill(4);
  EXPECT_LE(map.cells.size(), 8U);
  std::int64_t in_lanes = 0;
  const auto count = [&](const MapLane& lane) {
    for (const MapCell& one : lane.cells) in_lanes += one.batch_count;
    EXPECT_LE(lane.cells.size(), map.cells.size());
  };
  for (const MapLane& lane : map.lanes) count(lane);
  count(map.others);
  EXPECT_EQ(in_lanes, 300);
  EXPECT_EQ(map.total.batch_count, 300);
}

TEST_F(MapCellsTest, NothingGivesNothing) {
  const PartitionMap map = fill(3);
  EXPECT_THAT(map.cells, IsEmpty());
  EXPECT_THAT(map.lanes, IsEmpty());
  EXPECT_EQ(map.total.batch_count, 0);
}

TEST(LongestTransactions, AreKept) {
  LongestTransactions longest(2);
  for (const std::int64_t length : {3, 9, 1, 7, 2, 8, 1, 1}) {
    ListedTransaction one;
    one.first_offset = Offset(100);
    one.marker_offset = Offset(100 + length);
    longest.add(one);
  }
  EXPECT_EQ(longest.added_count(), 8);
  std::vector<std::int64_t> lengths;
  for (const ListedTransaction& one : std::move(longest).take()) {
    lengths.push_back(*one.marker_offset - *one.first_offset);
  }
  EXPECT_THAT(lengths, testing::UnorderedElementsAre(9, 8));
}

}  // namespace
}  // namespace oncelog::inspect
