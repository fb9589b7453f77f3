#include "io/posix_file.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <string>
#include <vector>

#include "io/os_error.h"
#include "support/temp_dir.h"

namespace oncelog {
namespace {

using testing::HasSubstr;

class PosixFile : public testing::Test {
 protected:
  std::unique_ptr<File> open(OpenMode mode = OpenMode::kCreate) {
    auto file = posix_vfs().open(path_, mode);
    EXPECT_TRUE(file) << file.error().text();
    return *std::move(file);
  }
  static void write(File& file, std::string_view text, std::int64_t position) {
    const Bytes parts[] = {as_bytes(text)};
    const auto written = file.write_at(parts, position);
    EXPECT_TRUE(written) << written.error().text();
  }
  static std::string read(const File& file, std::size_t bytes, std::int64_t position) {
    std::string text(bytes, '?');
    const auto count = file.read_at(std::as_writable_bytes(std::span(text)), position);
    EXPECT_TRUE(count) << count.error().text();
    text.resize(count.value_or(0));
    return text;
  }

  test::TempDir dir_;
  std::string path_ = dir_.file("file");
};

TEST_F(PosixFile, ReadsBackWhatWasWrittenAtItsPosition) {
  const auto file = open();
  write(*file, "hello", 3);
  write(*file, "J", 3);
  EXPECT_EQ(read(*file, 5, 3), "Jello");
  EXPECT_EQ(*file->size(), 8);
  EXPECT_EQ(read(*file, 3, 0), std::string(3, '\0'));
}

TEST_F(PosixFile, ReadEndsWhereTheFileEnds) {
  const auto file = open();
  write(*file, "hello", 0);
  EXPECT_EQ(read(*file, 100, 2), "llo");
  EXPECT_EQ(read(*file, 100, 5), "");
  EXPECT_EQ(read(*file, 100, 500), "");
}

TEST_F(PosixFile, WritesMorePartsThanOneSystemCallTakes) {
  const auto file = open();
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    texts.push_back(i % 3 == 0 ? std::string() : std::to_string(i));  // empty parts are no end
    expected += texts.back();
  }
  std::vector<Bytes> parts;
  for (const std::string& text : texts) parts.push_back(as_bytes(text));
  ASSERT_TRUE(file->write_at(parts, 7));
  EXPECT_EQ(read(*file, expected.size() + 1, 7), expected);
}

TEST_F(PosixFile, WritesNothingForNoPartsOrEmptyOnes) {
  const auto file = open();
  EXPECT_TRUE(file->write_at({}, 10));
  const Bytes empty[] = {{}, {}};
  EXPECT_TRUE(file->write_at(empty, 10));
  EXPECT_EQ(*file->size(), 0);
}

TEST_F(PosixFile, TruncateCutsAndGrows) {
  const auto file = open();
  write(*file, "hello", 0);
  ASSERT_TRUE(file->truncate(2));
  EXPECT_EQ(read(*file, 9, 0), "he");
  ASSERT_TRUE(file->truncate(4));
  EXPECT_EQ(read(*file, 9, 0), std::string("he\0\0", 4));
}

TEST_F(PosixFile, PreallocateGrowsWithZerosAndNeverShrinks) {
  const auto file = open();
  write(*file, "hello", 0);
  ASSERT_TRUE(file->preallocate(10000));
  EXPECT_EQ(*file->size(), 10000);
  EXPECT_EQ(read(*file, 10000, 0), "hello" + std::string(9995, '\0'));
  ASSERT_TRUE(file->preallocate(100));
  ASSERT_TRUE(file->preallocate(0));
  EXPECT_EQ(*file->size(), 10000);
}

TEST_F(PosixFile, SyncsAndDropsItsCache) {
  const auto file = open();
  write(*file, "hello", 0);
  EXPECT_TRUE(file->sync());
  EXPECT_TRUE(file->drop_cache(0));
  EXPECT_EQ(read(*file, 5, 0), "hello");
  EXPECT_GE(file->native_handle(), 0);
}

TEST_F(PosixFile, AFullDeviceIsStorageFull) {
  auto device = posix_vfs().open("/dev/full", OpenMode::kWrite);
  if (!device) GTEST_SKIP() << "no full device here";
  const Bytes parts[] = {as_bytes("x")};
  const auto written = (*device)->write_at(parts, 0);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::STORAGE_FULL);
  EXPECT_EQ(written.error().os_errno, ENOSPC);
}

TEST_F(PosixFile, AnErrorNamesVerbFileAndPosition) {
  open();
  const auto file = open(OpenMode::kRead);
  const Bytes parts[] = {as_bytes("x")};
  const auto written = file->write_at(parts, 42);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(written.error().os_errno, EBADF);
  EXPECT_EQ(written.error().context, "write " + path_ + " at position 42");
  EXPECT_THAT(file->truncate(1).error().context, HasSubstr("truncate " + path_));
  EXPECT_THAT(file->preallocate(1).error().context, HasSubstr("preallocate " + path_));
}

TEST(OsError, OnlySpaceAndQuotaAreStorageFull) {
  EXPECT_EQ(io::code_of_errno(ENOSPC), ErrorCode::STORAGE_FULL);
  EXPECT_EQ(io::code_of_errno(EDQUOT), ErrorCode::STORAGE_FULL);
  for (const int other : {EIO, EROFS, EACCES, ENOENT, EFBIG, EINTR}) {
    EXPECT_EQ(io::code_of_errno(other), ErrorCode::KAFKA_STORAGE_ERROR) << other;
  }
}

}  // namespace
}  // namespace oncelog
