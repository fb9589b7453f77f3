#include "record/batch_rebuild.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "record/compression.h"

namespace oncelog::record {

namespace {

// Of a batch's records: the length field counts the header behind it, too.
constexpr std::int64_t kRecordBytesMax =
    std::numeric_limits<std::int32_t>::max() - kBatchHeaderBytes;

constexpr std::int16_t kKeptAttributes =
    kCodecMask | kLogAppendTimeBit | kTransactionalBit | kControlBit;

void set_length_and_crc(NewBatch& batch) {
  batch.header.batch_length = static_cast<std::int32_t>(
      kBatchHeaderBytes - kBatchPrefixBytes + static_cast<std::int64_t>(batch.record_bytes.size()));
  batch.header.crc = batch_crc(batch.header, batch.record_bytes);
}

}  // namespace

Result<NewBatch> rebuild_batch(const BatchHeader& header, std::span<const RecordView> kept,
                               std::optional<Timestamp> delete_horizon) {
  ONCELOG_ASSERT(!kept.empty(), header.base_offset);
  NewBatch batch{.header = header};
  batch.header.attributes =
      static_cast<std::int16_t>((header.attributes & kKeptAttributes) |
                                (delete_horizon ? kDeleteHorizonBit : std::int16_t{0}));
  batch.header.base_timestamp = delete_horizon.value_or(kept.front().timestamp);
  batch.header.record_count = static_cast<std::int32_t>(kept.size());
  if (header.timestamp_type() == TimestampType::kCreateTime) {
    batch.header.max_timestamp = std::ranges::max(kept, {}, &RecordView::timestamp).timestamp;
  }
  std::vector<std::byte> plain;
  for (const RecordView& record : kept) {
    const StoredRecord stored{
        .timestamp_delta = record.timestamp - batch.header.base_timestamp,
        .offset_delta = static_cast<std::int32_t>(record.offset - header.base_offset),
        .key = record.key,
        .value = record.value,
        .header_count = record.header_count,
        .header_bytes = record.header_bytes};
    const auto bytes = static_cast<std::int64_t>(plain.size()) + record_size_bytes(stored);
    if (bytes > kRecordBytesMax) {
      return fail(ErrorCode::MESSAGE_TOO_LARGE, "batch at offset ", header.base_offset, ": ", bytes,
                  " bytes of records when rebuilt");
    }
    encode_record(stored, plain);
  }
  const auto codec = static_cast<Codec>(header.codec_bits());
  if (codec == Codec::kNone) {
    batch.record_bytes = std::move(plain);
  } else {
    ONCELOG_TRY_ASSIGN(batch.record_bytes, compress(codec, std::nullopt, plain));
  }
  if (static_cast<std::int64_t>(batch.record_bytes.size()) > kRecordBytesMax) {
    return fail(ErrorCode::MESSAGE_TOO_LARGE, "batch at offset ", header.base_offset, ": ",
                batch.record_bytes.size(), " bytes when compressed again");
  }
  set_length_and_crc(batch);
  return batch;
}

NewBatch empty_batch(const BatchHeader& header) {
  NewBatch batch{.header = header};
  batch.header.attributes =
      static_cast<std::int16_t>(header.attributes & kKeptAttributes & ~kCodecMask);
  batch.header.base_timestamp = kNoTimestamp;
  batch.header.record_count = 0;
  set_length_and_crc(batch);
  return batch;
}

}  // namespace oncelog::record
