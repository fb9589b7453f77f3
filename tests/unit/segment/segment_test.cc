#include "segment/segment.h"

#include <gmock/gmock.h>

#include <limits>

#include "segment/segment_names.h"
#include "support/batches.h"
#include "support/fault_vfs.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::segment {
namespace {

using test::BatchSpec;
using test::Buffer;
using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Offset kBase{1000};
constexpr Timestamp kNow{50'000};

class SegmentTest : public testing::Test {
 protected:
  void create() {
    segment_ = value_of(Segment::create(vfs_, dir_.path(), kBase, config_, kNow));
    next_ = kBase.value();
  }
  Result<void> write(std::span<const Bytes> batch) {
    const record::BatchHeader header = test::header_of(batch[0]);
    return segment_->write({&header, 1}, batch, Level::kDurable);
  }
  /// Writes and applies a batch at the end, as an append does.
  void append(BatchSpec spec = {}) {
    spec.base = next_;
    const Buffer batch = make_batch(spec);
    const Bytes parts[] = {batch};
    segment_->reserve(1, 0);
    ASSERT_THAT(write(parts), Succeeds());
    segment_->apply_batch(test::header_of(batch));
    next_ += spec.records;
  }
  /// Reads the `.log` and the stored indexes as recovery does, and opens what it finds.
  SegmentContents reopen() {
    segment_.reset();
    const Buffer log = test::read_file(path(kLogSuffix));
    IndexBuilder builder(kBase, config_);
    EXPECT_THAT(builder.load_stored(vfs_, dir_.path()), Succeeds());
    BatchCursor cursor(log);
    while (const auto batch = value_of(cursor.next())) {
      builder.add_batch(test::header_of(batch->bytes()));
    }
    SegmentContents contents = builder.finish(false);
    segment_ = value_of(Segment::open(vfs_, dir_.path(), kBase, config_, kNow, contents));
    return contents;
  }
  [[nodiscard]] std::string path(std::string_view suffix) const {
    return dir_.file(segment_file_name(kBase, suffix));
  }
  /// Position of the batch that a look-up finds, or −1.
  [[nodiscard]] std::int64_t find(std::int64_t offset) const {
    const auto found = value_of(segment_->find_batch(Offset(offset), segment_->bytes()));
    return found ? found->position : -1;
  }
  [[nodiscard]] bool is_due(IncomingBatches incoming) const {
    if (incoming.last_offset == Offset{}) incoming.last_offset = Offset(next_);
    if (incoming.now == Timestamp{}) incoming.now = kNow;
    return segment_->is_due_to_roll(incoming);
  }

  test::TempDir dir_;
  test::FaultVfs vfs_{posix_vfs()};
  TopicConfig config_{};
  std::shared_ptr<Segment> segment_;
  std::int64_t next_ = 0;
  const std::int64_t size_ = std::ssize(make_batch());
};

// ---- creating

TEST_F(SegmentTest, ANewSegmentIsAnEmptyLogAndNothingElse) {
  create();
  EXPECT_THAT(test::file_names(dir_.path()), ElementsAre("00000000000000001000.log"));
  EXPECT_EQ(segment_->bytes(), 0);
  EXPECT_EQ(segment_->max_timestamp(), kNoTimestamp);
  EXPECT_EQ(segment_->base_offset(), kBase);
}

TEST_F(SegmentTest, LeftoversOfItsNameAreRemoved) {
  for (const auto suffix : {kOffsetIndexSuffix, kTimeIndexSuffix, kTxnIndexSuffix, kLogSuffix}) {
    test::write_text(path(suffix), "leftover");
  }
  create();
  EXPECT_THAT(test::file_names(dir_.path()), ElementsAre("00000000000000001000.log"));
  EXPECT_EQ(test::read_text(path(kLogSuffix)), "");
}

TEST_F(SegmentTest, APreallocatedSegmentIsZerosUntilItIsTrimmed) {
  config_.preallocate = true;
  config_.segment_bytes = 4096;
  create();
  EXPECT_EQ(test::read_file(path(kLogSuffix)), Buffer(4096));
  append();
  EXPECT_EQ(segment_->bytes(), size_);
  ASSERT_THAT(segment_->trim_log(), Succeeds());
  EXPECT_EQ(std::ssize(test::read_file(path(kLogSuffix))), size_);
}

TEST_F(SegmentTest, ACreationThatFailsLeavesNoLog) {
  config_.preallocate = true;
  vfs_.plan().add({.call = IoCall::kPreallocate, .os_errno = ENOSPC});
  EXPECT_THAT(Segment::create(vfs_, dir_.path(), kBase, config_, kNow),
              FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_THAT(test::file_names(dir_.path()), IsEmpty());
}

// ---- cutting

TEST_F(SegmentTest, ACutBringsStableOffsetsDownToIt) {
  create();
  for (int i = 0; i < 4; ++i) append();
  // As a follower writes it that got the next transaction in the same append (semantics 9.3).
  segment_->reserve(0, 2);
  segment_->apply_aborted({ProducerId(1), kBase, kBase + 1, kBase + 3});
  segment_->apply_aborted({ProducerId(2), kBase + 2, kBase + 2, kBase + 3});
  const auto cut = value_of(segment_->cut_at(kBase + 2, config_, kNow));
  ASSERT_EQ(cut->txn_index().size(), 1u);
  EXPECT_EQ(cut->txn_index()[0].last_stable_offset, kBase + 2)
      << "a search that ends there would pass over what is appended next";
}

// ---- rolling

TEST_F(SegmentTest, RollsWhenTheBytesWouldPassTheLimit) {
  config_.segment_bytes = static_cast<std::int32_t>(3 * size_);
  create();
  append();
  append();
  EXPECT_FALSE(is_due({.bytes = size_}));  // exactly full
  EXPECT_TRUE(is_due({.bytes = size_ + 1}));
}

TEST_F(SegmentTest, RollsByRecordTimeOnceTheFirstBatchHasATimestamp) {
  config_.segment_ms = 100;
  create();
  append({.timestamp = 1000});
  append({.timestamp = 5000});  // the first counts
  EXPECT_FALSE(is_due({.max_timestamp = Timestamp(1100), .now = Timestamp(1'000'000)}));
  EXPECT_TRUE(is_due({.max_timestamp = Timestamp(1101), .now = kNow}));
  EXPECT_FALSE(is_due({.max_timestamp = Timestamp(0), .now = Timestamp(1'000'000)}));
  EXPECT_FALSE(is_due({.max_timestamp = kNoTimestamp, .now = Timestamp(1'000'000)}));
}

TEST_F(SegmentTest, RollsByTheClockIfTheFirstBatchHasNoTimestamp) {
  config_.segment_ms = 100;
  create();
  append({.timestamp = -1});
  EXPECT_FALSE(is_due({.max_timestamp = Timestamp(99'999), .now = kNow + 100}));
  EXPECT_TRUE(is_due({.max_timestamp = kNoTimestamp, .now = kNow + 101}));
}

TEST_F(SegmentTest, AnEmptySegmentDoesNotRollByTime) {
  config_.segment_ms = 100;
  create();
  EXPECT_FALSE(is_due({.max_timestamp = Timestamp(99'999'999), .now = kNow + 99'999'999}));
}

TEST_F(SegmentTest, TheRollTimeIsReadAgainFromTheFirstBatch) {
  config_.segment_ms = 100;
  create();
  append({.timestamp = 1000});
  append({.timestamp = 5000});
  reopen();
  EXPECT_FALSE(is_due({.max_timestamp = Timestamp(1100)}));
  EXPECT_TRUE(is_due({.max_timestamp = Timestamp(1101)}));
}

TEST_F(SegmentTest, ACompactedTopicRollsByItsCompactionLagToo) {
  config_.segment_ms = 1000;
  config_.max_compaction_lag_ms = 100;
  create();
  append({.timestamp = 1000});
  EXPECT_FALSE(is_due({.max_timestamp = Timestamp(1101)}));
  config_.cleanup_compact = true;
  create();
  append({.timestamp = 1000});
  EXPECT_TRUE(is_due({.max_timestamp = Timestamp(1101)}));
}

TEST_F(SegmentTest, JitterTakesLessThanItsMaximumOffTheTime) {
  config_.segment_ms = 1000;
  config_.segment_jitter_ms = 400;
  bool is_ever_early = false;
  for (int i = 0; i < 50; ++i) {
    create();
    append({.timestamp = 0});
    EXPECT_FALSE(is_due({.max_timestamp = Timestamp(600)}));
    EXPECT_TRUE(is_due({.max_timestamp = Timestamp(1001)}));
    is_ever_early |= is_due({.max_timestamp = Timestamp(1000)});
  }
  EXPECT_TRUE(is_ever_early);
}

TEST_F(SegmentTest, RollsWhenTheOffsetIndexIsFull) {
  config_.index_interval_bytes = 0;
  config_.segment_index_bytes = 16;  // two offset entries; one time entry and its reserve
  create();
  append({.timestamp = -1});
  append({.timestamp = -1});
  EXPECT_FALSE(segment_->offset_index().is_full());
  append({.timestamp = -1});
  EXPECT_TRUE(segment_->offset_index().is_full());
  EXPECT_TRUE(is_due({}));
}

TEST_F(SegmentTest, RollsWhenOnlyTheReservedSlotOfTheTimeIndexIsLeft) {
  config_.index_interval_bytes = 0;
  config_.segment_index_bytes = 36;  // four offset entries; three time entries, one reserved
  create();
  append({.timestamp = 1000});
  append({.timestamp = 1001});
  EXPECT_FALSE(is_due({}));
  append({.timestamp = 1002});
  EXPECT_TRUE(segment_->time_index().is_full());
  EXPECT_FALSE(segment_->offset_index().is_full());
  EXPECT_TRUE(is_due({}));
}

TEST_F(SegmentTest, RollsWhenTheOffsetDoesNotFitTheIndex) {
  create();
  const Offset largest = kBase + std::numeric_limits<std::int32_t>::max();
  EXPECT_FALSE(is_due({.last_offset = largest}));
  EXPECT_TRUE(is_due({.last_offset = largest + 1}));
  EXPECT_TRUE(is_due({.last_offset = kBase - 1}));
  EXPECT_TRUE(segment_->can_hold(largest));
  EXPECT_FALSE(segment_->can_hold(largest + 1));
  EXPECT_FALSE(segment_->can_hold(kBase - 1));
}

// ---- index entries

TEST_F(SegmentTest, TheSizeIsTestedBeforeTheCounterGrows) {
  config_.index_interval_bytes = static_cast<std::int32_t>(2 * size_ - 1);
  create();
  for (int i = 0; i < 7; ++i) append({.records = 1, .timestamp = 1000 + i});
  // Entries at the third and the fifth batch: two batches are more than the interval, one is not.
  ASSERT_EQ(segment_->offset_index().count(), 3);
  EXPECT_EQ(segment_->offset_index()[0], (OffsetIndexEntry{kBase + 2, 2 * size_}));
  EXPECT_EQ(segment_->offset_index()[1], (OffsetIndexEntry{kBase + 4, 4 * size_}));
  EXPECT_EQ(segment_->offset_index()[2], (OffsetIndexEntry{kBase + 6, 6 * size_}));
  ASSERT_EQ(segment_->time_index().count(), 3);
  EXPECT_EQ(segment_->time_index()[0], (TimeIndexEntry{Timestamp(1002), kBase + 2}));
}

TEST_F(SegmentTest, AnEntryNamesTheLastOffsetAndTheFirstByteOfItsBatch) {
  config_.index_interval_bytes = 0;
  create();
  append({.records = 3});
  const std::int64_t position = segment_->bytes();
  append({.records = 5});
  EXPECT_EQ(segment_->offset_index()[0], (OffsetIndexEntry{kBase + 7, position}));
}

TEST_F(SegmentTest, TheLastTimeEntryNamesTheMaximumOfTheSegment) {
  create();
  append({.timestamp = 1000});
  append({.timestamp = 3000});
  append({.timestamp = 2000});
  EXPECT_EQ(segment_->time_index().count(), 0);
  segment_->finish_time_index();
  segment_->finish_time_index();  // a second time adds nothing
  ASSERT_EQ(segment_->time_index().count(), 1);
  EXPECT_EQ(segment_->time_index()[0], (TimeIndexEntry{Timestamp(3000), kBase + 1}));
}

// ---- finding

TEST_F(SegmentTest, FindsTheFirstBatchThatEndsAtOrBehindAnOffset) {
  config_.index_interval_bytes = 0;
  create();
  std::vector<std::int64_t> positions;
  for (int i = 0; i < 20; ++i) {
    positions.push_back(segment_->bytes());
    append({.records = 3});
  }
  for (std::int64_t offset = 0; offset < 60; ++offset) {
    EXPECT_EQ(find(kBase.value() + offset), positions[static_cast<std::size_t>(offset / 3)]);
  }
  EXPECT_EQ(find(0), 0);
  EXPECT_EQ(find(kBase.value() + 60), -1);
}

TEST_F(SegmentTest, FindsTheBatchBehindAGap) {
  create();
  append();
  next_ += 10;
  append();
  EXPECT_EQ(find(kBase.value() + 1), size_);
  EXPECT_EQ(find(kBase.value() + 11), size_);
}

TEST_F(SegmentTest, LooksNoFurtherThanTheReaderMay) {
  config_.index_interval_bytes = 0;
  create();
  for (int i = 0; i < 5; ++i) append();
  const auto find_below = [&](std::int64_t offset, std::int64_t end) {
    return value_of(segment_->find_batch(Offset(kBase.value() + offset), end));
  };
  EXPECT_EQ(find_below(1, 2 * size_)->position, size_);
  EXPECT_FALSE(find_below(2, 2 * size_));
  EXPECT_FALSE(find_below(4, 2 * size_));  // the index knows more than the reader may see
  EXPECT_FALSE(find_below(0, 0));
}

TEST_F(SegmentTest, AWrongIndexEntryIsPassedOver) {
  const auto with_entry = [&](OffsetIndexEntry entry) {
    create();
    for (int i = 0; i < 6; ++i) append();
    SegmentContents contents = reopen();
    contents.offset_index.entries = {entry};
    segment_ = value_of(Segment::open(vfs_, dir_.path(), kBase, config_, kNow, contents));
    return find(kBase.value() + 4);
  };
  EXPECT_EQ(with_entry({kBase + 2, 2 * size_}), 4 * size_);      // a right one
  EXPECT_EQ(with_entry({kBase + 2, 2 * size_ + 7}), 4 * size_);  // inside a batch
  EXPECT_EQ(with_entry({kBase + 2, 5 * size_}), 4 * size_);      // too far
  EXPECT_EQ(with_entry({kBase + 2, 1 << 30}), 4 * size_);        // behind the end
}

TEST_F(SegmentTest, ADamagedLogIsNamedWithFileAndPosition) {
  create();
  append();
  append();
  test::flip_byte(path(kLogSuffix), static_cast<std::size_t>(size_) + 16);  // the magic
  EXPECT_THAT(segment_->find_batch(kBase + 1, segment_->bytes()),
              FailsWith(ErrorCode::CORRUPT_MESSAGE, "position " + std::to_string(size_)));
  EXPECT_EQ(find(kBase.value()), 0);
}

// ---- failing

TEST_F(SegmentTest, AFailedWriteIsCutBack) {
  create();
  append();
  const Buffer before = test::read_file(path(kLogSuffix));
  const Buffer batch = make_batch({.base = kBase.value() + 1});
  const Bytes parts[] = {batch};

  vfs_.plan().add({.call = IoCall::kWrite});
  EXPECT_THAT(write(parts), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_EQ(test::read_file(path(kLogSuffix)), before);
  vfs_.plan().add({.call = IoCall::kWrite, .os_errno = ENOSPC});
  EXPECT_THAT(write(parts), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(test::read_file(path(kLogSuffix)), before);

  vfs_.plan().clear();
  append();  // as if nothing had been
  EXPECT_EQ(test::base_offsets(test::read_file(path(kLogSuffix))),
            (std::vector<std::int64_t>{1000, 1001}));
}

TEST_F(SegmentTest, AFailedWriteThatCannotBeCutBackPoisons) {
  create();
  append();
  const Buffer batch = make_batch();
  const Bytes parts[] = {batch};
  vfs_.plan().add({.call = IoCall::kWrite, .os_errno = ENOSPC});
  vfs_.plan().add({.call = IoCall::kTruncate});
  EXPECT_THAT(write(parts), FailsWith(ErrorCode::PARTITION_POISONED, "STORAGE_FULL"));
}

TEST_F(SegmentTest, AnIndexWriteThatFailedIsDoneAgain) {
  config_.index_interval_bytes = 0;
  create();
  for (int i = 0; i < 4; ++i) append({.timestamp = 1000 + i});
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = ".index", .is_lasting = true});
  EXPECT_THAT(segment_->write_indexes(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  vfs_.plan().clear();
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_EQ(decode_offset_index(test::read_file(path(kOffsetIndexSuffix)), kBase).size(), 3u);
  EXPECT_EQ(decode_time_index(test::read_file(path(kTimeIndexSuffix)), kBase).size(), 3u);
}

// ---- files

// An empty one is no damage, a missing one is: Kafka recovers the segment, and says so.
TEST_F(SegmentTest, TheOffsetIndexIsMadeEvenIfItHasNothingToHold) {
  create();
  append();
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_EQ(test::read_file(path(kOffsetIndexSuffix)).size(), 0u);
  reopen();
  std::filesystem::remove(path(kOffsetIndexSuffix));
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_EQ(test::read_file(path(kOffsetIndexSuffix)).size(), 0u);
}

TEST_F(SegmentTest, OtherIndexFilesAreMadeWhenTheyHaveSomethingToHold) {
  config_.index_interval_bytes = 0;
  create();
  append();
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_THAT(test::file_names(dir_.path()),
              ElementsAre("00000000000000001000.index", "00000000000000001000.log"));
  append({.timestamp = 2000});
  segment_->reserve(0, 1);
  segment_->apply_aborted({ProducerId(1), kBase, kBase + 1, kBase + 2});
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_THAT(test::file_names(dir_.path()),
              ElementsAre("00000000000000001000.index", "00000000000000001000.log",
                          "00000000000000001000.timeindex", "00000000000000001000.txnindex"));
}

TEST_F(SegmentTest, IndexFilesGrowWithMemory) {
  config_.index_interval_bytes = 0;
  create();
  for (int i = 0; i < 40; ++i) {
    append({.timestamp = 1000 + i});
    if (i % 3 != 0) continue;
    ASSERT_THAT(segment_->write_indexes(), Succeeds());
  }
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  const auto stored = decode_offset_index(test::read_file(path(kOffsetIndexSuffix)), kBase);
  ASSERT_EQ(std::ssize(stored), segment_->offset_index().count());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored[i], segment_->offset_index()[static_cast<std::int64_t>(i)]);
  }
  EXPECT_EQ(std::ssize(decode_time_index(test::read_file(path(kTimeIndexSuffix)), kBase)),
            segment_->time_index().count());
}

TEST_F(SegmentTest, SyncReachesEveryFileThatWasWritten) {
  config_.index_interval_bytes = 0;
  create();
  append();
  append({.timestamp = 2000});
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  for (const char* name : {".log", ".index", ".timeindex"}) {
    vfs_.plan().add({.call = IoCall::kSync, .path_part = name});
    EXPECT_FALSE(segment_->sync()) << name;
    vfs_.plan().clear();
  }
  EXPECT_THAT(segment_->sync(), Succeeds());
  vfs_.plan().add({.call = IoCall::kSync, .path_part = "index"});
  EXPECT_THAT(segment_->sync(), Succeeds());  // nothing new in them
}

TEST_F(SegmentTest, ReopeningGivesTheSameIndexesAndGoesOn) {
  config_.index_interval_bytes = static_cast<std::int32_t>(2 * size_);
  create();
  for (int i = 0; i < 10; ++i) append({.timestamp = 1000 + i});
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  const auto entries = segment_->offset_index().count();
  const auto bytes = segment_->bytes();

  const SegmentContents contents = reopen();
  EXPECT_FALSE(contents.offset_index.is_file_stale);
  EXPECT_EQ(segment_->offset_index().count(), entries);
  EXPECT_EQ(segment_->bytes(), bytes);
  EXPECT_EQ(segment_->max_timestamp(), Timestamp(1009));
  for (int i = 10; i < 20; ++i) append({.timestamp = 1000 + i});
  EXPECT_EQ(find(kBase.value() + 15), 15 * size_);
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_FALSE(reopen().offset_index.is_file_stale);
}

TEST_F(SegmentTest, AStaleIndexFileIsWrittenAnewAsAWhole) {
  config_.index_interval_bytes = 0;
  create();
  for (int i = 0; i < 5; ++i) append({.timestamp = 1000 + i});
  test::write_file(path(kOffsetIndexSuffix), Buffer(4096));
  EXPECT_TRUE(reopen().offset_index.is_file_stale);
  ASSERT_THAT(segment_->write_indexes(), Succeeds());
  EXPECT_EQ(decode_offset_index(test::read_file(path(kOffsetIndexSuffix)), kBase).size(), 4u);
}

TEST_F(SegmentTest, TrimmingCutsWhatALaterWriteLeft) {
  create();
  append();
  test::append_to_file(path(kLogSuffix), Buffer(100));
  ASSERT_THAT(segment_->trim_log(), Succeeds());
  EXPECT_EQ(std::ssize(test::read_file(path(kLogSuffix))), size_);
}

TEST_F(SegmentTest, RemovedFilesStayReadable) {
  create();
  append();
  ASSERT_THAT(vfs_.remove(path(kLogSuffix)), Succeeds());
  EXPECT_EQ(find(kBase.value()), 0);
}

}  // namespace
}  // namespace oncelog::segment
