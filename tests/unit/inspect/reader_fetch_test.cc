// Semantics 9.4, 10 and 11 as a PartitionReader has them.
#include <gmock/gmock.h>

#include "oncelog/inspect.h"
#include "unit/inspect/reader_fixture.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::kCommitted;
using test::make_batch;
using test::make_marker;
using test::Pairs;
using test::transactional;
using testing::ElementsAre;
using testing::IsEmpty;

class ReaderFetch : public test::ReaderFixture {};

TEST_F(ReaderFetch, AFetchOutsideOfTheLogIsOutOfRangeAndAtItsEndEmpty) {
  files_.append(10, make_batch({.base = 10}));
  const auto reader = open();
  EXPECT_EQ(reader->fetch(Offset(9)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(reader->fetch(Offset(12)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(fetch(*reader, 11).region.bytes, 0);
  EXPECT_EQ(fetch(*reader, 11).aborted, std::nullopt);
  EXPECT_TRUE(fetch(*reader, 11, kCommitted).aborted);
  EXPECT_EQ(reader->fetch(Offset(10), {.bytes_max = -1}).error().code, ErrorCode::MISUSE);
}

TEST_F(ReaderFetch, AFetchInsideABatchGivesItWhole) {
  files_.append(0, join({make_batch({.base = 0, .records = 5}), make_batch({.base = 5})}));
  EXPECT_THAT(bases_from(*open(), 3), ElementsAre(0, 5));
}

TEST_F(ReaderFetch, AFetchStepsOverOffsetsThatWereCompactedAway) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 8})}));
  files_.append(20, {});
  files_.append(30, make_batch({.base = 33}));
  const auto reader = open();
  EXPECT_THAT(bases_from(*reader, 1), ElementsAre(8));
  EXPECT_THAT(bases_from(*reader, 9), ElementsAre(33));
  EXPECT_THAT(bases_from(*reader, 25), ElementsAre(33));
}

TEST_F(ReaderFetch, AFetchIsLimitedByBytes) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, make_batch({.base = 1}), make_batch({.base = 2})}));
  const auto reader = open();
  const std::int64_t size = std::ssize(batch);
  EXPECT_EQ(fetch(*reader, 0, {.bytes_max = 2 * size}).region.bytes, 2 * size);
  EXPECT_EQ(fetch(*reader, 0, {.bytes_max = 2 * size + 5}).region.bytes, 2 * size + 5);
  EXPECT_EQ(fetch(*reader, 0, {.bytes_max = 1}).region.bytes, size);
  EXPECT_EQ(fetch(*reader, 0, {.bytes_max = 1, .min_one_batch = false}).region.bytes, 0);
  EXPECT_EQ(fetch(*reader, 0, {.bytes_max = 0, .min_one_batch = false}).region.bytes, 0);
}

TEST_F(ReaderFetch, AFetchNeverSpansSegments) {
  files_.append(0, make_batch({.base = 0}));
  files_.append(1, make_batch({.base = 1}));
  const Fetched fetched = fetch(*open(), 0);
  EXPECT_EQ(fetched.region.bytes, std::ssize(make_batch({})));
  EXPECT_EQ(fetched.region.path, files_.segment(0));
}

TEST_F(ReaderFetch, AnOpenTransactionHoldsTheLastStableOffset) {
  files_.append(0, join({make_batch({.base = 0}), transactional(1, 1), transactional(2, 2),
                         make_marker(3, MarkerType::kCommit, 1)}));
  const auto reader = open();
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(2));
  EXPECT_THAT(bases_from(*reader, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(bases_from(*reader, 0, kCommitted), ElementsAre(0, 1));
  EXPECT_THAT(bases_from(*reader, 2, kCommitted), IsEmpty());
  EXPECT_THAT(bases_from(*reader, 0, {.isolation = Isolation::kReplica}), ElementsAre(0, 1, 2, 3));
  files_.append(0, make_marker(4, MarkerType::kCommit, 2));
  refresh(*reader);
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(5));
  EXPECT_THAT(bases_from(*reader, 0, kCommitted), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(ReaderFetch, TheBoundMayLieInALaterSegment) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 1})}));
  files_.append(2, join({make_batch({.base = 2}), transactional(3, 1)}));
  files_.append(4, make_batch({.base = 4}));
  const auto reader = open();
  EXPECT_THAT(bases_from(*reader, 0, kCommitted), ElementsAre(0, 1));
  EXPECT_THAT(bases_from(*reader, 2, kCommitted), ElementsAre(2));
}

// Semantics B9 to B11.
TEST_F(ReaderFetch, AbortedTransactionsAreThoseThatTouchTheRegion) {
  files_.append(
      0, join({transactional(0, 1), transactional(1, 2), make_batch({.base = 2}),
               make_marker(3, MarkerType::kAbort, 1), make_marker(4, MarkerType::kAbort, 2)}));
  files_.append(5, join({transactional(5, 1, 1), make_batch({.base = 6}),
                         make_marker(7, MarkerType::kAbort, 1), make_batch({.base = 8})}));
  const auto reader = open();
  EXPECT_EQ(aborted_from(*reader, 0), (Pairs{{1, 0}, {2, 1}}));
  EXPECT_EQ(aborted_from(*reader, 0, 1), (Pairs{{1, 0}}));  // [0] only: the bound is exact
  EXPECT_EQ(aborted_from(*reader, 4), (Pairs{{2, 1}}));     // 1 ended below 4
  EXPECT_EQ(aborted_from(*reader, 5), (Pairs{{1, 5}}));
  EXPECT_EQ(aborted_from(*reader, 8), (Pairs{}));
}

TEST_F(ReaderFetch, AnAbortInALaterSegmentBelongsToTheFetch) {
  files_.append(0, transactional(0, 1));
  files_.append(1, join({make_batch({.base = 1}), make_marker(2, MarkerType::kAbort, 1)}));
  EXPECT_EQ(aborted_from(*open(), 0), (Pairs{{1, 0}}));
}

TEST_F(ReaderFetch, ACommittedReaderIsGivenNoAbortedRecord) {
  files_.append(
      0, join({transactional(0, 1), make_batch({.base = 1}), make_marker(2, MarkerType::kAbort, 1),
               transactional(3, 1, 1), make_marker(4, MarkerType::kCommit, 1)}));
  const auto reader = open();
  const Fetched fetched = fetch(*reader, 0, kCommitted);
  const Buffer bytes = *fetched.read();
  CommittedRecords records(bytes, *fetched.aborted, {});
  std::vector<std::int64_t> offsets;
  while (true) {
    const auto record = records.next();
    ASSERT_TRUE(record);
    if (!*record) break;
    offsets.push_back((*record)->offset.value());
  }
  EXPECT_THAT(offsets, ElementsAre(1, 3));
}

}  // namespace
}  // namespace oncelog
