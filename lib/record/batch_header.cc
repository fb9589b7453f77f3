#include "record/batch_header.h"

#include <array>
#include <limits>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace oncelog::record {

namespace {

// Where each field stands; the last one ends where the records begin.
constexpr std::size_t kBaseOffsetAt = 0;
constexpr std::size_t kBatchLengthAt = 8;
constexpr std::size_t kLeaderEpochAt = 12;
constexpr std::size_t kMagicAt = 16;
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kLastOffsetDeltaAt = 23;
constexpr std::size_t kBaseTimestampAt = 27;
constexpr std::size_t kMaxTimestampAt = 35;
constexpr std::size_t kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51;
constexpr std::size_t kBaseSequenceAt = 53;
constexpr std::size_t kRecordCountAt = 57;
static_assert(kRecordCountAt + sizeof(std::int32_t) == kHeaderBytes);
static_assert(kCrcAt + sizeof(std::uint32_t) == kCrcBegin && kCrcBegin == kAttributesAt);

constexpr std::int64_t kSequenceCount = std::int64_t{1} << 31;

}  // namespace

Sequence BatchHeader::last_sequence() const {
  if (base_sequence == kNoSequence) return kNoSequence;
  return increment_sequence(base_sequence, last_offset_delta);
}

BatchHeader decode_batch_header(std::span<const std::byte, kHeaderBytes> bytes) {
  using base::load_be;
  BatchHeader header;
  header.base_offset = Offset(load_be<std::int64_t>(bytes, kBaseOffsetAt));
  header.batch_length = load_be<std::int32_t>(bytes, kBatchLengthAt);
  header.leader_epoch = LeaderEpoch(load_be<std::int32_t>(bytes, kLeaderEpochAt));
  header.magic = load_be<std::int8_t>(bytes, kMagicAt);
  header.crc = load_be<std::uint32_t>(bytes, kCrcAt);
  header.attributes = load_be<std::int16_t>(bytes, kAttributesAt);
  header.last_offset_delta = load_be<std::int32_t>(bytes, kLastOffsetDeltaAt);
  header.base_timestamp = Timestamp(load_be<std::int64_t>(bytes, kBaseTimestampAt));
  header.max_timestamp = Timestamp(load_be<std::int64_t>(bytes, kMaxTimestampAt));
  header.producer_id = ProducerId(load_be<std::int64_t>(bytes, kProducerIdAt));
  header.producer_epoch = ProducerEpoch(load_be<std::int16_t>(bytes, kProducerEpochAt));
  header.base_sequence = Sequence(load_be<std::int32_t>(bytes, kBaseSequenceAt));
  header.record_count = load_be<std::int32_t>(bytes, kRecordCountAt);
  return header;
}

void encode_batch_header(const BatchHeader& header, std::span<std::byte, kHeaderBytes> bytes) {
  using base::store_be;
  store_be(bytes, kBaseOffsetAt, header.base_offset.value());
  store_be(bytes, kBatchLengthAt, header.batch_length);
  store_be(bytes, kLeaderEpochAt, header.leader_epoch.value());
  store_be(bytes, kMagicAt, header.magic);
  store_be(bytes, kCrcAt, header.crc);
  store_be(bytes, kAttributesAt, header.attributes);
  store_be(bytes, kLastOffsetDeltaAt, header.last_offset_delta);
  store_be(bytes, kBaseTimestampAt, header.base_timestamp.value());
  store_be(bytes, kMaxTimestampAt, header.max_timestamp.value());
  store_be(bytes, kProducerIdAt, header.producer_id.value());
  store_be(bytes, kProducerEpochAt, header.producer_epoch.value());
  store_be(bytes, kBaseSequenceAt, header.base_sequence.value());
  store_be(bytes, kRecordCountAt, header.record_count);
}

std::uint32_t batch_crc(const BatchHeader& header, Bytes record_bytes) {
  std::array<std::byte, kHeaderBytes> bytes;
  encode_batch_header(header, bytes);
  return base::crc32c_extend(base::crc32c(Bytes(bytes).subspan(kCrcBegin)), record_bytes);
}

Framing frame_batch(Bytes bytes) {
  using State = Framing::State;
  if (bytes.size() < static_cast<std::size_t>(kBatchPrefixBytes)) return {};
  const auto batch_length = base::load_be<std::int32_t>(bytes, kBatchLengthAt);
  if (batch_length < kBatchLengthMin) {
    return {.state = State::kCorrupt, .problem = "batch length is below 14"};
  }
  if (bytes.size() <= kMagicAt) return {};
  const auto magic = base::load_be<std::int8_t>(bytes, kMagicAt);
  if (magic < 0 || magic > kMagic) {
    return {.state = State::kCorrupt, .problem = "magic is none of 0, 1, 2"};
  }
  // In 64 bits: the largest lengths do not fit 32 together with the prefix (quirk Q14).
  const std::int64_t size_bytes = kBatchPrefixBytes + std::int64_t{batch_length};
  if (static_cast<std::int64_t>(bytes.size()) < size_bytes) return {};
  if (magic == kMagic && size_bytes < kBatchHeaderBytes) {
    return {.state = State::kCorrupt, .problem = "batch is shorter than its header"};
  }
  return {.state = State::kWhole, .magic = magic, .size_bytes = size_bytes};
}

Sequence increment_sequence(Sequence sequence, std::int32_t step) {
  const std::int64_t sum = std::int64_t{sequence.value()} + step;
  return Sequence(static_cast<std::int32_t>(sum < kSequenceCount ? sum : sum - kSequenceCount));
}

Sequence decrement_sequence(Sequence sequence, std::int32_t step) {
  const std::int64_t difference = std::int64_t{sequence.value()} - step;
  return Sequence(
      static_cast<std::int32_t>(difference >= 0 ? difference : difference + kSequenceCount));
}

}  // namespace oncelog::record
