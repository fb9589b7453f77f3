#include "compaction/cleaned_segment.h"

#include <gmock/gmock.h>

#include "segment/segment.h"
#include "support/keyed_batches.h"
#include "support/temp_dir.h"

namespace oncelog::compaction {
namespace {

using test::make_keyed;
using test::value_of;
using test::view_of;
using testing::ElementsAre;
using testing::IsEmpty;

class CleanedSegmentTest : public testing::Test {
 protected:
  CleanedSegmentTest() { config_.index_interval_bytes = 0; }
  CleanedSegment create() {
    return value_of(CleanedSegment::create(posix_vfs(), dir_.path(), Offset(5), config_));
  }
  std::vector<std::string> names() { return value_of(posix_vfs().list(dir_.path())); }

  test::TempDir dir_;
  TopicConfig config_{};
};

TEST_F(CleanedSegmentTest, MakesFilesThatNoLoaderTakesForASegment) {
  CleanedSegment cleaned = create();
  const test::Buffer first = make_keyed({{"a", "1"}}, {.base = 5});
  const test::Buffer second = make_keyed({{"b", "1"}}, {.base = 9});
  EXPECT_THAT(cleaned.add(view_of(first)), test::Succeeds());
  EXPECT_THAT(cleaned.add(view_of(second)), test::Succeeds());
  cleaned.add_aborted({ProducerId(1), Offset(5), Offset(9), Offset(10)});
  const auto contents = value_of(cleaned.finish(123'456, {{ProducerId(2), Offset(6)}}));
  EXPECT_THAT(names(),
              ElementsAre("00000000000000000005.index.cleaned", "00000000000000000005.log.cleaned",
                          "00000000000000000005.timeindex.cleaned",
                          "00000000000000000005.txnindex.cleaned"));
  EXPECT_EQ(cleaned.suffixes().front(), segment::kLogSuffix);
  EXPECT_EQ(cleaned.last_batch()->base_offset, Offset(9));
  const auto status = value_of(posix_vfs().status(dir_.file("00000000000000000005.log.cleaned")));
  EXPECT_EQ(status->bytes, std::ssize(first) + std::ssize(second));
  EXPECT_EQ(status->bytes, contents.bytes);
  EXPECT_EQ(status->modified_ms, 123'456);

  const auto opened =
      value_of(segment::Segment::open(posix_vfs(), dir_.path(), Offset(5), config_, Timestamp(0),
                                      contents, segment::kCleanedSuffix));
  EXPECT_EQ(value_of(opened->last_batch())->base_offset, Offset(9));
  EXPECT_EQ(opened->txn_index().size(), 1u);
  EXPECT_THAT(opened->write_indexes(), test::Succeeds());
  EXPECT_EQ(names().size(), 4u) << "they are written already";
}

TEST_F(CleanedSegmentTest, WithoutAnyBatchThereAreAnEmptyLogAndAnEmptyOffsetIndex) {
  CleanedSegment cleaned = create();
  EXPECT_EQ(value_of(cleaned.finish({}, {})).bytes, 0);
  EXPECT_THAT(names(), ElementsAre("00000000000000000005.index.cleaned",
                                   "00000000000000000005.log.cleaned"));
  EXPECT_FALSE(cleaned.last_batch());
}

TEST_F(CleanedSegmentTest, DiscardLeavesNothing) {
  CleanedSegment cleaned = create();
  const test::Buffer batch = make_keyed({{"a", "1"}}, {.base = 5});
  EXPECT_THAT(cleaned.add(view_of(batch)), test::Succeeds());
  value_of(cleaned.finish({}, {}));
  cleaned.discard();
  EXPECT_THAT(names(), IsEmpty());
}

}  // namespace
}  // namespace oncelog::compaction
