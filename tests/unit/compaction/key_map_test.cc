#include "compaction/key_map.h"

#include <gtest/gtest.h>

#include <string>

namespace oncelog::compaction {
namespace {

Bytes key(const std::string& text) { return as_bytes(text); }

TEST(KeyMap, AnswersTheOffsetPutLast) {
  KeyMap keys(1 << 20);
  EXPECT_TRUE(keys.put(key("a"), Offset(1)));
  EXPECT_TRUE(keys.put(key("b"), Offset(2)));
  EXPECT_TRUE(keys.put(key("a"), Offset(3)));
  EXPECT_EQ(keys.find(key("a")), Offset(3));
  EXPECT_EQ(keys.find(key("b")), Offset(2));
  EXPECT_EQ(keys.key_count(), 2);
}

TEST(KeyMap, KnowsNothingOfAKeyThatWasNotPut) {
  KeyMap keys(1 << 20);
  EXPECT_EQ(keys.find(key("a")), kNoOffset);
  EXPECT_TRUE(keys.put(key(""), Offset(0)));
  EXPECT_EQ(keys.find(key("a")), kNoOffset);
  EXPECT_EQ(keys.find(key("")), Offset(0));
}

TEST(KeyMap, GrowsAndForgetsNothing) {
  KeyMap keys(1 << 20);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(keys.put(key(std::to_string(i)), Offset(i))) << i;
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(keys.find(key(std::to_string(i))), Offset(i));
}

TEST(KeyMap, TakesNoNewKeyWhenNineTenthsAreUsedButGoesOnWithThoseItHas) {
  KeyMap keys(24 * 100);
  for (int i = 0; i < 90; ++i) ASSERT_TRUE(keys.put(key(std::to_string(i)), Offset(i))) << i;
  EXPECT_FALSE(keys.put(key("new"), Offset(90)));
  EXPECT_EQ(keys.find(key("new")), kNoOffset);
  EXPECT_TRUE(keys.put(key("7"), Offset(91)));
  EXPECT_EQ(keys.find(key("7")), Offset(91));
  EXPECT_EQ(keys.key_count(), 90);
}

TEST(KeyMap, HoldsOneKeyHoweverSmallTheLimit) {
  for (const std::int64_t limit : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{24}}) {
    KeyMap keys(limit);
    EXPECT_TRUE(keys.put(key("a"), Offset(1)));
    EXPECT_FALSE(keys.put(key("b"), Offset(2)));
    EXPECT_TRUE(keys.put(key("a"), Offset(3)));
  }
}

}  // namespace
}  // namespace oncelog::compaction
