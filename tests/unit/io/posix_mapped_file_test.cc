#include "io/posix_mapped_file.h"

#include <gmock/gmock.h>

#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::io {
namespace {

using test::Buffer;
using test::FailsWith;
using test::Succeeds;
using test::value_of;

TEST(PosixMappedFile, StoresAreInTheFileWithoutASync) {
  const test::TempDir dir;
  const auto mapped = value_of(posix_vfs().map_new(dir.file("ring"), 8192));
  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->bytes().size(), 8192U);
  const Buffer bytes{std::byte{1}, std::byte{2}};
  ASSERT_THAT(mapped->store(5000, bytes), Succeeds());
  Buffer expected(8192);
  expected[5000] = std::byte{1};
  expected[5001] = std::byte{2};
  EXPECT_EQ(test::read_file(dir.file("ring")), expected);
  EXPECT_EQ(Buffer(mapped->bytes().begin(), mapped->bytes().end()), expected);
  EXPECT_THAT(mapped->sync(), Succeeds());
}

TEST(PosixMappedFile, ReplacesAFileOfTheNameByZeros) {
  const test::TempDir dir;
  test::write_text(dir.file("ring"), "old");
  const auto mapped = value_of(posix_vfs().map_new(dir.file("ring"), 4096));
  ASSERT_TRUE(mapped);
  EXPECT_EQ(test::read_file(dir.file("ring")), Buffer(4096));
}

TEST(PosixMappedFile, AMissingDirectoryOrFileIsAnError) {
  const test::TempDir dir;
  EXPECT_THAT(posix_vfs().map_new(dir.file("none/ring"), 4096),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "none/ring"));
  EXPECT_THAT(map_file(dir.file("none"), 4096), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "none"));
}

}  // namespace
}  // namespace oncelog::io
