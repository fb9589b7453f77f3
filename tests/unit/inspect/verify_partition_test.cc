#include <gmock/gmock.h>

#include <filesystem>

#include "oncelog/inspect.h"
#include "record/batch_header.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using test::make_marker;
using test::transactional;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

auto problem_is(const std::string& file, std::int64_t position, const std::string& text) {
  return AllOf(Field(&Problem::file, file), Field(&Problem::position, position),
               Field(&Problem::problem, HasSubstr(text)));
}

class VerifyPartition : public testing::Test {
 protected:
  std::vector<Problem> verify(const VerifyOptions& options = {}) {
    const auto problems = verify_partition(files_.path(), nullptr, options);
    EXPECT_TRUE(problems) << problems.error().text();
    return problems.value_or(std::vector<Problem>{});
  }
  void write_epochs(std::string_view text) {
    files_.write(files_.file("leader-epoch-checkpoint"), text);
  }
  /// Leaves the CRC right.
  static void ruin_records(Buffer& batch) {
    for (std::size_t i = 61; i < batch.size(); ++i) batch[i] = std::byte{0x55};
    auto header = record::decode_batch_header(Bytes(batch).first<record::kHeaderBytes>());
    header.crc = record::batch_crc(header, Bytes(batch).subspan(61));
    record::encode_batch_header(header, std::span(batch).first<record::kHeaderBytes>());
  }
  /// Five batches of equal size with offsets 0, 2, 4, 6, 8, two records each, in one segment.
  void write_five() {
    Buffer all;
    for (std::int64_t i = 0; i < 5; ++i) {
      const Buffer batch = make_batch({.base = 2 * i, .records = 2, .timestamp = 1000 + 10 * i});
      size_ = std::ssize(batch);
      all.insert(all.end(), batch.begin(), batch.end());
    }
    files_.append(0, all);
    write_epochs("0\n1\n0 0\n");
  }
  /// As the log would write them, one entry for each append but the first.
  void write_right_indexes() {
    files_.write_offset_index(0, {{Offset(3), size_},
                                  {Offset(5), 2 * size_},
                                  {Offset(7), 3 * size_},
                                  {Offset(9), 4 * size_}});
    files_.write_time_index(0, {{Timestamp(1011), Offset(3)},
                                {Timestamp(1021), Offset(5)},
                                {Timestamp(1031), Offset(7)},
                                {Timestamp(1041), Offset(9)}});
  }
  /// Producer 1 aborts [0, 1] at 4, producer 2 aborts [2, 3] at 6; 7 is plain.
  void write_two_aborts() {
    files_.append(0, join({transactional(0, 1, 0, 2), transactional(2, 2, 0, 2),
                           make_marker(4, MarkerType::kAbort, 1), make_batch({.base = 5}),
                           make_marker(6, MarkerType::kAbort, 2), make_batch({.base = 7})}));
    write_epochs("0\n1\n0 0\n");
  }

  test::PartitionFiles files_;
  std::int64_t size_ = 0;
};

TEST_F(VerifyPartition, NoSegmentIsNoPartition) {
  const auto problems = verify_partition(files_.path());
  ASSERT_FALSE(problems);
  EXPECT_EQ(problems.error().code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

TEST_F(VerifyPartition, SoundFilesHaveNoProblem) {
  write_five();
  write_right_indexes();
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, MissingAndShortIndexesAreNoProblem) {
  write_five();
  EXPECT_THAT(verify(), IsEmpty());
  files_.write_offset_index(0, {{Offset(3), size_}});
  files_.write_time_index(0, {{Timestamp(1021), Offset(5)}});
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, AnOffsetEntryMayCoverASetOfSeveralBatches) {
  write_five();
  files_.write_offset_index(0, {{Offset(5), size_}, {Offset(9), 3 * size_}});
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, AnOffsetEntryMustEndItsSetBeforeTheNextEntry) {
  write_five();
  files_.write_offset_index(0, {{Offset(7), size_}, {Offset(9), 3 * size_}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0, ".index"), 0,
                                               "no batch from there to the next entry ends")));
}

TEST_F(VerifyPartition, AnOffsetEntryMustNameALastOffset) {
  write_five();
  files_.write_offset_index(0, {{Offset(3), size_}, {Offset(4), 2 * size_}});
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(files_.segment(0, ".index"), 8, "entry (offset 4, position")));
}

TEST_F(VerifyPartition, AnOffsetEntryMustPointToABatch) {
  write_five();
  files_.write_offset_index(0, {{Offset(3), size_ + 1}, {Offset(5), 2 * size_}});
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(files_.segment(0, ".index"), 0, "no batch begins there")));
  files_.write_offset_index(0, {{Offset(3), size_}, {Offset(9), 5 * size_}});
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(files_.segment(0, ".index"), 8, "no batch begins there")));
}

TEST_F(VerifyPartition, OffsetEntriesMustIncrease) {
  write_five();
  files_.write_offset_index(0, {{Offset(5), 2 * size_}, {Offset(5), 3 * size_}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0, ".index"), 8, "is not above")));
  files_.write_offset_index(0, {{Offset(5), 2 * size_}, {Offset(7), 2 * size_}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0, ".index"), 8, "is not above")));
}

TEST_F(VerifyPartition, EveryFlippedBitOfAnIndexIsAProblem) {
  write_five();
  for (const char* suffix : {".index", ".timeindex"}) {
    write_right_indexes();
    const std::string path = files_.segment(0, suffix);
    const std::size_t bytes = files_.read(path).size();
    for (std::size_t position = 0; position < bytes; ++position) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        files_.flip(path, position, 1u << bit);
        EXPECT_THAT(verify(), testing::Contains(Field(&Problem::file, path)))
            << suffix << " byte " << position << " bit " << bit;
        files_.flip(path, position, 1u << bit);
      }
    }
  }
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, APartialEntryIsAProblem) {
  write_five();
  write_right_indexes();
  for (const char* suffix : {".index", ".timeindex", ".txnindex"}) {
    const std::string path = files_.segment(0, suffix);
    const std::int64_t bytes = std::ssize(files_.read(path));
    files_.append(path, Buffer(5, std::byte{1}));
    EXPECT_THAT(verify(), ElementsAre(problem_is(path, bytes, "5 bytes behind the last entry")));
    std::filesystem::remove(path);
  }
}

TEST_F(VerifyPartition, ZerosBehindTheEntriesOfTheActiveSegmentAreNoProblem) {
  write_five();
  write_right_indexes();
  files_.append(files_.segment(0, ".index"), Buffer(80));
  files_.append(files_.segment(0, ".timeindex"), Buffer(120));
  EXPECT_THAT(verify(), IsEmpty());
  files_.append(10, make_batch({.base = 10}));  // now another one is active
  EXPECT_THAT(verify(), testing::Not(IsEmpty()));
}

TEST_F(VerifyPartition, ATimeEntryMustBeTheFirstToReachItsTimestamp) {
  const Buffer batch = make_batch({.base = 0, .timestamp = 50});
  files_.append(0, join({batch, make_batch({.base = 1, .timestamp = 40}),
                         make_batch({.base = 2, .timestamp = 60}),
                         make_batch({.base = 3, .timestamp = 60})}));
  write_epochs("0\n1\n0 0\n");
  const std::string path = files_.segment(0, ".timeindex");
  files_.write_time_index(0, {{Timestamp(50), Offset(0)}, {Timestamp(60), Offset(2)}});
  EXPECT_THAT(verify(), IsEmpty());
  files_.write_time_index(0, {{Timestamp(50), Offset(0)}, {Timestamp(60), Offset(3)}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 12, "ends with offset 2")));
  files_.write_time_index(0, {{Timestamp(40), Offset(1)}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 0, "no batch is the first to reach")));
  files_.write_time_index(0, {{Timestamp(70), Offset(3)}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 0, "no batch reaches this timestamp")));
}

TEST_F(VerifyPartition, ATransactionIndexListsExactlyTheAbortedTransactions) {
  write_two_aborts();
  const std::string path = files_.segment(0, ".txnindex");
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(2)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(7)}});
  EXPECT_THAT(verify(), IsEmpty());

  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(2)}});
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(
                  path, 34, "aborted transaction of producer 2 from offset 2 to 6 is missing")));
  std::filesystem::remove(path);
  EXPECT_THAT(verify(), SizeIs(2));

  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(2)},
                             {ProducerId(1), Offset(3), Offset(5), Offset(6)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(7)}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 34, "is not in the log")));
}

TEST_F(VerifyPartition, AStableOffsetMayBeLargerOnlyWhereNoOtherTransactionWasOpen) {
  write_two_aborts();
  const std::string path = files_.segment(0, ".txnindex");
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(2)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(8)}});
  EXPECT_THAT(verify(), IsEmpty());
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(5)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(7)}});
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(path, 0, "offset 5, behind the transaction open at 2")));
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(1)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(7)}});
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 0, "last stable offset 1, below 2")));
}

TEST_F(VerifyPartition, EveryFlippedBitOfATransactionIndexIsAProblemOrALargerStableOffset) {
  write_two_aborts();
  const std::string path = files_.segment(0, ".txnindex");
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(2)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(7)}});
  for (std::size_t position = 0; position < 68; ++position) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      files_.flip(path, position, 1u << bit);
      const auto entries = segment::decode_txn_index(files_.read(path));
      const bool is_larger_stable_offset = entries && position % 34 >= 26 &&
                                           (*entries)[0].last_stable_offset == Offset(2) &&
                                           (*entries)[1].last_stable_offset >= Offset(7) &&
                                           (*entries)[1].last_stable_offset <= Offset(8);
      EXPECT_EQ(verify().empty(), is_larger_stable_offset) << position << " bit " << bit;
      files_.flip(path, position, 1u << bit);
    }
  }
}

TEST_F(VerifyPartition, ALaterTransactionIndexVersionIsNamed) {
  write_two_aborts();
  files_.write(files_.segment(0, ".txnindex"), Buffer(34, std::byte{1}));
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(files_.segment(0, ".txnindex"), 0, "UNSUPPORTED_VERSION")));
}

TEST_F(VerifyPartition, ATransactionMayHaveBegunInARemovedSegment) {
  // Producer 1 began at 3, producer 2 at 5; both lie in a segment that retention has removed.
  files_.append(10, join({make_marker(10, MarkerType::kAbort, 1), transactional(11, 2, 1),
                          make_marker(12, MarkerType::kAbort, 2)}));
  write_epochs("0\n1\n0 10\n");
  files_.write_txn_index(10, {{ProducerId(1), Offset(3), Offset(10), Offset(5)},
                              {ProducerId(2), Offset(5), Offset(12), Offset(13)}});
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, ATransactionMayHaveBegunInACompactedStretch) {
  files_.append(
      0, join({make_batch({.base = 0}), transactional(7, 1, 3),
               make_marker(8, MarkerType::kAbort, 1), make_marker(9, MarkerType::kAbort, 2)}));
  write_epochs("0\n1\n0 0\n");
  files_.write_txn_index(0, {{ProducerId(1), Offset(4), Offset(8), Offset(5)},
                             {ProducerId(2), Offset(5), Offset(9), Offset(10)}});
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, TheMarkersSegmentHasTheEntry) {
  files_.append(0, transactional(0, 1));
  files_.append(1, make_marker(1, MarkerType::kAbort, 1));
  write_epochs("0\n1\n0 0\n");
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(1), Offset(2)}});
  EXPECT_THAT(verify(),
              UnorderedElementsAre(
                  problem_is(files_.segment(0, ".txnindex"), 0, "marker outside of the segment"),
                  problem_is(files_.segment(1, ".txnindex"), 0, "is missing")));
}

TEST_F(VerifyPartition, BatchesMustHaveTheLeaderEpochInForce) {
  files_.append(0, join({make_batch({.base = 0, .leader_epoch = 1}),
                         make_batch({.base = 1, .leader_epoch = 3}),
                         make_batch({.base = 2, .leader_epoch = 3})}));
  const std::int64_t size = std::ssize(make_batch({}));
  write_epochs("0\n2\n1 0\n3 1\n");
  EXPECT_THAT(verify(), IsEmpty());
  write_epochs("0\n2\n1 0\n3 2\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), size, "leader epoch is 3, ")));
  write_epochs("0\n1\n1 0\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), size,
                                               "leader-epoch-checkpoint has 1 at offset 1")));
  std::filesystem::remove(files_.file("leader-epoch-checkpoint"));
  EXPECT_THAT(verify(), SizeIs(2));  // one for each epoch, not for each batch
}

/// What an owner who lives, or was killed, writes with the next recovery point.
TEST_F(VerifyPartition, BehindTheRecoveryPointEpochsAndAbortedTransactionsMayBeMissing) {
  files_.append(0, join({transactional(0, 1, 0, 2), make_marker(2, MarkerType::kAbort, 1),
                         make_batch({.base = 3, .leader_epoch = 5})}));
  write_epochs("0\n1\n0 0\n");
  EXPECT_THAT(verify(), SizeIs(2)) << "nobody knows how far its files are";
  const std::string point = files_.data_file("recovery-point-offset-checkpoint");
  files_.write(point, "0\n1\nt 0 2\n");
  EXPECT_THAT(verify(), IsEmpty());
  files_.write(point, "0\n1\nt 0 3\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0, ".txnindex"), 0, "is missing")));
  files_.write(point, "0\n1\nt 0 4\n");
  EXPECT_THAT(verify(), SizeIs(2));
}

TEST_F(VerifyPartition, AFlippedLeaderEpochIsAProblem) {
  write_five();
  for (std::size_t position = 12; position < 16; ++position) {
    const std::size_t place = static_cast<std::size_t>(size_) + position;
    files_.flip(files_.segment(0), place);
    EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), size_, "leader epoch is ")));
    files_.flip(files_.segment(0), place);
  }
}

TEST_F(VerifyPartition, AnEpochMayBeginAtTheLogEndButNotBehindIt) {
  write_five();
  write_epochs("0\n3\n0 0\n4 6\n7 10\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), 3 * size_, "leader epoch is 0")));
  write_epochs("0\n2\n0 0\n7 10\n");
  EXPECT_THAT(verify(), IsEmpty());
  write_epochs("0\n2\n0 0\n7 11\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.file("leader-epoch-checkpoint"), 0,
                                               "begins behind the log end 10")));
}

TEST_F(VerifyPartition, EpochsMustIncreaseAndParse) {
  write_five();
  const std::string path = files_.file("leader-epoch-checkpoint");
  write_epochs("0\n2\n1 0\n1 5\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 0, "epoch 1 from offset 5 is not above")));
  write_epochs("0\n1\nzero 0\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 0, "line 3")));
  write_epochs("9\n1\n0 0\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(path, 0, "UNSUPPORTED_VERSION")));
}

TEST_F(VerifyPartition, BatchesBelowTheFirstEpochMayHaveAnOlderOne) {
  files_.append(0, join({make_batch({.base = 0, .leader_epoch = 1}),
                         make_batch({.base = 1, .leader_epoch = 3})}));
  write_epochs("0\n1\n3 1\n");
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, WhereTheLogStartsAtItsEndNoEpochIsKnown) {
  files_.append(0, join({make_batch({.base = 0, .leader_epoch = 1}),
                         make_batch({.base = 1, .leader_epoch = 3})}));
  write_epochs("0\n0\n");
  EXPECT_THAT(verify(), SizeIs(2));
  files_.write(files_.data_file("log-start-offset-checkpoint"), "0\n1\nt 0 1\n");
  EXPECT_THAT(verify(), SizeIs(1)) << "the second batch is part of the log";
  files_.write(files_.data_file("log-start-offset-checkpoint"), "0\n1\nt 0 2\n");
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, OffsetsThatGoBackAreAProblem) {
  files_.append(0,
                join({make_batch({.base = 5}), make_batch({.base = 5}), make_batch({.base = 6})}));
  write_epochs("0\n1\n0 0\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), std::ssize(make_batch({})),
                                               "offsets 5 to 5 go back, the log was at 6")));
}

TEST_F(VerifyPartition, BatchesMustLieInTheirSegment) {
  files_.append(5, make_batch({.base = 4}));
  files_.append(10, make_batch({.base = 10, .records = 3}));
  files_.append(12, make_batch({.base = 13}));
  write_epochs("0\n1\n0 0\n");
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(files_.segment(5), 0, "go back, the log was at 5"),
                          problem_is(files_.segment(5), 0, "lie below the segment's base 5"),
                          problem_is(files_.segment(10), 0, "reach into the next segment")));
}

TEST_F(VerifyPartition, OffsetsMustFitTheIndexes) {
  files_.append(0, make_batch({.base = std::int64_t{1} << 31}));
  write_epochs("0\n1\n0 0\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), 0, "more than 2^31-1 above")));
}

TEST_F(VerifyPartition, DamageIsNamedWithThePlaceWhereReadingGoesOn) {
  write_five();
  write_right_indexes();
  files_.flip(files_.segment(0), static_cast<std::size_t>(2 * size_ + 70));
  EXPECT_THAT(verify(),
              ElementsAre(problem_is(files_.segment(0), 2 * size_,
                                     "the next batch begins at " + std::to_string(3 * size_))));
}

TEST_F(VerifyPartition, DamageDoesNotMakeIndexesWrong) {
  write_two_aborts();
  const std::int64_t size = std::ssize(transactional(0, 1, 0, 2));
  files_.write_txn_index(0, {{ProducerId(1), Offset(0), Offset(4), Offset(2)},
                             {ProducerId(2), Offset(2), Offset(6), Offset(7)}});
  files_.write_offset_index(0, {{Offset(3), size}, {Offset(4), 2 * size}});
  files_.write_time_index(0, {{Timestamp(1001), Offset(1)}});
  ASSERT_THAT(verify(), IsEmpty());
  // Flips where the CRC looks, and of its length; a wrong base offset does contradict an index.
  for (std::size_t position = 8; position < static_cast<std::size_t>(size); ++position) {
    if (position >= 12 && position < 16) continue;
    files_.flip(files_.segment(0), position);
    for (const Problem& problem : verify()) {
      EXPECT_EQ(problem.file, files_.segment(0)) << position << ": " << problem.problem;
    }
    files_.flip(files_.segment(0), position);
  }
}

TEST_F(VerifyPartition, EveryFlippedByteOfALogIsAProblem) {
  write_five();
  write_right_indexes();
  const std::size_t bytes = files_.read(files_.segment(0)).size();
  for (std::size_t position = 0; position < bytes; ++position) {
    files_.flip(files_.segment(0), position, 0x02);
    EXPECT_THAT(verify(), testing::Not(IsEmpty())) << position;
    files_.flip(files_.segment(0), position, 0x02);
  }
}

TEST_F(VerifyPartition, ATornTailIsAProblem) {
  write_five();
  files_.append(0, Buffer(13, std::byte{1}));
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), 5 * size_,
                                               "torn: 13 bytes are no batch header")));
}

TEST_F(VerifyPartition, ZerosBehindTheBatchesOfTheActiveSegmentAreNoProblem) {
  write_five();
  files_.append(0, Buffer(100000));
  EXPECT_THAT(verify(), IsEmpty());
  files_.append(10, make_batch({.base = 10}));
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), 5 * size_,
                                               "no batch follows to the end of the file")));
}

TEST_F(VerifyPartition, RecordsMustBeReadable) {
  // A right CRC over bytes that are no lz4 frame.
  Buffer batch = make_batch({.base = 0, .codec = Codec::kLz4});
  ruin_records(batch);
  files_.append(0, batch);
  write_epochs("0\n1\n0 0\n");
  EXPECT_THAT(verify(), ElementsAre(problem_is(files_.segment(0), 0, "CORRUPT_MESSAGE")));
}

TEST_F(VerifyPartition, EveryCodecIsReadable) {
  std::int64_t base = 0;
  for (const Codec codec :
       {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    files_.append(0, make_batch({.base = base, .records = 5, .codec = codec}));
    base += 5;
  }
  write_epochs("0\n1\n0 0\n");
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(VerifyPartition, SeveralThreadsFindTheSameAndRecordsMayBeLeftClosed) {
  Buffer all;
  std::int64_t first_bad = -1;
  for (std::int64_t base = 0; std::ssize(all) < 8 << 20; base += 2) {
    const bool is_bad = base % 1000 == 500;
    Buffer batch = make_batch({.base = base,
                               .records = 2,
                               .codec = is_bad ? Codec::kZstd : Codec::kNone,
                               .value_bytes = 2000});
    if (is_bad) {
      if (first_bad < 0) first_bad = std::ssize(all);
      ruin_records(batch);
    }
    all.insert(all.end(), batch.begin(), batch.end());
  }
  files_.append(0, all);
  write_epochs("0\n1\n0 0\n");
  const auto by_one = verify();
  ASSERT_THAT(by_one, SizeIs(testing::Gt(1u)));
  EXPECT_THAT(by_one.front(), problem_is(files_.segment(0), first_bad, "CORRUPT_MESSAGE"));
  const auto by_three = verify({.thread_count = 3});
  ASSERT_THAT(by_three, SizeIs(by_one.size()));
  for (std::size_t i = 0; i < by_one.size(); ++i) {
    EXPECT_THAT(by_three[i], problem_is(by_one[i].file, by_one[i].position, by_one[i].problem));
  }
  EXPECT_THAT(verify({.check_records = false, .thread_count = 3}), IsEmpty());
}

TEST_F(VerifyPartition, ManyProblemsOfAFileAreCounted) {
  write_five();
  files_.write(files_.segment(0, ".index"), Buffer(8 * 1000, std::byte{0xff}));
  const auto problems = verify();
  EXPECT_THAT(problems, SizeIs(17));
  EXPECT_EQ(problems.back().problem, "984 more problems");
}

}  // namespace
}  // namespace oncelog
