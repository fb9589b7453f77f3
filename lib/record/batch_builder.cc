// batch_builder.cc: plain records in, the bytes of a batch out.
#include <array>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "oncelog/record_builder.h"
#include "record/batch_convert.h"
#include "record/control_record.h"

namespace oncelog {

namespace {

using record::BatchHeader;
using record::StoredRecord;

std::vector<std::byte> join(const record::NewBatch& batch) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(batch.header.size_bytes()));
  record::encode_batch_header(batch.header, std::span(bytes).first<record::kHeaderBytes>());
  std::ranges::copy(batch.record_bytes, bytes.begin() + kBatchHeaderBytes);
  return bytes;
}

BatchHeader header_of(const BatchFields& fields) {
  BatchHeader header;
  header.base_offset = fields.base_offset;
  header.leader_epoch = fields.leader_epoch;
  header.attributes = fields.is_transactional ? record::kTransactionalBit : std::int16_t{0};
  header.producer_id = fields.producer_id;
  header.producer_epoch = fields.producer_epoch;
  header.base_sequence = fields.base_sequence;
  return header;
}

/// Appends the headers as they are stored. INVALID_RECORD if they do not fit 32-bit lengths.
Result<void> encode_headers(std::span<const NewRecord::Header> headers,
                            std::vector<std::byte>& out) {
  constexpr std::size_t kBytesMax = std::numeric_limits<std::int32_t>::max();
  std::size_t bytes = 0;
  for (const NewRecord::Header& header : headers) {
    const std::size_t value_bytes = header.value ? header.value->size() : 0;
    if (header.key.size() > kBytesMax || value_bytes > kBytesMax) bytes = kBytesMax + 1;
    bytes += header.key.size() + value_bytes;
    if (bytes > kBytesMax) {
      return fail(ErrorCode::INVALID_RECORD, "batch: headers do not fit a 32-bit length");
    }
    record::encode_nullable_bytes(as_bytes(header.key), out);
    record::encode_nullable_bytes(header.value, out);
  }
  return {};
}

}  // namespace

struct RecordBatchBuilder::State {
  BatchFields fields{};
  record::PlainRecords records{};
  std::vector<std::byte> header_scratch{};
};

RecordBatchBuilder::RecordBatchBuilder(BatchFields fields)
    : state_(std::make_unique<State>(State{.fields = fields})) {}
RecordBatchBuilder::RecordBatchBuilder(RecordBatchBuilder&&) noexcept = default;
RecordBatchBuilder& RecordBatchBuilder::operator=(RecordBatchBuilder&&) noexcept = default;
RecordBatchBuilder::~RecordBatchBuilder() = default;

Result<void> RecordBatchBuilder::add(const NewRecord& record) {
  constexpr std::size_t kCountMax = std::numeric_limits<std::int32_t>::max();
  if (record.headers.size() > kCountMax) {
    return fail(ErrorCode::INVALID_RECORD, "batch: record with ", record.headers.size(),
                " headers");
  }
  state_->header_scratch.clear();
  ONCELOG_TRY(encode_headers(record.headers, state_->header_scratch));
  return state_->records.add(
      record.timestamp,
      StoredRecord{.key = record.key,
                   .value = record.value,
                   .header_count = static_cast<std::int32_t>(record.headers.size()),
                   .header_bytes = state_->header_scratch});
}

std::int64_t RecordBatchBuilder::plain_bytes() const {
  return kBatchHeaderBytes + static_cast<std::int64_t>(state_->records.bytes().size());
}

std::int32_t RecordBatchBuilder::record_count() const { return state_->records.count(); }

Result<std::vector<std::byte>> RecordBatchBuilder::build() {
  if (state_->records.count() == 0) {
    return fail(ErrorCode::INVALID_RECORD, "batch: no record to build it from");
  }
  const BatchFields& fields = state_->fields;
  record::Storing storing{.codec = fields.codec, .level = fields.compression_level};
  if (fields.timestamp_type == TimestampType::kLogAppendTime) {
    storing.append_time = state_->records.max_timestamp();
  }
  ONCELOG_TRY_ASSIGN(
      const record::NewBatch batch,
      record::make_batch(header_of(fields), std::exchange(state_->records, {}), storing));
  return join(batch);
}

std::vector<std::byte> build_marker(const MarkerFields& fields) {
  BatchHeader header;
  header.base_offset = fields.base_offset;
  header.leader_epoch = fields.leader_epoch;
  header.attributes = record::kTransactionalBit | record::kControlBit;
  header.producer_id = fields.producer_id;
  header.producer_epoch = fields.producer_epoch;

  const auto key = record::encode_control_key(fields.type);
  const auto value = record::encode_marker_value(fields.coordinator_epoch);
  record::PlainRecords records;
  const Result<void> added = records.add(fields.timestamp, {.key = key, .value = value});
  ONCELOG_ASSERT(added.has_value(), fields.timestamp);
  const Result<record::NewBatch> batch = record::make_batch(header, std::move(records), {});
  ONCELOG_ASSERT(batch.has_value(), fields.timestamp);
  return join(*batch);
}

}  // namespace oncelog
