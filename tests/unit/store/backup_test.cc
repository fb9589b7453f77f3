// Backups of a store in use: what they hold, what they refuse, and that nothing done to one of the
// two stores shows in the other.
#include <gmock/gmock.h>

#include <cerrno>
#include <filesystem>

#include "oncelog/repair.h"
#include "support/compaction_fixture.h"

namespace oncelog {
namespace {

using test::BatchSpec;
using test::directory_content;
using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class BackupTest : public test::LogFixture {
 protected:
  BackupTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
    store_options_.sealed_segment_bytes_min = 0;
  }
  static BatchSpec by(std::int64_t id, std::int32_t sequence, bool is_transactional = false) {
    return {.is_transactional = is_transactional,
            .producer_id = id,
            .producer_epoch = 0,
            .sequence = sequence};
  }
  [[nodiscard]] std::string target() const { return dir_.file("copy"); }
  BackupReport back_up(const BackupOptions& options = {}) {
    return value_of(store_->backup(target(), options));
  }
  /// Five segments, an aborted, a committed and an open transaction, and a producer without data.
  void fill() {
    append(by(1, 0));
    append(by(1, 1));
    append(by(2, 0, true));
    append_marker({.type = MarkerType::kAbort, .producer_id = 2});
    for (std::int32_t i = 2; i < 8; ++i) append(by(1, i));
    append(by(3, 0, true));
    append_marker({.type = MarkerType::kCommit, .producer_id = 3});
    append(by(2, 1, true));
    append(by(1, 8));
  }
  /// The fixture's partition goes on in the backup.
  void open_copy() {
    crash();
    copy_ = value_of(Store::open(target(), store_options_));
    log_ = value_of(copy_->open_partition(name_, options_));
  }
  void close_copy() {
    log_.reset();
    ASSERT_THAT(copy_->close(), Succeeds());
    copy_.reset();
  }
  [[nodiscard]] std::vector<std::string> siblings() const {
    return value_of(posix_vfs().list(dir_.path()));
  }

  const std::int64_t size_ = std::ssize(make_batch());
  std::unique_ptr<Store> copy_;
};

TEST_F(BackupTest, TheCopyAnswersAsTheStoreDid) {
  open();
  fill();
  ASSERT_THAT(log_->delete_records(Offset(3)), Succeeds());
  const BackupReport report = back_up();
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string before = answers();
  EXPECT_FALSE(report.was_cancelled);
  EXPECT_EQ(report.partitions, 1);
  EXPECT_EQ(report.segments, std::ssize(log_->segments()));
  EXPECT_EQ(report.segments_linked, report.segments - 1);
  EXPECT_GT(report.bytes_linked, 0);
  EXPECT_LT(report.bytes_linked, report.bytes);
  open_copy();
  EXPECT_EQ(answers(), before);
  EXPECT_TRUE(this->report().was_clean);
  EXPECT_THAT(this->report().warnings, IsEmpty());
  EXPECT_THAT(this->report().files_rebuilt, IsEmpty());
  EXPECT_THAT(this->report().cuts, IsEmpty());
  EXPECT_EQ(this->report().segments_sealed, report.segments - 1);
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  EXPECT_THAT(value_of(log_->scrub()).findings, IsEmpty());
  close_copy();
}

TEST_F(BackupTest, WithoutLinksItIsTheSameCopy) {
  open();
  fill();
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string before = answers();
  const BackupReport report = back_up({.hard_links = false});
  EXPECT_EQ(report.segments_linked, 0);
  EXPECT_EQ(report.bytes_linked, 0);
  EXPECT_EQ(value_of(posix_vfs().status(log_path(0)))->link_count, 1U);
  open_copy();
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(this->report().warnings, IsEmpty());
  EXPECT_THAT(this->report().files_rebuilt, IsEmpty());
  close_copy();
}

TEST_F(BackupTest, WindowsOfFiveAndProducersWithoutDataAreInIt) {
  open();
  for (std::int32_t i = 0; i < 7; ++i) append(by(1, i));
  for (std::int32_t i = 0; i < 3; ++i) append(by(2, i));
  ASSERT_THAT(log_->delete_records(Offset(9)), Succeeds());
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 3U);  // producer 1 has no batch left
  back_up();
  open_copy();
  for (std::int32_t i = 2; i < 7; ++i) {
    const Appended again = append(by(1, i));
    EXPECT_TRUE(again.is_duplicate);
    EXPECT_EQ(again.base_offset, Offset(i));
  }
  EXPECT_TRUE(append(by(2, 0)).is_duplicate);
  EXPECT_FALSE(append(by(1, 7)).is_duplicate);
  close_copy();
}

TEST_F(BackupTest, WithoutAStateFileItHasWhatKafkasSnapshotHas) {
  store_options_.producer_state = ProducerStateStore::kNone;
  open();
  fill();
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string before = answers();
  back_up();
  open_copy();
  EXPECT_EQ(answers(), before);
  close_copy();
}

TEST_F(BackupTest, WhatIsInTheRingIsInIt) {
  store_options_.append_ring_bytes = 64 << 10;
  open();
  append(by(1, 0));
  append(by(1, 1));
  back_up();
  open_copy();
  EXPECT_EQ(fetched(0), (std::vector<std::int64_t>{0, 1}));
  close_copy();
}

TEST_F(BackupTest, AnEmptyPartitionAndAnEmptyStoreCanBeBackedUp) {
  store_ = value_of(Store::open(store_path(), store_options_));
  EXPECT_EQ(value_of(store_->backup(dir_.file("none"))).partitions, 0);
  open();
  EXPECT_EQ(back_up().partitions, 1);
  open_copy();
  EXPECT_EQ(log_->ends().log_end, Offset(0));
  EXPECT_THAT(this->report().warnings, IsEmpty());
  append();
  close_copy();
  EXPECT_THAT(value_of(Store::open(dir_.file("none")))->close(), Succeeds());
}

TEST_F(BackupTest, AllPartitionsAndTheirOffsetsAreInIt) {
  open();
  append();
  const auto other = value_of(store_->open_partition({"u", 4}, options_));
  ASSERT_THAT(other->append_as_leader(make_batch()), Succeeds());
  ASSERT_THAT(other->append_as_leader(make_batch()), Succeeds());
  EXPECT_EQ(back_up().partitions, 2);
  EXPECT_EQ(test::read_text(target() + "/recovery-point-offset-checkpoint"),
            "0\n2\nt 0 1\nu 4 2\n");
  EXPECT_EQ(test::read_text(target() + "/replication-offset-checkpoint"), "0\n2\nt 0 1\nu 4 2\n");
}

TEST_F(BackupTest, LaterVerbsInTheStoreDoNotChangeIt) {
  open();
  fill();
  back_up();
  const auto before = directory_content(target());
  ASSERT_THAT(log_->truncate_to(Offset(7)), Succeeds());  // into a segment that is shared
  append(by(9, 0));
  append(by(9, 1));
  EXPECT_EQ(directory_content(target()), before);
  ASSERT_THAT(log_->truncate_to(Offset(3)), Succeeds());  // behind a whole segment
  append(by(9, 0));
  ASSERT_THAT(log_->delete_records(Offset(3)), Succeeds());
  ASSERT_THAT(log_->roll(), Succeeds());
  EXPECT_THAT(value_of(log_->apply_retention()), Not(IsEmpty()));
  EXPECT_EQ(directory_content(target()), before);
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  EXPECT_EQ(directory_content(target()), before);
}

TEST_F(BackupTest, LaterVerbsInItDoNotChangeTheStore) {
  open();
  fill();
  back_up();
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string before = answers();
  copy_ = value_of(Store::open(target(), store_options_));
  const auto copy = value_of(copy_->open_partition(name_, options_));
  ASSERT_THAT(copy->truncate_to(Offset(7)), Succeeds());
  ASSERT_THAT(copy->append_as_leader(make_batch({.value_bytes = 50})), Succeeds());
  ASSERT_THAT(copy->truncate_to(Offset(3)), Succeeds());
  ASSERT_THAT(copy->append_as_leader(make_batch({.value_bytes = 50})), Succeeds());
  ASSERT_THAT(copy_->close(), Succeeds());
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(value_of(log_->scrub()).findings, IsEmpty());
  close_and_open();
  EXPECT_EQ(answers(), before);
}

TEST_F(BackupTest, AnOpenThatMakesASharedSegmentTheLastOneDoesNotChangeTheOther) {
  open();
  append(by(1, 0));
  append(by(1, 1));
  append(by(1, 2));
  append(by(1, 3));  // the second segment
  back_up();
  const std::string shared = test::read_text(log_path(0));
  crash();
  // As a truncation that died behind its removals leaves it.
  std::filesystem::remove(log_path(3));
  std::filesystem::remove(store_path() + "/recovery-point-offset-checkpoint");
  test::write_text(store_path() + "/recovery-point-offset-checkpoint", "0\n1\nt 0 3\n");
  open();
  append(by(5, 0));
  ASSERT_THAT(log_->flush(), Succeeds());
  EXPECT_EQ(test::read_text(target() + "/t-0/00000000000000000000.log"), shared);
}

TEST_F(BackupTest, ARepairOfTheStoreCutsItsOwnFilesOnly) {
  open();
  fill();
  back_up();
  crash();
  test::flip_byte(log_path(3), static_cast<std::size_t>(size_ + 70));  // in both: it is shared
  const auto before = directory_content(target());
  const auto done = value_of(repair(store_path(), [](const RepairPlan&) { return true; }));
  ASSERT_TRUE(done.has_steps());
  const auto first = test::make_marker({.type = MarkerType::kAbort, .producer_id = 2});
  EXPECT_EQ(test::read_text(log_path(3)).size(), first.size());  // what is before the damage
  EXPECT_EQ(directory_content(target()), before);
}

TEST_F(BackupTest, ATruncationThatCannotCopyASharedSegmentChangesNothing) {
  open();
  fill();
  back_up();
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string before = answers();
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = ".log.tmp", .os_errno = ENOSPC});
  EXPECT_THAT(log_->truncate_to(Offset(7)), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(test::file_names(directory()), Not(Contains(HasSubstr(".tmp"))));
  ASSERT_THAT(log_->truncate_to(Offset(7)), Succeeds());
}

TEST_F(BackupTest, ATargetThatIsNotFreeIsRefused) {
  open();
  append();
  std::filesystem::create_directory(target());
  test::write_text(target() + "/x", "mine");
  EXPECT_THAT(store_->backup(target()), FailsWith(ErrorCode::MISUSE, "not empty"));
  EXPECT_EQ(test::read_text(target() + "/x"), "mine");
  EXPECT_THAT(store_->backup(target() + "/x"), FailsWith(ErrorCode::MISUSE, "no directory"));
  std::filesystem::remove(target() + "/x");
  EXPECT_THAT(store_->backup(target() + "/"), Succeeds());  // an empty one is free
  EXPECT_THAT(store_->backup(target()), FailsWith(ErrorCode::MISUSE, "not empty"));
  EXPECT_THAT(store_->backup(dir_.file("a/b")), FailsWith(ErrorCode::MISUSE, "no such directory"));
  EXPECT_THAT(store_->backup(""), FailsWith(ErrorCode::MISUSE));
}

TEST_F(BackupTest, ATargetInsideTheStoreIsRefused) {
  open();
  append();
  const auto before = directory_content(store_path());
  for (const std::string inside : {"/copy", "/t-0/copy", "/../store/copy", "/t-0/../copy/"}) {
    EXPECT_THAT(store_->backup(store_path() + inside), FailsWith(ErrorCode::MISUSE, "inside"))
        << inside;
  }
  std::filesystem::create_symlink(store_path(), dir_.file("alias"));
  EXPECT_THAT(store_->backup(dir_.file("alias/copy")), FailsWith(ErrorCode::MISUSE, "inside"));
  EXPECT_EQ(directory_content(store_path()), before);
}

TEST_F(BackupTest, APartitionThatIsNotOpenIsRefused) {
  open();
  append();
  ASSERT_THAT(store_->open_partition({"u", 0}, options_), Succeeds());
  ASSERT_THAT(store_->close_partition({"u", 0}), Succeeds());
  EXPECT_THAT(store_->backup(target()), FailsWith(ErrorCode::MISUSE, "u-0"));
  EXPECT_THAT(siblings(), testing::ElementsAre("store"));
}

TEST_F(BackupTest, WhateverFailsLeavesNothingBehind) {
  open();
  fill();
  const BackupOptions options{.hard_links = false};
  std::int64_t failures = 0;
  for (const IoCall call : {IoCall::kOpen, IoCall::kWrite, IoCall::kSync, IoCall::kLink,
                            IoCall::kRename, IoCall::kSyncDirectory, IoCall::kCreateDirectory}) {
    for (int nth = 1; nth < 100; nth += nth < 12 ? 1 : 9) {
      vfs_.plan().clear();
      vfs_.plan().set_skips_syncs(false);
      vfs_.plan().add({.call = call, .path_part = "copy", .nth = nth, .os_errno = ENOSPC});
      const auto made = store_->backup(target(), call == IoCall::kLink ? BackupOptions{} : options);
      if (made) {
        vfs_.plan().clear();
        EXPECT_THAT(siblings(), testing::ElementsAre("copy", "store"));
        std::filesystem::remove_all(target());
        break;
      }
      ++failures;
      EXPECT_EQ(made.error().code, ErrorCode::STORAGE_FULL) << made.error().text();
      EXPECT_THAT(siblings(), testing::ElementsAre("store")) << static_cast<int>(call) << nth;
    }
  }
  EXPECT_GT(failures, 30);
  vfs_.plan().clear();
  append();  // the log is none the worse
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(BackupTest, ProgressIsToldAndEndsIt) {
  open();
  fill();
  std::vector<BackupProgress> told;
  BackupOptions options;
  options.on_progress = [&](const BackupProgress& now) {
    EXPECT_THAT(log_->producers(), Succeeds());  // no lock is held
    told.push_back(now);
    return true;
  };
  const BackupReport report = back_up(options);
  ASSERT_GE(told.size(), 3U);
  EXPECT_EQ(told.front().bytes_done, 0);
  EXPECT_EQ(told.back().bytes_done, report.bytes);
  EXPECT_EQ(told.back().bytes_linked, report.bytes_linked);
  EXPECT_EQ(told.back().partitions_done, 1);
  EXPECT_EQ(told.back().partitions_total, 1);
  std::filesystem::remove_all(target());
  for (std::size_t stop = 0; stop < told.size(); ++stop) {
    std::size_t calls = 0;
    options.on_progress = [&](const BackupProgress&) { return calls++ < stop; };
    EXPECT_TRUE(back_up(options).was_cancelled);
    EXPECT_THAT(siblings(), testing::ElementsAre("store"));
  }
}

TEST_F(BackupTest, ALeftoverOfACrashIsRemovedAndAnotherBackupUnderWayIsNot) {
  open();
  append();
  std::filesystem::create_directories(dir_.file("copy.backup-partial/t-0"));
  test::write_text(dir_.file("copy.backup-partial/t-0/x"), "left");
  BackupOptions options;
  bool has_tried = false;
  options.on_progress = [&](const BackupProgress&) {
    if (!has_tried) {
      has_tried = true;
      EXPECT_THAT(store_->backup(target()), FailsWith(ErrorCode::STORE_IN_USE));
    }
    return true;
  };
  back_up(options);
  EXPECT_TRUE(has_tried);
  EXPECT_THAT(siblings(), testing::ElementsAre("copy", "store"));
  EXPECT_THAT(test::file_names(target()), Not(Contains("t-0/x")));
}

TEST_F(BackupTest, ATruncationWhileItCopiesMakesItCopyAnew) {
  open();
  fill();
  BackupOptions options{.hard_links = false};
  bool has_cut = false;
  options.on_progress = [&](const BackupProgress& now) {
    if (now.bytes_done > 0 && !has_cut) {
      has_cut = true;
      EXPECT_THAT(log_->truncate_to(Offset(9)), Succeeds());
      append({.value_bytes = 40});
    }
    return true;
  };
  const BackupReport report = back_up(options);
  ASSERT_TRUE(has_cut);
  ASSERT_THAT(log_->flush(), Succeeds());
  const std::string before = answers();
  EXPECT_EQ(report.bytes, log_->metrics().log_bytes);
  open_copy();
  EXPECT_EQ(answers(), before);
  close_copy();
}

TEST_F(BackupTest, AReopenWhileItCopiesMakesItCopyAnewToo) {
  open();
  fill();
  BackupOptions options{.hard_links = false};
  options.on_progress = [&](const BackupProgress& now) {
    if (now.bytes_done > 0 && now.partitions_done == 0 && log_->ends().log_end == Offset(14)) {
      log_ = value_of(store_->reopen_partition(name_));
      EXPECT_THAT(log_->truncate_to(Offset(9)), Succeeds());
      append({.value_bytes = 40});
    }
    return true;
  };
  ASSERT_EQ(log_->ends().log_end, Offset(14));
  back_up(options);
  ASSERT_THAT(log_->flush(), Succeeds());
  EXPECT_LT(log_->ends().log_end, Offset(14));
  const std::string before = answers();
  open_copy();
  EXPECT_EQ(answers(), before);
  close_copy();
}

TEST_F(BackupTest, APartitionThatIsDeletedMeanwhileIsLeftOutAndAReopenedOneIsIn) {
  open();
  append();
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  ASSERT_THAT(other->append_as_leader(make_batch()), Succeeds());
  BackupOptions options;
  options.on_progress = [&](const BackupProgress& now) {
    if (now.partitions_done == 0 && now.bytes_done == 0) {
      std::ignore = store_->delete_partition(name_);
      EXPECT_THAT(store_->reopen_partition({"u", 0}), Succeeds());
    }
    return true;
  };
  EXPECT_EQ(back_up(options).partitions, 1);
  EXPECT_FALSE(std::filesystem::exists(target() + "/t-0"));
  const auto copy = value_of(Store::open(target(), store_options_));
  const auto log = value_of(copy->open_partition({"u", 0}, options_));
  EXPECT_EQ(log->ends().log_end, Offset(1));
}

TEST_F(BackupTest, AClosedStoreIsRefused) {
  open();
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_THAT(store_->backup(target()), FailsWith(ErrorCode::MISUSE));
}

class BackupOfCompactedTest : public test::CompactionFixture {};

TEST_F(BackupOfCompactedTest, CompactionBehindItDoesNotChangeIt) {
  open();
  put_segment({{"a", "1"}});
  put_segment({{"a", "2"}});
  const std::string target = dir_.file("copy");
  ASSERT_THAT(store_->backup(target), Succeeds());
  const auto before = directory_content(target);
  ASSERT_TRUE(compact().was_due);
  EXPECT_EQ(directory_content(target), before);
  std::filesystem::remove_all(target);
  ASSERT_THAT(store_->backup(target), Succeeds());
  const std::string all = answers();
  crash();
  store_ = value_of(Store::open(target, store_options_));
  log_ = value_of(store_->open_partition(name_, options_));
  EXPECT_EQ(answers(), all);
  EXPECT_THAT(report().warnings, IsEmpty());
  EXPECT_THAT(report().files_rebuilt, IsEmpty());
}

}  // namespace
}  // namespace oncelog
