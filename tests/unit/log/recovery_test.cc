// What an open finds, believes, cuts, refuses and says, through the public interface.
#include "log/recovery.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include "base/bytes.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using segment::kOffsetIndexSuffix;
using segment::kSnapshotSuffix;
using segment::kTimeIndexSuffix;
using segment::kTxnIndexSuffix;
using test::Buffer;
using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr auto kStorageError = ErrorCode::KAFKA_STORAGE_ERROR;

class RecoveryTest : public test::LogFixture {
 protected:
  RecoveryTest() { options_.level = Level::kWritten; }

  void append_many(int batches) {
    for (int i = 0; i < batches; ++i) append({.timestamp = 1000 + time_++});
  }
  /// Segments with bases 0, 3 and 6, three batches each; the recovery point is at 6.
  void make_three_segments() {
    options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
    open();
    append_many(9);
    ASSERT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3), Offset(6)));
  }
  /// An open that is refused must change nothing but `.clean` and Kafka's marker.
  void expect_refused(ErrorCode code, const std::string& text) {
    const auto before = test::directory_content(directory());
    EXPECT_THAT(try_open(), FailsWith(code, text));
    EXPECT_EQ(test::directory_content(directory()), before);
    EXPECT_THAT(try_open(), FailsWith(code, text));  // and again
  }
  void write_recovery_point(const std::string& line) {
    test::write_text(store_path() + "/recovery-point-offset-checkpoint", "0\n1\n" + line + "\n");
  }
  void cut_log(std::int64_t base, std::int64_t bytes) {
    std::filesystem::resize_file(log_path(base), static_cast<std::uintmax_t>(bytes));
  }
  [[nodiscard]] std::int64_t log_bytes(std::int64_t base) const {
    return static_cast<std::int64_t>(std::filesystem::file_size(log_path(base)));
  }

  std::int64_t time_ = 0;
  const std::int64_t size_ = std::ssize(make_batch());
};

// ---- clean and unclean ends

TEST_F(RecoveryTest, ANewPartitionSaysSo) {
  open();
  EXPECT_TRUE(report().was_created);
  EXPECT_TRUE(report().was_clean);
  EXPECT_THAT(test::file_names(directory()),
              ElementsAre(".options", "00000000000000000000.log", "partition.metadata"));
}

TEST_F(RecoveryTest, ACleanEndGivesTheSameAnswersAgain) {
  make_three_segments();
  append({.is_transactional = true, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
  test::value_of(log_->flush());
  const std::string before = answers();
  close_and_open();
  EXPECT_TRUE(report().was_clean);
  EXPECT_FALSE(report().was_created);
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(report().files_rebuilt, IsEmpty());
  EXPECT_THAT(report().cuts, IsEmpty());
  EXPECT_EQ(report().batches_read, 12);
  EXPECT_EQ(report().bytes_cut, 0);
  EXPECT_EQ(report().replayed_from, log_->ends().log_end) << "nothing was replayed";
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(RecoveryTest, ACrashOfTheProcessLosesNothingWritten) {
  make_three_segments();
  append({.is_transactional = true, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  test::value_of(log_->flush());
  append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
  append_marker({.type = MarkerType::kAbort, .producer_id = 2});
  append_many(1);
  const auto bytes = fetched(0);
  const auto aborted = log_->aborted_transactions().size();
  crash_and_open();
  EXPECT_FALSE(report().was_clean);
  EXPECT_EQ(fetched(0), bytes);
  EXPECT_EQ(log_->ends().log_end, Offset(14));
  EXPECT_EQ(log_->ends().durable_end, Offset(14));
  EXPECT_EQ(log_->aborted_transactions().size(), aborted);
  EXPECT_THAT(report().cuts, IsEmpty());
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(RecoveryTest, OpeningAgainAfterARecoveryFindsNothingMoreToDo) {
  make_three_segments();
  crash_and_open();
  const std::string before = answers();
  crash_and_open();
  EXPECT_THAT(report().files_rebuilt, IsEmpty());
  EXPECT_EQ(answers(), before);
}

TEST_F(RecoveryTest, LeaderEpochsThatTheFileDoesNotKnowAreFoundInTheBatches) {
  options_.leader_epoch = LeaderEpoch(2);
  open();
  append_many(1);
  const auto follower = make_batch({.base = 1, .leader_epoch = 6});
  ASSERT_THAT(log_->append_as_follower(follower), Succeeds());
  const auto epochs = log_->leader_epochs();
  crash_and_open();
  EXPECT_EQ(log_->leader_epochs(), epochs);
}

TEST_F(RecoveryTest, AnUnreadableEpochFileIsMadeAnewAndNamed) {
  options_.leader_epoch = LeaderEpoch(2);
  open();
  append_many(2);
  close();
  test::write_text(directory() + "/leader-epoch-checkpoint", "rubbish");
  open();
  EXPECT_THAT(report().files_rebuilt, Contains("leader-epoch-checkpoint"));
  EXPECT_THAT(log_->leader_epochs(), ElementsAre(LeaderEpochStart{LeaderEpoch(2), Offset(0)}));
}

// ---- the torn tail

TEST_F(RecoveryTest, ATornBatchIsCutAndNamedByItsOffset) {
  open();
  append_many(3);
  crash();
  cut_log(0, 3 * size_ - 5);
  open();
  ASSERT_EQ(report().cuts.size(), 1u);
  EXPECT_EQ(report().cuts[0].file, "00000000000000000000.log");
  EXPECT_EQ(report().cuts[0].position, 2 * size_);
  EXPECT_EQ(report().cuts[0].bytes, size_ - 5);
  EXPECT_EQ(report().cuts[0].end, Offset(2));
  EXPECT_NE(report().cuts[0].reason, "");
  EXPECT_EQ(report().bytes_cut, size_ - 5);
  EXPECT_EQ(log_->ends().log_end, Offset(2));
  EXPECT_EQ(log_bytes(0), 2 * size_);
  EXPECT_EQ(append().base_offset, Offset(2));
}

TEST_F(RecoveryTest, AFlippedBitBehindTheRecoveryPointEndsTheLogThere) {
  open();
  append_many(4);
  crash();
  test::flip_byte(log_path(0), static_cast<std::size_t>(2 * size_ + 65));
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
  EXPECT_EQ(report().bytes_cut, 2 * size_);
}

TEST_F(RecoveryTest, AnOffsetThatGoesBackEndsTheLog) {
  open();
  append_many(2);
  crash();
  test::append_to_file(log_path(0), make_batch({.base = 1, .leader_epoch = 0}));
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
  EXPECT_THAT(report().cuts.at(0).reason, HasSubstr("goes back"));
}

TEST_F(RecoveryTest, SegmentsBehindTheDamageAreRemovedAndNamed) {
  make_three_segments();
  crash();
  write_recovery_point("t 0 0");
  test::flip_byte(log_path(3), static_cast<std::size_t>(size_ + 65));
  open();
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3)));
  EXPECT_EQ(log_->ends().log_end, Offset(4));
  ASSERT_EQ(report().cuts.size(), 2u);
  EXPECT_EQ(report().cuts[0].file, "00000000000000000006.log");
  EXPECT_EQ(report().cuts[0].bytes, 3 * size_);
  EXPECT_EQ(report().cuts[1].file, "00000000000000000003.log");
  EXPECT_EQ(report().cuts[1].position, size_);
  EXPECT_EQ(report().bytes_cut, 5 * size_);
  for (const std::string& name : test::file_names(directory())) {
    EXPECT_THAT(name, Not(HasSubstr("00006.")));
  }
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(RecoveryTest, DamageWithWholeBatchesBehindItIsRefusedOnRequest) {
  open();
  append_many(4);
  crash();
  test::flip_byte(log_path(0), static_cast<std::size_t>(2 * size_ + 65));
  store_options_.refuse_any_damage = true;
  expect_refused(kStorageError, "whole batches lie behind");
  crash();
  cut_log(0, 3 * size_ - 5);  // now it is torn, with nothing behind
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
}

// ---- preallocation

TEST_F(RecoveryTest, TheZeroTailOfAPreallocatedSegmentIsNoDamage) {
  options_.config.preallocate = true;
  options_.config.segment_bytes = 4096;
  open();
  append_many(2);
  ASSERT_EQ(log_bytes(0), 4096);
  store_options_.refuse_any_damage = true;
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
  EXPECT_THAT(report().cuts, IsEmpty());
  EXPECT_EQ(report().bytes_cut, 0);
}

TEST_F(RecoveryTest, ASealedSegmentThatWasNotCutYetKeepsTheSegmentsBehindIt) {
  options_.config.preallocate = true;
  options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_ + 10);
  open();
  append_many(3);
  vfs_.plan().add({.call = IoCall::kTruncate, .path_part = "00000.log", .is_lasting = true});
  append_many(2);  // rolls; the cut of the first file fails, or the process dies before it
  const auto before = fetched(0).size() + fetched(3).size();
  vfs_.plan().clear();
  ASSERT_GT(log_bytes(0), 3 * size_);
  crash_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(5));
  EXPECT_EQ(fetched(0).size() + fetched(3).size(), before);
  EXPECT_EQ(log_bytes(0), 3 * size_);
  EXPECT_THAT(report().cuts, IsEmpty());
}

// ---- damage that must not be cut

TEST_F(RecoveryTest, DamageBelowTheRecoveryPointIsRefused) {
  open();
  append_many(4);
  EXPECT_EQ(test::value_of(log_->flush()), Offset(4));
  crash();
  test::flip_byte(log_path(0), static_cast<std::size_t>(2 * size_ + 65));
  expect_refused(kStorageError, "acknowledged up to offset 4");
}

TEST_F(RecoveryTest, ALogShorterThanTheRecoveryPointIsRefused) {
  open();
  append_many(4);
  test::value_of(log_->flush());
  crash();
  cut_log(0, 3 * size_);
  expect_refused(kStorageError, "acknowledged up to offset 4");
  cut_log(0, 0);
  expect_refused(kStorageError, "acknowledged up to offset 4");
  std::filesystem::remove(log_path(0));
  expect_refused(kStorageError, "no segment is left");
}

TEST_F(RecoveryTest, WithoutARecoveryPointSealedSegmentsCountAsBelowIt) {
  make_three_segments();
  crash();
  for (const char* line : {"other 0 5", "rubbish"}) {
    write_recovery_point(line);
    const std::string log = test::read_text(log_path(3));
    test::flip_byte(log_path(3), static_cast<std::size_t>(size_ + 65));
    expect_refused(kStorageError, "00000000000000000003.log");
    crash();
    test::write_text(log_path(3), log);
  }
  // In the active segment: refused if whole batches lie behind, else cut.
  test::flip_byte(log_path(6), static_cast<std::size_t>(size_ + 65));
  expect_refused(kStorageError, "whole batches lie behind");
  crash();
  cut_log(6, 2 * size_ - 1);
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(7));
}

TEST_F(RecoveryTest, AnUnreadableCheckpointFileIsNamedInTheReport) {
  open();
  append_many(1);
  crash();
  write_recovery_point("rubbish");
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr("recovery-point-offset-checkpoint")));
}

TEST_F(RecoveryTest, ALogThatIsNotWhatTheCleanCloseLeftIsRefused) {
  const auto make = [&] {
    crash();
    std::filesystem::remove_all(store_path());
    open();
    append_many(3);
    close();
  };
  make();
  cut_log(0, 2 * size_);
  expect_refused(kStorageError, "");
  make();
  test::append_to_file(log_path(0), make_batch({.base = 3, .leader_epoch = 0}));
  expect_refused(kStorageError, "the clean close left the end at offset 3");
  make();
  test::append_to_file(log_path(0), Buffer(10));
  expect_refused(kStorageError, "clean close");
  make();  // the same length and offsets, another batch
  cut_log(0, 2 * size_);
  test::append_to_file(log_path(0), make_batch({.base = 2, .leader_epoch = 0, .timestamp = 77}));
  expect_refused(kStorageError, "the clean close left");
}

TEST_F(RecoveryTest, ALogOfAnOlderFormatIsRefusedByName) {
  for (const std::int8_t magic : {std::int8_t{0}, std::int8_t{1}}) {
    crash();
    std::filesystem::remove_all(store_path());
    open();
    append_many(1);
    crash();
    // offset, size, then: CRC-32, magic, attributes, (timestamp,) key −1, value of two bytes
    Buffer message(magic == 0 ? 16 : 24);
    base::store_be(std::span(message), 4, magic);
    base::store_be(std::span(message), message.size() - 10, std::int32_t{-1});
    base::store_be(std::span(message), message.size() - 6, std::int32_t{2});
    const uLong crc =
        crc32_z(0, reinterpret_cast<const Bytef*>(message.data() + 4), message.size() - 4);
    base::store_be(std::span(message), 0, static_cast<std::uint32_t>(crc));
    Buffer entry(12);
    base::store_be(std::span(entry), 0, std::int64_t{1});
    base::store_be(std::span(entry), 8, static_cast<std::int32_t>(message.size()));
    test::append_to_file(log_path(0), test::join({entry, message}));
    expect_refused(ErrorCode::UNSUPPORTED_VERSION, "00000000000000000000.log position");
  }
}

TEST_F(RecoveryTest, ALogStartAboveTheEndBeginsASegmentThereAndRemovesNothing) {
  open();
  append_many(2);
  const std::string name = "00000000000000000000.log";
  const std::string before = test::directory_content(directory()).at(name);
  crash();
  test::write_text(store_path() + "/log-start-offset-checkpoint", "0\n1\nt 0 5\n");
  for (int round = 0; round < 2; ++round) {
    open();
    EXPECT_EQ(log_->ends().log_start, Offset(5));
    EXPECT_EQ(log_->ends().log_end, Offset(5));
    EXPECT_EQ(log_->segments(), (std::vector<Offset>{Offset(0), Offset(5)}));
    EXPECT_EQ(test::directory_content(directory()).at(name), before);
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
    crash();
  }
}

TEST_F(RecoveryTest, AMissingPartitionIsMadeOnlyOnRequest) {
  options_.create_if_missing = false;
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
  EXPECT_FALSE(std::filesystem::exists(directory()));
}

// ---- indexes

TEST_F(RecoveryTest, MissingIndexFilesAreMadeAnewByteForByte) {
  options_.config.index_interval_bytes = 100;
  make_three_segments();
  append({.is_transactional = true, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append_marker({.type = MarkerType::kAbort, .producer_id = 1});
  close();
  const auto before = test::directory_content(directory());
  for (const auto& [name, content] : before) {
    if (name.ends_with("index")) std::filesystem::remove(directory() + "/" + name);
  }
  open();
  EXPECT_TRUE(report().was_clean);
  EXPECT_THAT(report().files_rebuilt, Contains("00000000000000000003.timeindex"));
  EXPECT_THAT(report().files_rebuilt, Contains("00000000000000000009.txnindex"));
  close();
  EXPECT_EQ(test::directory_content(directory()), before);
}

TEST_F(RecoveryTest, ForgedIndexFilesAreReplacedAndNamed) {
  options_.config.index_interval_bytes = 50;
  make_three_segments();
  close();
  const auto before = test::directory_content(directory());
  for (const auto suffix : {kOffsetIndexSuffix, kTimeIndexSuffix}) {
    test::flip_byte(file(3, suffix), 3);
  }
  test::write_file(file(3, kTxnIndexSuffix), Buffer(34));
  open();
  EXPECT_THAT(report().files_rebuilt,
              ElementsAre("00000000000000000003.index", "00000000000000000003.timeindex",
                          "00000000000000000003.txnindex"));
  close();
  auto after = test::directory_content(directory());
  EXPECT_EQ(after.extract("00000000000000000003.txnindex").mapped(), "");
  EXPECT_EQ(after, before);
}

TEST_F(RecoveryTest, IndexFilesWithoutALogAreRemovedAndNamed) {
  open();
  close();
  test::write_text(file(77, kOffsetIndexSuffix), "x");
  open();
  EXPECT_THAT(report().files_removed, ElementsAre("00000000000000000077.index"));
  EXPECT_FALSE(std::filesystem::exists(file(77, kOffsetIndexSuffix)));
}

// ---- Kafka's snapshots

TEST_F(RecoveryTest, SnapshotsAreGoneBeforeTheLogChanges) {
  open();
  append_many(2);
  close();
  ASSERT_TRUE(std::filesystem::exists(file(2, kSnapshotSuffix)));
  open();
  EXPECT_FALSE(std::filesystem::exists(file(2, kSnapshotSuffix)));
}

TEST_F(RecoveryTest, SnapshotsAreGoneBeforeTheLogIsCut) {
  open();
  append_many(3);
  crash();
  test::write_file(file(3, kSnapshotSuffix), test::from_hex("000148674bc700000000"));
  cut_log(0, 3 * size_ - 1);
  vfs_.plan().add({.call = IoCall::kTruncate, .path_part = ".log"});
  EXPECT_FALSE(try_open());
  EXPECT_EQ(vfs_.plan().struck_count(), 1);
  EXPECT_FALSE(std::filesystem::exists(file(3, kSnapshotSuffix)));
}

// ---- interrupted work of others

TEST_F(RecoveryTest, WhatWasBeingDeletedOrBuiltGoes) {
  open();
  append_many(1);
  close();
  for (const char* name : {"00000000000000000000.log.deleted", "00000000000000000005.log.cleaned",
                           "00000000000000000007.log.swap"}) {
    test::write_file(directory() + "/" + name, make_batch({.base = 7}));
  }
  open();
  EXPECT_EQ(report().files_removed.size(), 3u);
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0)));
}

TEST_F(RecoveryTest, ACompleteSwapIsFinished) {
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_);
  open();
  append_many(6);
  test::value_of(log_->flush());
  crash();
  // The first two segments were compacted into one, which keeps offsets 1 and 3.
  test::write_file(log_path(0) + ".swap", test::join({make_batch({.base = 1, .leader_epoch = 0}),
                                                      make_batch({.base = 3, .leader_epoch = 0})}));
  open();
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(4)));
  EXPECT_THAT(fetched(0), ElementsAre(1, 3));
  EXPECT_THAT(report().files_removed, Contains("00000000000000000002.log"));
  EXPECT_EQ(log_->ends().log_end, Offset(6));
}

}  // namespace
}  // namespace oncelog
