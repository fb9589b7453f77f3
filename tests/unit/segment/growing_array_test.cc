#include "segment/growing_array.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace oncelog::segment {
namespace {

GrowingArray<int>& filled(GrowingArray<int>& array, int count) {
  array.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) array.push_back(i * 2);
  return array;
}

TEST(GrowingArray, KeepsElementsInOrderAcrossBlocks) {
  GrowingArray<int> array;
  EXPECT_TRUE(array.empty());
  filled(array, 1000);  // blocks of 16, 32, 64, …
  ASSERT_EQ(array.size(), 1000u);
  for (std::size_t i = 0; i < array.size(); ++i) ASSERT_EQ(array[i], static_cast<int>(i) * 2);
}

TEST(GrowingArray, GrowsOneReservedElementAtATime) {
  GrowingArray<int> array;
  for (int i = 0; i < 200; ++i) {
    array.reserve(1);
    array.push_back(i);
  }
  ASSERT_EQ(array.size(), 200u);
  for (const std::size_t i : {0u, 15u, 16u, 47u, 48u, 111u, 112u, 199u}) {
    EXPECT_EQ(array[i], static_cast<int>(i));
  }
}

TEST(GrowingArray, ElementsNeverMove) {
  GrowingArray<int> array;
  filled(array, 1);
  const int* first = &array[0];
  filled(array, 5000);
  EXPECT_EQ(&array[0], first);
}

TEST(GrowingArray, PartitionPointIsTheFirstElementThatIsNotBefore) {
  GrowingArray<int> array;
  const auto first_not_below = [&](int limit) {
    return array.partition_point([=](int value) { return value < limit; });
  };
  EXPECT_EQ(first_not_below(1), 0u);
  filled(array, 100);  // 0, 2, …, 198
  EXPECT_EQ(first_not_below(0), 0u);
  EXPECT_EQ(first_not_below(1), 1u);
  EXPECT_EQ(first_not_below(2), 1u);
  EXPECT_EQ(first_not_below(95), 48u);
  EXPECT_EQ(first_not_below(198), 99u);
  EXPECT_EQ(first_not_below(199), 100u);
}

TEST(GrowingArray, ReadersSeeWholePrefixesWhileOneThreadAppends) {
  constexpr int kCount = 20'000;
  GrowingArray<int> array;
  std::atomic<bool> is_wrong{false};
  const auto read = [&] {
    for (std::size_t size = 0; size < kCount;) {
      size = array.size();
      for (const std::size_t i : {std::size_t{0}, size / 2, size - 1}) {
        if (size > 0 && array[i] != static_cast<int>(i) * 2) is_wrong = true;
      }
      const int limit = static_cast<int>(size);  // of 2 * size elements' values, the middle
      if (array.partition_point([&](int value) { return value < limit; }) != (size + 1) / 2) {
        is_wrong = true;
      }
    }
  };
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) readers.emplace_back(read);
  for (int i = 0; i < kCount; ++i) {
    array.reserve(1);
    array.push_back(i * 2);
  }
  readers.clear();
  EXPECT_FALSE(is_wrong);
}

TEST(GrowingArrayDeathTest, PushingWithoutAReservedPlaceIsOurOwnMistake) {
  GrowingArray<int> array;
  EXPECT_DEATH(array.push_back(1), "invariant broken");
}

}  // namespace
}  // namespace oncelog::segment
