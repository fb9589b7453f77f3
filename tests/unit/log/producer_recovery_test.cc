// Producers at open: from the newest checkpoint that is one of this log, else from the log.
#include "log/producer_recovery.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
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

class ProducerRecoveryTest : private InMemory, public test::LogFixture {
 protected:
  ProducerRecoveryTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kManual;
  }
  void write(std::int64_t id, std::int32_t sequence) {
    append({.producer_id = id, .producer_epoch = 0, .sequence = sequence});
  }
  [[nodiscard]] std::vector<std::int64_t> known() const {
    std::vector<std::int64_t> ids;
    for (const ProducerInfo& info : value_of(log_->producers())) {
      ids.push_back(info.producer_id.value());
    }
    return ids;
  }
  [[nodiscard]] std::int32_t last_sequence(std::int64_t id) const {
    const auto info = value_of(log_->find_producer(ProducerId(id)));
    return info ? info->last_sequence.value() : -1;
  }
  /// Everything but the producer state, as a backup of the log has it.
  void back_up() {
    std::filesystem::remove_all(backup_);
    std::filesystem::copy(store_path(), backup_, std::filesystem::copy_options::recursive);
    for (const char* name : {"/.state", "/.state-lock"}) std::filesystem::remove(backup_ + name);
  }
  void restore_backup() {
    for (const auto& entry : std::filesystem::directory_iterator(store_path())) {
      const std::string name = entry.path().filename().string();
      if (name != ".state" && name != ".state-lock") std::filesystem::remove_all(entry.path());
    }
    std::filesystem::copy(backup_, store_path(), std::filesystem::copy_options::recursive);
  }
  /// Replaces the one segment and what is known of its end.
  void replace_log(const test::Buffer& bytes) {
    test::write_file(log_path(0), bytes);
    for (const char* suffix : {".index", ".timeindex", ".txnindex"}) {
      std::filesystem::remove(file(0, suffix));
    }
    std::filesystem::remove(directory() + "/leader-epoch-checkpoint");
  }
  [[nodiscard]] static test::Buffer batch(std::int64_t base, std::int64_t id, std::int32_t sequence,
                                          std::int32_t leader_epoch = 0) {
    return make_batch({.base = base,
                       .leader_epoch = leader_epoch,
                       .producer_id = id,
                       .producer_epoch = 0,
                       .sequence = sequence});
  }

  const std::string backup_ = dir_.file("backup");
};

// ---- the checkpoint that holds

TEST_F(ProducerRecoveryTest, OnlyWhatLiesBehindTheCheckpointIsReplayed) {
  open();
  write(1, 0);
  write(2, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(2));
  EXPECT_EQ(last_sequence(1), 1);
  EXPECT_EQ(last_sequence(2), 0);
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(ProducerRecoveryTest, AReplayOfEverythingIsNotNeededTwice) {
  open();
  write(1, 0);
  crash_and_open();
  EXPECT_EQ(report().replayed_from, std::nullopt);
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_EQ(last_sequence(1), 0);
}

TEST_F(ProducerRecoveryTest, TransactionsThatWereOpenAtTheCheckpointAreOpen) {
  open();
  append({.is_transactional = true, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
  value_of(log_->checkpoint());
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  value_of(log_->set_high_watermark(Offset(3)));
  value_of(log_->flush());
  crash_and_open();
  value_of(log_->set_high_watermark(Offset(3)));
  EXPECT_EQ(report().replayed_from, Offset(2));
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(1));
  EXPECT_EQ(log_->aborted_transactions().size(), 1u);
  append_marker({.producer_id = 2});
  value_of(log_->set_high_watermark(Offset(4)));
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(4));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(ProducerRecoveryTest, TheAnchorIsFoundAlsoWhereTheIndexIsWrong) {
  options_.config.index_interval_bytes = 1;
  open();
  for (int i = 0; i < 20; ++i) write(1, i);
  value_of(log_->checkpoint());
  value_of(log_->flush());
  crash();
  const std::string index = file(0, ".index");
  ASSERT_TRUE(std::filesystem::exists(index));
  test::Buffer wrong(80);
  for (std::size_t i = 3; i < wrong.size(); i += 8) {
    wrong[i] = static_cast<std::byte>(i / 8 + 1);             // an offset
    wrong[i + 4] = static_cast<std::byte>(10 * (i / 8 + 1));  // a position inside a batch
  }
  test::write_file(index, wrong);
  open();
  EXPECT_EQ(report().replayed_from, Offset(20));
  EXPECT_EQ(last_sequence(1), 19);
}

TEST_F(ProducerRecoveryTest, TheAnchorIsFoundWithoutAnIndex) {
  open();
  for (int i = 0; i < 20; ++i) write(1, i);
  value_of(log_->checkpoint());
  crash();
  std::filesystem::remove(file(0, ".index"));
  open();
  EXPECT_EQ(report().replayed_from, Offset(20));
}

TEST_F(ProducerRecoveryTest, AnEmptyLogAtItsFirstOffsetHasACheckpointToo) {
  open();
  value_of(log_->checkpoint());
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(0));
  write(1, 0);
  crash_and_open();
  EXPECT_EQ(last_sequence(1), 0);
}

// ---- one that does not

TEST_F(ProducerRecoveryTest, ARestoredBackupDropsTheNewerCheckpointsAndReplaysFromAnOlder) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  crash();
  back_up();
  open();
  write(3, 0);
  value_of(log_->checkpoint());
  crash();
  restore_backup();
  open();
  EXPECT_THAT(report().warnings,
              Contains(HasSubstr("producer state at offset 3 is not of this log")));
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_THAT(known(), ElementsAre(1));
  EXPECT_EQ(last_sequence(1), 1);
  // What was dropped stays so, also where the log reaches there again.
  write(4, 7);
  crash_and_open();
  EXPECT_THAT(report().warnings, IsEmpty());
  EXPECT_THAT(known(), ElementsAre(1, 4));
}

TEST_F(ProducerRecoveryTest, ARestoredBackupWithoutAnOlderCheckpointIsReplayedWhole) {
  options_.high_watermark = HighWatermarkPolicy::kLogEnd;  // no older one is kept
  open();
  write(1, 0);
  write(2, 0);
  crash();
  back_up();
  open();
  write(3, 0);
  value_of(log_->checkpoint());
  crash();
  restore_backup();
  open();
  EXPECT_THAT(report().warnings,
              Contains(HasSubstr("producer state at offset 3 is not of this log")));
  EXPECT_EQ(report().replayed_from, std::nullopt);
  EXPECT_THAT(known(), ElementsAre(1, 2));
  crash_and_open();
  EXPECT_THAT(report().warnings, IsEmpty());
  EXPECT_THAT(known(), ElementsAre(1, 2)) << "nothing of the other history is left";
  EXPECT_EQ(value_of(log_->producers()).size(), 2u);
}

TEST_F(ProducerRecoveryTest, ABackupThatWentOnDifferentlyIsToldByItsAnchor) {
  options_.high_watermark = HighWatermarkPolicy::kLogEnd;
  for (const bool has_other_epoch : {false, true}) {
    open();
    write(1, 0);
    write(2, 0);
    value_of(log_->checkpoint());
    crash();
    // As long as the log was, and with the same offsets.
    replace_log(test::join({batch(0, 1, 0), has_other_epoch ? batch(1, 2, 0, 1) : batch(1, 5, 0)}));
    open();
    EXPECT_THAT(report().warnings, Contains(HasSubstr("producer state at offset 2")));
    EXPECT_EQ(report().replayed_from, std::nullopt);
    EXPECT_THAT(known(), ElementsAre(1, has_other_epoch ? 2 : 5));
    crash_and_open();
    EXPECT_THAT(known(), ElementsAre(1, has_other_epoch ? 2 : 5));
    crash();
    std::filesystem::remove_all(store_path());
  }
}

TEST_F(ProducerRecoveryTest, AnAnchorWithAnotherEndIsNotTheSameBatch) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  crash();
  replace_log(make_batch({.base = 0,
                          .leader_epoch = 0,
                          .records = 2,
                          .producer_id = 1,
                          .producer_epoch = 0,
                          .sequence = 0}));
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr("producer state at offset 1")));
  EXPECT_EQ(last_sequence(1), 1);
}

TEST_F(ProducerRecoveryTest, AnOpenThatIsRefusedDropsNoCheckpoint) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(2, 0);
  value_of(log_->checkpoint());
  crash();
  const std::string log = test::read_text(log_path(0));
  std::filesystem::resize_file(log_path(0), 10);
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  crash();
  test::write_text(log_path(0), log);  // the operator finds the right file
  open();
  EXPECT_EQ(report().replayed_from, Offset(2));
  EXPECT_THAT(report().warnings, IsEmpty());
  EXPECT_THAT(known(), ElementsAre(1, 2));
}

TEST_F(ProducerRecoveryTest, AnOlderStateIsCompletedFromTheLog) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  crash();
  const std::string state = test::read_text(store_path() + "/.state");
  open();
  write(1, 1);
  write(2, 0);
  value_of(log_->checkpoint());
  crash();
  test::write_text(store_path() + "/.state", state);
  open();
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_EQ(last_sequence(1), 1);
  EXPECT_EQ(last_sequence(2), 0);
}

TEST_F(ProducerRecoveryTest, ATornTailBehindTheCheckpointIsCutAndTheRestReplayed) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  write(1, 2);
  crash();
  const auto bytes = std::filesystem::file_size(log_path(0));
  std::filesystem::resize_file(log_path(0), bytes - 3);
  open();
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_EQ(last_sequence(1), 1);
  EXPECT_EQ(report().cuts.size(), 1u);
}

TEST_F(ProducerRecoveryTest, ACheckpointAboveATornTailIsPassedOver) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  value_of(log_->checkpoint());
  crash();
  // The recovery point is lost, and with it the right to refuse.
  test::write_text(store_path() + "/recovery-point-offset-checkpoint", "0\n1\nt 0 0\n");
  const auto bytes = std::filesystem::file_size(log_path(0));
  std::filesystem::resize_file(log_path(0), bytes - 3);
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr("producer state at offset 2")));
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_EQ(last_sequence(1), 0);
}

TEST_F(ProducerRecoveryTest, DamageBelowACheckpointLosesWhatTheLogLosesAndNoMore) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  const auto first = std::filesystem::file_size(log_path(0));
  write(1, 1);
  write(1, 2);
  value_of(log_->checkpoint());
  crash();
  test::write_text(store_path() + "/recovery-point-offset-checkpoint", "0\n1\nt 0 0\n");
  test::flip_byte(log_path(0), first + 65);  // the second batch; the anchor, the third, is sound
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(1));
  EXPECT_THAT(report().warnings, Contains(HasSubstr("is newer than the log")));
  EXPECT_EQ(last_sequence(1), 0);
  write(1, 1);
  crash_and_open();
  EXPECT_EQ(last_sequence(1), 1);
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

}  // namespace
}  // namespace oncelog
