#include "segment/offset_index.h"

#include <gmock/gmock.h>

#include "support/batches.h"

namespace oncelog::segment {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Entry = OffsetIndexEntry;

/// The worked example of the format.
constexpr Offset kBase{1000};
constexpr Entry kFirst{Offset(1057), 4210};
constexpr Entry kSecond{Offset(1130), 8560};
constexpr const char* kExample = "00000039000010720000008200002170";

class OffsetIndexTest : public testing::Test {
 protected:
  OffsetIndexTest() {
    index_.reserve(2);
    index_.append(kFirst);
    index_.append(kSecond);
  }
  OffsetIndex index_{kBase, 3};
};

TEST_F(OffsetIndexTest, FloorIsTheLastEntryAtOrBelowTheTarget) {
  EXPECT_EQ(index_.floor(Offset(1000)), (Entry{kBase, 0}));
  EXPECT_EQ(index_.floor(Offset(1056)), (Entry{kBase, 0}));
  EXPECT_EQ(index_.floor(Offset(1057)), kFirst);
  EXPECT_EQ(index_.floor(Offset(1129)), kFirst);
  EXPECT_EQ(index_.floor(Offset(1130)), kSecond);
  EXPECT_EQ(index_.floor(Offset(99'999)), kSecond);
}

TEST_F(OffsetIndexTest, AtOrBehindIsTheFirstEntryWhosePositionIsNotBelow) {
  EXPECT_EQ(index_.at_or_behind(0), kFirst);
  EXPECT_EQ(index_.at_or_behind(4210), kFirst);
  EXPECT_EQ(index_.at_or_behind(4211), kSecond);
  EXPECT_EQ(index_.at_or_behind(8560), kSecond);
  EXPECT_EQ(index_.at_or_behind(8561), std::nullopt);
}

TEST_F(OffsetIndexTest, IsFullAtItsMaximum) {
  EXPECT_FALSE(index_.is_full());
  index_.reserve(1);
  index_.append({Offset(1131), 9000});
  EXPECT_TRUE(index_.is_full());
}

TEST_F(OffsetIndexTest, TakesAllEntriesOfAFileHoweverManyThereAre) {
  index_.reserve(2);
  index_.adopt({Offset(1131), 9000});
  index_.adopt({Offset(1132), 9100});
  EXPECT_EQ(index_.count(), 4);
  EXPECT_EQ(index_.floor(Offset(1132)).position, 9100);
}

TEST(OffsetIndexFile, TheExampleOfTheFormatEncodes) {
  std::vector<std::byte> bytes;
  encode(bytes, kBase, kFirst);
  encode(bytes, kBase, kSecond);
  EXPECT_EQ(test::to_hex(bytes), kExample);
}

TEST(OffsetIndexFile, TheExampleOfTheFormatDecodes) {
  EXPECT_THAT(decode_offset_index(test::from_hex(kExample), kBase), ElementsAre(kFirst, kSecond));
}

TEST(OffsetIndexFile, APartialEntryIsLeftOut) {
  auto bytes = test::from_hex(kExample);
  bytes.pop_back();
  EXPECT_THAT(decode_offset_index(bytes, kBase), ElementsAre(kFirst));
  EXPECT_THAT(decode_offset_index({}, kBase), IsEmpty());
}

TEST(OffsetIndexFile, TheLargestRelativeOffsetAndPositionFit) {
  const Entry largest{kBase + 0x7FFFFFFF, 0x7FFFFFFF};
  std::vector<std::byte> bytes;
  encode(bytes, kBase, largest);
  EXPECT_THAT(decode_offset_index(bytes, kBase), ElementsAre(largest));
}

using OffsetIndexDeathTest = OffsetIndexTest;

TEST_F(OffsetIndexDeathTest, OffsetsMustIncrease) {
  index_.reserve(1);
  EXPECT_DEATH(index_.append({Offset(1130), 9000}), "invariant broken");
}

TEST_F(OffsetIndexDeathTest, PositionsMustIncrease) {
  index_.reserve(1);
  EXPECT_DEATH(index_.append({Offset(1131), 8560}), "invariant broken");
}

TEST_F(OffsetIndexDeathTest, AFullIndexTakesNoMore) {
  index_.reserve(2);
  index_.append({Offset(1131), 9000});
  EXPECT_DEATH(index_.append({Offset(1132), 9100}), "invariant broken");
}

}  // namespace
}  // namespace oncelog::segment
