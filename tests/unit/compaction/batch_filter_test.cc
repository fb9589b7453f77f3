#include "compaction/batch_filter.h"

#include <gmock/gmock.h>

#include "support/keyed_batches.h"

namespace oncelog::compaction {
namespace {

using test::Buffer;
using test::Keyed;
using test::make_keyed;
using test::records_of;
using test::value_of;
using test::view_of;
using testing::ElementsAre;
using testing::IsEmpty;
using Fate = FilteredBatch::Fate;

class BatchFilterTest : public testing::Test {
 protected:
  void newest(const std::string& key, std::int64_t offset) {
    ASSERT_TRUE(keys_.put(as_bytes(key), Offset(offset)));
  }
  FilteredBatch filter(const Buffer& bytes) {
    BatchFilter filter(keys_, rules_,
                       [&](const auto&) -> Result<bool> { return is_last_of_producer_; });
    if (aborted_) filter.transactions().add_aborted(std::span(&*aborted_, 1));
    return value_of(filter.filter(view_of(bytes)));
  }
  /// The bytes that the filter leaves.
  static Buffer bytes_of(const FilteredBatch& filtered) {
    Buffer bytes(static_cast<std::size_t>(filtered.rebuilt.header.size_bytes()));
    record::encode_batch_header(filtered.rebuilt.header,
                                std::span(bytes).first<record::kHeaderBytes>());
    std::ranges::copy(filtered.rebuilt.record_bytes, bytes.begin() + kBatchHeaderBytes);
    EXPECT_THAT(view_of(bytes).check_crc(), test::Succeeds());
    return bytes;
  }

  KeyMap keys_{1 << 20};
  FilterRules rules_{.coverage_end = Offset(1000),
                     .round_end = Offset(1000),
                     .now = Timestamp(50'000),
                     .delete_retention_ms = 100};
  bool is_last_of_producer_ = false;
  std::optional<segment::TxnIndexEntry> aborted_{};
};

TEST_F(BatchFilterTest, OnlyTheNewestRecordOfAKeyStays) {
  newest("a", 2);
  const Buffer batch = make_keyed({{"a", "1"}, {"b", "1"}, {"a", "2"}});
  const FilteredBatch filtered = filter(batch);
  ASSERT_EQ(filtered.fate, Fate::kRebuilt);
  const Buffer left = bytes_of(filtered);
  EXPECT_THAT(records_of(view_of(left)), ElementsAre("1 b=1", "2 a=2"));
  EXPECT_EQ(view_of(left).last_offset(), Offset(2));
  EXPECT_EQ(filtered.records_kept, 2);
}

TEST_F(BatchFilterTest, ABatchThatLosesNothingKeepsItsBytes) {
  newest("a", 0);
  EXPECT_EQ(filter(make_keyed({{"a", "1"}, {"b", "1"}})).fate, Fate::kUnchanged);
}

TEST_F(BatchFilterTest, ARecordWithoutAKeyGoes) {
  EXPECT_EQ(filter(make_keyed({{std::nullopt, "1"}})).fate, Fate::kDropped);
}

TEST_F(BatchFilterTest, WhatLiesBeyondTheCoverageStays) {
  rules_.coverage_end = Offset(1);
  newest("a", 0);
  const FilteredBatch filtered = filter(make_keyed({{std::nullopt, "1"}, {std::nullopt, "2"}}));
  EXPECT_THAT(records_of(view_of(bytes_of(filtered))), ElementsAre("1 -=2"));
}

TEST_F(BatchFilterTest, ATombstoneGetsItsHorizonFirst) {
  newest("a", 0);
  const FilteredBatch filtered = filter(make_keyed({{"a", std::nullopt, 1000}, {"b", "1", 2000}}));
  ASSERT_EQ(filtered.fate, Fate::kRebuilt);
  const Buffer left = bytes_of(filtered);
  EXPECT_TRUE(view_of(left).has_delete_horizon());
  EXPECT_EQ(view_of(left).base_timestamp(), Timestamp(50'100));
  EXPECT_EQ(view_of(left).max_timestamp(), Timestamp(2000));
  EXPECT_THAT(records_of(view_of(left)), ElementsAre("0 a=-", "1 b=1"));

  EXPECT_EQ(filter(left).fate, Fate::kUnchanged) << "before the horizon";
  rules_.now = Timestamp(50'100);
  const Buffer later = bytes_of(filter(left));
  EXPECT_THAT(records_of(view_of(later)), ElementsAre("1 b=1"));
  EXPECT_EQ(view_of(later).base_timestamp(), Timestamp(50'100)) << "the horizon stays";
}

TEST_F(BatchFilterTest, AHeaderStandsForTheLastBatchOfAProducer) {
  newest("a", 5);
  const Buffer batch =
      make_keyed({{"a", "1"}}, {.producer_id = 1, .producer_epoch = 0, .sequence = 7});
  EXPECT_EQ(filter(batch).fate, Fate::kDropped);
  is_last_of_producer_ = true;
  const Buffer left = bytes_of(filter(batch));
  EXPECT_THAT(records_of(view_of(left)), IsEmpty());
  EXPECT_EQ(view_of(left).base_sequence(), Sequence(7));
  EXPECT_EQ(bytes_of(filter(left)), left) << "and again";
}

TEST_F(BatchFilterTest, AHeaderStandsForTheBatchThatEndsTheRound) {
  newest("a", 5);
  rules_.round_end = Offset(1);
  const FilteredBatch filtered = filter(make_keyed({{"a", "1"}}));
  ASSERT_EQ(filtered.fate, Fate::kRebuilt);
  EXPECT_EQ(filtered.records_kept, 0);
}

TEST_F(BatchFilterTest, AbortedRecordsGoWhateverTheirKeys) {
  aborted_ = {ProducerId(1), Offset(0), Offset(9), Offset(10)};
  const test::BatchSpec spec = {.is_transactional = true, .producer_id = 1, .producer_epoch = 0};
  EXPECT_EQ(filter(make_keyed({{"a", "1"}}, spec)).fate, Fate::kDropped);
}

TEST_F(BatchFilterTest, AMarkerWithoutDataGoesInTwoSteps) {
  const Buffer marker = test::make_marker({.base = 3, .producer_id = 1, .timestamp = 1000});
  const Buffer first = bytes_of(filter(marker));
  EXPECT_TRUE(view_of(first).has_delete_horizon());
  EXPECT_EQ(value_of(view_of(first).control_record())->type, 1);
  EXPECT_EQ(filter(first).fate, Fate::kUnchanged);
  rules_.now = Timestamp(50'100);
  EXPECT_EQ(filter(first).fate, Fate::kDropped);
}

}  // namespace
}  // namespace oncelog::compaction
