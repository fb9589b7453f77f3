#include <gmock/gmock.h>

#include "oncelog/inspect_partition.h"
#include "unit/inspect/keyed_batch.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::keyed_batch;
using test::make_batch;
using test::make_marker;
using testing::IsEmpty;
using testing::SizeIs;

class CollectStats : public testing::Test {
 protected:
  PartitionStats collect(const StatsOptions& options = {}) {
    segments_.clear();
    auto stats = collect_stats(files_.path(), options, [&](const SegmentStats& segment) {
      segments_.push_back(segment);
      return true;
    });
    EXPECT_TRUE(stats) << stats.error().text();
    return stats ? *std::move(stats) : PartitionStats{};
  }

  test::PartitionFiles files_;
  std::vector<SegmentStats> segments_;
};

TEST_F(CollectStats, EachSegmentIsCountedAndTheirSum) {
  const Buffer first = make_batch({.base = 0, .records = 3, .timestamp = 500, .producer = 1});
  const Buffer second =
      make_batch({.base = 3, .records = 2, .producer = 2, .is_transactional = true});
  files_.append(0, join({first, second}));
  files_.append(5, make_marker(5, MarkerType::kCommit, 2, 9000));
  files_.append(6, {});
  const PartitionStats stats = collect();
  ASSERT_THAT(segments_, SizeIs(3));
  EXPECT_EQ(segments_[0].bytes, std::ssize(first) + std::ssize(second));
  EXPECT_EQ(segments_[0].batch_count, 2);
  EXPECT_EQ(segments_[0].record_count, 5);
  EXPECT_EQ(segments_[0].producer_count, 2);
  EXPECT_EQ(segments_[0].transactional_batch_count, 1);
  EXPECT_EQ(segments_[0].codec_batch_counts[0], 2);
  EXPECT_EQ(segments_[0].first_timestamp, Timestamp(500));
  EXPECT_EQ(segments_[0].last_timestamp, Timestamp(1001));
  EXPECT_EQ(segments_[1].control_batch_count, 1);
  EXPECT_EQ(segments_[1].record_count, 0);
  EXPECT_EQ(segments_[2].batch_count, 0);
  EXPECT_EQ(stats.total.producer_count, 2);  // one of them in two segments
  EXPECT_EQ(stats.total.batch_count, 3);
  EXPECT_EQ(stats.total.last_offset, Offset(5));
  EXPECT_EQ(stats.total.last_timestamp, Timestamp(9000));
  EXPECT_THAT(stats.problems, IsEmpty());
}

TEST_F(CollectStats, CompressedRecordsAreCountedPlain) {
  files_.append(0, make_batch({.base = 0, .records = 9, .value_bytes = 500}));
  const std::int64_t plain = collect().total.plain_record_bytes;
  files_.write(files_.segment(0),
               make_batch({.base = 0, .records = 9, .codec = Codec::kZstd, .value_bytes = 500}));
  const PartitionStats stats = collect();
  EXPECT_EQ(stats.total.plain_record_bytes, plain);
  EXPECT_LT(stats.total.stored_record_bytes, plain / 10);
}

TEST_F(CollectStats, ARecordIsSupersededByALaterOneOfItsKey) {
  files_.append(0, keyed_batch({.base_offset = Offset(0)}, {{"a", "1"}, {"b", "1"}, {"a", "2"}}));
  files_.append(3, keyed_batch({.base_offset = Offset(3)}, {{"b", "2"}, {"c", "1"}}));
  const PartitionStats stats = collect({.with_keys = true});
  EXPECT_EQ(stats.key_count, 3);
  EXPECT_TRUE(stats.has_covered_all_keys);
  EXPECT_EQ(segments_[0].superseded_record_count, 2);
  EXPECT_EQ(segments_[1].superseded_record_count, 0);
  EXPECT_EQ(stats.total.superseded_bytes, 2 * 9);  // one byte of key, one of value
  EXPECT_EQ(collect().total.superseded_record_count, 0);
}

TEST_F(CollectStats, AbortedRecordsAreSupersededAndSupersedeNothing) {
  const BatchFields transaction{.base_offset = Offset(1),
                                .leader_epoch = LeaderEpoch(0),
                                .is_transactional = true,
                                .producer_id = ProducerId(4),
                                .producer_epoch = ProducerEpoch(0),
                                .base_sequence = Sequence(0)};
  files_.append(
      0, join({keyed_batch({.base_offset = Offset(0)}, {{"a", "1"}}),
               keyed_batch(transaction, {{"a", "2"}}), make_marker(2, MarkerType::kAbort, 4)}));
  EXPECT_EQ(collect({.with_keys = true}).total.superseded_record_count, 1);
  files_.write(files_.segment(0), join({keyed_batch({.base_offset = Offset(0)}, {{"a", "1"}}),
                                        keyed_batch(transaction, {{"a", "2"}}),
                                        make_marker(2, MarkerType::kCommit, 4)}));
  EXPECT_EQ(collect({.with_keys = true}).total.superseded_record_count, 1);
  files_.write(files_.segment(0), join({keyed_batch({.base_offset = Offset(0)}, {{"b", "1"}}),
                                        keyed_batch(transaction, {{"a", "2"}}),
                                        make_marker(2, MarkerType::kCommit, 4)}));
  EXPECT_EQ(collect({.with_keys = true}).total.superseded_record_count, 0);
}

TEST_F(CollectStats, KeysThatDoNotFitAreLeftOutAndThatIsSaid) {
  std::vector<test::KeyedRecord> records(1000);
  for (std::size_t i = 0; i < records.size(); ++i) records[i].key = std::to_string(i);
  files_.append(0, keyed_batch({}, records));
  const PartitionStats stats = collect({.with_keys = true, .key_map_bytes_max = 1024});
  EXPECT_FALSE(stats.has_covered_all_keys);
  EXPECT_LT(stats.key_count, 1000);
}

TEST_F(CollectStats, DamageIsCountedAndNamed) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, make_batch({.base = 1})}));
  files_.flip(files_.segment(0), 70);
  const PartitionStats stats = collect({.with_keys = true});
  EXPECT_EQ(stats.total.damaged_bytes, std::ssize(batch));
  EXPECT_EQ(stats.total.batch_count, 1);
  EXPECT_THAT(stats.problems, SizeIs(1));
}

}  // namespace
}  // namespace oncelog
