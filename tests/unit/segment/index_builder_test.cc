#include "segment/index_builder.h"

#include <gmock/gmock.h>

#include "segment/segment_names.h"
#include "support/batches.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::segment {
namespace {

using test::Buffer;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Offset kBase{1000};
constexpr int kBatches = 12;

/// Twelve batches of two records (offsets base + 2 i and base + 2 i + 1), an index interval of two
/// and a half batches: every third batch gets an entry.
class IndexBuilderTest : public testing::Test {
 protected:
  IndexBuilderTest() { config_.index_interval_bytes = static_cast<std::int32_t>(size_ * 5 / 2); }

  static record::BatchHeader batch(int i, std::int64_t timestamp) {
    return test::make_header({.base = kBase.value() + 2 * i, .records = 2, .timestamp = timestamp});
  }
  static record::BatchHeader batch(int i) { return batch(i, 1000 + i); }

  /// What a segment of the batches holds, the files in the directory having been looked at.
  SegmentContents build(bool keep_sparser = false, int batches = kBatches) {
    IndexBuilder builder(kBase, config_);
    EXPECT_THAT(builder.load_stored(posix_vfs(), dir_.path()), test::Succeeds());
    for (int i = 0; i < batches; ++i) builder.add_batch(batch(i));
    for (const TxnIndexEntry& entry : aborted_) builder.add_aborted(entry);
    return builder.finish(keep_sparser);
  }

  [[nodiscard]] std::string path(std::string_view suffix) const {
    return dir_.file(segment_file_name(kBase, suffix));
  }
  void store_offsets(const std::vector<OffsetIndexEntry>& entries) {
    Buffer bytes;
    for (const auto& entry : entries) encode(bytes, kBase, entry);
    test::write_file(path(kOffsetIndexSuffix), bytes);
  }
  void store_times(const std::vector<TimeIndexEntry>& entries) {
    Buffer bytes;
    for (const auto& entry : entries) encode(bytes, kBase, entry);
    test::write_file(path(kTimeIndexSuffix), bytes);
  }
  void store_aborted(const std::vector<TxnIndexEntry>& entries) {
    Buffer bytes;
    for (const auto& entry : entries) encode(bytes, entry);
    test::write_file(path(kTxnIndexSuffix), bytes);
  }

  /// The entry that names batch i, and the running maximum that it makes.
  [[nodiscard]] OffsetIndexEntry offset_entry(int i) const {
    return {kBase + (2 * i + 1), i * size_};
  }
  static TimeIndexEntry time_entry(int i) { return {Timestamp(1000 + i), kBase + (2 * i + 1)}; }

  test::TempDir dir_;
  TopicConfig config_{};
  std::vector<TxnIndexEntry> aborted_;
  const std::int64_t size_ = batch(0).size_bytes();
};

// ---- made from the batches alone

TEST_F(IndexBuilderTest, AnEntryIsDueOnceMoreThanTheIntervalLiesBehindTheLastOne) {
  const SegmentContents contents = build();
  EXPECT_THAT(contents.offset_index.entries,
              ElementsAre(offset_entry(3), offset_entry(6), offset_entry(9)));
  EXPECT_EQ(contents.bytes, kBatches * size_);
  EXPECT_EQ(contents.bytes_since_index_entry, 3 * size_);
}

TEST_F(IndexBuilderTest, ExactlyTheIntervalIsNotEnough) {
  config_.index_interval_bytes = static_cast<std::int32_t>(3 * size_);
  EXPECT_THAT(build(false, 8).offset_index.entries, ElementsAre(offset_entry(4)));
}

TEST_F(IndexBuilderTest, TheFirstBatchNeverGetsAnEntry) {
  config_.index_interval_bytes = 0;
  EXPECT_THAT(build(false, 3).offset_index.entries, ElementsAre(offset_entry(1), offset_entry(2)));
}

TEST_F(IndexBuilderTest, TimesFollowTheOffsetEntriesAndEndWithTheMaximumOfAll) {
  const SegmentContents contents = build();
  EXPECT_THAT(contents.time_index.entries,
              ElementsAre(time_entry(3), time_entry(6), time_entry(9), time_entry(11)));
  EXPECT_EQ(contents.max_timestamp, Timestamp(1011));
  EXPECT_EQ(contents.offset_of_max_timestamp, kBase + 23);
  EXPECT_EQ(contents.first_batch_timestamp, Timestamp(1000));
}

TEST_F(IndexBuilderTest, ATimeEntryNamesTheEarliestBatchOfTheRunningMaximum) {
  IndexBuilder builder(kBase, config_);
  for (int i = 0; i < 7; ++i) builder.add_batch(batch(i, i == 1 ? 9000 : 5000));
  const SegmentContents contents = builder.finish(false);
  EXPECT_THAT(contents.time_index.entries, ElementsAre(TimeIndexEntry{Timestamp(9000), kBase + 3}));
  EXPECT_EQ(contents.offset_index.entries.size(), 2u);
}

TEST_F(IndexBuilderTest, BatchesWithoutTimestampsMakeNoTimeEntries) {
  IndexBuilder builder(kBase, config_);
  for (int i = 0; i < 7; ++i) builder.add_batch(batch(i, -1));
  const SegmentContents contents = builder.finish(false);
  EXPECT_THAT(contents.time_index.entries, IsEmpty());
  EXPECT_EQ(contents.max_timestamp, kNoTimestamp);
}

TEST_F(IndexBuilderTest, NoMoreEntriesThanFitTheConfiguredIndexAreMade) {
  config_.segment_index_bytes = 24;  // three offset entries, two time entries
  config_.index_interval_bytes = 0;
  const SegmentContents contents = build();
  EXPECT_EQ(contents.offset_index.entries.size(), 3u);
  EXPECT_LE(contents.time_index.entries.size(), 2u);
}

TEST_F(IndexBuilderTest, MissingFilesAreWrittenAnewOnlyIfThereIsSomethingToWrite) {
  SegmentContents contents = build();
  EXPECT_TRUE(contents.offset_index.is_file_stale);
  EXPECT_TRUE(contents.time_index.is_file_stale);
  EXPECT_FALSE(contents.txn_index.is_file_stale);
  EXPECT_FALSE(contents.offset_index.is_file_wrong);

  contents = build(false, 1);
  EXPECT_FALSE(contents.offset_index.is_file_stale);
}

TEST_F(IndexBuilderTest, AnEmptySegmentHasNothing) {
  const SegmentContents contents = build(false, 0);
  EXPECT_EQ(contents.bytes, 0);
  EXPECT_EQ(contents.first_batch_timestamp, std::nullopt);
  EXPECT_THAT(contents.offset_index.entries, IsEmpty());
  EXPECT_THAT(contents.time_index.entries, IsEmpty());
  EXPECT_FALSE(contents.time_index.is_file_stale);
}

// ---- stored offset indexes

TEST_F(IndexBuilderTest, ATrueOffsetIndexIsKept) {
  store_offsets({offset_entry(3), offset_entry(6), offset_entry(9)});
  const auto index = build().offset_index;
  EXPECT_FALSE(index.is_file_stale);
  EXPECT_FALSE(index.is_file_wrong);
}

TEST_F(IndexBuilderTest, AnotherTrueChoiceOfBatchesIsKeptAsItIs) {
  const std::vector stored{offset_entry(0), offset_entry(1), offset_entry(4), offset_entry(11)};
  store_offsets(stored);
  const auto index = build().offset_index;
  EXPECT_EQ(index.entries, stored);
  EXPECT_FALSE(index.is_file_stale);
}

TEST_F(IndexBuilderTest, AnEntryOfASetOfBatchesIsTrue) {
  // A follower's append of batches 3 to 5: their last offset, the position of the first.
  const std::vector<OffsetIndexEntry> stored{
      {kBase + 11, 3 * size_}, offset_entry(6), offset_entry(9)};
  store_offsets(stored);
  EXPECT_EQ(build().offset_index.entries, stored);
}

TEST_F(IndexBuilderTest, ASparserOffsetIndexIsKeptOnRequestUnlessMuchIsMissing) {
  store_offsets({offset_entry(3), offset_entry(9)});
  EXPECT_FALSE(build(true).offset_index.is_file_stale);
  EXPECT_TRUE(build(false).offset_index.is_file_stale);
  EXPECT_FALSE(build(false).offset_index.is_file_wrong);

  store_offsets({offset_entry(9)});
  EXPECT_TRUE(build(true).offset_index.is_file_stale);
}

TEST_F(IndexBuilderTest, AForgedOffsetIndexIsReplaced) {
  const auto expect_replaced = [&](const std::vector<OffsetIndexEntry>& stored, const char* what) {
    store_offsets(stored);
    const auto index = build(true).offset_index;
    EXPECT_TRUE(index.is_file_wrong) << what;
    EXPECT_TRUE(index.is_file_stale) << what;
    EXPECT_THAT(index.entries, ElementsAre(offset_entry(3), offset_entry(6), offset_entry(9)));
  };
  expect_replaced({{kBase + 7, 3 * size_ + 1}, offset_entry(6), offset_entry(9)},
                  "no batch begins at the position");
  expect_replaced({{kBase + 6, 3 * size_}, offset_entry(6), offset_entry(9)},
                  "no batch ends with the offset");
  expect_replaced({{kBase + 5, 3 * size_}, offset_entry(6), offset_entry(9)},
                  "the offset lies before the position");
  expect_replaced({offset_entry(6), offset_entry(3), offset_entry(9)}, "out of order");
  expect_replaced({offset_entry(3), offset_entry(3), offset_entry(9)}, "twice the same");
  expect_replaced({offset_entry(3), offset_entry(6), offset_entry(12)}, "behind the end");
  expect_replaced({{kBase + 13, 3 * size_}, offset_entry(5), offset_entry(9)},
                  "a set reaches over the next entry");
  expect_replaced({{kBase - 1, 0}, offset_entry(6), offset_entry(9)}, "below the base");
}

TEST_F(IndexBuilderTest, TheZeroTailOfACrashedIndexIsNotBelieved) {
  store_offsets({offset_entry(3), offset_entry(6), offset_entry(9)});
  test::append_to_file(path(kOffsetIndexSuffix), Buffer(8 * 5));
  const auto index = build().offset_index;
  EXPECT_TRUE(index.is_file_stale);
  EXPECT_THAT(index.entries, ElementsAre(offset_entry(3), offset_entry(6), offset_entry(9)));

  test::write_file(path(kOffsetIndexSuffix), Buffer(10'000));
  EXPECT_TRUE(build().offset_index.is_file_stale);
}

TEST_F(IndexBuilderTest, AnOffsetIndexWithAPartialEntryIsReplaced) {
  store_offsets({offset_entry(3), offset_entry(6), offset_entry(9)});
  test::append_to_file(path(kOffsetIndexSuffix), Buffer(5));
  EXPECT_TRUE(build(true).offset_index.is_file_stale);
}

// ---- stored time indexes

TEST_F(IndexBuilderTest, ATrueTimeIndexIsKept) {
  const std::vector stored{time_entry(0), time_entry(3), time_entry(7), time_entry(11)};
  store_times(stored);
  const auto index = build().time_index;
  EXPECT_EQ(index.entries, stored);
  EXPECT_FALSE(index.is_file_stale);
}

TEST_F(IndexBuilderTest, AForgedTimeIndexIsReplaced) {
  const auto expect_replaced = [&](const std::vector<TimeIndexEntry>& stored, const char* what) {
    store_times(stored);
    const auto index = build(true).time_index;
    EXPECT_TRUE(index.is_file_wrong) << what;
    EXPECT_THAT(index.entries,
                ElementsAre(time_entry(3), time_entry(6), time_entry(9), time_entry(11)))
        << what;
  };
  expect_replaced({{Timestamp(1003), kBase + 9}, time_entry(6), time_entry(9), time_entry(11)},
                  "another batch's offset");
  expect_replaced({{Timestamp(999), kBase + 1}, time_entry(6), time_entry(9), time_entry(11)},
                  "no batch has the time");
  expect_replaced({time_entry(6), time_entry(3), time_entry(9), time_entry(11)}, "out of order");
  expect_replaced({time_entry(3), time_entry(6), time_entry(9), {Timestamp(2000), kBase + 23}},
                  "later than the maximum");
}

TEST_F(IndexBuilderTest, TheZeroTailOfACrashedTimeIndexIsNotBelieved) {
  store_times({time_entry(3), time_entry(6), time_entry(9), time_entry(11)});
  test::append_to_file(path(kTimeIndexSuffix), Buffer(12 * 5));
  EXPECT_TRUE(build().time_index.is_file_stale);
  test::append_to_file(path(kTimeIndexSuffix), Buffer(7));
  EXPECT_TRUE(build().time_index.is_file_stale);
}

// ---- stored transaction indexes

class TxnIndexBuilderTest : public IndexBuilderTest {
 protected:
  TxnIndexBuilderTest() {
    aborted_ = {{ProducerId(7), kBase, kBase + 5, kBase + 2},
                {ProducerId(8), kBase + 2, kBase + 9, kBase + 10}};
  }
};

TEST_F(TxnIndexBuilderTest, AMissingFileIsWrittenAnew) {
  const auto index = build().txn_index;
  EXPECT_EQ(index.entries, aborted_);
  EXPECT_TRUE(index.is_file_stale);
  EXPECT_FALSE(index.is_file_wrong);
}

TEST_F(TxnIndexBuilderTest, ATrueFileIsKept) {
  store_aborted(aborted_);
  EXPECT_FALSE(build().txn_index.is_file_stale);
}

TEST_F(TxnIndexBuilderTest, AStableOffsetMayBeThatOfTheNextTransaction) {
  // As a follower writes it that got the next transaction in the same append (semantics 9.3).
  const auto is_stale = [&](Offset stable) {
    auto stored = aborted_;
    stored[1].last_stable_offset = stable;
    store_aborted(stored);
    IndexBuilder builder(kBase, config_);
    EXPECT_THAT(builder.load_stored(posix_vfs(), dir_.path()), test::Succeeds());
    for (int i = 0; i < 5; ++i) builder.add_batch(batch(i));
    for (const TxnIndexEntry& entry : aborted_) builder.add_aborted(entry);
    record::BatchHeader next = batch(6);
    next.attributes |= record::kTransactionalBit;
    builder.add_batch(next);
    return builder.finish(false).txn_index.is_file_stale;
  };
  EXPECT_FALSE(is_stale(kBase + 10));
  EXPECT_FALSE(is_stale(kBase + 12));
  EXPECT_TRUE(is_stale(kBase + 13));
}

TEST_F(TxnIndexBuilderTest, AfterAnUncleanEndALaterStableOffsetMayBeTorn) {
  auto stored = aborted_;
  stored[0].last_stable_offset = kBase + 6;
  store_aborted(stored);
  const auto index = build(false).txn_index;
  EXPECT_TRUE(index.is_file_wrong);
  EXPECT_EQ(index.entries, aborted_);
}

TEST_F(TxnIndexBuilderTest, AFileThatSaysSomethingElseIsReplaced) {
  const auto expect_replaced = [&](const std::vector<TxnIndexEntry>& stored, const char* what) {
    store_aborted(stored);
    const auto index = build(true).txn_index;
    EXPECT_TRUE(index.is_file_wrong) << what;
    EXPECT_EQ(index.entries, aborted_) << what;
  };
  auto stored = aborted_;
  stored[0].last_stable_offset = kBase + 1;
  expect_replaced(stored, "an earlier stable offset");
  stored = aborted_;
  stored[0].last_stable_offset = kBase + 6;
  expect_replaced(stored, "a later stable offset ends a search before the other transaction");
  stored = aborted_;
  stored[1].last_stable_offset = kBase + 1000;
  expect_replaced(stored, "a later stable offset where no transaction begins");
  stored = aborted_;
  stored[1].producer_id = ProducerId(9);
  expect_replaced(stored, "another producer");
  stored = aborted_;
  stored[1].first_offset = kBase + 1;
  expect_replaced(stored, "another first offset");
  expect_replaced({aborted_[0]}, "one is missing");
  expect_replaced({aborted_[0], aborted_[1], aborted_[1]}, "one too many");
  expect_replaced({aborted_[1], aborted_[0]}, "another order");
}

TEST_F(TxnIndexBuilderTest, AFileOfAnotherVersionIsReplaced) {
  store_aborted(aborted_);
  test::flip_byte(path(kTxnIndexSuffix), 0);
  EXPECT_TRUE(build().txn_index.is_file_stale);
  EXPECT_EQ(build().txn_index.entries, aborted_);
}

TEST_F(TxnIndexBuilderTest, AFileWithAPartialEntryIsReplaced) {
  store_aborted(aborted_);
  test::append_to_file(path(kTxnIndexSuffix), Buffer(33));
  EXPECT_TRUE(build().txn_index.is_file_stale);
}

TEST_F(TxnIndexBuilderTest, AFileWithoutAnyAbortedTransactionInTheLogIsEmptied) {
  store_aborted(aborted_);
  aborted_.clear();
  const auto index = build().txn_index;
  EXPECT_TRUE(index.is_file_stale);
  EXPECT_THAT(index.entries, IsEmpty());
}

TEST_F(TxnIndexBuilderTest, AnEntryThatBeganBelowTheLogIsKeptAfterACleanEnd) {
  auto stored = aborted_;
  stored[0].first_offset = kBase - 5;  // its first batches went with a deleted segment
  store_aborted(stored);
  const auto built = [&](bool is_clean_end) {
    IndexBuilder builder(kBase, config_, kBase);
    EXPECT_THAT(builder.load_stored(posix_vfs(), dir_.path()), test::Succeeds());
    for (const TxnIndexEntry& entry : aborted_) builder.add_aborted(entry);
    return builder.finish(is_clean_end).txn_index.entries;
  };
  EXPECT_EQ(built(true), stored);
  EXPECT_EQ(built(false), aborted_);
}

TEST_F(TxnIndexBuilderTest, AnEntryWhoseDataIsGoneNeedsItsMarker) {
  auto stored = aborted_;
  stored[0].first_offset = kBase - 5;
  store_aborted(stored);
  const auto built = [&](bool has_marker) {
    IndexBuilder builder(kBase, config_, kBase);
    EXPECT_THAT(builder.load_stored(posix_vfs(), dir_.path()), test::Succeeds());
    TxnIndexEntry widest = stored[0];
    widest.first_offset = widest.last_offset;
    if (has_marker) builder.note_abort(widest);
    builder.add_aborted(aborted_[1]);
    return builder.finish(true).txn_index.entries;
  };
  EXPECT_EQ(built(true), stored);
  EXPECT_THAT(built(false), ElementsAre(aborted_[1]));
}

}  // namespace
}  // namespace oncelog::segment
