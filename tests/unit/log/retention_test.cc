// Retention, and what must stand of the producers before their bytes go.
#include <gmock/gmock.h>

#include <cstdlib>

#include "oncelog/partition_log.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::make_batch;
using test::Succeeds;
using test::value_of;
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

class RetentionTest : private InMemory, public test::LogFixture {
 protected:
  RetentionTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kManual;
    options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
  }
  void write(std::int64_t id, std::int32_t sequence, bool is_transactional = false) {
    append({.is_transactional = is_transactional,
            .producer_id = id,
            .producer_epoch = 0,
            .sequence = sequence});
  }
  [[nodiscard]] bool is_duplicate(std::int64_t id, std::int32_t sequence) {
    return append({.producer_id = id, .producer_epoch = 0, .sequence = sequence}).is_duplicate;
  }
  void plain(int batches) {
    for (int i = 0; i < batches; ++i) append();
  }
  void set_high_watermark(std::int64_t to) { value_of(log_->set_high_watermark(Offset(to))); }
  /// Removes the segments below an offset; answers how many.
  std::size_t remove_below(std::int64_t offset) {
    value_of(log_->delete_records(Offset(offset)));
    return value_of(log_->apply_retention()).size();
  }
  [[nodiscard]] std::vector<std::int64_t> known() const {
    std::vector<std::int64_t> ids;
    for (const ProducerInfo& info : value_of(log_->producers())) {
      ids.push_back(info.producer_id.value());
    }
    return ids;
  }
  /// Segments 0, 3 and 6; producer 1 has data in the first only, producer 2 in the first two.
  void make_three_segments() {
    open();
    write(1, 0);
    write(2, 0);
    plain(1);
    write(2, 1);
    plain(2);
    plain(3);
    ASSERT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3), Offset(6)));
  }
  void expect_same_after_a_crash() {
    value_of(log_->flush());
    const std::string before = answers();
    crash_and_open();
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
  }

  const std::int64_t size_ = std::ssize(make_batch());
};

// ---- no producer is forgotten because its data goes

TEST_F(RetentionTest, ProducersWhoseDataIsGoneAreKnownAfterACrash) {
  make_three_segments();
  set_high_watermark(9);
  EXPECT_EQ(remove_below(6), 2u);
  EXPECT_THAT(known(), ElementsAre(1, 2));
  expect_same_after_a_crash();
  EXPECT_THAT(known(), ElementsAre(1, 2));
  EXPECT_TRUE(is_duplicate(1, 0));
  EXPECT_TRUE(is_duplicate(2, 0));
  EXPECT_TRUE(is_duplicate(2, 1));
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(RetentionTest, ACheckpointThatIsThereNeedNotBeMadeAgain) {
  make_three_segments();
  set_high_watermark(9);
  value_of(log_->checkpoint());
  EXPECT_EQ(remove_below(3), 1u);
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(9));
}

TEST_F(RetentionTest, WithTheHighWatermarkBelowTheEndACheckpointIsRolledForward) {
  make_three_segments();  // checkpoints at 4 and 7, where the segments were rolled
  set_high_watermark(6);
  EXPECT_EQ(remove_below(6), 2u);
  EXPECT_THAT(known(), ElementsAre(1, 2));
  // The one at 7 goes, the one at 6 has nothing but its note to be known by.
  EXPECT_FALSE(value_of(log_->truncate_to(Offset(6))).has_replayed_all);
  EXPECT_THAT(known(), ElementsAre(1, 2));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(6));
  EXPECT_THAT(report().warnings, IsEmpty());
  EXPECT_TRUE(is_duplicate(1, 0));
  EXPECT_TRUE(is_duplicate(2, 1));
  expect_same_after_a_crash();
}

TEST_F(RetentionTest, TheRolledForwardOneHoldsAfterAKillAlsoWithNewerOnesAboveIt) {
  make_three_segments();
  set_high_watermark(6);
  EXPECT_EQ(remove_below(6), 2u);
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(7)) << "the newest that holds";
  EXPECT_THAT(known(), ElementsAre(1, 2));
  EXPECT_FALSE(value_of(log_->truncate_to(Offset(6))).has_replayed_all) << "the note was kept";
  EXPECT_THAT(known(), ElementsAre(1, 2));
}

TEST_F(RetentionTest, TheRolledForwardStateIsThatOfItsOffset) {
  open();
  write(1, 0);
  write(1, 1);
  write(2, 0, true);  // ends above the high watermark
  write(1, 2);        // rolls
  write(1, 3);
  write(1, 4);
  write(1, 5);  // rolls
  append_marker({.type = MarkerType::kAbort, .producer_id = 2});
  write(1, 6);
  set_high_watermark(5);
  EXPECT_EQ(remove_below(3), 1u);
  EXPECT_FALSE(value_of(log_->truncate_to(Offset(5))).has_replayed_all);
  const auto one = value_of(log_->find_producer(ProducerId(1)));
  const auto two = value_of(log_->find_producer(ProducerId(2)));
  EXPECT_EQ(one->last_sequence, Sequence(3));
  EXPECT_EQ(one->batches.size(), 4u);
  EXPECT_EQ(two->transaction_first_offset, Offset(2));
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(3)) << "the log start: it is open below";
  expect_same_after_a_crash();
}

TEST_F(RetentionTest, ATransactionThatIsOpenAtTheHighWatermarkOnlyDoesNotLockTheLogUp) {
  open();
  plain(3);
  plain(1);           // rolls: a checkpoint at 4
  write(1, 0, true);  // 4
  plain(1);
  append_marker({.producer_id = 1});  // 6, rolls: a checkpoint at 7
  plain(2);
  ASSERT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3), Offset(6)));
  set_high_watermark(6);
  EXPECT_EQ(remove_below(6), 2u);  // one is rolled forward from 4 to 6
  const std::string before = answers();
  crash();
  ASSERT_THAT(try_open(), Succeeds());
  EXPECT_EQ(value_of(log_->find_producer(ProducerId(1)))->transaction_first_offset, std::nullopt);
  EXPECT_NE(before, "");
}

TEST_F(RetentionTest, AnExpiredProducerIsNotBroughtBackByARolledForwardCheckpoint) {
  options_.config.producer_id_expiration_ms = 100;
  options_.config.retention_ms = -1;
  open();
  plain(3);
  plain(1);     // rolls: a checkpoint at 4
  write(1, 0);  // 4
  plain(1);
  EXPECT_THAT(value_of(log_->expire_producers()), ElementsAre(ProducerId(1)));
  plain(1);  // rolls: a checkpoint at 7, without the producer
  plain(2);
  set_high_watermark(6);
  EXPECT_EQ(remove_below(6), 2u);
  EXPECT_THAT(known(), IsEmpty());
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(7));
  EXPECT_THAT(known(), IsEmpty());
}

TEST_F(RetentionTest, ARemovalInStepsKeepsTheProducersOfAll) {
  make_three_segments();
  set_high_watermark(3);
  EXPECT_EQ(remove_below(3), 1u);
  crash_and_open();
  set_high_watermark(6);
  EXPECT_EQ(remove_below(6), 1u);
  expect_same_after_a_crash();
  EXPECT_THAT(known(), ElementsAre(1, 2));
  EXPECT_FALSE(value_of(log_->truncate_to(Offset(6))).has_replayed_all);
  expect_same_after_a_crash();
  EXPECT_THAT(known(), ElementsAre(1, 2));
}

TEST_F(RetentionTest, WhenAllSegmentsGoTheProducersStayAndTheEmptyLogKnowsThem) {
  options_.high_watermark = HighWatermarkPolicy::kLogEnd;
  make_three_segments();
  options_.config.retention_ms = 0;
  close_and_open();
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 3u);
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(9)));
  EXPECT_THAT(known(), ElementsAre(1, 2));
  crash_and_open();
  EXPECT_THAT(known(), ElementsAre(1, 2));
  EXPECT_EQ(log_->ends().log_end, Offset(9));
  EXPECT_TRUE(is_duplicate(2, 1));
  close_and_open();
  EXPECT_THAT(known(), ElementsAre(1, 2));
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(RetentionTest, WithoutAStateStoreProducersWithoutDataAreForgottenAtTheNextOpen) {
  store_options_.producer_state = ProducerStateStore::kNone;
  make_three_segments();
  set_high_watermark(9);
  EXPECT_EQ(remove_below(3), 1u);
  EXPECT_THAT(known(), ElementsAre(1, 2));
  crash_and_open();
  EXPECT_THAT(known(), ElementsAre(2)) << "producer 2 has data above";
  EXPECT_EQ(report().replayed_from, std::nullopt);
}

// ---- what a note is good for

TEST_F(RetentionTest, ANoteForAnotherFirstSegmentDoesNotHold) {
  make_three_segments();
  set_high_watermark(6);
  EXPECT_EQ(remove_below(6), 2u);
  std::ignore = value_of(log_->truncate_to(Offset(6)));  // only the noted one is left
  crash();
  // Somebody moves the log: its first segment is another one now.
  std::filesystem::rename(log_path(6), log_path(8));
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr("producer state at offset 6")));
  EXPECT_EQ(report().replayed_from, std::nullopt);
  EXPECT_THAT(known(), IsEmpty());
  crash_and_open();
  EXPECT_THAT(known(), IsEmpty()) << "nor later";
}

TEST_F(RetentionTest, ACheckpointWithoutItsAnchorOrANoteDoesNotHold) {
  make_three_segments();  // checkpoints at 4 and 7
  crash();
  // The first two segments go without retention: 4 lost its anchor; 7 has it still.
  for (const std::int64_t base : {0, 3}) std::filesystem::remove(log_path(base));
  open();
  EXPECT_EQ(report().replayed_from, Offset(7));
  EXPECT_THAT(known(), ElementsAre(1, 2));
  EXPECT_TRUE(value_of(log_->truncate_to(Offset(7))).has_cut);
  crash();
  std::filesystem::resize_file(log_path(6), 0);
  test::write_text(store_path() + "/recovery-point-offset-checkpoint", "0\n1\nt 0 6\n");
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr("producer state at offset 7")));
  EXPECT_EQ(report().replayed_from, std::nullopt);
}

// ---- the passes and their bounds (19.2, 19.3)

TEST_F(RetentionTest, NothingAboveTheHighWatermarkGoes) {
  options_.config.retention_bytes = 0;
  make_three_segments();
  EXPECT_THAT(value_of(log_->apply_retention()), IsEmpty());
  set_high_watermark(5);
  EXPECT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(0)));
  set_high_watermark(6);
  EXPECT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(3)));
  set_high_watermark(8);
  EXPECT_THAT(value_of(log_->apply_retention()), IsEmpty());
  set_high_watermark(9);
  EXPECT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(6)));
  EXPECT_THAT(value_of(log_->apply_retention()), IsEmpty()) << "an empty active segment stays";
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(RetentionTest, TheSizeNeverFallsBelowItsLimit) {
  options_.config.retention_bytes = 6 * size_ + 1;
  make_three_segments();
  set_high_watermark(9);
  EXPECT_THAT(value_of(log_->apply_retention()), IsEmpty()) << "two segments are a byte too few";
  close();
  options_.config.retention_bytes = 6 * size_;
  open();
  set_high_watermark(9);
  EXPECT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(0)));
}

TEST_F(RetentionTest, ASegmentGoesAMillisecondAfterItsTimeNotAtIt) {
  options_.config.retention_ms = 500;
  make_three_segments();  // all records are of 1000
  set_high_watermark(9);
  clock_.set(Timestamp(1500));
  EXPECT_THAT(value_of(log_->apply_retention()), IsEmpty());
  clock_.set(Timestamp(1501));
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 3u);
}

TEST_F(RetentionTest, ARecordOfTheFutureKeepsItsSegmentAndAllBehindIt) {
  options_.config.retention_ms = 0;
  open();
  plain(3);
  append({.timestamp = std::numeric_limits<std::int64_t>::max()});
  plain(2);
  plain(3);
  set_high_watermark(9);
  for (const std::int64_t now : {std::int64_t{1'000'000}, std::int64_t{-1'000'000},
                                 std::numeric_limits<std::int64_t>::max()}) {
    clock_.set(Timestamp(now));
    const auto removed = value_of(log_->apply_retention());
    if (now == 1'000'000) {
      EXPECT_THAT(removed, ElementsAre(Offset(0)));
    } else {
      EXPECT_THAT(removed, IsEmpty()) << now;
    }
  }
}

TEST_F(RetentionTest, WithoutTheDeletePolicyOnlyTheLogStartLetsSegmentsGo) {
  options_.config.retention_ms = 0;
  options_.config.retention_bytes = 0;
  make_three_segments();
  set_high_watermark(9);
  value_of(log_->delete_records(Offset(4)));
  close();
  options_.config.cleanup_delete = false;
  options_.config.cleanup_compact = true;
  open();
  EXPECT_THAT(value_of(log_->apply_retention()), ElementsAre(Offset(0)));
  EXPECT_EQ(log_->ends().log_start, Offset(4));
}

// ---- what a crash leaves

TEST_F(RetentionTest, AnInterruptedRemovalLosesNoProducerAndNoRecord) {
  bool has_struck = true;
  for (int nth = 1; has_struck; ++nth) {
    make_three_segments();
    set_high_watermark(6);
    value_of(log_->delete_records(Offset(6)));
    vfs_.plan().add({.nth = nth, .is_lasting = true});
    has_struck = !log_->apply_retention();
    vfs_.plan().clear();
    crash();
    ASSERT_THAT(try_open(), Succeeds()) << "call " << nth;
    EXPECT_THAT(known(), ElementsAre(1, 2)) << "call " << nth;
    EXPECT_EQ(log_->ends().log_start, Offset(6)) << "call " << nth;
    EXPECT_EQ(log_->ends().log_end, Offset(9)) << "call " << nth;
    EXPECT_THAT(fetched(6), ElementsAre(6, 7, 8)) << "call " << nth;
    EXPECT_THAT(log_->check_invariants(), IsEmpty()) << "call " << nth;
    std::ignore = value_of(log_->truncate_to(Offset(6)));
    EXPECT_THAT(known(), ElementsAre(1, 2)) << "call " << nth << ", and after a truncation";
    EXPECT_TRUE(has_struck || nth > 5) << "no call was failed";
    crash();
    std::filesystem::remove_all(store_path());
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace oncelog
