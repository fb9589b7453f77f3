#include <gmock/gmock.h>

#include <cerrno>
#include <tuple>

#include "oncelog/inspect.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using testing::ElementsAre;
using testing::FieldsAre;
using testing::IsEmpty;

/// A visit, kept.
struct Seen {
  std::string file{};
  std::int64_t position = 0;
  std::int64_t bytes = 0;
  std::int64_t base = -1;  ///< −1 if there was no batch
  std::string damage{};
  Buffer batch{};
};

class ScanBatches : public testing::Test {
 protected:
  std::vector<Seen> scan(const std::string& path) {
    std::vector<Seen> all;
    const auto scanned = scan_batches(path, [&](const ScannedBatch& found) {
      Seen seen{found.file, found.position, found.bytes, -1, found.damage, {}};
      if (found.batch) {
        seen.base = found.batch->base_offset().value();
        seen.batch.assign(found.batch->bytes().begin(), found.batch->bytes().end());
      }
      all.push_back(std::move(seen));
      return true;
    });
    EXPECT_TRUE(scanned) << scanned.error().text();
    return all;
  }
  static std::vector<std::int64_t> bases_of(const std::vector<Seen>& all) {
    std::vector<std::int64_t> bases;
    for (const Seen& seen : all) bases.push_back(seen.base);
    return bases;
  }

  test::PartitionFiles files_;
};

TEST_F(ScanBatches, VisitsEveryBatchOfAFileWithItsPlace) {
  const Buffer first = make_batch({.base = 0});
  const Buffer second = make_batch({.base = 1, .records = 3});
  files_.append(0, join({first, second}));
  const auto seen = scan(files_.segment(0));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_THAT(seen[0], FieldsAre(files_.segment(0), 0, std::ssize(first), 0, "", first));
  EXPECT_THAT(seen[1],
              FieldsAre(files_.segment(0), std::ssize(first), std::ssize(second), 1, "", second));
}

TEST_F(ScanBatches, VisitsTheSegmentsOfADirectoryInOrder) {
  files_.append(100, make_batch({.base = 100}));
  files_.append(5, make_batch({.base = 5}));
  files_.append(0, make_batch({.base = 0}));
  for (const char* other : {".deleted", ".cleaned", ".swap"}) {
    files_.write(files_.segment(7) + other, make_batch({.base = 7}));
  }
  files_.write(files_.file("8.log"), make_batch({.base = 8}));
  EXPECT_THAT(bases_of(scan(files_.path())), ElementsAre(0, 5, 100));
}

TEST_F(ScanBatches, DamageIsVisitedAndTheScanGoesOn) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, make_batch({.base = 1}), make_batch({.base = 2})}));
  files_.append(3, make_batch({.base = 3}));
  files_.flip(files_.segment(0), batch.size() + 65);
  const auto seen = scan(files_.path());
  ASSERT_THAT(bases_of(seen), ElementsAre(0, -1, 2, 3));
  EXPECT_EQ(seen[1].position, std::ssize(batch));
  EXPECT_EQ(seen[1].bytes, std::ssize(batch));
  EXPECT_THAT(seen[1].damage, testing::StartsWith("CRC is "));
}

TEST_F(ScanBatches, ATornTailIsVisitedToTheEnd) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, Buffer(batch.begin(), batch.begin() + 13)}));
  const auto seen = scan(files_.segment(0));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].bytes, 13);
  EXPECT_EQ(seen[1].damage, "torn: 13 bytes are no batch header");
}

TEST_F(ScanBatches, TheVisitorEndsTheScan) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 1})}));
  files_.append(2, make_batch({.base = 2}));
  int visits = 0;
  ASSERT_TRUE(scan_batches(files_.path(), [&](const ScannedBatch&) { return ++visits < 2; }));
  EXPECT_EQ(visits, 2);
}

TEST_F(ScanBatches, AnEmptyFileHasNothingToVisit) {
  files_.append(0, {});
  EXPECT_THAT(scan(files_.path()), IsEmpty());
}

TEST_F(ScanBatches, AMissingFileIsAStorageError) {
  const auto scanned = scan_batches(files_.segment(0), [](const ScannedBatch&) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(scanned.error().os_errno, ENOENT);
}

TEST_F(ScanBatches, ADirectoryWithoutASegmentIsNoPartition) {
  const auto scanned = scan_batches(files_.path(), [](const ScannedBatch&) { return true; });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

// Whatever byte is wrong: the scan ends, its stretches tile the file, and the damage is named, or
// lies where the CRC does not look and shows in the batch.
TEST_F(ScanBatches, EveryFlippedByteIsDamageOrShowsInOffsetOrLeaderEpoch) {
  const std::vector<Buffer> batches{make_batch({.base = 10}),
                                    make_batch({.base = 11, .producer = 7, .codec = Codec::kLz4}),
                                    test::make_marker(12, MarkerType::kAbort, 7)};
  const Buffer good = join({batches[0], batches[1], batches[2]});
  files_.write(files_.segment(10), good);
  for (const unsigned mask : {0x01u, 0x10u, 0x80u, 0xffu}) {
    std::size_t begin = 0;
    std::size_t index = 0;
    for (std::size_t position = 0; position < good.size(); ++position) {
      if (position == begin + batches[index].size()) begin += batches[index++].size();
      files_.flip(files_.segment(10), position, mask);
      const auto seen = scan(files_.segment(10));
      files_.flip(files_.segment(10), position, mask);
      std::int64_t end = 0;
      bool has_damage = false;
      for (const Seen& stretch : seen) {
        ASSERT_EQ(stretch.position, end);
        end += stretch.bytes;
        has_damage |= !stretch.damage.empty();
        ASSERT_EQ(stretch.damage.empty(), stretch.base >= 0);
      }
      ASSERT_EQ(end, std::ssize(good));
      if (has_damage) continue;
      const std::size_t inside = position - begin;
      EXPECT_TRUE(inside < 8 || (inside >= 12 && inside < 16)) << position << " is not noticed";
      ASSERT_EQ(seen.size(), 3u);
      EXPECT_NE(seen[index].batch, batches[index]);
    }
  }
}

}  // namespace
}  // namespace oncelog
