// Semantics 12 as a PartitionReader has it, and its sparse index.
#include <gmock/gmock.h>

#include "oncelog/inspect.h"
#include "unit/inspect/reader_fixture.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using testing::ElementsAre;

class ReaderLookup : public test::ReaderFixture {};

TEST_F(ReaderLookup, ManyBatchesAreFoundByTheSparseIndex) {
  Buffer all;
  for (std::int64_t i = 0; i < 3000; ++i) {
    const Buffer batch = make_batch({.base = 3 * i,
                                     .records = 2,
                                     .timestamp = 1000 + 10 * i,
                                     .value_bytes = static_cast<std::size_t>(i % 100)});
    all.insert(all.end(), batch.begin(), batch.end());
  }
  files_.append(0, all);
  const auto reader = open();
  for (std::int64_t offset = 0; offset < 9000 - 1; offset += 7) {
    const std::int64_t expected = offset % 3 == 2 ? offset + 1 : offset - offset % 3;
    EXPECT_THAT(bases_from(*reader, offset, {.bytes_max = 1}), ElementsAre(expected));
    const OffsetFound found = find(*reader, Timestamp(1000 + 10 * (offset / 3) + 1));
    EXPECT_EQ(found.offset, Offset(offset / 3 * 3 + 1));
    EXPECT_EQ(found.timestamp, Timestamp(1000 + 10 * (offset / 3) + 1));
  }
}

TEST_F(ReaderLookup, SpecialOffsetsAreTheEnds) {
  files_.append(
      5,
      join({make_batch({.base = 5, .leader_epoch = 2}), make_batch({.base = 6, .leader_epoch = 4}),
            make_batch({.base = 7, .producer = 1, .is_transactional = true, .leader_epoch = 4})}));
  const auto reader = open();
  const OffsetFound earliest = find(*reader, kEarliestTimestamp);
  EXPECT_EQ(earliest.offset, Offset(5));
  EXPECT_EQ(earliest.timestamp, kNoTimestamp);
  EXPECT_EQ(earliest.leader_epoch, LeaderEpoch(2));
  EXPECT_EQ(find(*reader, kLatestTimestamp).offset, Offset(8));
  EXPECT_EQ(find(*reader, kLatestTimestamp, Isolation::kReadCommitted).offset, Offset(7));
  EXPECT_EQ(reader->list_offsets(Timestamp(-9), Isolation::kReplica).error().code,
            ErrorCode::UNSUPPORTED_VERSION);
}

TEST_F(ReaderLookup, EpochsWithoutABatchComeFromTheFile) {
  files_.append(5, make_batch({.base = 7, .leader_epoch = 2}));
  const auto reader = open();
  EXPECT_EQ(find(*reader, kEarliestTimestamp).leader_epoch, kNoLeaderEpoch);
  EXPECT_EQ(find(*reader, kLatestTimestamp).leader_epoch, LeaderEpoch(2));
  files_.write(files_.file("leader-epoch-checkpoint"), "0\n4\n1 5\n2 6\n6 8\n9 100\n");
  refresh(*reader);
  EXPECT_EQ(find(*reader, kEarliestTimestamp).leader_epoch, LeaderEpoch(1));
  EXPECT_EQ(find(*reader, kLatestTimestamp).leader_epoch, LeaderEpoch(6));
}

TEST_F(ReaderLookup, ATimeFindsTheFirstRecordAtOrBehindIt) {
  files_.append(0, join({make_batch({.base = 0, .records = 3, .timestamp = 100}),
                         make_batch({.base = 3, .timestamp = 50}),
                         make_batch({.base = 4, .timestamp = 200})}));
  files_.append(5, make_batch({.base = 5, .timestamp = 300, .leader_epoch = 0}));
  const auto reader = open();
  EXPECT_EQ(find(*reader, Timestamp(0)).offset, Offset(0));
  EXPECT_EQ(find(*reader, Timestamp(101)).offset, Offset(1));
  EXPECT_EQ(find(*reader, Timestamp(103)).offset, Offset(4));
  EXPECT_EQ(find(*reader, Timestamp(103)).timestamp, Timestamp(200));
  EXPECT_EQ(find(*reader, Timestamp(201)).offset, Offset(5));
  EXPECT_EQ(find(*reader, Timestamp(201)).leader_epoch, LeaderEpoch(0));
  EXPECT_EQ(find(*reader, Timestamp(301)).offset, kNoOffset);
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, Offset(5));
}

TEST_F(ReaderLookup, TheMaxTimestampIsTheFirstRecordThatHasIt) {
  files_.append(0, join({make_batch({.base = 0, .timestamp = 100}),
                         make_batch({.base = 1, .records = 3, .timestamp = 198}),
                         make_batch({.base = 4, .timestamp = 200})}));
  const auto reader = open();
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, Offset(3));
  EXPECT_EQ(find(*reader, kMaxTimestamp).timestamp, Timestamp(200));
}

TEST_F(ReaderLookup, LookupsRespectTheBoundAndTheLogStart) {
  files_.append(
      0,
      join({make_batch({.base = 0, .records = 3, .timestamp = 300}),
            make_batch({.base = 3, .timestamp = 200}),
            make_batch({.base = 4, .timestamp = 250, .producer = 1, .is_transactional = true})}));
  const auto reader = open();
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, Offset(2));
  EXPECT_EQ(find(*reader, Timestamp(240)).offset, Offset(0));
  files_.write(files_.data_file("log-start-offset-checkpoint"), "0\n1\nt 0 2\n");
  refresh(*reader);
  EXPECT_EQ(find(*reader, Timestamp(240)).offset, Offset(2));
  files_.write(files_.data_file("log-start-offset-checkpoint"), "0\n1\nt 0 3\n");
  refresh(*reader);
  EXPECT_EQ(find(*reader, Timestamp(240)).offset, Offset(4));
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, Offset(4));  // quirk Q18
  EXPECT_EQ(find(*reader, kMaxTimestamp, Isolation::kReadCommitted).offset, kNoOffset);  // 12.6
  EXPECT_EQ(find(*reader, Timestamp(240), Isolation::kReadCommitted).offset, kNoOffset);
}

TEST_F(ReaderLookup, AnEmptyLogHasNoTime) {
  files_.append(0, {});
  const auto reader = open();
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, kNoOffset);
  EXPECT_EQ(find(*reader, Timestamp(0)).offset, kNoOffset);
  EXPECT_EQ(find(*reader, kLatestTimestamp).offset, Offset(0));
}

}  // namespace
}  // namespace oncelog
