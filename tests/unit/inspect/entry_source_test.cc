#include "inspect/entry_source.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "support/matchers.h"
#include "unit/inspect/partition_files.h"

namespace oncelog::inspect {
namespace {

using test::Buffer;
using test::FailsWith;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EntrySourceTest : public testing::Test {
 protected:
  EntrySource open(const Buffer& bytes) {
    test::PartitionFiles::write(path_, bytes);
    auto source = EntrySource::open(posix_vfs(), path_);
    EXPECT_THAT(source, test::Succeeds());
    return *std::move(source);
  }
  /// The positions of what is visited, entries of four bytes.
  std::vector<std::int64_t> visit(const EntrySource& source, EntryArray array) {
    array.entry_bytes = 4;
    std::vector<std::int64_t> positions;
    const auto visited = visit_array(
        source, array,
        [](std::int64_t position, Bytes) -> FileEntry { return {"entry", position, 4, {}, {}}; },
        [&](const FileEntry& entry) {
          positions.push_back(entry.position);
          last_ = entry;
          return std::ssize(positions) < visits_max_;
        });
    EXPECT_THAT(visited, test::Succeeds());
    return positions;
  }

  test::PartitionFiles files_;
  std::string path_ = files_.segment(7, ".index");
  FileEntry last_{};
  std::int64_t visits_max_ = 1 << 20;
};

Buffer ones(std::size_t count) { return Buffer(count, std::byte{1}); }
Buffer zeros(std::size_t count) { return Buffer(count); }

TEST_F(EntrySourceTest, KnowsTheBaseInItsName) {
  EXPECT_EQ(open({}).base(), Offset(7));
  path_ = files_.file("other.index");
  EXPECT_EQ(open({}).base(), std::nullopt);
}

TEST_F(EntrySourceTest, RefusesADirectoryAndAFileThatIsNotThere) {
  EXPECT_THAT(EntrySource::open(posix_vfs(), files_.path()),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_THAT(EntrySource::open(posix_vfs(), files_.file("none")),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(EntrySourceTest, ReadsNoFileThatIsFarTooLarge) {
  const EntrySource source = open(ones(9));
  EXPECT_EQ(test::value_of(source.read_whole(9)), ones(9));
  EXPECT_THAT(source.read_whole(8), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

TEST_F(EntrySourceTest, VisitsEntriesAndWhatIsLeftOver) {
  EXPECT_THAT(visit(open(ones(12)), {2, 12}), ElementsAre(2, 6, 10));
  EXPECT_EQ(last_.bytes, 2);
  EXPECT_THAT(last_.damage, HasSubstr("2 bytes behind the last entry"));
  EXPECT_THAT(visit(open({}), {0, 0}), IsEmpty());
}

TEST_F(EntrySourceTest, VisitsMoreThanOneBlock) {
  constexpr std::size_t kMany = 300'000;
  EXPECT_EQ(visit(open(ones(kMany * 4)), {0, kMany * 4}).size(), kMany);
  EXPECT_EQ(last_.position, (kMany - 1) * 4);
}

TEST_F(EntrySourceTest, ZerosAtTheEndAreUnusedAndElsewhereDamage) {
  const EntrySource source = open(test::join({ones(4), zeros(8), ones(4), zeros(12)}));
  EXPECT_THAT(visit(source, {.end = 28, .may_end_in_zeros = true}), ElementsAre(0, 4, 12, 16));
  EXPECT_EQ(last_.bytes, 12);
  EXPECT_THAT(last_.damage, IsEmpty());
  EXPECT_THAT(visit(source, {.end = 16, .may_end_in_zeros = true}), ElementsAre(0, 4, 12));
  visits_max_ = 2;
  visit(source, {.end = 16, .may_end_in_zeros = true});
  EXPECT_THAT(last_.damage, HasSubstr("zeros"));
  visits_max_ = 99;
  EXPECT_THAT(visit(source, {.end = 28}), ElementsAre(0, 4, 8, 12, 16, 20, 24));
}

TEST_F(EntrySourceTest, AFileThatIsCutMeanwhileIsToldOf) {
  const EntrySource source = open(ones(20));
  std::filesystem::resize_file(path_, 10);
  EXPECT_THAT(visit(source, {0, 20}), ElementsAre(0, 4, 10));
  EXPECT_THAT(last_.damage, HasSubstr("20 bytes and was cut to 10"));
  EXPECT_EQ(last_.bytes, 10);
}

TEST_F(EntrySourceTest, TheVisitorEndsIt) {
  visits_max_ = 2;
  EXPECT_THAT(visit(open(ones(20)), {0, 20}), ElementsAre(0, 4));
}

}  // namespace
}  // namespace oncelog::inspect
