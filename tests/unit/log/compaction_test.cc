// One round of compaction: what stays, what goes, and what readers and producers see of it.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "oncelog/partition_log.h"
#include "support/compaction_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::Keyed;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CompactionTest : public test::CompactionFixture {};

TEST_F(CompactionTest, TheNewestRecordOfEachKeyStays) {
  open();
  put_segment({{"a", "1"}, {"b", "1"}});
  put_segment({{"a", "2"}, {"c", "1"}});
  const CompactionReport done = compact();
  EXPECT_TRUE(done.was_due);
  EXPECT_FALSE(done.was_interrupted);
  EXPECT_TRUE(done.has_covered_all);
  EXPECT_EQ(done.first_dirty, Offset(0));
  EXPECT_EQ(done.cleaned_to, Offset(4));
  EXPECT_EQ(done.keys, 3);
  EXPECT_EQ(done.records_before, 4);
  EXPECT_EQ(done.records_after, 3);
  EXPECT_EQ(done.segments_before, 2);
  EXPECT_EQ(done.segments_after, 1);
  EXPECT_LT(done.bytes_after, done.bytes_before);
  EXPECT_THAT(records(), ElementsAre("1 b=1", "2 a=2", "3 c=1"));
  EXPECT_THAT(bases(), ElementsAre(0, 4));
  expect_same_after_opens();
}

TEST_F(CompactionTest, NothingIsDueTwice) {
  open();
  put_segment({{"a", "1"}});
  EXPECT_TRUE(compact().was_due);
  const CompactionReport again = compact();
  EXPECT_FALSE(again.was_due);
  EXPECT_EQ(again.cleaned_to, Offset(1));
}

TEST_F(CompactionTest, WhereTheNextRoundBeginsOutlivesACrash) {
  open();
  put_segment({{"a", "1"}});
  compact();
  crash_and_open();
  EXPECT_FALSE(compact().was_due);
}

TEST_F(CompactionTest, KeysThatDoNotFitAreLeftForTheNextRound) {
  open();
  for (int round = 0; round < 2; ++round) {
    for (const char* key : {"a", "b", "c", "d"}) put({{key, std::to_string(round)}});
  }
  roll();
  const CompactionReport done = compact({.key_map_bytes_max = 24 * 3});  // two keys
  EXPECT_FALSE(done.has_covered_all);
  EXPECT_EQ(done.cleaned_to, Offset(2));
  EXPECT_EQ(records().size(), 8u);
  int rounds = 1;
  while (compact({.key_map_bytes_max = 24 * 3}).was_due) ASSERT_LT(++rounds, 20);
  EXPECT_THAT(records(), ElementsAre("4 a=1", "5 b=1", "6 c=1", "7 d=1"));
  expect_same_after_opens();
}

TEST_F(CompactionTest, ReadersKeepTheSegmentsTheyHold) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"a", "2"}});
  const Fetched fetched = value_of(log_->fetch(Offset(0), {.isolation = Isolation::kReplica}));
  compact();
  EXPECT_THAT(test::base_offsets(value_of(fetched.read())), ElementsAre(0));
  EXPECT_THAT(this->fetched(0), ElementsAre(1));
}

TEST_F(CompactionTest, FetchesAndLookUpsGoOverTheHoles) {
  options_.config.index_interval_bytes = 0;
  open();
  for (int i = 0; i < 20; ++i) put({{"a", std::to_string(i), 1000 + i}});
  put({{"b", "1", 2000}});
  roll();
  put({{"c", "1", 3000}});
  compact();
  EXPECT_THAT(records(), ElementsAre("19 a=19", "20 b=1", "21 c=1"));
  for (std::int64_t from = 0; from <= 19; ++from) EXPECT_EQ(fetched(from).front(), 19) << from;
  EXPECT_THAT(fetched(20), ElementsAre(20));
  EXPECT_EQ(value_of(log_->list_offsets(Timestamp(1005), Isolation::kReplica)).offset, Offset(19));
  EXPECT_EQ(value_of(log_->list_offsets(Timestamp(1020), Isolation::kReplica)).offset, Offset(20));
  EXPECT_EQ(value_of(log_->list_offsets(Timestamp(2001), Isolation::kReplica)).offset, Offset(21));
  expect_same_after_opens();
}

TEST_F(CompactionTest, ATransactionKeepsItsMarkerAsLongAsItHasData) {
  open();
  put_by(1, 0, "a", true);
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  put_by(1, 1, "a", true);
  append_marker({.type = MarkerType::kCommit, .producer_id = 1});
  put_by(2, 0, "b", true);
  append_marker({.type = MarkerType::kAbort, .producer_id = 2});
  roll();
  put({{"z", "1"}});
  compact();
  EXPECT_THAT(records(), ElementsAre("2 a=1", "6 z=1"));
  ASSERT_EQ(log_->aborted_transactions().size(), 2u);
  const Fetched committed =
      value_of(log_->fetch(Offset(0), {.isolation = Isolation::kReadCommitted}));
  CommittedRecords reader(value_of(committed.read()), *committed.aborted, {.from = Offset(0)});
  expect_same_after_opens();

  // The data of both aborts is gone: their markers go in two steps, their entries in the first.
  roll();
  compact();
  EXPECT_EQ(log_->aborted_transactions().size(), 1u) << "the header of producer 2 still stands";
  expect_same_after_opens();
}

TEST_F(CompactionTest, ProducersWhoseBatchesWentAreKnownAfterOpens) {
  open();
  for (int i = 0; i < 7; ++i) put_by(1, i, "a");
  roll();
  put({{"a", "last"}});
  roll();
  compact();
  EXPECT_THAT(records(), ElementsAre("7 a=last"));
  expect_same_after_opens();
  EXPECT_TRUE(put_by(1, 6, "a").is_duplicate);
  EXPECT_TRUE(put_by(1, 2, "a").is_duplicate);
  EXPECT_FALSE(put_by(1, 7, "a").is_duplicate);
}

TEST_F(CompactionTest, ProducersAreKnownAlsoWhereNoBatchIsLeft) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  options_.config.cleanup_delete = true;
  open();
  put_segment({{"a", "1"}}, {.producer_id = 1, .producer_epoch = 0, .sequence = 0});
  value_of(log_->set_high_watermark(Offset(1)));
  value_of(log_->delete_records(Offset(1)));
  value_of(log_->apply_retention());
  // Without keys all of it goes. The end of the round lies behind a gap, so not even a header
  // stays.
  const test::BatchSpec received = {.base = 1, .leader_epoch = 0};
  value_of(log_->append_as_follower(test::make_keyed({{std::nullopt, "1"}}, received)));
  const test::BatchSpec next = {.base = 2, .leader_epoch = 0};
  value_of(
      log_->append_as_follower(test::make_keyed({{std::nullopt, "1"}, {std::nullopt, "2"}}, next)));
  value_of(log_->truncate_to(Offset(3)));  // inside the last batch, which goes whole
  roll();
  value_of(log_->set_high_watermark(Offset(3)));
  compact();
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_THAT(bases(), ElementsAre(1, 3));
  expect_same_after_opens();
  EXPECT_TRUE(put_by(1, 0, "a").is_duplicate);
  EXPECT_FALSE(put_by(1, 1, "a").is_duplicate);
  expect_same_after_opens();
}

TEST_F(CompactionTest, AbortedBatchesBelowTheLogStartStillAgreeWithTheirIndex) {
  options_.config.cleanup_delete = true;
  open();
  put_by(1, 0, "a", true);
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  put({{"z", "1"}});
  roll();
  value_of(log_->delete_records(Offset(2)));
  compact();
  EXPECT_EQ(log_->aborted_transactions().size(), 1u);
  expect_same_after_opens();
}

TEST_F(CompactionTest, ADamagedBatchIsNamedAndNothingIsChanged) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"a", "2"}});
  {
    std::fstream file(log_path(1), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(65);
    file.put('\x7f');
  }
  EXPECT_THAT(log_->compact(), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(bases(), ElementsAre(0, 1, 2));
  for (const auto& entry : std::filesystem::directory_iterator(directory())) {
    EXPECT_THAT(entry.path().string(), testing::Not(testing::EndsWith(".cleaned")));
  }
}

TEST_F(CompactionTest, ProgressIsToldAndARefusalEndsTheRound) {
  options_.config.segment_bytes = 3 << 20;
  open();
  const std::string value(200'000, 'x');
  for (int i = 0; i < 12; ++i) put({{"a", value}});
  roll();
  std::int64_t calls = 0;
  const CompactionReport refused = compact({.on_progress = [&](const CompactionProgress& progress) {
    EXPECT_LE(progress.bytes_done, progress.bytes_total);
    return ++calls < 2;
  }});
  EXPECT_TRUE(refused.was_due);
  EXPECT_TRUE(refused.was_interrupted);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(refused.cleaned_to, Offset(0));
  const CompactionReport done = compact();
  EXPECT_FALSE(done.was_interrupted);
  EXPECT_EQ(done.records_after, 1);
}

TEST_F(CompactionTest, ALogThatIsCutMeanwhileEndsTheRound) {
  options_.config.segment_bytes = 3 << 20;
  open();
  const std::string value(200'000, 'x');
  for (int i = 0; i < 12; ++i) put({{"a", value}});
  roll();
  const CompactionReport report = compact({.on_progress = [&](const CompactionProgress&) {
    value_of(log_->truncate_to(Offset(5)));
    return true;
  }});
  EXPECT_TRUE(report.was_interrupted);
  EXPECT_EQ(log_->ends().log_end, Offset(5));
  EXPECT_EQ(records().size(), 5u);
  expect_same_after_opens();
}

TEST_F(CompactionTest, AppendsGoOnMeanwhile) {
  options_.config.segment_bytes = 3 << 20;
  open();
  const std::string value(200'000, 'x');
  for (int i = 0; i < 12; ++i) put({{"a", value}});
  roll();
  compact({.on_progress = [&](const CompactionProgress&) {
    put({{"b", value}});
    return true;
  }});
  EXPECT_GT(log_->ends().log_end, Offset(12));
  EXPECT_THAT(fetched(0), testing::Contains(11));
  put({{"c", "1"}});
  expect_same_after_opens();
}

TEST_F(CompactionTest, AClosedLogIsNotCompacted) {
  open();
  const auto log = log_;
  ASSERT_THAT(store_->close_partition(name_), Succeeds());
  EXPECT_THAT(log->compact(), FailsWith(ErrorCode::MISUSE));
}

TEST_F(CompactionTest, AFullRoundLeavesTheTimeOfItsLastFile) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"b", "1"}});
  const auto before = value_of(posix_vfs().status(log_path(1)))->modified_ms;
  std::filesystem::last_write_time(
      log_path(1), std::filesystem::last_write_time(log_path(1)) - std::chrono::hours(1));
  compact();
  EXPECT_EQ(value_of(posix_vfs().status(log_path(0)))->modified_ms, before - 3'600'000);
}

}  // namespace
}  // namespace oncelog
