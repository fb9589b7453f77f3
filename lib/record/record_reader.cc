// record_reader.cc: the records of one batch, in order.
#include <utility>

#include "oncelog/record.h"
#include "record/batch_header.h"
#include "record/compression.h"
#include "record/record_codec.h"

namespace oncelog {

using record::RecordFault;
using record::StoredRecord;

std::vector<RecordHeader> RecordView::headers() const {
  std::vector<RecordHeader> headers;
  base::ByteCursor cursor(header_bytes);
  for (std::int32_t i = 0; i < header_count && cursor.left() > 0; ++i) {
    RecordHeader header;
    header.key = as_text(record::decode_nullable_bytes(cursor).value_or(Bytes()));
    header.value = record::decode_nullable_bytes(cursor);
    headers.push_back(header);
  }
  return headers;
}

struct RecordReader::State {
  record::BatchHeader header{};
  record::PlainBytes plain{0};  // of a compressed batch
  base::ByteCursor cursor{};
  std::int32_t read_count = 0;
};

RecordReader::RecordReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordReader::RecordReader(RecordReader&&) noexcept = default;
RecordReader& RecordReader::operator=(RecordReader&&) noexcept = default;
RecordReader::~RecordReader() = default;

Result<RecordReader> RecordReader::open(const RecordBatchView& batch, DecompressionLimits limits) {
  auto state = std::make_unique<State>();
  state->header = record::header_of(batch);
  const record::BatchHeader& header = state->header;
  if (header.record_count < 0) {
    return fail(ErrorCode::INVALID_RECORD, "batch at offset ", header.base_offset,
                ": record count ", header.record_count);
  }
  if (header.record_count == 0) return RecordReader(std::move(state));  // payload not looked at

  Bytes plain = batch.record_bytes();
  if (header.codec_bits() != 0) {
    ONCELOG_TRY_ASSIGN(state->plain, record::decompress(header.codec_bits(), plain, limits));
    plain = state->plain.bytes();
  }
  state->cursor = base::ByteCursor(plain);
  return RecordReader(std::move(state));
}

Result<std::optional<RecordView>> RecordReader::next() {
  State& state = *state_;
  const record::BatchHeader& header = state.header;
  if (state.read_count >= header.record_count) return std::nullopt;

  StoredRecord stored;
  RecordFault fault = record::decode_record(state.cursor, stored);
  // Bytes behind the last record make the batch malformed, so that record is not given either.
  const bool is_last = state.read_count + 1 == header.record_count;
  if (fault != RecordFault::kNone) {
    return fail(ErrorCode::INVALID_RECORD, "batch at offset ", header.base_offset, ": record ",
                state.read_count, " of ", header.record_count, " is ", record::describe(fault));
  }
  if (is_last && state.cursor.left() != 0) {
    return fail(ErrorCode::INVALID_RECORD, "batch at offset ", header.base_offset, ": ",
                state.cursor.left(), " bytes behind the last of ", header.record_count, " records");
  }
  ++state.read_count;
  const bool has_sequence = header.base_sequence >= Sequence(0);
  return RecordView{
      .offset = header.base_offset + stored.offset_delta,
      .timestamp = header.timestamp_type() == TimestampType::kLogAppendTime
                       ? header.max_timestamp
                       : header.base_timestamp + stored.timestamp_delta,
      .sequence = has_sequence
                      ? record::increment_sequence(header.base_sequence, stored.offset_delta)
                      : kNoSequence,
      .key = stored.key,
      .value = stored.value,
      .header_count = stored.header_count,
      .header_bytes = stored.header_bytes,
  };
}

}  // namespace oncelog
