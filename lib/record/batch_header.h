// batch_header.h: the 61 bytes in front of the records of a magic-2 batch, as named fields. No
// allocation. Format: FORMAT.md, record batch.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "oncelog/record.h"
#include "oncelog/types.h"

namespace oncelog::record {

inline constexpr std::size_t kHeaderBytes = static_cast<std::size_t>(kBatchHeaderBytes);
/// Bytes from the front that the CRC leaves out: everything up to and with the CRC itself.
inline constexpr std::size_t kCrcBegin = 21;
/// Smallest length field that can belong to any batch (an empty magic-0 message).
inline constexpr std::int32_t kBatchLengthMin = 14;
inline constexpr std::int8_t kMagic = 2;

inline constexpr std::int16_t kCodecMask = 0x07;
inline constexpr std::int16_t kLogAppendTimeBit = 0x08;
inline constexpr std::int16_t kTransactionalBit = 0x10;
inline constexpr std::int16_t kControlBit = 0x20;
inline constexpr std::int16_t kDeleteHorizonBit = 0x40;

/// The fields in the order in which they are stored.
struct BatchHeader {
  Offset base_offset{};
  std::int32_t batch_length = 0;  ///< bytes behind this field
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::int8_t magic = kMagic;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  Timestamp base_timestamp = kNoTimestamp;
  Timestamp max_timestamp = kNoTimestamp;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  Sequence base_sequence = kNoSequence;
  std::int32_t record_count = 0;

  [[nodiscard]] std::int64_t size_bytes() const { return kBatchPrefixBytes + batch_length; }
  [[nodiscard]] Offset last_offset() const { return base_offset + last_offset_delta; }
  [[nodiscard]] Offset next_offset() const { return last_offset() + 1; }
  [[nodiscard]] Sequence last_sequence() const;
  [[nodiscard]] std::uint8_t codec_bits() const {
    return static_cast<std::uint8_t>(attributes & kCodecMask);
  }
  [[nodiscard]] TimestampType timestamp_type() const {
    return (attributes & kLogAppendTimeBit) != 0 ? TimestampType::kLogAppendTime
                                                 : TimestampType::kCreateTime;
  }
  [[nodiscard]] bool is_transactional() const { return (attributes & kTransactionalBit) != 0; }
  [[nodiscard]] bool is_control() const { return (attributes & kControlBit) != 0; }
  [[nodiscard]] bool has_delete_horizon() const { return (attributes & kDeleteHorizonBit) != 0; }
  [[nodiscard]] bool has_producer_id() const { return producer_id > kNoProducerId; }
};

[[nodiscard]] BatchHeader decode_batch_header(std::span<const std::byte, kHeaderBytes> bytes);
[[nodiscard]] inline BatchHeader header_of(const RecordBatchView& batch) {
  return decode_batch_header(batch.bytes().first<kHeaderBytes>());
}
void encode_batch_header(const BatchHeader& header, std::span<std::byte, kHeaderBytes> bytes);

/// The CRC-32C that belongs into the header of a batch with these fields and these record bytes.
[[nodiscard]] std::uint32_t batch_crc(const BatchHeader& header, Bytes record_bytes);

/// What stands at the front of a buffer: formats 1.6, scanning a memory buffer. Magic 0 and 1 are
/// framed, too; whether they are wanted is the caller's question.
struct Framing {
  enum class State : std::uint8_t { kWhole, kPartial, kCorrupt };
  State state = State::kPartial;
  std::int8_t magic = 0;        ///< if whole
  std::int64_t size_bytes = 0;  ///< if whole
  std::string_view problem{};   ///< if corrupt
};
[[nodiscard]] Framing frame_batch(Bytes bytes);

/// Sequence arithmetic on the ring 0 … 2^31−1 (formats 1.4).
[[nodiscard]] Sequence increment_sequence(Sequence sequence, std::int32_t step);
[[nodiscard]] Sequence decrement_sequence(Sequence sequence, std::int32_t step);

}  // namespace oncelog::record
