// Files that a backup shares are copied before they are changed.
#include "log/file_copy.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <filesystem>

#include "support/fault_vfs.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::log {
namespace {

using test::FailsWith;
using test::IoCall;
using test::read_text;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;

class FileCopyTest : public testing::Test {
 protected:
  FileCopyTest() {
    for (int i = 0; i < 2'500'000; ++i) content_ += static_cast<char>(i * 31 >> 3);
    test::write_text(path_, content_);
  }
  [[nodiscard]] FileStatus status(const std::string& path) { return *value_of(vfs_.status(path)); }

  test::TempDir dir_;
  test::FaultVfs vfs_{posix_vfs()};
  std::string content_;
  const std::string path_ = dir_.file("0.log");
  const std::string other_ = dir_.file("other.log");
};

TEST_F(FileCopyTest, AsManyBytesAsAskedForAreCopiedAndTold) {
  const auto from = value_of(vfs_.open(path_, OpenMode::kRead));
  const auto to = value_of(vfs_.open(other_, OpenMode::kCreateNew));
  std::int64_t told = 0;
  ASSERT_THAT(copy_bytes(*from, path_, 2'100'000, *to,
                         [&](std::int64_t bytes) -> Result<void> {
                           told += bytes;
                           return {};
                         }),
              Succeeds());
  EXPECT_EQ(told, 2'100'000);
  EXPECT_EQ(read_text(other_), content_.substr(0, 2'100'000));
}

TEST_F(FileCopyTest, AFileThatEndsEarlyIsAnErrorThatSaysWhere) {
  const auto from = value_of(vfs_.open(path_, OpenMode::kRead));
  const auto to = value_of(vfs_.open(other_, OpenMode::kCreateNew));
  EXPECT_THAT(copy_bytes(*from, path_, 2'500'001, *to, {}),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "ends at position 2500000"));
}

TEST_F(FileCopyTest, ASharedFileBecomesACopyOfItsOwn) {
  ASSERT_EQ(value_of(vfs_.link(path_, other_)), LinkOutcome::kLinked);
  ASSERT_EQ(status(path_).link_count, 2U);
  const FileStatus before = status(path_);
  ASSERT_THAT(make_file_own(vfs_, path_), Succeeds());
  EXPECT_EQ(status(path_).link_count, 1U);
  EXPECT_NE(status(path_).inode, before.inode);
  EXPECT_EQ(status(path_).modified_ms, before.modified_ms);
  EXPECT_EQ(read_text(path_), content_);
  test::append_to_file(path_, as_bytes("x"));
  EXPECT_EQ(read_text(other_), content_);
}

TEST_F(FileCopyTest, AFileOfOneNameStaysAsItIs) {
  const FileStatus before = status(path_);
  vfs_.plan().add({.call = IoCall::kOpen, .is_lasting = true});
  ASSERT_THAT(make_file_own(vfs_, path_), Succeeds());
  EXPECT_EQ(status(path_).inode, before.inode);
  EXPECT_THAT(make_file_own(vfs_, dir_.file("missing")), Succeeds());
}

TEST_F(FileCopyTest, WhatCannotBeCopiedStaysSharedAndLeavesNothing) {
  ASSERT_EQ(value_of(vfs_.link(path_, other_)), LinkOutcome::kLinked);
  for (const IoCall call : {IoCall::kOpen, IoCall::kWrite, IoCall::kSync, IoCall::kRename}) {
    vfs_.plan().clear();
    vfs_.plan().add({.call = call, .path_part = ".tmp", .os_errno = ENOSPC});
    if (call == IoCall::kRename) {
      vfs_.plan().clear();
      vfs_.plan().add({.call = call, .os_errno = ENOSPC});
    }
    EXPECT_THAT(make_file_own(vfs_, path_), FailsWith(ErrorCode::STORAGE_FULL));
    EXPECT_EQ(status(path_).link_count, 2U);
    EXPECT_THAT(test::file_names(dir_.path()), ElementsAre("0.log", "other.log"));
  }
}

}  // namespace
}  // namespace oncelog::log
