#include "store/checkpoint_files.h"

#include <gmock/gmock.h>

#include "support/fault_vfs.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::store {
namespace {

using test::FailsWith;
using test::IoCall;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const TopicPartition kName{"t", 0};

class CheckpointFilesTest : public testing::Test {
 protected:
  void write(std::string_view file, const std::string& text) {
    test::write_text(dir_.file(file), text);
  }
  [[nodiscard]] std::string text(std::string_view file) const {
    return test::read_text(dir_.file(file));
  }

  test::TempDir dir_;
  test::FaultVfs vfs_{posix_vfs()};
  CheckpointFiles files_{vfs_, dir_.path()};
};

TEST_F(CheckpointFilesTest, MissingFilesHaveNoEntriesAndAreNotNamed) {
  EXPECT_THAT(value_of(files_.load()), IsEmpty());
  const log::PartitionCheckpoint found = files_.find(kName);
  EXPECT_EQ(found.recovery_point, std::nullopt);
  EXPECT_EQ(found.log_start, std::nullopt);
  EXPECT_EQ(found.high_watermark, std::nullopt);
}

TEST_F(CheckpointFilesTest, EachOffsetHasItsFile) {
  ASSERT_THAT(files_.save(kName, {Offset(3), Offset(1), Offset(2), Offset(4)}), Succeeds());
  EXPECT_EQ(text(kCleanerFile), "0\n1\nt 0 4\n");
  EXPECT_EQ(text(kRecoveryPointFile), "0\n1\nt 0 3\n");
  EXPECT_EQ(text(kLogStartFile), "0\n1\nt 0 1\n");
  EXPECT_EQ(text(kHighWatermarkFile), "0\n1\nt 0 2\n");

  CheckpointFiles again(posix_vfs(), dir_.path());
  EXPECT_THAT(value_of(again.load()), IsEmpty());
  EXPECT_EQ(again.find(kName).recovery_point, Offset(3));
  EXPECT_EQ(again.find(kName).log_start, Offset(1));
  EXPECT_EQ(again.find(kName).high_watermark, Offset(2));
  EXPECT_EQ(again.find(kName).cleaner, Offset(4));
}

TEST_F(CheckpointFilesTest, AFileWhoseWriteFailedIsWrittenByTheNextSaveOfAnything) {
  ASSERT_THAT(files_.save(kName, {Offset(3), Offset(1), Offset(2)}), Succeeds());
  // Its rename is made, the sync of its name fails: the file has what nobody goes on from.
  vfs_.plan().add({.call = IoCall::kSyncDirectory});
  EXPECT_FALSE(files_.save(kName, {{}, Offset(500), {}}));
  EXPECT_EQ(files_.find(kName).log_start, Offset(1));
  ASSERT_THAT(files_.save(kName, {Offset(3), {}, {}}), Succeeds());
  EXPECT_EQ(text(kLogStartFile), "0\n1\nt 0 1\n");
}

TEST_F(CheckpointFilesTest, WhatIsNotGivenStaysAsItWas) {
  ASSERT_THAT(files_.save(kName, {Offset(3), {}, {}}), Succeeds());
  EXPECT_THAT(test::file_names(dir_.path()), ElementsAre("recovery-point-offset-checkpoint"));
  ASSERT_THAT(files_.save(kName, {{}, {}, Offset(2)}), Succeeds());
  EXPECT_EQ(files_.find(kName).recovery_point, Offset(3));
}

TEST_F(CheckpointFilesTest, LinesOfOtherPartitionsAreKept) {
  write(kRecoveryPointFile, "0\n2\nother 4 9\nt 0 1\n");
  value_of(files_.load());
  ASSERT_THAT(files_.save(kName, {Offset(5), {}, {}}), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n2\nother 4 9\nt 0 5\n");
}

TEST_F(CheckpointFilesTest, AnEntryThatIsThereAlreadyWritesNothing) {
  ASSERT_THAT(files_.save(kName, {Offset(3), {}, Offset(2)}), Succeeds());
  vfs_.plan().add({.call = IoCall::kWrite, .is_lasting = true});
  EXPECT_THAT(files_.save(kName, {Offset(3), {}, Offset(2)}), Succeeds());
  EXPECT_FALSE(files_.save(kName, {Offset(4), {}, {}}));
}

TEST_F(CheckpointFilesTest, AFailedSaveIsNotRemembered) {
  ASSERT_THAT(files_.save(kName, {Offset(3), {}, {}}), Succeeds());
  vfs_.plan().add({.call = IoCall::kSync});
  EXPECT_FALSE(files_.save(kName, {Offset(4), {}, {}}));
  EXPECT_EQ(files_.find(kName).recovery_point, Offset(3));
  EXPECT_EQ(text(kRecoveryPointFile), "0\n1\nt 0 3\n");
  EXPECT_THAT(files_.save(kName, {Offset(4), {}, {}}), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n1\nt 0 4\n");
}

TEST_F(CheckpointFilesTest, AnUnreadableFileCountsAsEmptyAndIsNamed) {
  write(kRecoveryPointFile, "rubbish");
  write(kLogStartFile, "0\n1\nt 0 1\n");
  write(kHighWatermarkFile, "0\n1\nt 0\n");
  EXPECT_THAT(value_of(files_.load()),
              ElementsAre(HasSubstr("recovery-point"), HasSubstr("replication")));
  EXPECT_EQ(files_.find(kName).recovery_point, std::nullopt);
  EXPECT_EQ(files_.find(kName).log_start, Offset(1));
}

TEST_F(CheckpointFilesTest, AFileOfALaterVersionIsRefusedByName) {
  write(kHighWatermarkFile, "9\n");
  EXPECT_THAT(files_.load(), FailsWith(ErrorCode::UNSUPPORTED_VERSION));
}

TEST_F(CheckpointFilesTest, AFileThatTheDiskCannotReadIsAnError) {
  write(kRecoveryPointFile, "0\n1\nt 0 1\n");
  vfs_.plan().add({.call = IoCall::kRead});
  EXPECT_THAT(files_.load(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(CheckpointFilesTest, WhatWaitsIsKnownAtOnceAndWrittenWithTheNextOrAtTheEnd) {
  const TopicPartition other{"u", 0};
  files_.set_waits(kName, true);
  ASSERT_THAT(files_.save(kName, {.recovery_point = Offset(3), .can_wait = true}), Succeeds());
  EXPECT_EQ(files_.find(kName).recovery_point, Offset(3));
  EXPECT_FALSE(std::filesystem::exists(dir_.file(kRecoveryPointFile)));
  ASSERT_THAT(files_.save(other, {Offset(1), {}, {}}), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n2\nt 0 3\nu 0 1\n");
  ASSERT_THAT(files_.save(kName, {Offset(4), Offset(2), {}, {}, true}), Succeeds());
  ASSERT_THAT(files_.write_waiting(), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n2\nt 0 4\nu 0 1\n");
  EXPECT_EQ(text(kLogStartFile), "0\n1\nt 0 2\n");
  files_.set_waits(kName, false);
  ASSERT_THAT(files_.save(kName, {.recovery_point = Offset(5), .can_wait = true}), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n2\nt 0 5\nu 0 1\n");
}

/// As of a truncation beside the close of its store.
TEST_F(CheckpointFilesTest, WhatCannotWaitIsWrittenWhileOthersWait) {
  files_.set_waits(kName, true);
  ASSERT_THAT(files_.save(kName, {.recovery_point = Offset(3), .can_wait = true}), Succeeds());
  ASSERT_THAT(files_.save(kName, {Offset(2), {}, {}}), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n1\nt 0 2\n");
}

TEST_F(CheckpointFilesTest, WhatWaitsAndCouldNotBeWrittenIsWrittenByTheNextSave) {
  files_.set_waits(kName, true);
  ASSERT_THAT(files_.save(kName, {.recovery_point = Offset(3), .can_wait = true}), Succeeds());
  files_.set_waits(kName, false);
  vfs_.plan().add({.call = IoCall::kRename, .path_part = "recovery-point"});
  EXPECT_THAT(files_.write_waiting(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  ASSERT_THAT(files_.save(kName, {Offset(3), {}, {}}), Succeeds());
  EXPECT_EQ(text(kRecoveryPointFile), "0\n1\nt 0 3\n");
}

}  // namespace
}  // namespace oncelog::store
