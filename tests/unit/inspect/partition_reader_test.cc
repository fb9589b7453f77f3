#include <gmock/gmock.h>

#include <filesystem>

#include "oncelog/inspect.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using test::make_marker;
using test::transactional;
using testing::ElementsAre;
using testing::IsEmpty;

class PartitionReaderTest : public testing::Test {
 protected:
  std::unique_ptr<PartitionReader> open() {
    auto reader = PartitionReader::open(files_.path());
    EXPECT_TRUE(reader) << reader.error().text();
    return *std::move(reader);
  }
  static void refresh(PartitionReader& reader) {
    const auto refreshed = reader.refresh();
    EXPECT_TRUE(refreshed) << refreshed.error().text();
  }
  static std::int64_t end_of(const PartitionReader& reader) {
    return reader.ends().log_end.value();
  }
  static Fetched fetch(const PartitionReader& reader, std::int64_t from,
                       FetchOptions options = {}) {
    auto fetched = reader.fetch(Offset(from), options);
    EXPECT_TRUE(fetched) << fetched.error().text();
    return fetched.value_or(Fetched{});
  }
  static Buffer bytes_from(const PartitionReader& reader, std::int64_t from,
                           FetchOptions options = {}) {
    const auto bytes = fetch(reader, from, options).read();
    EXPECT_TRUE(bytes) << bytes.error().text();
    return bytes.value_or(Buffer{});
  }
  static std::vector<std::int64_t> bases_from(const PartitionReader& reader, std::int64_t from,
                                              FetchOptions options = {}) {
    const Buffer bytes = bytes_from(reader, from, options);
    BatchCursor cursor(bytes);
    std::vector<std::int64_t> bases;
    while (true) {
      const auto batch = cursor.next();
      EXPECT_TRUE(batch);
      if (!batch || !*batch) return bases;
      bases.push_back((*batch)->base_offset().value());
    }
  }
  static OffsetFound find(const PartitionReader& reader, Timestamp timestamp,
                          Isolation isolation = Isolation::kReadUncommitted) {
    const auto found = reader.list_offsets(timestamp, isolation);
    EXPECT_TRUE(found) << found.error().text();
    return found.value_or(OffsetFound{});
  }
  static std::vector<std::pair<std::int64_t, std::int64_t>> aborted_from(
      const PartitionReader& reader, std::int64_t from, std::int64_t bytes_max = 1 << 20) {
    const Fetched fetched =
        fetch(reader, from, {.isolation = Isolation::kReadCommitted, .bytes_max = bytes_max});
    EXPECT_TRUE(fetched.aborted);
    std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
    for (const AbortedTransaction& aborted : fetched.aborted.value()) {
      pairs.emplace_back(aborted.producer_id.value(), aborted.first_offset.value());
    }
    return pairs;
  }

  test::PartitionFiles files_;
};

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;
constexpr FetchOptions kCommitted{.isolation = Isolation::kReadCommitted};

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

TEST_F(PartitionReaderTest, AFetchOutsideOfTheLogIsOutOfRangeAndAtItsEndEmpty) {
  files_.append(10, make_batch({.base = 10}));
  const auto reader = open();
  EXPECT_EQ(reader->fetch(Offset(9)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(reader->fetch(Offset(12)).error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(fetch(*reader, 11).region.bytes, 0);
  EXPECT_EQ(fetch(*reader, 11).aborted, std::nullopt);
  EXPECT_TRUE(fetch(*reader, 11, kCommitted).aborted);
  EXPECT_EQ(reader->fetch(Offset(10), {.bytes_max = -1}).error().code, ErrorCode::MISUSE);
}

TEST_F(PartitionReaderTest, AFetchInsideABatchGivesItWhole) {
  files_.append(0, join({make_batch({.base = 0, .records = 5}), make_batch({.base = 5})}));
  EXPECT_THAT(bases_from(*open(), 3), ElementsAre(0, 5));
}

TEST_F(PartitionReaderTest, AFetchStepsOverOffsetsThatWereCompactedAway) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 8})}));
  files_.append(20, {});
  files_.append(30, make_batch({.base = 33}));
  const auto reader = open();
  EXPECT_THAT(bases_from(*reader, 1), ElementsAre(8));
  EXPECT_THAT(bases_from(*reader, 9), ElementsAre(33));
  EXPECT_THAT(bases_from(*reader, 25), ElementsAre(33));
}

TEST_F(PartitionReaderTest, AFetchIsLimitedByBytes) {
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

TEST_F(PartitionReaderTest, AFetchNeverSpansSegments) {
  files_.append(0, make_batch({.base = 0}));
  files_.append(1, make_batch({.base = 1}));
  const Fetched fetched = fetch(*open(), 0);
  EXPECT_EQ(fetched.region.bytes, std::ssize(make_batch({})));
  EXPECT_EQ(fetched.region.path, files_.segment(0));
}

TEST_F(PartitionReaderTest, ManyBatchesAreFoundByTheSparseIndex) {
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

TEST_F(PartitionReaderTest, AnOpenTransactionHoldsTheLastStableOffset) {
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

TEST_F(PartitionReaderTest, TheBoundMayLieInALaterSegment) {
  files_.append(0, join({make_batch({.base = 0}), make_batch({.base = 1})}));
  files_.append(2, join({make_batch({.base = 2}), transactional(3, 1)}));
  files_.append(4, make_batch({.base = 4}));
  const auto reader = open();
  EXPECT_THAT(bases_from(*reader, 0, kCommitted), ElementsAre(0, 1));
  EXPECT_THAT(bases_from(*reader, 2, kCommitted), ElementsAre(2));
}

// Semantics B9 to B11.
TEST_F(PartitionReaderTest, AbortedTransactionsAreThoseThatTouchTheRegion) {
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

TEST_F(PartitionReaderTest, AnAbortInALaterSegmentBelongsToTheFetch) {
  files_.append(0, transactional(0, 1));
  files_.append(1, join({make_batch({.base = 1}), make_marker(2, MarkerType::kAbort, 1)}));
  EXPECT_EQ(aborted_from(*open(), 0), (Pairs{{1, 0}}));
}

TEST_F(PartitionReaderTest, ACommittedReaderIsGivenNoAbortedRecord) {
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

TEST_F(PartitionReaderTest, SpecialOffsetsAreTheEnds) {
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

TEST_F(PartitionReaderTest, EpochsWithoutABatchComeFromTheFile) {
  files_.append(5, make_batch({.base = 7, .leader_epoch = 2}));
  const auto reader = open();
  EXPECT_EQ(find(*reader, kEarliestTimestamp).leader_epoch, kNoLeaderEpoch);
  EXPECT_EQ(find(*reader, kLatestTimestamp).leader_epoch, LeaderEpoch(2));
  files_.write(files_.file("leader-epoch-checkpoint"), "0\n4\n1 5\n2 6\n6 8\n9 100\n");
  refresh(*reader);
  EXPECT_EQ(find(*reader, kEarliestTimestamp).leader_epoch, LeaderEpoch(1));
  EXPECT_EQ(find(*reader, kLatestTimestamp).leader_epoch, LeaderEpoch(6));
}

TEST_F(PartitionReaderTest, ATimeFindsTheFirstRecordAtOrBehindIt) {
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

TEST_F(PartitionReaderTest, TheMaxTimestampIsTheFirstRecordThatHasIt) {
  files_.append(0, join({make_batch({.base = 0, .timestamp = 100}),
                         make_batch({.base = 1, .records = 3, .timestamp = 198}),
                         make_batch({.base = 4, .timestamp = 200})}));
  const auto reader = open();
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, Offset(3));
  EXPECT_EQ(find(*reader, kMaxTimestamp).timestamp, Timestamp(200));
}

TEST_F(PartitionReaderTest, LookupsRespectTheBoundAndTheLogStart) {
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

TEST_F(PartitionReaderTest, AnEmptyLogHasNoTime) {
  files_.append(0, {});
  const auto reader = open();
  EXPECT_EQ(find(*reader, kMaxTimestamp).offset, kNoOffset);
  EXPECT_EQ(find(*reader, Timestamp(0)).offset, kNoOffset);
  EXPECT_EQ(find(*reader, kLatestTimestamp).offset, Offset(0));
}

}  // namespace
}  // namespace oncelog
