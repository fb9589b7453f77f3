#include "record/batch_header.h"

#include <limits>

#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

using State = Framing::State;

TEST(BatchHeader, DecodesTheFieldsOfE2) {
  const BatchHeader header = header_of(kE2);
  EXPECT_EQ(header.base_offset, Offset(100));
  EXPECT_EQ(header.batch_length, 83);
  EXPECT_EQ(header.size_bytes(), 95);
  EXPECT_EQ(header.leader_epoch, LeaderEpoch(3));
  EXPECT_EQ(header.magic, 2);
  EXPECT_EQ(header.crc, 0x527b05a0u);
  EXPECT_EQ(header.attributes, 0x10);
  EXPECT_EQ(header.last_offset_delta, 2);
  EXPECT_EQ(header.base_timestamp, kTime);
  EXPECT_EQ(header.max_timestamp, kTime + 5);
  EXPECT_EQ(header.producer_id, ProducerId(4000));
  EXPECT_EQ(header.producer_epoch, ProducerEpoch(2));
  EXPECT_EQ(header.base_sequence, Sequence(2147483646));
  EXPECT_EQ(header.record_count, 3);
}

TEST(BatchHeader, DerivesOffsetsSequencesAndBits) {
  const BatchHeader header = header_of(kE2);
  EXPECT_EQ(header.last_offset(), Offset(102));
  EXPECT_EQ(header.next_offset(), Offset(103));
  EXPECT_EQ(header.last_sequence(), Sequence(0));
  EXPECT_TRUE(header.is_transactional());
  EXPECT_FALSE(header.is_control());
  EXPECT_TRUE(header_of(kAbort).is_control());
  EXPECT_EQ(header_of(kAbort).last_sequence(), kNoSequence);
  EXPECT_TRUE(header_of(kAbortHorizon).has_delete_horizon());
  EXPECT_FALSE(header_of(kE1).has_producer_id());
}

TEST(BatchHeader, ProducerIdZeroIsOne) {
  EXPECT_TRUE(BatchHeader{.producer_id = ProducerId(0)}.has_producer_id());
  EXPECT_FALSE(BatchHeader{.producer_id = ProducerId(-2)}.has_producer_id());
}

TEST(BatchHeader, EncodesWhatItDecoded) {
  for (const ByteList& batch : {kE1, kE1Stored, kE2, kE3, kE4, kCommit, kAbortHorizon}) {
    ByteList bytes(kHeaderBytes);
    encode_batch_header(header_of(batch), std::span(bytes).first<kHeaderBytes>());
    EXPECT_EQ(to_hex(bytes), to_hex(Bytes(batch).first(kHeaderBytes)));
  }
}

TEST(BatchHeader, CrcLeavesOutOffsetLengthLeaderEpochAndMagic) {
  const Bytes records = Bytes(kE1).subspan(kHeaderBytes);
  EXPECT_EQ(batch_crc(header_of(kE1), records), 0xe99b8dd8u);
  EXPECT_EQ(batch_crc(header_of(kE1Stored), records), 0xe99b8dd8u);
  BatchHeader later = header_of(kE1);
  later.max_timestamp = later.max_timestamp + 1;
  EXPECT_NE(batch_crc(later, records), 0xe99b8dd8u);
}

TEST(BatchHeader, OffsetsOfHostileHeadersWrap) {
  const BatchHeader header{.base_offset = Offset(std::numeric_limits<std::int64_t>::max()),
                           .last_offset_delta = 1};
  EXPECT_LT(header.last_offset(), Offset(0));
}

TEST(FrameBatch, FindsWholeBatchesOfEveryMagic) {
  const Framing framing = frame_batch(kE1);
  EXPECT_EQ(framing.state, State::kWhole);
  EXPECT_EQ(framing.size_bytes, 70);
  EXPECT_EQ(framing.magic, 2);
  ByteList legacy = kE1;
  legacy[16] = std::byte{1};
  EXPECT_EQ(frame_batch(legacy).magic, 1);
}

TEST(FrameBatch, EveryCutOfABatchIsPartial) {
  for (std::size_t count = 0; count < kE1.size(); ++count) {
    EXPECT_EQ(frame_batch(Bytes(kE1).first(count)).state, State::kPartial) << count;
  }
}

TEST(FrameBatch, LengthBelow14IsCorruptOnce12BytesAreThere) {
  ByteList bytes = kE1;
  for (const int length : {0, 13, 14}) {
    bytes[11] = static_cast<std::byte>(length);
    const State expected = length < 14 ? State::kCorrupt : State::kPartial;
    EXPECT_EQ(frame_batch(Bytes(bytes).first(11)).state, State::kPartial);
    EXPECT_EQ(frame_batch(Bytes(bytes).first(12)).state, expected) << length;
  }
  EXPECT_EQ(frame_batch(bytes).state, State::kCorrupt);  // 14: whole, but shorter than its header
  bytes[8] = std::byte{0xff};
  EXPECT_EQ(frame_batch(bytes).state, State::kCorrupt);  // negative
}

TEST(FrameBatch, ALengthBetween14AndTheHeadersIsCorruptForMagic2) {
  for (std::uint8_t length = 14; length < 49; ++length) {
    ByteList bytes = kE1;
    bytes[11] = std::byte{length};
    EXPECT_EQ(frame_batch(bytes).state, State::kCorrupt) << int{length};
  }
  ByteList bytes = kE4;
  EXPECT_EQ(frame_batch(bytes).state, State::kWhole);
}

TEST(FrameBatch, MagicIsLookedAtBeforeCompleteness) {
  ByteList bytes = kE1;
  for (const int magic : {3, 0x7f, 0xff}) {
    bytes[16] = static_cast<std::byte>(magic);
    EXPECT_EQ(frame_batch(Bytes(bytes).first(17)).state, State::kCorrupt);
    EXPECT_EQ(frame_batch(Bytes(bytes).first(16)).state, State::kPartial);
  }
}

TEST(FrameBatch, TheLargestLengthsArePartialBatches) {
  ByteList bytes = kE1;
  for (const int last : {0xf4, 0xff}) {
    bytes[8] = std::byte{0x7f};
    bytes[9] = bytes[10] = std::byte{0xff};
    bytes[11] = static_cast<std::byte>(last);
    EXPECT_EQ(frame_batch(bytes).state, State::kPartial);
  }
}

TEST(SequenceRing, WrapsBothWays) {
  constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(increment_sequence(Sequence(kMax - 1), 2), Sequence(0));
  EXPECT_EQ(increment_sequence(Sequence(kMax), 1), Sequence(0));
  EXPECT_EQ(increment_sequence(Sequence(kMax - 1), 1), Sequence(kMax));
  EXPECT_EQ(increment_sequence(Sequence(kMax), kMax), Sequence(kMax - 1));
  EXPECT_EQ(increment_sequence(kNoSequence, 1), Sequence(0));
  EXPECT_EQ(decrement_sequence(Sequence(0), 2), Sequence(kMax - 1));
  EXPECT_EQ(decrement_sequence(Sequence(1), 2), Sequence(kMax));
  EXPECT_EQ(decrement_sequence(kNoSequence, 0), Sequence(2147483647));
  EXPECT_EQ(decrement_sequence(kNoSequence, 3), Sequence(2147483644));
}

}  // namespace
}  // namespace oncelog::record
