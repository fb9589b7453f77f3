#include <gmock/gmock.h>

#include "oncelog/inspect_partition.h"
#include "unit/inspect/keyed_batch.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::keyed_batch;
using test::make_batch;
using testing::HasSubstr;
using testing::SizeIs;

class ComparePartitions : public testing::Test {
 protected:
  PartitionDifference compare() {
    auto difference = compare_partitions(first_.path(), second_.path());
    EXPECT_TRUE(difference) << difference.error().text();
    return difference ? *std::move(difference) : PartitionDifference{};
  }
  void append_to_both(std::int64_t base, const Buffer& bytes) {
    first_.append(base, bytes);
    second_.append(base, bytes);
  }

  test::PartitionFiles first_;
  test::PartitionFiles second_;
};

TEST_F(ComparePartitions, CopiesDoNotDiffer) {
  append_to_both(0, make_batch({.base = 0}));
  append_to_both(1, {});
  EXPECT_TRUE(compare().is_none());
}

TEST_F(ComparePartitions, WhereSegmentsBeginMakesTheFilesDifferAndNotTheLog) {
  const Buffer batch = make_batch({.base = 0});
  first_.append(0, join({batch, make_batch({.base = 1})}));
  second_.append(0, batch);
  second_.append(1, make_batch({.base = 1}));
  const PartitionDifference difference = compare();
  EXPECT_FALSE(difference.log);
  ASSERT_THAT(difference.files, SizeIs(2));
  EXPECT_EQ(difference.files[0].position, std::ssize(batch));
  EXPECT_FALSE(difference.files[1].first_bytes);
  EXPECT_EQ(difference.files[1].second_bytes, std::ssize(batch));
  EXPECT_FALSE(difference.files[1].position);
}

TEST_F(ComparePartitions, TheFirstRecordThatDiffersIsNamed) {
  append_to_both(0, make_batch({.base = 0}));
  const BatchFields fields{.base_offset = Offset(1)};
  first_.append(0, keyed_batch(fields, {{"a", "1"}, {"b", "1"}, {"c", "1"}}));
  second_.append(0, keyed_batch(fields, {{"a", "1"}, {"b", "2"}, {"x", "1"}}));
  const PartitionDifference difference = compare();
  ASSERT_TRUE(difference.log);
  EXPECT_EQ(difference.log->batch, Offset(1));
  EXPECT_EQ(difference.log->record, Offset(2));
  EXPECT_EQ(difference.log->what, "values differ");
  EXPECT_EQ(difference.log->first_position, std::ssize(make_batch({.base = 0})));
  EXPECT_THAT(difference.files, SizeIs(1));
}

TEST_F(ComparePartitions, EqualRecordsInAnotherCodecDifferInTheHeader) {
  first_.append(0, make_batch({.base = 0, .records = 3}));
  second_.append(0, make_batch({.base = 0, .records = 3, .codec = Codec::kLz4}));
  const PartitionDifference difference = compare();
  ASSERT_TRUE(difference.log);
  EXPECT_FALSE(difference.log->record);
  EXPECT_EQ(difference.log->what, "codec is 0 and 3");
}

TEST_F(ComparePartitions, AShorterLogHasEnded) {
  append_to_both(0, make_batch({.base = 0}));
  first_.append(0, make_batch({.base = 1}));
  const PartitionDifference difference = compare();
  ASSERT_TRUE(difference.log);
  EXPECT_EQ(difference.log->batch, Offset(1));
  EXPECT_EQ(difference.log->what, "the second has ended");
  EXPECT_EQ(difference.log->second_file, "");
}

TEST_F(ComparePartitions, DamageOfOneIsADifference) {
  append_to_both(0, make_batch({.base = 0}));
  second_.flip(second_.segment(0), 70);
  const PartitionDifference difference = compare();
  ASSERT_TRUE(difference.log);
  EXPECT_THAT(difference.log->what, HasSubstr("the second is damaged"));
  first_.flip(first_.segment(0), 70);
  EXPECT_TRUE(compare().is_none());
}

}  // namespace
}  // namespace oncelog
