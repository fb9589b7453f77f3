#include "segment/time_index.h"

#include <gmock/gmock.h>

#include "support/batches.h"

namespace oncelog::segment {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Entry = TimeIndexEntry;

/// The worked example of the format.
constexpr Offset kBase{1000};
constexpr Entry kFirst{Timestamp(1'700'000'000'000), Offset(1057)};
constexpr Entry kSecond{Timestamp(1'700'000'000'900), Offset(1130)};
constexpr const char* kExample = "0000018bcfe56800000000390000018bcfe56b8400000082";

class TimeIndexTest : public testing::Test {
 protected:
  TimeIndexTest() {
    index_.reserve(10);
    index_.append_if_later(kFirst);
    index_.append_if_later(kSecond);
  }
  TimeIndex index_{kBase, 4};
};

TEST_F(TimeIndexTest, FloorIsTheLastEntryAtOrBelowTheTime) {
  const Entry before_all{kNoTimestamp, kBase};
  EXPECT_EQ(index_.floor(Timestamp(0)), before_all);
  EXPECT_EQ(index_.floor(kFirst.timestamp - 1), before_all);
  EXPECT_EQ(index_.floor(kFirst.timestamp), kFirst);
  EXPECT_EQ(index_.floor(kSecond.timestamp - 1), kFirst);
  EXPECT_EQ(index_.floor(kSecond.timestamp + 1), kSecond);
}

TEST_F(TimeIndexTest, ATimeThatIsNotLaterAddsNothing) {
  index_.append_if_later({kSecond.timestamp, Offset(1200)});
  index_.append_if_later({kSecond.timestamp - 1, Offset(1200)});
  EXPECT_EQ(index_.count(), 2);
}

TEST_F(TimeIndexTest, ALaterTimeOfTheSameOffsetIsAdded) {
  index_.append_if_later({kSecond.timestamp + 1, kSecond.offset});
  EXPECT_EQ(index_.count(), 3);
}

TEST(TimeIndex, BatchesWithoutATimestampNeverAdd) {
  TimeIndex index(kBase, 4);
  index.reserve(1);
  index.append_if_later({kNoTimestamp, Offset(1001)});
  EXPECT_EQ(index.count(), 0);
  index.append_if_later({Timestamp(0), Offset(1001)});
  EXPECT_EQ(index.count(), 1);
}

TEST_F(TimeIndexTest, TheLastSlotIsKeptForTheRollOrClose) {
  EXPECT_FALSE(index_.is_full());
  index_.append_if_later({kSecond.timestamp + 1, Offset(1140)});
  EXPECT_TRUE(index_.is_full());  // at one below the maximum
  index_.append_if_later({kSecond.timestamp + 2, Offset(1150)});
  EXPECT_EQ(index_.count(), 4);
  index_.append_if_later({kSecond.timestamp + 3, Offset(1160)});
  EXPECT_EQ(index_.count(), 4);  // no slot is left, and that is no error
}

TEST(TimeIndexFile, TheExampleOfTheFormatEncodes) {
  std::vector<std::byte> bytes;
  encode(bytes, kBase, kFirst);
  encode(bytes, kBase, kSecond);
  EXPECT_EQ(test::to_hex(bytes), kExample);
}

TEST(TimeIndexFile, TheExampleOfTheFormatDecodes) {
  EXPECT_THAT(decode_time_index(test::from_hex(kExample), kBase), ElementsAre(kFirst, kSecond));
}

TEST(TimeIndexFile, APartialEntryIsLeftOut) {
  auto bytes = test::from_hex(kExample);
  bytes.resize(bytes.size() - 11);
  EXPECT_THAT(decode_time_index(bytes, kBase), ElementsAre(kFirst));
  EXPECT_THAT(decode_time_index({}, kBase), IsEmpty());
}

using TimeIndexDeathTest = TimeIndexTest;

TEST_F(TimeIndexDeathTest, ALaterTimeOfAnEarlierOffsetIsOurOwnMistake) {
  EXPECT_DEATH(index_.append_if_later({kSecond.timestamp + 1, kSecond.offset - 1}),
               "invariant broken");
}

}  // namespace
}  // namespace oncelog::segment
