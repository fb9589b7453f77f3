// Truncation, and the producers that it leaves: from a checkpoint that is old enough, or from the
// log.
#include <gmock/gmock.h>

#include <cstdlib>
#include <functional>

#include "oncelog/partition_log.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::make_marker;
using test::Succeeds;
using test::value_of;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Directories of tests that lose no power, while one of these lives.
class InMemory {
 public:
  InMemory() { ::setenv("TMPDIR", test::memory_directory().c_str(), 1); }
  ~InMemory() { ::unsetenv("TMPDIR"); }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
};

class TruncateTest : private InMemory, public test::LogFixture {
 protected:
  TruncateTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kManual;
    options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
  }
  /// One batch of one record; the offset that it got.
  std::int64_t write(std::int64_t id, std::int32_t sequence, bool is_transactional = false) {
    return append({.is_transactional = is_transactional,
                   .producer_id = id,
                   .producer_epoch = 0,
                   .sequence = sequence})
        .base_offset.value();
  }
  [[nodiscard]] bool is_duplicate(std::int64_t id, std::int32_t sequence) {
    return append({.producer_id = id, .producer_epoch = 0, .sequence = sequence}).is_duplicate;
  }
  void plain(int batches) {
    for (int i = 0; i < batches; ++i) append();
  }
  [[nodiscard]] Truncated truncate(std::int64_t to) {
    return value_of(log_->truncate_to(Offset(to)));
  }
  [[nodiscard]] std::vector<std::int64_t> known() const {
    std::vector<std::int64_t> ids;
    for (const ProducerInfo& info : value_of(log_->producers())) {
      ids.push_back(info.producer_id.value());
    }
    return ids;
  }
  [[nodiscard]] std::optional<ProducerInfo> find(std::int64_t id) const {
    return value_of(log_->find_producer(ProducerId(id)));
  }
  void set_high_watermark(std::int64_t to) { value_of(log_->set_high_watermark(Offset(to))); }
  void expect_same_after_a_crash() {
    value_of(log_->flush());
    const std::string before = answers();
    crash_and_open();
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
  }

  const std::int64_t size_ = std::ssize(make_batch());
};

// ---- where the producers come from

TEST_F(TruncateTest, TheIndexFilesOfWhatIsLeftAreWhole) {
  open();
  append();
  append();
  value_of(log_->truncate_to(Offset(1)));
  close_and_open();
  EXPECT_THAT(report().files_rebuilt, testing::IsEmpty());
}

TEST_F(TruncateTest, WithoutACheckpointAllOfTheLogIsReplayed) {
  open();
  write(1, 0);
  write(1, 1);
  const Truncated truncated = truncate(1);
  EXPECT_TRUE(truncated.has_cut);
  EXPECT_TRUE(truncated.has_replayed_all);
  EXPECT_EQ(find(1)->last_sequence, Sequence(0));
  expect_same_after_a_crash();
}

TEST_F(TruncateTest, ACheckpointAtOrBelowIsCompletedFromTheLog) {
  open();
  write(1, 0);
  write(2, 0);
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(2));
  write(1, 1);
  write(1, 2);
  const Truncated truncated = truncate(3);
  EXPECT_TRUE(truncated.has_cut);
  EXPECT_FALSE(truncated.has_replayed_all);
  EXPECT_EQ(find(1)->last_sequence, Sequence(1));
  EXPECT_EQ(find(2)->last_sequence, Sequence(0));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(2));
}

TEST_F(TruncateTest, ACheckpointExactlyThereIsUsed) {
  open();
  write(1, 0);
  write(2, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  EXPECT_FALSE(truncate(2).has_replayed_all);
  EXPECT_EQ(find(1)->last_sequence, Sequence(0));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(2));
}

TEST_F(TruncateTest, FallsBackToAnOlderCheckpoint) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  write(2, 0);
  value_of(log_->checkpoint());
  write(1, 2);
  value_of(log_->checkpoint());
  EXPECT_FALSE(truncate(2).has_replayed_all);
  EXPECT_EQ(find(1)->last_sequence, Sequence(1));
  EXPECT_THAT(known(), ElementsAre(1));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(1)) << "the newer ones were dropped";
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(TruncateTest, ADroppedCheckpointDoesNotComeBackWhenTheLogGrowsAgain) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  write(2, 0);
  value_of(log_->checkpoint());
  std::ignore = truncate(1);
  write(3, 7);
  write(3, 8);
  EXPECT_THAT(known(), ElementsAre(1, 3));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_THAT(known(), ElementsAre(1, 3));
}

TEST_F(TruncateTest, BelowTheOldestCheckpointAllIsReplayedAndProducersWithoutDataAreForgotten) {
  open();
  write(1, 0);
  plain(8);  // segments 0, 3 and 6
  set_high_watermark(9);
  value_of(log_->checkpoint());
  value_of(log_->delete_records(Offset(3)));
  ASSERT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(0)));
  EXPECT_THAT(known(), ElementsAre(1));
  write(2, 0);
  std::ignore = truncate(9);
  EXPECT_THAT(known(), ElementsAre(1)) << "the checkpoint at 9 knows it";
  EXPECT_TRUE(truncate(8).has_replayed_all);
  EXPECT_THAT(known(), IsEmpty());
  expect_same_after_a_crash();
}

TEST_F(TruncateTest,
       ATransactionWhoseMarkerIsGoneDoesNotComeBackAfterATruncationBelowAllCheckpoints) {
  open();
  write(9, 0, true);
  plain(3);  // rolls at 3: a checkpoint at 4 with the transaction open
  append_marker({.producer_id = 9});
  plain(4);
  ASSERT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3), Offset(6)));
  set_high_watermark(9);
  ASSERT_EQ(value_of(log_->checkpoint()), Offset(9));  // the only one from now on
  value_of(log_->delete_records(Offset(6)));
  ASSERT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(0), Offset(3)));
  EXPECT_TRUE(truncate(6).has_replayed_all);
  EXPECT_THAT(known(), IsEmpty());
  write(1, 0);
  set_high_watermark(7);
  value_of(log_->checkpoint());
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(7));
  expect_same_after_a_crash();
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(7));
}

TEST_F(TruncateTest, AtOrAboveTheEndNothingIsCut) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  const std::string before = answers();
  for (const std::int64_t to : {2, 3, 1000}) {
    const Truncated truncated = truncate(to);
    EXPECT_FALSE(truncated.has_cut);
    EXPECT_FALSE(truncated.has_replayed_all);
  }
  EXPECT_EQ(answers(), before);
}

TEST_F(TruncateTest, BelowTheFirstSegmentTheLogBeginsAnewWithoutProducers) {
  open();
  write(1, 0);
  plain(5);
  set_high_watermark(6);
  value_of(log_->delete_records(Offset(3)));
  value_of(log_->apply_retention());
  const Truncated truncated = truncate(2);
  EXPECT_TRUE(truncated.has_cut);
  EXPECT_FALSE(truncated.has_replayed_all);
  EXPECT_THAT(known(), IsEmpty());
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(2)));
  EXPECT_EQ(log_->ends().log_start, Offset(2));
  expect_same_after_a_crash();
}

TEST_F(TruncateTest, NegativeOffsetsAreRefused) {
  open();
  plain(1);
  EXPECT_THAT(log_->truncate_to(Offset(-1)), FailsWith(ErrorCode::INVALID_REQUEST));
  EXPECT_THAT(log_->truncate_fully_and_start_at(Offset(-1)), FailsWith(ErrorCode::INVALID_REQUEST));
  EXPECT_EQ(log_->ends().log_end, Offset(1));
}

// ---- windows and transactions

TEST_F(TruncateTest, TheWholeWindowComesBackOverACheckpoint) {
  open();
  for (int i = 0; i < 4; ++i) write(1, i);
  value_of(log_->checkpoint());
  for (int i = 4; i < 8; ++i) write(1, i);  // pushes 0 to 2 out
  EXPECT_FALSE(truncate(5).has_replayed_all);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_duplicate(1, i)) << i;
  EXPECT_EQ(write(1, 5), 5);
}

TEST_F(TruncateTest, ATransactionIsOpenAgainWhenItsMarkerIsCut) {
  open();
  write(1, 0, true);
  value_of(log_->checkpoint());
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  value_of(log_->checkpoint());
  set_high_watermark(2);
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(2));
  EXPECT_FALSE(truncate(1).has_replayed_all);
  EXPECT_EQ(find(1)->transaction_first_offset, Offset(0));
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(0));
  EXPECT_THAT(log_->aborted_transactions(), IsEmpty());
  expect_same_after_a_crash();
  append_marker({.producer_id = 1});
  set_high_watermark(2);
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(2));
}

TEST_F(TruncateTest, ATransactionThatBeganAboveIsGone) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1, true);
  write(2, 0, true);
  value_of(log_->checkpoint());
  std::ignore = truncate(1);
  EXPECT_EQ(find(1)->transaction_first_offset, std::nullopt);
  EXPECT_THAT(known(), ElementsAre(1));
  set_high_watermark(1);
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(1));
  expect_same_after_a_crash();
}

TEST_F(TruncateTest, ADecidedTransactionAboveTheHighWatermarkHoldsTheStableOffsetStill) {
  open();
  write(1, 0, true);
  append_marker({.producer_id = 1});
  value_of(log_->checkpoint());
  plain(2);
  set_high_watermark(1);
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(0));
  EXPECT_FALSE(truncate(3).has_replayed_all);  // from the checkpoint, in which it is decided
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(0));
  set_high_watermark(2);
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(2));
}

TEST_F(TruncateTest, AProducerReadFromTheOldStateIsNotBelievedAfterwards) {
  store_options_.producer_cache_bytes = 2000;  // a handful
  open();
  for (int id = 0; id < 40; ++id) write(id, 0);
  value_of(log_->checkpoint());
  for (int id = 0; id < 40; ++id) write(id, 1);
  value_of(log_->checkpoint());
  EXPECT_FALSE(truncate(40).has_replayed_all);
  for (int id = 0; id < 40; ++id) {
    EXPECT_EQ(find(id)->last_sequence, Sequence(0)) << id;
    EXPECT_TRUE(is_duplicate(id, 0)) << id;
  }
  EXPECT_EQ(write(7, 1), 40);
  expect_same_after_a_crash();
}

// ---- what a crash leaves

TEST_F(TruncateTest, AFailedCutPoisonsAndTheNextOpenFindsAWholeLog) {
  const int first_call = 1;
  for (int nth = first_call;; ++nth) {
    open();
    write(1, 0);
    plain(3);
    value_of(log_->checkpoint());
    write(1, 1);
    plain(3);
    value_of(log_->checkpoint());
    const std::string whole = answers();
    vfs_.plan().add({.nth = nth, .is_lasting = true});
    const auto truncated = log_->truncate_to(Offset(2));
    const bool has_struck = !truncated;
    vfs_.plan().clear();
    // A failed check has changed nothing; after a failed write only the disk knows what is left.
    const bool is_poisoned = !log_->checkpoint() && has_struck;
    EXPECT_TRUE(!has_struck || is_poisoned || answers() == whole) << "call " << nth;
    crash();
    ASSERT_THAT(try_open(), Succeeds()) << "call " << nth;
    EXPECT_THAT(log_->check_invariants(), IsEmpty()) << "call " << nth;
    const std::int64_t end = log_->ends().log_end.value();
    EXPECT_GE(end, 2) << "call " << nth;
    EXPECT_LE(end, 8) << "call " << nth;
    std::vector<std::int64_t> expected;
    for (std::int64_t offset = 0; offset < end; ++offset) expected.push_back(offset);
    std::vector<std::int64_t> stored;
    for (const Offset base : log_->segments()) {
      if (base.value() >= end) break;
      const auto part = fetched(base.value());
      stored.insert(stored.end(), part.begin(), part.end());
    }
    EXPECT_EQ(stored, expected) << "call " << nth;
    EXPECT_EQ(find(1)->last_sequence, Sequence(end > 4 ? 1 : 0)) << "call " << nth;
    if (!has_struck) {
      EXPECT_EQ(end, 2);
      EXPECT_GT(nth, 5) << "no call was failed";
      break;
    }
    crash();
    std::filesystem::remove_all(store_path());
    if (HasFailure()) break;
  }
}

// Old log, a part of it, or empty at the new start: nothing else.
TEST_F(TruncateTest, AnInterruptedFullTruncationLeavesTheOldLogAPartOfItOrTheNewStart) {
  for (const std::int64_t at : {2, 7, 12, 50}) {  // below, inside, at the end, above
    bool has_struck = true;
    for (int nth = 1; has_struck; ++nth) {
      const std::string where = "to " + std::to_string(at) + ", call " + std::to_string(nth);
      open();
      write(1, 0);
      plain(2);
      write(2, 0, true);
      plain(2);
      write(1, 1);
      plain(2);
      write(3, 0);
      plain(2);
      set_high_watermark(9);
      value_of(log_->delete_records(Offset(3)));
      ASSERT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(0)));
      value_of(log_->checkpoint());
      ASSERT_THAT(log_->segments(), ElementsAre(Offset(3), Offset(6), Offset(9)));

      vfs_.plan().add({.nth = nth, .is_lasting = true});
      has_struck = !log_->truncate_fully_and_start_at(Offset(at));
      vfs_.plan().clear();
      crash();
      ASSERT_THAT(try_open(), Succeeds()) << where;

      EXPECT_THAT(log_->check_invariants(), IsEmpty()) << where;
      const LogEnds ends = log_->ends();
      const bool is_new = ends.log_end == Offset(at) && ends.log_start == Offset(at);
      const bool is_old_part =
          ends.log_end >= Offset(3) && ends.log_end <= Offset(12) && ends.log_start <= ends.log_end;
      EXPECT_TRUE(is_new || is_old_part)
          << where << ": " << ends.log_start.value() << " to " << ends.log_end.value();
      EXPECT_TRUE(has_struck || is_new) << where;
      for (std::int64_t from = ends.log_start.value(); from < ends.log_end.value(); ++from) {
        const auto found = fetched(from);
        ASSERT_FALSE(found.empty()) << where << ", offset " << from;
        EXPECT_EQ(found.front(), from) << where;
      }
      if (is_new && log_->segments() == std::vector{Offset(at)}) {
        EXPECT_THAT(known(), IsEmpty()) << where;
        EXPECT_THAT(log_->leader_epochs(), IsEmpty()) << where;
      } else {
        EXPECT_THAT(known(),
                    AnyOf(IsEmpty(), ElementsAre(1, 2, 3), ElementsAre(1, 2), ElementsAre(2)))
            << where;
      }
      // The log goes on, and once more after the next open.
      const std::int64_t next = write(4, 0);
      EXPECT_EQ(next, ends.log_end.value()) << where;
      crash_and_open();
      EXPECT_EQ(log_->ends().log_end, Offset(next + 1)) << where;
      EXPECT_EQ(find(4)->last_sequence, Sequence(0)) << where;
      crash();
      std::filesystem::remove_all(store_path());
      if (HasFailure()) return;
      EXPECT_TRUE(has_struck || nth > 10) << "no call was failed";
    }
  }
}

TEST_F(TruncateTest, AFullTruncationForgetsProducersForGood) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(2, 0);
  ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(1)), Succeeds());
  EXPECT_THAT(known(), IsEmpty());
  // A batch that is just as the old checkpoint's anchor would have it does not bring that back.
  write(3, 0);
  expect_same_after_a_crash();
  EXPECT_THAT(known(), ElementsAre(3));
  value_of(log_->checkpoint());
  expect_same_after_a_crash();
  EXPECT_THAT(known(), ElementsAre(3));
}

TEST_F(TruncateTest, AFullTruncationToTheSameContentDoesNotBringProducersBack) {
  open();
  append({.producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append();
  value_of(log_->checkpoint());
  ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(1)), Succeeds());
  append();  // the anchor's very bytes
  crash_and_open();
  EXPECT_THAT(known(), IsEmpty());
}

// ---- a full truncation that is interrupted

TEST_F(TruncateTest, AnInterruptedFullTruncationLeavesAPartition) {
  open();
  plain(4);
  EXPECT_THAT(log_->flush(), Succeeds());
  vfs_.plan().add({.call = IoCall::kOpen, .path_part = "0500.log"});
  EXPECT_FALSE(log_->truncate_fully_and_start_at(Offset(500)));
  vfs_.plan().clear();
  options_.create_if_missing = false;
  crash_and_open();
  EXPECT_EQ(log_->ends().log_start, Offset(500));
  EXPECT_EQ(log_->ends().log_end, Offset(500));
}

TEST_F(TruncateTest, AnInterruptedFullTruncationDoesNotRaiseTheWatermarkOverTheOldLog) {
  open();
  plain(4);
  value_of(log_->set_high_watermark(Offset(2)));
  EXPECT_THAT(log_->flush(), Succeeds());
  // The watermark's file may be written, and nothing behind it.
  vfs_.plan().add({.call = IoCall::kOpen, .path_part = "log-start", .is_lasting = true});
  EXPECT_FALSE(log_->truncate_fully_and_start_at(Offset(500)));
  vfs_.plan().clear();
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(4));
  EXPECT_EQ(log_->ends().high_watermark, Offset(2)) << "what was never replicated would show";
}

}  // namespace
}  // namespace oncelog
