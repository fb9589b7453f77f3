#include "inspect/batch_stream.h"

#include <gmock/gmock.h>

#include "unit/inspect/partition_files.h"

namespace oncelog::inspect {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BatchStreamTest : public testing::Test {
 protected:
  /// Base offsets of the batches; the problems are left in problems_.
  std::vector<std::int64_t> walk(int batches_max = 100) {
    std::vector<std::int64_t> bases;
    ProblemList problems;
    auto stream = BatchStream::open(posix_vfs(), files_.path());
    EXPECT_TRUE(stream) << stream.error().text();
    const auto walked =
        walk_batches(*stream, problems, [&](const SegmentName&, const ScannedBatch& found) {
          bases.push_back(found.batch->base_offset().value());
          return --batches_max > 0;
        });
    EXPECT_TRUE(walked) << walked.error().text();
    end_ = stream->end_offset();
    problems_ = std::move(problems).take();
    return bases;
  }

  test::PartitionFiles files_;
  std::vector<Problem> problems_;
  Offset end_{};
};

TEST_F(BatchStreamTest, GoesThroughAllSegmentsInOrder) {
  files_.append(5, make_batch({.base = 5, .records = 3}));
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 1})}));
  files_.append(9, {});
  EXPECT_THAT(walk(), ElementsAre(0, 1, 5));
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_EQ(end_, Offset(9));  // the base of an empty segment is the log end
  EXPECT_THAT(walk(2), ElementsAre(0, 1));
}

TEST_F(BatchStreamTest, DamageIsNamedAndPassedOver) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, make_batch({.base = 1}), make_batch({.base = 2})}));
  files_.flip(files_.segment(0), batch.size() + 65);
  EXPECT_THAT(walk(), ElementsAre(0, 2));
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_EQ(problems_[0].position, std::ssize(batch));
  EXPECT_THAT(problems_[0].problem, HasSubstr("bytes are passed over"));
}

TEST_F(BatchStreamTest, AnOffsetThatGoesBackIsDamageOfABatchThatIsVisited) {
  files_.append(0, join({make_batch({.base = 7}), make_batch({.base = 3})}));
  EXPECT_THAT(walk(), ElementsAre(7, 3));
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_THAT(problems_[0].problem, HasSubstr("goes back"));
}

TEST_F(BatchStreamTest, ZerosAreAPreallocationInTheLastSegmentOnly) {
  files_.append(0, join({make_batch({.base = 0}), Buffer(500)}));
  EXPECT_THAT(walk(), ElementsAre(0));
  EXPECT_THAT(problems_, IsEmpty());
  files_.append(1, make_batch({.base = 1}));
  EXPECT_THAT(walk(), ElementsAre(0, 1));
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(BatchStreamTest, WhatIsJustBeingWrittenIsNoDamage) {
  const Buffer torn = make_batch({.base = 1});
  const auto half = torn.begin() + std::ssize(torn) / 2;
  files_.append(0, join({make_batch({.base = 0}), Buffer(torn.begin(), half)}));
  auto stream = BatchStream::open(posix_vfs(), files_.path());
  ASSERT_TRUE(stream && stream->next());
  files_.append(0, Buffer(half, torn.end()));
  const auto found = stream->next();
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, nullptr);
  EXPECT_EQ(stream->end_offset(), Offset(1));
}

TEST_F(BatchStreamTest, ASegmentThatRetentionHasRemovedIsPassedOver) {
  files_.append(0, make_batch({.base = 0}));
  files_.append(1, make_batch({.base = 1}));
  auto stream = BatchStream::open(posix_vfs(), files_.path());
  ASSERT_TRUE(stream);
  std::filesystem::remove(files_.segment(0));
  const auto found = stream->next();
  ASSERT_TRUE(found && *found != nullptr);
  EXPECT_EQ((*found)->batch->base_offset(), Offset(1));
}

}  // namespace
}  // namespace oncelog::inspect
