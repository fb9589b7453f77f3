#include "record/batch_convert.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "record/compression.h"

namespace oncelog::record {

namespace {

// Of a batch's records: the length field counts the header behind it, too.
constexpr std::int64_t kRecordBytesMax =
    std::numeric_limits<std::int32_t>::max() - kBatchHeaderBytes;

// Every part of a record must fit a 32-bit length, and so must the whole.
bool fits_lengths(const StoredRecord& record) {
  return record_size_bytes(record) <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

Result<void> PlainRecords::add(Timestamp timestamp, StoredRecord record) {
  if (timestamp < kNoTimestamp) {
    return fail(ErrorCode::INVALID_RECORD, "batch: record with timestamp ", timestamp);
  }
  if (count_ == std::numeric_limits<std::int32_t>::max()) {
    return fail(ErrorCode::MESSAGE_TOO_LARGE, "batch: more records than a count can tell");
  }
  const Timestamp base_timestamp = count_ == 0 ? timestamp : base_timestamp_;
  record.timestamp_delta = timestamp - base_timestamp;
  record.offset_delta = count_;
  if (!fits_lengths(record)) {
    return fail(ErrorCode::INVALID_RECORD, "batch: record of ", record_size_bytes(record),
                " bytes does not fit a 32-bit length");
  }
  const std::int64_t bytes_after =
      static_cast<std::int64_t>(bytes_.size()) + record_size_bytes(record);
  if (bytes_after > kRecordBytesMax) {
    return fail(ErrorCode::MESSAGE_TOO_LARGE, "batch: ", bytes_after, " bytes of records");
  }
  encode_record(record, bytes_);
  ++count_;
  base_timestamp_ = base_timestamp;
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  return {};
}

std::vector<std::byte> PlainRecords::take() { return std::exchange(*this, PlainRecords()).bytes_; }

Result<NewBatch> make_batch(const BatchHeader& origin, PlainRecords records,
                            const Storing& storing) {
  NewBatch batch{.header = origin};
  BatchHeader& header = batch.header;
  header.magic = kMagic;
  header.attributes = static_cast<std::int16_t>(
      (origin.attributes & (kTransactionalBit | kControlBit)) | std::to_underlying(storing.codec) |
      (storing.append_time ? kLogAppendTimeBit : 0));
  header.last_offset_delta = records.count() - 1;
  header.record_count = records.count();
  header.base_timestamp = records.base_timestamp();
  header.max_timestamp = storing.append_time.value_or(records.max_timestamp());

  if (storing.codec == Codec::kNone) {
    batch.record_bytes = records.take();
  } else {
    ONCELOG_TRY_ASSIGN(batch.record_bytes, compress(storing.codec, storing.level, records.bytes()));
  }
  const auto record_bytes = static_cast<std::int64_t>(batch.record_bytes.size());
  if (record_bytes > kRecordBytesMax) {
    return fail(ErrorCode::MESSAGE_TOO_LARGE, "batch: ", record_bytes, " bytes when compressed");
  }
  header.batch_length =
      static_cast<std::int32_t>(kBatchHeaderBytes - kBatchPrefixBytes + record_bytes);
  header.crc = batch_crc(header, batch.record_bytes);
  return batch;
}

Result<NewBatch> convert_batch(const BatchHeader& header, Bytes plain, const Storing& storing) {
  PlainRecords records;
  base::ByteCursor cursor(plain);
  for (std::int32_t i = 0; i < header.record_count; ++i) {
    StoredRecord record;
    const RecordFault fault = decode_record(cursor, record);
    ONCELOG_ASSERT(fault == RecordFault::kNone, i, describe(fault));
    ONCELOG_TRY(records.add(header.base_timestamp + record.timestamp_delta, record));
  }
  return make_batch(header, std::move(records), storing);
}

}  // namespace oncelog::record
