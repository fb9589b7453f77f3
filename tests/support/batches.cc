#include "support/batches.h"

#include <stdexcept>

namespace oncelog::test {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

/// The value of a Result that must have one.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::logic_error(result.error().text());
  return *std::move(result);
}

}  // namespace

Buffer make_batch(const BatchSpec& spec) {
  RecordBatchBuilder builder({.base_offset = Offset(spec.base),
                              .leader_epoch = LeaderEpoch(spec.leader_epoch),
                              .codec = spec.codec,
                              .is_transactional = spec.is_transactional,
                              .producer_id = ProducerId(spec.producer_id),
                              .producer_epoch = ProducerEpoch(spec.producer_epoch),
                              .base_sequence = Sequence(spec.sequence)});
  const std::string value(spec.value_bytes, 'v');
  for (int i = 0; i < spec.records; ++i) {
    const auto added = builder.add(
        {.timestamp = Timestamp(spec.timestamp), .key = as_bytes("k"), .value = as_bytes(value)});
    if (!added) throw std::logic_error(added.error().text());
  }
  return must(builder.build());
}

record::BatchHeader make_header(const BatchSpec& spec) { return header_of(make_batch(spec)); }

MarkerFields marker_fields(const MarkerSpec& spec) {
  return {.base_offset = Offset(spec.base),
          .leader_epoch = LeaderEpoch(spec.leader_epoch),
          .type = spec.type,
          .producer_id = ProducerId(spec.producer_id),
          .producer_epoch = ProducerEpoch(spec.producer_epoch),
          .coordinator_epoch = CoordinatorEpoch(spec.coordinator_epoch),
          .timestamp = Timestamp(spec.timestamp)};
}

Buffer make_marker(const MarkerSpec& spec) { return build_marker(marker_fields(spec)); }

Buffer join(const std::vector<Buffer>& parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

record::BatchHeader header_of(Bytes batch) {
  return record::decode_batch_header(batch.first<record::kHeaderBytes>());
}

std::vector<std::int64_t> base_offsets(Bytes batches) {
  std::vector<std::int64_t> bases;
  BatchCursor cursor(batches);
  while (const auto batch = must(cursor.next())) bases.push_back(batch->base_offset().value());
  return bases;
}

Buffer from_hex(std::string_view text) {
  Buffer bytes;
  std::size_t high = kHexDigits.npos;
  for (const char letter : text) {
    const std::size_t digit = kHexDigits.find(letter);
    if (digit == kHexDigits.npos) continue;
    if (high == kHexDigits.npos) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(high * 16 + digit));
      high = kHexDigits.npos;
    }
  }
  return bytes;
}

std::string to_hex(Bytes bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += kHexDigits[std::to_integer<std::size_t>(byte) >> 4];
    text += kHexDigits[std::to_integer<std::size_t>(byte) & 15];
  }
  return text;
}

}  // namespace oncelog::test
