#include <gmock/gmock.h>

#include "oncelog/inspect_map.h"
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

class MapPartition : public testing::Test {
 protected:
  PartitionMap map(const MapOptions& options = {}) {
    auto map = map_partition(files_.path(), options);
    EXPECT_TRUE(map) << map.error().text();
    return map ? *std::move(map) : PartitionMap{};
  }

  test::PartitionFiles files_;
};

TEST_F(MapPartition, ABatchIsACellWithItsPlace) {
  const Buffer first = make_batch({.base = 3, .records = 2, .timestamp = 5000, .producer = 7});
  files_.append(3, join({first, make_batch({.base = 5, .producer = 7, .producer_epoch = 1})}));
  const PartitionMap seen = map();
  ASSERT_THAT(seen.cells, SizeIs(2));
  EXPECT_EQ(seen.cells[0].begin, Offset(3));
  EXPECT_EQ(seen.cells[0].end, Offset(5));
  EXPECT_EQ(seen.cells[0].record_count, 2);
  EXPECT_EQ(seen.cells[0].bytes, std::ssize(first));
  EXPECT_EQ(seen.cells[0].first_timestamp, Timestamp(5000));
  EXPECT_EQ(seen.cells[0].last_timestamp, Timestamp(5001));
  EXPECT_EQ(seen.cells[1].segment, Offset(3));
  EXPECT_EQ(seen.cells[1].position, std::ssize(first));
  ASSERT_THAT(seen.lanes, SizeIs(1));
  EXPECT_EQ(seen.lanes[0].producer_id, ProducerId(7));
  EXPECT_EQ(seen.lanes[0].total.producer_epoch, ProducerEpoch(1));
  EXPECT_THAT(seen.others.cells, IsEmpty());
}

TEST_F(MapPartition, TransactionsAreListedAndTheirMarkersCounted) {
  files_.append(0,
                join({transactional(0, 1), transactional(1, 2), transactional(2, 3),
                      make_marker(3, MarkerType::kAbort, 2), make_marker(4, MarkerType::kCommit, 1),
                      make_marker(5, MarkerType::kCommit, 9)}));
  const PartitionMap seen = map();
  ASSERT_THAT(seen.transactions, SizeIs(3));
  EXPECT_EQ(seen.transactions[0].state, TransactionState::kCommitted);
  EXPECT_EQ(seen.transactions[1].state, TransactionState::kAborted);
  EXPECT_EQ(seen.transactions[2].state, TransactionState::kOpen);
  EXPECT_EQ(seen.committed_count, 1);  // the marker at 5 ends nothing that is here
  EXPECT_EQ(seen.total.commit_count, 2);
  EXPECT_EQ(seen.total.abort_count, 1);
  EXPECT_EQ(seen.total.transactional_batch_count, 3);
  EXPECT_EQ(seen.offsets.last_stable_offset, Offset(2));
  EXPECT_EQ(seen.offsets.holder->producer_id, ProducerId(3));
  EXPECT_EQ(seen.lanes[0].producer_id, ProducerId(3));  // it is what holds readers back
}

TEST_F(MapPartition, SegmentsAreThereWithAndWithoutBatches) {
  files_.append(0, make_batch({.base = 0}));
  files_.append(1, Buffer{});
  files_.append(5, join({make_batch({.base = 5}), make_batch({.base = 6})}));
  files_.append(7, Buffer{});
  const PartitionMap seen = map();
  ASSERT_THAT(seen.segments, SizeIs(4));
  EXPECT_EQ(seen.segment_count, 4);
  EXPECT_EQ(seen.segments[1].base, Offset(1));
  EXPECT_EQ(seen.segments[1].total.batch_count, 0);
  EXPECT_EQ(seen.segments[2].total.batch_count, 2);
  EXPECT_EQ(seen.segments[3].base, Offset(7));
  EXPECT_EQ(seen.offsets.log_end, Offset(7));
}

TEST_F(MapPartition, DamageLiesBetweenWhatIsWhole) {
  const Buffer first = make_batch({.base = 0, .records = 2});
  const Buffer second = make_batch({.base = 2, .records = 3});
  files_.append(0, join({first, second, make_batch({.base = 5})}));
  files_.flip(files_.segment(0), first.size() + 70);
  const PartitionMap seen = map();
  ASSERT_THAT(seen.damages, SizeIs(1));
  EXPECT_EQ(seen.damages[0].file, files_.segment(0));
  EXPECT_EQ(seen.damages[0].position, std::ssize(first));
  EXPECT_EQ(seen.damages[0].bytes, std::ssize(second));
  EXPECT_EQ(seen.damages[0].begin, Offset(2));
  EXPECT_EQ(seen.damages[0].end, Offset(5));
  EXPECT_EQ(seen.damaged_bytes, std::ssize(second));
  EXPECT_EQ(seen.segments[0].damaged_bytes, std::ssize(second));
  EXPECT_THAT(seen.offsets.problems, SizeIs(1));
  EXPECT_THAT(seen.cells, SizeIs(2));
}

TEST_F(MapPartition, ABatchThatGoesBackIsDamageAndNoCell) {
  files_.append(0,
                join({make_batch({.base = 4}), make_batch({.base = 2}), make_batch({.base = 5})}));
  const PartitionMap seen = map();
  EXPECT_THAT(seen.cells, SizeIs(2));
  ASSERT_THAT(seen.damages, SizeIs(1));
  EXPECT_EQ(seen.damages[0].begin, Offset(5));
  EXPECT_EQ(seen.damages[0].end, Offset(5));
}

TEST_F(MapPartition, TheSameOffsetsAsReadOffsetsSays) {
  files_.append(0, join({make_batch({.base = 0}), transactional(1, 8), transactional(2, 7),
                         make_marker(3, MarkerType::kCommit, 8)}));
  files_.write(files_.data_file("replication-offset-checkpoint"), "0\n1\nt 0 3\n");
  const auto wanted = read_offsets(files_.path());
  ASSERT_TRUE(wanted);
  const PartitionOffsets seen = map().offsets;
  EXPECT_EQ(seen.last_stable_offset, wanted->last_stable_offset);
  EXPECT_EQ(seen.high_watermark, Offset(3));
  EXPECT_EQ(seen.bound, StableOffsetBound::kUnreplicatedTransaction);
  EXPECT_EQ(seen.bound, wanted->bound);
  EXPECT_EQ(seen.log_end, wanted->log_end);
}

TEST_F(MapPartition, EverythingIsBounded) {
  Buffer all;
  const auto put = [&](const Buffer& batch) { all.insert(all.end(), batch.begin(), batch.end()); };
  std::int64_t next = 0;
  for (int round = 0; round < 100; ++round) {
    const std::int64_t producer = round % 20;
    for (int i = 0; i < 3; ++i) put(transactional(next++, producer));
    if (round < 95) {
      const bool is_abort = round % 2 == 0;
      put(make_marker(next++, is_abort ? MarkerType::kAbort : MarkerType::kCommit, producer));
    }
    if (round % 10 == 9) {
      if (round == 39) all[70] ^= std::byte{1};
      if (round == 59) all[70] ^= std::byte{1};
      files_.append(next - (round < 95 ? 40 : 35), std::exchange(all, {}));
    }
  }
  const MapOptions bounds{
      .cells_max = 16, .lanes_max = 4, .segments_max = 3, .transactions_max = 2, .damages_max = 1};
  const PartitionMap seen = map(bounds);
  EXPECT_LE(seen.cells.size(), 16U);
  EXPECT_GE(seen.cells.size(), 8U);
  EXPECT_THAT(seen.lanes, SizeIs(4));
  EXPECT_LE(seen.segments.size(), 3U);
  EXPECT_EQ(seen.segment_count, 10);
  EXPECT_LE(seen.transactions.size(), 6U);
  EXPECT_THAT(seen.damages, SizeIs(1));
  EXPECT_EQ(seen.damage_count, 2);
  EXPECT_EQ(seen.producer_count, 20);
  // What is left out of the lists is in the counts.
  EXPECT_EQ(seen.total.batch_count, 100 * 3 + 95 - 2);
  EXPECT_EQ(seen.committed_count + seen.aborted_count, 95);
  EXPECT_EQ(seen.offsets.open_transaction_count, 5);
  std::int64_t in_segments = 0;
  for (const MapSegment& segment : seen.segments) in_segments += segment.total.batch_count;
  EXPECT_EQ(in_segments, seen.total.batch_count);
}

TEST_F(MapPartition, ABoundBelowOneIsRefused) {
  files_.append(0, make_batch({.base = 0}));
  const auto refused = map_partition(files_.path(), {.cells_max = 0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::INVALID_CONFIG);
}

TEST_F(MapPartition, WithoutASegmentThereIsNoPartition) {
  const auto missing = map_partition(files_.path());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

}  // namespace
}  // namespace oncelog
