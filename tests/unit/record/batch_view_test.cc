#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

RecordBatchView view_of(Bytes bytes) {
  Result<RecordBatchView> view = RecordBatchView::parse(bytes);
  EXPECT_THAT(view, Succeeds());
  return *view;
}

ByteList with(ByteList bytes, std::size_t position, int value) {
  bytes[position] = static_cast<std::byte>(value);
  return bytes;
}

ByteList join(std::initializer_list<Bytes> parts) {
  ByteList bytes;
  for (const Bytes part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

TEST(RecordBatchView, ShowsTheFieldsOfE2) {
  const RecordBatchView batch = view_of(kE2);
  EXPECT_EQ(batch.bytes().size(), 95u);
  EXPECT_EQ(batch.record_bytes().size(), 34u);
  EXPECT_EQ(batch.base_offset(), Offset(100));
  EXPECT_EQ(batch.last_offset(), Offset(102));
  EXPECT_EQ(batch.next_offset(), Offset(103));
  EXPECT_EQ(batch.leader_epoch(), LeaderEpoch(3));
  EXPECT_EQ(batch.crc(), 0x527b05a0u);
  EXPECT_EQ(batch.attributes(), 0x10);
  EXPECT_EQ(batch.codec_bits(), 0);
  EXPECT_EQ(batch.timestamp_type(), TimestampType::kCreateTime);
  EXPECT_TRUE(batch.is_transactional());
  EXPECT_FALSE(batch.is_control());
  EXPECT_FALSE(batch.has_delete_horizon());
  EXPECT_EQ(batch.last_offset_delta(), 2);
  EXPECT_EQ(batch.base_timestamp(), kTime);
  EXPECT_EQ(batch.max_timestamp(), kTime + 5);
  EXPECT_EQ(batch.producer_id(), ProducerId(4000));
  EXPECT_EQ(batch.producer_epoch(), ProducerEpoch(2));
  EXPECT_EQ(batch.base_sequence(), Sequence(2147483646));
  EXPECT_EQ(batch.last_sequence(), Sequence(0));
  EXPECT_EQ(batch.record_count(), 3);
}

TEST(RecordBatchView, TakesTheFrontOfLongerBytes) {
  EXPECT_EQ(view_of(join({kE1, kE2})).bytes().size(), kE1.size());
}

TEST(RecordBatchView, RefusesWhatIsNoWholeBatch) {
  for (std::size_t count = 0; count < kE1.size(); ++count) {
    EXPECT_THAT(RecordBatchView::parse(Bytes(kE1).first(count)),
                FailsWith(ErrorCode::CORRUPT_MESSAGE));
  }
  EXPECT_THAT(RecordBatchView::parse(with(kE1, 11, 13)), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(RecordBatchView::parse(with(kE1, 11, 48)), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(RecordBatchView::parse(with(kE1, 16, 3)), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

TEST(RecordBatchView, RefusesOldMagicsByName) {
  for (const int magic : {0, 1}) {
    const auto view = RecordBatchView::parse(with(kE1, 16, magic));
    ASSERT_THAT(view, FailsWith(ErrorCode::UNSUPPORTED_VERSION));
    EXPECT_THAT(view.error().context, testing::HasSubstr("magic " + std::to_string(magic)));
  }
}

TEST(RecordBatchView, CrcOfEveryExampleIsRight) {
  for (const ByteList& batch : {kE1, kE1Stored, kE2, kE3, kE3Later, kE3NoHorizon, kE4, kCommit,
                                kAbort, kAbortHorizon, kAbortEmptied, kLeaderChange}) {
    EXPECT_THAT(view_of(batch).check_crc(), Succeeds());
  }
}

TEST(RecordBatchView, CrcSeesEveryBitBehindItAndItsOwn) {
  for (const ByteList& example : {kE2, kE3}) {
    for (std::size_t bit = 17 * 8; bit < example.size() * 8; ++bit) {
      ByteList bytes = example;
      bytes[bit / 8] ^= std::byte{1} << (bit % 8);
      EXPECT_THAT(view_of(bytes).check_crc(), FailsWith(ErrorCode::CORRUPT_MESSAGE)) << bit;
    }
  }
}

TEST(RecordBatchView, ReadsMarkers) {
  const auto commit = view_of(kCommit).control_record();
  ASSERT_THAT(commit, Succeeds());
  ASSERT_TRUE(*commit);
  EXPECT_EQ((*commit)->type, 1);
  EXPECT_EQ((*commit)->coordinator_epoch, CoordinatorEpoch(5));
  for (const ByteList& bytes : {kAbort, kAbortHorizon}) {
    const auto abort = view_of(bytes).control_record();
    ASSERT_THAT(abort, Succeeds());
    EXPECT_TRUE((*abort)->is_abort());
    EXPECT_EQ((*abort)->coordinator_epoch, CoordinatorEpoch(5));
  }
}

TEST(RecordBatchView, AnEmptiedMarkerSaysNothing) {
  const auto control = view_of(kAbortEmptied).control_record();
  ASSERT_THAT(control, Succeeds());
  EXPECT_EQ(*control, std::nullopt);
}

TEST(RecordBatchView, OtherControlTypesAreNoMarkers) {
  const auto control = view_of(kLeaderChange).control_record();
  ASSERT_THAT(control, Succeeds());
  EXPECT_EQ((*control)->type, 2);
  EXPECT_FALSE((*control)->is_marker());
}

TEST(RecordBatchView, RefusesAControlRecordThatIsMalformed) {
  EXPECT_THAT(view_of(with(kCommit, 61, 0x7e)).control_record(),
              FailsWith(ErrorCode::INVALID_RECORD));
  EXPECT_THAT(view_of(with(kCommit, 22, 0x31)).control_record(),
              FailsWith(ErrorCode::INVALID_RECORD));
}

TEST(BatchCursor, WalksBatchesAndIgnoresAPartialTail) {
  const ByteList bytes = join({kE1, kE2, Bytes(kE1).first(30)});
  BatchCursor cursor(bytes);
  EXPECT_EQ((*cursor.next())->base_offset(), Offset(0));
  EXPECT_EQ(cursor.position(), 70);
  EXPECT_EQ((*cursor.next())->base_offset(), Offset(100));
  EXPECT_EQ(cursor.position(), 165);
  const auto end = cursor.next();
  ASSERT_THAT(end, Succeeds());
  EXPECT_FALSE(*end);
  EXPECT_EQ(cursor.position(), 165);
}

TEST(BatchCursor, OfNothingIsAtItsEnd) {
  BatchCursor cursor{Bytes()};
  const auto end = cursor.next();
  ASSERT_THAT(end, Succeeds());
  EXPECT_FALSE(*end);
}

TEST(BatchCursor, StaysWhereItIsAfterAnError) {
  const ByteList bytes = join({kE1, with(kE2, 16, 9)});
  BatchCursor cursor(bytes);
  EXPECT_THAT(cursor.next(), Succeeds());
  EXPECT_THAT(cursor.next(), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(cursor.next(), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_EQ(cursor.position(), 70);
}

TEST(BatchCursor, RefusesWholeOldBatchesByName) {
  const ByteList bytes = with(kE1, 16, 1);
  EXPECT_THAT(BatchCursor(bytes).next(), FailsWith(ErrorCode::UNSUPPORTED_VERSION));
  const auto partial = BatchCursor(Bytes(bytes).first(69)).next();
  ASSERT_THAT(partial, Succeeds());
  EXPECT_FALSE(*partial);
}

}  // namespace
}  // namespace oncelog::record
