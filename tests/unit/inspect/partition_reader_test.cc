// Opening and following a partition that somebody else writes to.
#include <gmock/gmock.h>

#include <filesystem>

#include "oncelog/inspect.h"
#include "unit/inspect/reader_fixture.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using test::make_marker;
using test::Pairs;
using test::transactional;
using testing::ElementsAre;
using testing::IsEmpty;

class PartitionReaderTest : public test::ReaderFixture {};

TEST_F(PartitionReaderTest, NoSegmentIsAnUnknownPartition) {
  EXPECT_EQ(PartitionReader::open(files_.path()).error().code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(PartitionReader::open(files_.file("missing")).error().code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
  files_.write(files_.segment(0) + ".deleted", make_batch({}));
  EXPECT_EQ(PartitionReader::open(files_.path()).error().code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

TEST_F(PartitionReaderTest, AnEmptySegmentBeginsAndEndsAtItsBase) {
  files_.append(42, {});
  const auto reader = open();
  EXPECT_EQ(reader->ends().log_start, Offset(42));
  EXPECT_EQ(reader->ends().log_end, Offset(42));
  EXPECT_THAT(bases_from(*reader, 42), IsEmpty());
}

TEST_F(PartitionReaderTest, TheEndOfTheLastValidBatchIsTheHighWatermark) {
  files_.append(0, join({make_batch({.base = 0, .records = 3}), make_batch({.base = 3})}));
  const auto reader = open();
  EXPECT_EQ(reader->ends().log_start, Offset(0));
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(4));
  EXPECT_EQ(reader->ends().high_watermark, Offset(4));
  EXPECT_EQ(reader->ends().log_end, Offset(4));
  EXPECT_EQ(bytes_from(*reader, 0), files_.read(files_.segment(0)));
}

TEST_F(PartitionReaderTest, BatchesBehindDamageMakeItDamageAtTheEnd) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, make_batch({.base = 1}), make_batch({.base = 2})}));
  const auto reader = open();
  EXPECT_EQ(*reader->damage_at_end(), std::nullopt);
  files_.flip(files_.segment(0), batch.size() + 65);
  const auto damaged = open();
  const auto damage = *damaged->damage_at_end();
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->file, files_.segment(0));
  EXPECT_EQ(damage->position, std::ssize(batch));
  EXPECT_THAT(damage->problem, testing::StartsWith("CRC is "));
}

TEST_F(PartitionReaderTest, ATornTailIsNoDamageAtTheEndButInFrontOfASegment) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, Buffer(batch.begin(), batch.begin() + 30)}));
  EXPECT_EQ(*open()->damage_at_end(), std::nullopt);
  files_.append(1, make_batch({.base = 1}));
  const auto damage = *open()->damage_at_end();
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->position, std::ssize(batch));
}

TEST_F(PartitionReaderTest, OffsetsAndBasesThatGoBackAreDamageAtTheEnd) {
  files_.append(0, join({make_batch({.base = 0, .records = 5}), make_batch({.base = 2})}));
  EXPECT_THAT((*open()->damage_at_end())->problem, testing::HasSubstr("base offset 2 goes back"));
  files_.write(files_.segment(0), make_batch({.base = 0, .records = 5}));
  files_.append(3, make_batch({.base = 3}));
  const auto damage = *open()->damage_at_end();
  ASSERT_TRUE(damage);
  EXPECT_EQ(damage->file, files_.segment(3));
}

TEST_F(PartitionReaderTest, WhatHasComeSinceTheLastRefreshIsNoDamage) {
  files_.append(0, make_batch({.base = 0}));
  const auto reader = open();
  files_.append(0, make_batch({.base = 1}));
  EXPECT_EQ(*reader->damage_at_end(), std::nullopt);
  files_.append(2, make_batch({.base = 2}));
  EXPECT_EQ(*reader->damage_at_end(), std::nullopt);
}

TEST_F(PartitionReaderTest, ZerosOfAPreallocationAreNoDamageAtTheEnd) {
  files_.append(0, join({make_batch({.base = 0}), Buffer(100'000)}));
  const auto reader = open();
  EXPECT_EQ(*reader->damage_at_end(), std::nullopt);
  files_.append(1, make_batch({.base = 1}));  // rolled since, and not cut yet
  EXPECT_EQ(*reader->damage_at_end(), std::nullopt);
}

TEST_F(PartitionReaderTest, OfALogThatWasCutSinceNothingIsSaid) {
  files_.append(0, join({make_batch({.base = 0, .value_bytes = 50}), make_batch({.base = 1})}));
  const auto reader = open();
  files_.write(files_.segment(0), join({make_batch({.base = 0}), make_batch({.base = 1}),
                                        make_batch({.base = 2}), make_batch({.base = 3})}));
  EXPECT_EQ(*reader->damage_at_end(), std::nullopt);
}

// The follower's case: a file grows batch by batch, and is looked at with each byte.
TEST_F(PartitionReaderTest, FollowsAFileThatIsTornAtEachByte) {
  const std::vector<Buffer> batches{make_batch({.base = 0, .producer = 5}),
                                    make_batch({.base = 1, .records = 2, .codec = Codec::kZstd}),
                                    transactional(3, 7), make_marker(4, MarkerType::kAbort, 7)};
  const std::vector<std::int64_t> ends{1, 3, 4, 5};
  files_.append(0, {});
  const auto reader = open();
  std::int64_t end = 0;
  Buffer all;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    for (std::size_t at = 0; at < batches[i].size(); ++at) {
      EXPECT_EQ(end_of(*reader), end);
      files_.append(0, {batches[i][at]});
      refresh(*reader);
    }
    all.insert(all.end(), batches[i].begin(), batches[i].end());
    end = ends[i];
    EXPECT_EQ(end_of(*reader), end);
    EXPECT_EQ(bytes_from(*reader, 0), all);
  }
  EXPECT_EQ(aborted_from(*reader, 0), (Pairs{{7, 3}}));
}

TEST_F(PartitionReaderTest, WaitsForBatchesInAPreallocatedFile) {
  files_.append(0, Buffer(4096));
  const auto reader = open();
  EXPECT_EQ(end_of(*reader), 0);
  const auto file = *posix_vfs().open(files_.segment(0), OpenMode::kWrite);
  const Buffer batch = make_batch({.base = 0});
  for (std::size_t at = 0; at < batch.size(); ++at) {
    // The last byte of a batch without record headers is a zero: it is there already.
    EXPECT_EQ(end_of(*reader), at + 1 < batch.size() ? 0 : 1);
    const Bytes parts[] = {Bytes(batch).subspan(at, 1)};
    ASSERT_TRUE(file->write_at(parts, static_cast<std::int64_t>(at)));
    refresh(*reader);
  }
  EXPECT_EQ(end_of(*reader), 1);
}

TEST_F(PartitionReaderTest, FollowsIntoNewSegments) {
  files_.append(0, make_batch({.base = 0}));
  const auto reader = open();
  files_.append(0, make_batch({.base = 1}));
  files_.append(2, make_batch({.base = 2}));
  files_.append(10, {});
  refresh(*reader);
  EXPECT_EQ(end_of(*reader), 10);
  EXPECT_THAT(bases_from(*reader, 0), ElementsAre(0, 1));
  EXPECT_THAT(bases_from(*reader, 2), ElementsAre(2));
  EXPECT_THAT(bases_from(*reader, 3), IsEmpty());
  files_.append(10, make_batch({.base = 12}));
  refresh(*reader);
  EXPECT_EQ(end_of(*reader), 13);
  EXPECT_THAT(bases_from(*reader, 3), ElementsAre(12));
}

TEST_F(PartitionReaderTest, DamageInAnOlderSegmentEndsTheLogThere) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, make_batch({.base = 1}), make_batch({.base = 2})}));
  files_.append(3, make_batch({.base = 3}));
  files_.flip(files_.segment(0), batch.size() + 62);
  const auto reader = open();
  EXPECT_EQ(end_of(*reader), 1);
  EXPECT_EQ(reader->fetch(Offset(3)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  files_.flip(files_.segment(0), batch.size() + 62);  // somebody has repaired it
  refresh(*reader);
  EXPECT_EQ(end_of(*reader), 4);
}

TEST_F(PartitionReaderTest, ZerosBehindAnOlderSegmentAreNoDamage) {
  files_.append(0, join({make_batch({.base = 0}), Buffer(5000)}));
  files_.append(1, make_batch({.base = 1}));
  EXPECT_EQ(end_of(*open()), 2);
}

TEST_F(PartitionReaderTest, OffsetsThatGoBackEndTheLog) {
  files_.append(0, join({make_batch({.base = 5}), make_batch({.base = 4})}));
  EXPECT_EQ(end_of(*open()), 6);
  files_.append(3, make_batch({.base = 6}));
  EXPECT_EQ(end_of(*open()), 6);
}

TEST_F(PartitionReaderTest, ALogThatBecameShorterIsReadAnew) {
  const Buffer batch = make_batch({.base = 0, .producer = 5});
  files_.append(0, join({batch, transactional(1, 6)}));
  const auto reader = open();
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(1));
  std::filesystem::resize_file(files_.segment(0), batch.size());
  refresh(*reader);
  EXPECT_EQ(end_of(*reader), 1);
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(1));
  ASSERT_EQ(reader->producers().size(), 1u);
  EXPECT_EQ(reader->producers()[0].producer_id, ProducerId(5));
}

TEST_F(PartitionReaderTest, ALogThatWasCutAndHasGrownAgainIsReadAnew) {
  const Buffer batch = make_batch({.base = 0});
  files_.append(0, join({batch, transactional(1, 6)}));
  const auto reader = open();
  std::filesystem::resize_file(files_.segment(0), batch.size());
  files_.append(0, transactional(1, 7));
  files_.append(0, make_marker(2, MarkerType::kCommit, 7));
  refresh(*reader);
  EXPECT_EQ(end_of(*reader), 3);
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(3));
  ASSERT_EQ(reader->producers().size(), 1u);
  EXPECT_EQ(reader->producers()[0].producer_id, ProducerId(7));
}

TEST_F(PartitionReaderTest, AReplacedSegmentIsReadAnew) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 1})}));
  files_.append(2, make_batch({.base = 2}));
  const auto reader = open();
  const Fetched before = fetch(*reader, 0);
  files_.write(files_.segment(0) + ".swap", make_batch({.base = 1}));  // compacted
  std::filesystem::rename(files_.segment(0) + ".swap", files_.segment(0));
  EXPECT_THAT(bases_from(*reader, 0), ElementsAre(0, 1));  // not refreshed: the old file
  refresh(*reader);
  EXPECT_THAT(bases_from(*reader, 0), ElementsAre(1));
  EXPECT_EQ(before.read()->size(), 2 * make_batch({}).size());  // what was fetched stays readable
}

TEST_F(PartitionReaderTest, SegmentsThatVanishMoveTheLogStartAndProducersStay) {
  files_.append(0, make_batch({.base = 0, .producer = 5}));
  files_.append(1, make_batch({.base = 1}));
  files_.append(2, make_batch({.base = 2}));
  const auto reader = open();
  std::filesystem::remove(files_.segment(0));
  std::filesystem::rename(files_.segment(1), files_.segment(1) + ".deleted");
  EXPECT_THAT(bases_from(*reader, 1), ElementsAre(1));
  refresh(*reader);
  EXPECT_EQ(reader->ends().log_start, Offset(2));
  EXPECT_EQ(end_of(*reader), 3);
  EXPECT_EQ(reader->fetch(Offset(1)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(reader->producers().size(), 1u);
  files_.append(2, make_batch({.base = 3}));
  refresh(*reader);
  EXPECT_EQ(end_of(*reader), 4);
}

TEST_F(PartitionReaderTest, ALogThatRestartsElsewhereIsReadAnew) {
  files_.append(0, make_batch({.base = 0, .producer = 5}));
  const auto reader = open();
  std::filesystem::remove(files_.segment(0));
  files_.append(100, make_batch({.base = 100}));
  refresh(*reader);
  EXPECT_EQ(reader->ends().log_start, Offset(100));
  EXPECT_EQ(end_of(*reader), 101);
  EXPECT_THAT(reader->producers(), IsEmpty());
}

TEST_F(PartitionReaderTest, APartitionThatIsGoneIsAnErrorAndWhatWasReadStays) {
  files_.append(0, make_batch({.base = 0}));
  const auto reader = open();
  std::filesystem::remove_all(files_.path());
  EXPECT_EQ(reader->refresh().error().code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_THAT(bases_from(*reader, 0), ElementsAre(0));
}

TEST_F(PartitionReaderTest, LogStartAndDurableEndComeFromTheDirectorysCheckpoints) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 1}), transactional(2, 1)}));
  files_.write(files_.data_file("log-start-offset-checkpoint"), "0\n2\nother 0 2\nt 0 1\n");
  files_.write(files_.data_file("recovery-point-offset-checkpoint"), "0\n1\nt 0 2\n");
  const auto reader = open();
  EXPECT_EQ(reader->ends().log_start, Offset(1));
  EXPECT_EQ(reader->ends().durable_end, Offset(2));
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(2));
  EXPECT_EQ(reader->fetch(Offset(0)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  files_.write(files_.data_file("log-start-offset-checkpoint"), "0\n1\nt 0 3\n");
  refresh(*reader);
  EXPECT_EQ(reader->ends().log_start, Offset(3));
  EXPECT_EQ(reader->ends().last_stable_offset, Offset(3));  // 7.7: not below the log start
  files_.write(files_.data_file("log-start-offset-checkpoint"), "no checkpoint");
  refresh(*reader);
  EXPECT_EQ(reader->ends().log_start, Offset(0));
}

TEST_F(PartitionReaderTest, ProducersAreThoseOfTheBatches) {
  files_.append(0, join({make_batch({.base = 0, .records = 3, .producer = 9, .sequence = 4}),
                         transactional(3, 5)}));
  const auto producers = open()->producers();
  ASSERT_EQ(producers.size(), 2u);
  EXPECT_EQ(producers[0].producer_id, ProducerId(5));
  EXPECT_EQ(producers[0].transaction_first_offset, Offset(3));
  EXPECT_EQ(producers[1].producer_id, ProducerId(9));
  EXPECT_EQ(producers[1].last_sequence, Sequence(6));
  EXPECT_EQ(producers[1].last_offset, Offset(2));
  EXPECT_EQ(producers[1].transaction_first_offset, std::nullopt);
}

TEST_F(PartitionReaderTest, ABatchThatContradictsItsTransactionChangesNoProducer) {
  files_.append(0, join({transactional(0, 1), make_batch({.base = 1, .producer = 1, .sequence = 1}),
                         make_marker(2, MarkerType::kAbort, 1)}));
  const auto reader = open();
  EXPECT_EQ(end_of(*reader), 3);
  EXPECT_EQ(aborted_from(*reader, 0), (Pairs{{1, 0}}));
}

}  // namespace
}  // namespace oncelog
