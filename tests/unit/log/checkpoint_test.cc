#include "log/checkpoint.h"

#include <gmock/gmock.h>

#include <set>

#include "support/fault_vfs.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::log {
namespace {

using test::FailsWith;
using test::IoCall;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto kStorageError = ErrorCode::KAFKA_STORAGE_ERROR;

class CheckpointTest : public testing::Test {
 protected:
  Result<std::vector<OffsetCheckpointEntry>> read_offsets(const std::string& text) {
    test::write_text(path_, text);
    return read_offset_checkpoint(vfs_, path_);
  }
  Result<std::vector<LeaderEpochStart>> read_epochs(const std::string& text) {
    test::write_text(path_, text);
    return read_leader_epochs(vfs_, path_);
  }
  Result<std::string> read_id(const std::string& text) {
    test::write_text(path_, text);
    return read_topic_id(vfs_, path_);
  }

  test::TempDir dir_;
  test::FaultVfs vfs_{posix_vfs()};
  std::string path_ = dir_.file("checkpoint");
};

// ---- offset checkpoints

TEST_F(CheckpointTest, TheOffsetExampleOfTheFormatIsWrittenByteForByte) {
  ASSERT_THAT(write_offset_checkpoint(vfs_, path_, {{{"t", 0}, Offset(42)}, {{"t", 1}, Offset(0)}}),
              Succeeds());
  EXPECT_EQ(test::read_text(path_), "0\n2\nt 0 42\nt 1 0\n");
}

TEST_F(CheckpointTest, TheOffsetExampleOfTheFormatIsRead) {
  const auto entries = value_of(read_offsets("0\n2\nt 0 42\nt 1 0\n"));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, (TopicPartition{"t", 0}));
  EXPECT_EQ(entries[0].offset, Offset(42));
  EXPECT_EQ(entries[1].name, (TopicPartition{"t", 1}));
  EXPECT_EQ(entries[1].offset, Offset(0));
}

TEST_F(CheckpointTest, AnyWhiteSpaceSeparatesFields) {
  EXPECT_EQ(value_of(read_offsets("0\n1\nt \t 0   42\n")).front().offset, Offset(42));
}

TEST_F(CheckpointTest, AFileOfAnotherPlatformsLinesIsRead) {
  EXPECT_EQ(value_of(read_offsets("0\r\n1\r\nt 0 42\r\n")).front().offset, Offset(42));
  EXPECT_EQ(value_of(read_offsets("0\n1\nt 0 42")).front().offset, Offset(42));
}

TEST_F(CheckpointTest, MissingAndEmptyFilesHaveNoEntries) {
  EXPECT_THAT(value_of(read_offset_checkpoint(vfs_, path_)), IsEmpty());
  EXPECT_THAT(value_of(read_leader_epochs(vfs_, path_)), IsEmpty());
  EXPECT_THAT(value_of(read_offsets("")), IsEmpty());
  EXPECT_THAT(value_of(read_epochs("")), IsEmpty());
}

TEST_F(CheckpointTest, AVersionLineAloneHasNoEntries) {
  EXPECT_THAT(value_of(read_offsets("0\n")), IsEmpty());
  EXPECT_THAT(value_of(read_offsets("0")), IsEmpty());
  EXPECT_THAT(value_of(read_offsets("0\n0\n")), IsEmpty());
}

TEST_F(CheckpointTest, AnotherVersionIsRefusedByName) {
  EXPECT_THAT(read_offsets("1\n0\n"), FailsWith(ErrorCode::UNSUPPORTED_VERSION, "version 1"));
  EXPECT_THAT(read_epochs("7\n1\n0 0\n"), FailsWith(ErrorCode::UNSUPPORTED_VERSION));
}

TEST_F(CheckpointTest, MalformedOffsetCheckpointsAreRefusedWithFileAndLine) {
  for (const char* text : {"x\n1\nt 0 1\n",
                           "\n",
                           "0 0\n1\nt 0 1\n",
                           "0\nx\nt 0 1\n",
                           "0\n-1\n",
                           "0\n\n1\nt 0 1\n",
                           "0\n1.0\nt 0 1\n",
                           "0\n1\n",
                           "0\n2\nt 0 1\n",
                           "0\n0\nt 0 1\n",
                           "0\n1\nt 0 1\nt 1 1\n",
                           "0\n1\nt 0\n",
                           "0\n1\nt 0 1 2\n",
                           "0\n1\nt x 1\n",
                           "0\n1\nt 0 x\n",
                           "0\n1\nt 0 1x\n",
                           "0\n1\nt -1 1\n",
                           "0\n1\nt 0 -1\n",
                           "0\n1\nt 2147483648 1\n",
                           "0\n1\nt 0 9223372036854775808\n",
                           "0\n1\n\n",
                           "0\n2\nt 0 1\n\nt 1 1\n",
                           "0\n1\nt 0 1\n\n"}) {
    EXPECT_THAT(read_offsets(text), FailsWith(kStorageError, path_)) << text;
  }
  EXPECT_THAT(read_offsets("0\n2\nt 0 1\nt 1\n"), FailsWith(kStorageError, "line 4"));
  EXPECT_THAT(read_offsets(std::string(100, '\0')), FailsWith(kStorageError));
}

TEST_F(CheckpointTest, AFileTooLargeToBeACheckpointIsRefused) {
  EXPECT_THAT(read_small_file(vfs_, dir_.path(), 100), FailsWith(kStorageError));
  test::write_text(path_, std::string(101, 'x'));
  EXPECT_THAT(read_small_file(vfs_, path_, 100), FailsWith(kStorageError, "101 bytes"));
  EXPECT_EQ(value_of(read_small_file(vfs_, path_, 101)), std::string(101, 'x'));
}

// ---- leader epochs

TEST_F(CheckpointTest, TheEpochExampleOfTheFormatIsWrittenByteForByte) {
  ASSERT_THAT(
      write_leader_epochs(vfs_, path_, {{LeaderEpoch(0), Offset(0)}, {LeaderEpoch(3), Offset(17)}}),
      Succeeds());
  EXPECT_EQ(test::to_hex(test::read_file(path_)), "300a320a3020300a332031370a");
}

TEST_F(CheckpointTest, TheEpochExampleOfTheFormatIsRead) {
  EXPECT_THAT(value_of(read_epochs("0\n2\n0 0\n3 17\n")),
              ElementsAre(LeaderEpochStart{LeaderEpoch(0), Offset(0)},
                          LeaderEpochStart{LeaderEpoch(3), Offset(17)}));
}

TEST_F(CheckpointTest, MalformedEpochFilesAreRefused) {
  for (const char* text : {"0\n1\n0\n", "0\n1\n0 0 0\n", "0\n1\n-1 0\n", "0\n1\n0 -1\n",
                           "0\n1\nx 0\n", "0\n1\n2147483648 0\n"}) {
    EXPECT_THAT(read_epochs(text), FailsWith(kStorageError, "line 3")) << text;
  }
}

// ---- replacing

TEST_F(CheckpointTest, ALeftoverOfAnInterruptedWriteIsIgnoredAndOverwritten) {
  ASSERT_THAT(write_offset_checkpoint(vfs_, path_, {{{"t", 0}, Offset(1)}}), Succeeds());
  test::write_text(path_ + ".tmp", "rubbish that is longer than what follows, much longer");
  EXPECT_EQ(value_of(read_offset_checkpoint(vfs_, path_)).front().offset, Offset(1));
  ASSERT_THAT(write_offset_checkpoint(vfs_, path_, {{{"t", 0}, Offset(2)}}), Succeeds());
  EXPECT_EQ(test::read_text(path_), "0\n1\nt 0 2\n");
  EXPECT_THAT(test::file_names(dir_.path()), ElementsAre("checkpoint"));
}

TEST_F(CheckpointTest, TheOldFileSurvivesEveryFailureBeforeTheRename) {
  ASSERT_THAT(replace_file(vfs_, path_, as_bytes("old")), Succeeds());
  for (const IoCall call :
       {IoCall::kOpen, IoCall::kTruncate, IoCall::kWrite, IoCall::kSync, IoCall::kRename}) {
    vfs_.plan().add({.call = call});
    EXPECT_FALSE(replace_file(vfs_, path_, as_bytes("new")));
    vfs_.plan().clear();
    EXPECT_EQ(test::read_text(path_), "old");
  }
  vfs_.plan().add({.call = IoCall::kSyncDirectory});
  EXPECT_THAT(replace_file(vfs_, path_, as_bytes("new")), FailsWith(kStorageError));
}

TEST_F(CheckpointTest, AReplacedFileIsAnotherInode) {
  ASSERT_THAT(replace_file(vfs_, path_, as_bytes("same")), Succeeds());
  const auto before = value_of(vfs_.status(path_));
  ASSERT_THAT(replace_file(vfs_, path_, as_bytes("same")), Succeeds());
  EXPECT_NE(value_of(vfs_.status(path_))->inode, before->inode);
}

// ---- partition.metadata

constexpr const char* kExampleId = "AAECAwQFBgcICQoLDA0ODw";  // of the bytes 00 01 02 … 0f

TEST_F(CheckpointTest, TheTopicIdExampleOfTheFormatGoesBothWays) {
  ASSERT_THAT(write_topic_id(vfs_, path_, kExampleId), Succeeds());
  EXPECT_EQ(test::read_text(path_), "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw");
  EXPECT_EQ(value_of(read_topic_id(vfs_, path_)), kExampleId);
}

TEST_F(CheckpointTest, AMissingMetadataFileHasNoId) {
  EXPECT_EQ(value_of(read_topic_id(vfs_, path_)), "");
}

TEST_F(CheckpointTest, AVersionAboveZeroAndAnEndedLastLineAreRead) {
  EXPECT_EQ(value_of(read_id("version: 3\ntopic_id: AAECAwQFBgcICQoLDA0ODw\n")), kExampleId);
}

TEST_F(CheckpointTest, MalformedMetadataIsRefused) {
  for (const char* text :
       {"", "version: 0\n", "topic_id: AAECAwQFBgcICQoLDA0ODw", "version: 0\ntopic_id: \n",
        "version: x\ntopic_id: AAECAwQFBgcICQoLDA0ODw", "version: 0\ntopic_id: AAECAwQFBgcICQoLDA",
        "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODwA",
        "topic_id: AAECAwQFBgcICQoLDA0ODw\nversion: 0",
        "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw\nmore: 1"}) {
    EXPECT_THAT(read_id(text), FailsWith(kStorageError, path_)) << text;
  }
}

TEST_F(CheckpointTest, ANegativeMetadataVersionIsRefused) {
  EXPECT_THAT(read_id("version: -1\ntopic_id: AAECAwQFBgcICQoLDA0ODw"), FailsWith(kStorageError));
}

TEST_F(CheckpointTest, AnAllZeroTopicIdIsRefused) {
  EXPECT_THAT(read_id("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"), FailsWith(kStorageError));
}

TEST_F(CheckpointTest, ATopicIdThatIsNotUrlSafeBase64IsRefused) {
  EXPECT_THAT(read_id("version: 0\ntopic_id: AAECAwQFBgcICQoL+A0ODw"), FailsWith(kStorageError));
  EXPECT_THAT(read_id("version: 0\ntopic_id: AAECAwQFBgcICQoL=A0ODw"), FailsWith(kStorageError));
}

TEST_F(CheckpointTest, RandomTopicIdsAreDifferentAndReadable) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    const std::string id = random_topic_id();
    ids.insert(id);
    EXPECT_EQ(value_of(read_id("version: 0\ntopic_id: " + id)), id);
    EXPECT_NE(std::string("AQgw").find(id.back()), std::string::npos) << id;  // 4 bits are left
  }
  EXPECT_EQ(ids.size(), 100u);
}

}  // namespace
}  // namespace oncelog::log
