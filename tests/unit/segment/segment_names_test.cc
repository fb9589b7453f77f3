#include "segment/segment_names.h"

#include <gtest/gtest.h>

#include <limits>

namespace oncelog::segment {
namespace {

TEST(SegmentNames, AnOffsetHasTwentyDigitsInAFileName) {
  EXPECT_EQ(segment_file_name(Offset(31), kLogSuffix), "00000000000000000031.log");
  EXPECT_EQ(segment_file_name(Offset(0), kTimeIndexSuffix), "00000000000000000000.timeindex");
  const Offset largest(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(segment_file_name(largest, kSnapshotSuffix), "09223372036854775807.snapshot");
  EXPECT_EQ(offset_of_file_name("09223372036854775807.snapshot"), largest);
}

TEST(SegmentNames, TheOffsetStandsInFrontOfTheFirstDot) {
  EXPECT_EQ(offset_of_file_name("00000000000000000031.log"), Offset(31));
  EXPECT_EQ(offset_of_file_name("00000000000000000031.index.deleted"), Offset(31));
  EXPECT_EQ(offset_of_file_name("00000000000000000031.log.swap"), Offset(31));
}

TEST(SegmentNames, OtherNamesHaveNoOffset) {
  for (const char* name :
       {"", "31.log", ".log", "00000000000000000031", "0000000000000000031.log",
        "000000000000000000031.log", "0000000000000000003x.log", "-0000000000000000031.log",
        "-0000000000000000000.log", "+0000000000000000031.log", " 0000000000000000031.log",
        "09223372036854775808.log", "99999999999999999999.log", "leader-epoch-checkpoint",
        "partition.metadata"}) {
    EXPECT_EQ(offset_of_file_name(name), std::nullopt) << name;
  }
}

TEST(SegmentNames, ASuffixMustBeTheWholeRest) {
  EXPECT_EQ(offset_of_file_name("00000000000000000031.log", kLogSuffix), Offset(31));
  EXPECT_EQ(offset_of_file_name("00000000000000000031.log.deleted", kLogSuffix), std::nullopt);
  EXPECT_EQ(offset_of_file_name("00000000000000000031.index", kTimeIndexSuffix), std::nullopt);
  EXPECT_EQ(offset_of_file_name("00000000000000000031.timeindex", kOffsetIndexSuffix),
            std::nullopt);
}

TEST(SegmentNames, APartitionDirectoryIsTopicDashNumber) {
  EXPECT_EQ(partition_directory_name({"orders", 0}), "orders-0");
  EXPECT_EQ(parse_partition_directory("orders-0"), (TopicPartition{"orders", 0}));
  EXPECT_EQ(parse_partition_directory("a-b-12"), (TopicPartition{"a-b", 12}));
  EXPECT_EQ(parse_partition_directory("a--2147483647"), (TopicPartition{"a-", 2147483647}));
}

TEST(SegmentNames, OtherDirectoriesAreNoPartitions) {
  for (const char* name : {"", "orders", "orders-", "-0", "-", "orders-x", "orders-1x", "orders-+1",
                           "orders-2147483648", "orders-0.0123456789abcdef0123456789abcdef-delete",
                           "orders-0.0123456789abcdef0123456789abcdef-stray",
                           "orders-0.0123456789abcdef0123456789abcdef-future"}) {
    EXPECT_EQ(parse_partition_directory(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace oncelog::segment
