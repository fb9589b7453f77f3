// seals_test.cc: segments that an open need not read, and what makes it read them all the same.
#include "log/seals.h"

#include <gmock/gmock.h>

#include "oncelog/inspect.h"
#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

using segment::kLogSuffix;
using segment::kOffsetIndexSuffix;
using segment::kSealSuffix;
using segment::kTxnIndexSuffix;
using testing::Contains;
using testing::HasSubstr;

class SealsTest : public LogFixture {
 protected:
  SealsTest() {
    store_options_.sealed_segment_bytes_min = 0;
    options_.config.segment_bytes = 400;
    options_.config.index_interval_bytes = 100;
  }
  /// Several segments, with producers, epochs, an aborted and an open transaction.
  void fill() {
    open();
    for (int i = 0; i < 6; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
    append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
    for (int i = 6; i < 12; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
    append_marker({.type = MarkerType::kAbort, .producer_id = 2});
    append({.is_transactional = true, .producer_id = 3, .producer_epoch = 0, .sequence = 0});
    for (int i = 12; i < 18; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
    ASSERT_GT(log_->segments().size(), 4u);
  }
  [[nodiscard]] std::vector<Offset> sealed() const {
    std::vector<Offset> bases;
    for (const std::string& name : file_names(directory())) {
      if (const auto base = segment::offset_of_file_name(name, kSealSuffix)) bases.push_back(*base);
    }
    return bases;
  }
  enum class End { kClean, kKilled };
  /// Opens again; the answers must be those of before.
  void expect_same_after(End end) {
    const std::string before = answers();
    end == End::kClean ? close_and_open() : crash_and_open();
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  }
  [[nodiscard]] std::int64_t segment_count() const { return std::ssize(log_->segments()); }
};

TEST_F(SealsTest, ClosedSegmentsAreSealedAndTheActiveOneIsNot) {
  fill();
  std::vector<Offset> closed = log_->segments();
  closed.pop_back();
  EXPECT_EQ(sealed(), closed);
}

TEST_F(SealsTest, ACleanCloseSealsTheActiveSegmentTooAndAnOpenTakesThatSealOff) {
  fill();
  const std::vector<Offset> all = log_->segments();
  close();
  EXPECT_EQ(sealed(), all);
  open();
  EXPECT_EQ(report().segments_sealed, std::ssize(all));
  EXPECT_EQ(report().segments_read, 0);
  EXPECT_EQ(report().bytes_read, 0);
  EXPECT_EQ(sealed().size(), all.size() - 1);
  append();
  close_and_open();
}

TEST_F(SealsTest, AnOpenWithSealsAnswersAsTheOneBefore) {
  fill();
  expect_same_after(End::kClean);
  EXPECT_EQ(report().segments_sealed, segment_count());
  append({.producer_id = 1, .producer_epoch = 0, .sequence = 18});
  expect_same_after(End::kKilled);
  EXPECT_GE(report().segments_sealed, segment_count() - 2);
  EXPECT_LE(report().segments_read, 2);
}

TEST_F(SealsTest, TransactionsThatReachOverSealedSegmentsAreKnownBehindThem) {
  fill();
  expect_same_after(End::kKilled);
  ASSERT_GT(report().segments_sealed, 0);
  // Producer 3's transaction began in a segment that was not read.
  append_marker({.type = MarkerType::kAbort, .producer_id = 3});
  expect_same_after(End::kKilled);
  EXPECT_EQ(log_->aborted_transactions().size(), 2u);
}

TEST_F(SealsTest, WithoutAStateEverythingIsReplayedAndRead) {
  store_options_.producer_state = ProducerStateStore::kNone;
  fill();
  expect_same_after(End::kKilled);
  EXPECT_EQ(report().segments_sealed, 0);
  EXPECT_EQ(report().segments_read, segment_count());
}

TEST_F(SealsTest, ASmallSegmentIsNotWorthASeal) {
  store_options_.sealed_segment_bytes_min = 1 << 20;
  fill();
  close_and_open();
  EXPECT_EQ(sealed(), std::vector<Offset>{});
  EXPECT_EQ(report().segments_read, segment_count());
}

TEST_F(SealsTest, ALogThatWasWrittenToIsReadAndRefused) {
  fill();
  const Offset first = log_->segments().at(1);
  close();
  // Some time later, so that the file's time says so.
  const std::string path = log_path(first.value());
  flip_byte(path, 70);
  std::filesystem::last_write_time(
      path, std::filesystem::last_write_time(path) + std::chrono::seconds(5));
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "refused to open"));
}

TEST_F(SealsTest, AnIndexThatIsDamagedIsRebuiltAndSealedAnew) {
  fill();
  const std::string before = answers();
  const Offset base = log_->segments().at(1);
  close();
  flip_byte(file(base.value(), kOffsetIndexSuffix), 2);
  open();
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(report().files_rebuilt, Contains(HasSubstr(".index")));
  EXPECT_THAT(report().warnings, Contains(HasSubstr(".seal: an index file")));
  EXPECT_EQ(report().segments_read, 1);
  close_and_open();
  EXPECT_EQ(report().segments_read, 0) << "sealed anew";
}

TEST_F(SealsTest, ASealThatIsDamagedCostsTheReadingOfItsSegment) {
  fill();
  const std::string before = answers();
  const Offset base = log_->segments().at(1);
  close();
  flip_byte(file(base.value(), kSealSuffix), 20);
  open();
  EXPECT_EQ(answers(), before);
  EXPECT_EQ(report().segments_read, 1);
  EXPECT_THAT(report().warnings, Contains(HasSubstr(".seal")));
  EXPECT_THAT(sealed(), Contains(base)) << "written anew";
}

TEST_F(SealsTest, SealsOfALogThatKafkaHadAreDropped) {
  fill();
  const std::string before = answers();
  close();
  // Kafka replaces the checkpoint files and leaves its marker.
  std::filesystem::remove(store_path() + "/.clean");
  open();
  EXPECT_EQ(report().segments_sealed, 0);
  EXPECT_EQ(report().segments_read, segment_count());
  EXPECT_EQ(answers(), before);
  close_and_open();
  EXPECT_EQ(report().segments_read, 0) << "sealed anew";
}

TEST_F(SealsTest, ACopyIsReadWhole) {
  fill();
  const std::string before = answers();
  close();
  std::filesystem::copy(store_path(), dir_.file("copy"), std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(store_path());
  std::filesystem::rename(dir_.file("copy"), store_path());
  open();
  EXPECT_EQ(report().segments_sealed, 0);
  EXPECT_EQ(answers(), before);
}

TEST_F(SealsTest, ATruncationTakesTheSealOffWhatItCuts) {
  fill();
  const std::vector<Offset> segments = log_->segments();
  ASSERT_THAT(log_->truncate_to(segments.at(2) + 1), Succeeds());
  EXPECT_EQ(sealed(), std::vector<Offset>(segments.begin(), segments.begin() + 2));
  append({.records = 3});
  expect_same_after(End::kKilled);
  expect_same_after(End::kClean);
}

TEST_F(SealsTest, RetentionRemovesSealsWithTheirSegments) {
  fill();
  ASSERT_THAT(log_->delete_records(log_->segments().at(2)), Succeeds());
  ASSERT_EQ(value_of(log_->apply_retention()).size(), 2u);
  EXPECT_EQ(sealed().front(), log_->segments().front());
  expect_same_after(End::kKilled);
  expect_same_after(End::kClean);
  EXPECT_EQ(report().segments_read, 0);
}

TEST_F(SealsTest, AFullTruncationLeavesNoSeal) {
  fill();
  ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(7)), Succeeds());
  EXPECT_EQ(sealed(), std::vector<Offset>{});
  expect_same_after(End::kKilled);
}

TEST_F(SealsTest, WhatWasDamagedBeforeTheSealIsNotBlessed) {
  open();
  while (log_->segments().size() < 2) append();
  const Offset active = log_->segments().back();
  append();
  // The leader epoch, which the batch's own CRC leaves out.
  flip_byte(log_path(active.value()), 15);
  ASSERT_THAT(log_->roll(), Succeeds());
  EXPECT_EQ(sealed(), std::vector<Offset>{Offset(0)});
}

TEST_F(SealsTest, VerifyComparesALogWithItsSeal) {
  open();
  std::vector<Buffer> batches;
  for (const std::int64_t base : {0, 10, 20}) {
    batches.push_back(make_batch({.base = base, .leader_epoch = 0}));
  }
  ASSERT_THAT(log_->append_as_follower(join(batches)), Succeeds());
  ASSERT_THAT(log_->roll(), Succeeds());
  close();
  EXPECT_THAT(value_of(verify_partition(directory())), testing::IsEmpty());
  // The second batch's base offset: a gap before it is legal, and its CRC leaves it out.
  std::string bytes = read_text(log_path(0));
  ASSERT_EQ(bytes.at(batches[0].size() + 7), 10);
  bytes.at(batches[0].size() + 7) = 12;
  write_text(log_path(0), bytes);
  const auto problems = value_of(verify_partition(directory()));
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].file, log_path(0));
  EXPECT_THAT(problems[0].problem, HasSubstr("not what its seal says"));
}

TEST_F(SealsTest, ASealThatCannotBeWrittenIsWrittenLater) {
  open();
  vfs_.plan().add({.call = IoCall::kOpen, .path_part = ".seal"});
  while (log_->segments().size() < 2) append();
  EXPECT_EQ(sealed(), std::vector<Offset>{});
  while (log_->segments().size() < 3) append();
  EXPECT_EQ(sealed().size(), 2u);
}

}  // namespace
}  // namespace oncelog::test
