// batch_view.cc: a batch in memory, and the walk over several.
#include "base/bytes.h"
#include "base/crc32c.h"
#include "oncelog/record.h"
#include "record/batch_header.h"
#include "record/control_record.h"

namespace oncelog {

namespace {

using record::Framing;

std::span<const std::byte, record::kHeaderBytes> header_of(Bytes batch) {
  return batch.first<record::kHeaderBytes>();
}

// The view decodes the whole header for one field: the compiler drops the other loads.
record::BatchHeader decode(Bytes batch) { return record::decode_batch_header(header_of(batch)); }

std::unexpected<Error> fail_legacy(const Framing& framing) {
  return fail(ErrorCode::UNSUPPORTED_VERSION, "batch: magic ", framing.magic,
              " is not supported, only magic 2");
}

}  // namespace

Result<RecordBatchView> RecordBatchView::parse(Bytes bytes) {
  const Framing framing = record::frame_batch(bytes);
  switch (framing.state) {
    case Framing::State::kCorrupt:
      return fail(ErrorCode::CORRUPT_MESSAGE, "batch: ", framing.problem);
    case Framing::State::kPartial:
      return fail(ErrorCode::CORRUPT_MESSAGE, "batch: not whole in ", bytes.size(), " bytes");
    case Framing::State::kWhole:
      break;
  }
  if (framing.magic != record::kMagic) return fail_legacy(framing);
  return RecordBatchView(bytes.first(static_cast<std::size_t>(framing.size_bytes)));
}

Offset RecordBatchView::base_offset() const { return decode(bytes_).base_offset; }
Offset RecordBatchView::last_offset() const { return decode(bytes_).last_offset(); }
LeaderEpoch RecordBatchView::leader_epoch() const { return decode(bytes_).leader_epoch; }
std::uint32_t RecordBatchView::crc() const { return decode(bytes_).crc; }
std::int16_t RecordBatchView::attributes() const { return decode(bytes_).attributes; }
std::uint8_t RecordBatchView::codec_bits() const { return decode(bytes_).codec_bits(); }
TimestampType RecordBatchView::timestamp_type() const { return decode(bytes_).timestamp_type(); }
bool RecordBatchView::is_transactional() const { return decode(bytes_).is_transactional(); }
bool RecordBatchView::is_control() const { return decode(bytes_).is_control(); }
bool RecordBatchView::has_delete_horizon() const { return decode(bytes_).has_delete_horizon(); }
std::int32_t RecordBatchView::last_offset_delta() const { return decode(bytes_).last_offset_delta; }
Timestamp RecordBatchView::base_timestamp() const { return decode(bytes_).base_timestamp; }
Timestamp RecordBatchView::max_timestamp() const { return decode(bytes_).max_timestamp; }
ProducerId RecordBatchView::producer_id() const { return decode(bytes_).producer_id; }
ProducerEpoch RecordBatchView::producer_epoch() const { return decode(bytes_).producer_epoch; }
Sequence RecordBatchView::base_sequence() const { return decode(bytes_).base_sequence; }
Sequence RecordBatchView::last_sequence() const { return decode(bytes_).last_sequence(); }
std::int32_t RecordBatchView::record_count() const { return decode(bytes_).record_count; }

Result<void> RecordBatchView::check_crc() const {
  const std::uint32_t stored = crc();
  const std::uint32_t computed = base::crc32c(bytes_.subspan(record::kCrcBegin));
  if (stored == computed) return {};
  return fail(ErrorCode::CORRUPT_MESSAGE, "batch at offset ", base_offset(), ": stored CRC ",
              stored, ", computed ", computed);
}

Result<std::optional<ControlRecord>> RecordBatchView::control_record() const {
  if (record_count() == 0) return std::nullopt;
  if (codec_bits() != 0) {
    return fail(ErrorCode::INVALID_RECORD, "control batch at offset ", base_offset(),
                ": compressed, which no writer does");
  }
  base::ByteCursor cursor(record_bytes());
  record::StoredRecord stored;
  const record::RecordFault fault = record::decode_record(cursor, stored);
  if (fault != record::RecordFault::kNone) {
    return fail(ErrorCode::INVALID_RECORD, "control batch at offset ", base_offset(),
                ": its first record is ", record::describe(fault));
  }
  ONCELOG_TRY_ASSIGN(const ControlRecord control, record::decode_control_record(stored));
  return control;
}

Result<std::optional<RecordBatchView>> BatchCursor::next() {
  const Bytes rest = bytes_.subspan(static_cast<std::size_t>(position_));
  const Framing framing = record::frame_batch(rest);
  switch (framing.state) {
    case Framing::State::kPartial:
      return std::nullopt;
    case Framing::State::kCorrupt:
      return fail(ErrorCode::CORRUPT_MESSAGE, "batch at position ", position_, ": ",
                  framing.problem);
    case Framing::State::kWhole:
      break;
  }
  if (framing.magic != record::kMagic) return fail_legacy(framing);
  ONCELOG_TRY_ASSIGN(const RecordBatchView batch, RecordBatchView::parse(rest));
  position_ += framing.size_bytes;
  return batch;
}

}  // namespace oncelog
