#include "io/posix_vfs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "support/temp_dir.h"

namespace oncelog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PosixVfs : public testing::Test {
 protected:
  void create(const std::string& name) {
    ASSERT_TRUE(vfs_.open(dir_.file(name), OpenMode::kCreateNew));
  }

  test::TempDir dir_;
  Vfs& vfs_ = posix_vfs();
};

TEST_F(PosixVfs, OpenModesSayWhatMustExist) {
  const std::string path = dir_.file("file");
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kWrite}) {
    const auto missing = vfs_.open(path, mode);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
    EXPECT_EQ(missing.error().os_errno, ENOENT);
    EXPECT_THAT(missing.error().context, HasSubstr(path));
    EXPECT_THAT(missing.error().context, HasSubstr("open for"));
  }
  EXPECT_TRUE(vfs_.open(path, OpenMode::kCreate));
  EXPECT_TRUE(vfs_.open(path, OpenMode::kCreate));
  EXPECT_TRUE(vfs_.open(path, OpenMode::kRead));
  EXPECT_TRUE(vfs_.open(path, OpenMode::kWrite));
  const auto existing = vfs_.open(path, OpenMode::kCreateNew);
  ASSERT_FALSE(existing);
  EXPECT_EQ(existing.error().os_errno, EEXIST);
}

TEST_F(PosixVfs, DescriptorsDoNotOutliveAnExec) {
  const auto file = *vfs_.open(dir_.file("file"), OpenMode::kCreate);
  EXPECT_NE(::fcntl(file->native_handle(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(PosixVfs, AReadOnlyDirectoryIsAStorageErrorWithItsErrno) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0555), 0);
  const auto file = vfs_.open(dir_.file("file"), OpenMode::kCreate);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(file.error().os_errno, EACCES);
}

TEST_F(PosixVfs, StatusTellsFilesFromDirectoriesAndNothing) {
  create("file");
  const auto file = *vfs_.open(dir_.file("file"), OpenMode::kWrite);
  ASSERT_TRUE(file->truncate(5));
  const auto status = *vfs_.status(dir_.file("file"));
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->is_directory);
  EXPECT_EQ(status->bytes, 5);
  EXPECT_GT(status->modified_ms, 1'500'000'000'000);
  EXPECT_NE(status->inode, 0u);
  EXPECT_TRUE((*vfs_.status(dir_.path()))->is_directory);
  EXPECT_FALSE(*vfs_.status(dir_.file("missing")));
  EXPECT_FALSE(*vfs_.status(dir_.file("file/below")));
}

TEST_F(PosixVfs, ListIsAscendingWithoutDots) {
  create("b");
  create("c");
  create("a");
  EXPECT_THAT(*vfs_.list(dir_.path()), ElementsAre("a", "b", "c"));
  const auto missing = vfs_.list(dir_.file("missing"));
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().context, HasSubstr("list " + dir_.file("missing")));
}

TEST_F(PosixVfs, RemovingAMissingFileIsNoError) {
  create("file");
  EXPECT_TRUE(vfs_.remove(dir_.file("file")));
  EXPECT_FALSE(*vfs_.status(dir_.file("file")));
  EXPECT_TRUE(vfs_.remove(dir_.file("file")));
}

TEST_F(PosixVfs, RenameReplacesItsTarget) {
  create("from");
  create("to");
  const auto inode = (*vfs_.status(dir_.file("from")))->inode;
  ASSERT_TRUE(vfs_.rename(dir_.file("from"), dir_.file("to")));
  EXPECT_THAT(*vfs_.list(dir_.path()), ElementsAre("to"));
  EXPECT_EQ((*vfs_.status(dir_.file("to")))->inode, inode);
  const auto missing = vfs_.rename(dir_.file("from"), dir_.file("to"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().os_errno, ENOENT);
  EXPECT_THAT(missing.error().context, HasSubstr(dir_.file("from") + " to " + dir_.file("to")));
}

TEST_F(PosixVfs, CreatingADirectoryThatExistsIsNoError) {
  EXPECT_TRUE(vfs_.create_directory(dir_.file("sub")));
  EXPECT_TRUE(vfs_.create_directory(dir_.file("sub")));
  EXPECT_TRUE((*vfs_.status(dir_.file("sub")))->is_directory);
  create("file");
  EXPECT_EQ(vfs_.create_directory(dir_.file("file")).error().os_errno, EEXIST);
  EXPECT_EQ(vfs_.create_directory(dir_.file("no/parent")).error().os_errno, ENOENT);
}

TEST_F(PosixVfs, OnlyDirectoriesCanBeSyncedAsSuch) {
  EXPECT_TRUE(vfs_.sync_directory(dir_.path()));
  create("file");
  EXPECT_EQ(vfs_.sync_directory(dir_.file("file")).error().os_errno, ENOTDIR);
  EXPECT_EQ(vfs_.sync_directory(dir_.file("missing")).error().os_errno, ENOENT);
}

TEST_F(PosixVfs, ALinkIsAnotherNameOfOneFile) {
  create("file");
  EXPECT_EQ((*vfs_.status(dir_.file("file")))->link_count, 1U);
  EXPECT_EQ(vfs_.link(dir_.file("file"), dir_.file("other")), LinkOutcome::kLinked);
  EXPECT_EQ((*vfs_.status(dir_.file("file")))->link_count, 2U);
  EXPECT_EQ((*vfs_.status(dir_.file("other")))->inode, (*vfs_.status(dir_.file("file")))->inode);
  EXPECT_EQ(vfs_.link(dir_.file("file"), dir_.file("other")).error().os_errno, EEXIST);
  EXPECT_EQ(vfs_.link(dir_.file("none"), dir_.file("third")).error().os_errno, ENOENT);
  ASSERT_TRUE(vfs_.remove(dir_.file("file")));
  EXPECT_EQ((*vfs_.status(dir_.file("other")))->link_count, 1U);
}

TEST_F(PosixVfs, WhatCannotBeLinkedIsUnsupported) {
  ASSERT_TRUE(vfs_.create_directory(dir_.file("sub")));
  EXPECT_EQ(vfs_.link(dir_.file("sub"), dir_.file("other")), LinkOutcome::kUnsupported);
  EXPECT_FALSE(*vfs_.status(dir_.file("other")));
}

}  // namespace
}  // namespace oncelog
