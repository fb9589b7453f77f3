// batch_check.cc: all that can be refused before any state of the log is read.
//
// Invariant: nothing is changed; the caller's bytes stay as they are. A batch that is stored as it
//   came is neither copied nor allocated for.
// Source: semantics 1.5, 1.9 to 1.13 and 2 in that order; design section 9 for the quirks.
#include "record/batch_check.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/crc32c.h"
#include "record/batch_convert.h"
#include "record/compression.h"
#include "record/control_record.h"
#include "record/record_codec.h"

namespace oncelog::record {

namespace {

constexpr std::int16_t kKnownBits =
    kCodecMask | kLogAppendTimeBit | kTransactionalBit | kControlBit | kDeleteHorizonBit;
constexpr std::uint8_t kCodecBitsMax = 4;
constexpr Offset kOffsetMax{std::numeric_limits<std::int64_t>::max()};

Result<void> check_crc_and_codec(const BatchHeader& header, Bytes batch) {
  const std::uint32_t crc = base::crc32c(batch.subspan(kCrcBegin));
  if (crc != header.crc) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "append: stored CRC ", header.crc, ", computed ", crc);
  }
  if (header.codec_bits() > kCodecBitsMax) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "append: codec ", header.codec_bits(), " is unknown");
  }
  return {};
}

/// Gives each whole batch to `visit(header, batch)`, which may refuse it.
template <class Visit>
Result<void> for_each_batch(Bytes bytes, Visit visit) {
  for (;;) {
    const Framing framing = frame_batch(bytes);
    if (framing.state == Framing::State::kPartial) return {};
    if (framing.state == Framing::State::kCorrupt) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "append: ", framing.problem);
    }
    if (framing.magic != kMagic) {
      return fail(ErrorCode::INVALID_RECORD, "append: magic ", framing.magic,
                  " is not supported, only magic 2");
    }
    const Bytes batch = bytes.first(static_cast<std::size_t>(framing.size_bytes));
    ONCELOG_TRY(visit(decode_batch_header(batch.first<kHeaderBytes>()), batch));
    bytes = bytes.subspan(batch.size());
  }
}

struct Prescan {
  std::int64_t batch_count = 0;
  BatchHeader header{};  // of the first batch
  Bytes batch{};
};

/// Semantics 1.9: every batch is looked at, although only one may be there.
Result<void> scan(Bytes bytes, const BatchRules& rules, Prescan& found) {
  const bool is_client = rules.origin == AppendOrigin::kClient;
  return for_each_batch(bytes, [&](const BatchHeader& header, Bytes batch) -> Result<void> {
    if (is_client && header.base_offset != Offset(0)) {
      return fail(ErrorCode::INVALID_RECORD, "append: base offset ", header.base_offset,
                  " from a client, 0 expected");
    }
    if (header.size_bytes() > rules.config.max_message_bytes) {
      return fail(ErrorCode::MESSAGE_TOO_LARGE, "append: batch of ", header.size_bytes(),
                  " bytes, max.message.bytes is ", rules.config.max_message_bytes);
    }
    ONCELOG_TRY(check_crc_and_codec(header, batch));
    if (++found.batch_count == 1) {
      found.header = header;
      found.batch = batch;
    }
    return {};
  });
}

/// What the header alone may say, for a client's batch (2.3) and for any (quirks).
Result<void> check_header(const BatchHeader& header, AppendOrigin origin) {
  // Kafka asks this of clients only. From a coordinator such a batch would be stored with offsets
  // below the log's end.
  if (header.record_count <= 0 ||
      std::int64_t{header.record_count} != std::int64_t{header.last_offset_delta} + 1) {
    return fail(ErrorCode::INVALID_RECORD, "append: ", header.record_count,
                " records with last offset delta ", header.last_offset_delta);
  }
  if (origin == AppendOrigin::kClient) {
    if (header.is_control()) {
      return fail(ErrorCode::INVALID_RECORD, "append: control batch from a client");
    }
    if (header.has_producer_id() && header.base_sequence < Sequence(0)) {
      return fail(ErrorCode::INVALID_RECORD, "append: producer ", header.producer_id,
                  " without a sequence");
    }
  }
  if (header.is_control() && header.codec_bits() != 0) {
    return fail(ErrorCode::INVALID_RECORD, "append: compressed control batch");
  }
  if (header.is_transactional() && !header.has_producer_id()) {  // Q2
    return fail(ErrorCode::INVALID_RECORD, "append: transactional batch without a producer id");
  }
  if (header.has_delete_horizon()) {  // Q4
    return fail(ErrorCode::INVALID_RECORD, "append: batch with a delete horizon");
  }
  if (header.has_producer_id() && header.producer_epoch < ProducerEpoch(0)) {  // Q10
    return fail(ErrorCode::INVALID_PRODUCER_EPOCH, "append: producer ", header.producer_id,
                " with epoch ", header.producer_epoch);
  }
  return {};
}

/// Times that records may have (2.5), as one interval.
struct TimeWindow {
  Timestamp earliest{std::numeric_limits<std::int64_t>::min()};
  Timestamp latest{std::numeric_limits<std::int64_t>::max()};
  bool allows_any = true;  // false: the batch claims LogAppendTime, no record is right (Q3)

  [[nodiscard]] bool allows(Timestamp time) const {
    if (!allows_any) return false;
    return time == kNoTimestamp || (time >= earliest && time <= latest);
  }
};

TimeWindow time_window(const BatchHeader& header, const BatchRules& rules) {
  TimeWindow window;
  window.allows_any = header.timestamp_type() == TimestampType::kCreateTime;
  if (rules.config.message_timestamp_type == TimestampType::kLogAppendTime) return window;
  std::int64_t bound = 0;
  const std::int64_t now = rules.now.value();
  if (!__builtin_sub_overflow(now, rules.config.message_timestamp_before_max_ms, &bound)) {
    window.earliest = Timestamp(bound);
  }
  if (!__builtin_add_overflow(now, rules.config.message_timestamp_after_max_ms, &bound)) {
    window.latest = Timestamp(bound);
  }
  return window;
}

/// Records that break one rule: how many, and the first of them.
struct Offenders {
  std::int32_t count = 0;
  std::int32_t first_index = 0;

  void add(std::int32_t index) {
    if (count++ == 0) first_index = index;
  }
};

std::unexpected<Error> refuse(ErrorCode code, std::string_view what, const Offenders& offenders,
                              const BatchHeader& header) {
  return fail(code, "append: ", what, ": record ", offenders.first_index, ", ", offenders.count,
              " of ", header.record_count, " in all");
}

/// Walks the plain records (2.4 to 2.6, Q1, Q15) and gives their largest time.
Result<Timestamp> check_records(const BatchHeader& header, Bytes plain, const BatchRules& rules) {
  const TimeWindow window = time_window(header, rules);
  const bool needs_keys = rules.config.cleanup_compact;
  Offenders times;
  Offenders keys;
  Offenders deltas;
  Timestamp max_timestamp = kNoTimestamp;
  base::ByteCursor cursor(plain);
  StoredRecord record;
  for (std::int32_t i = 0; i < header.record_count; ++i) {
    const RecordFault fault = decode_record(cursor, record);
    if (fault != RecordFault::kNone) [[unlikely]] {
      return fail(ErrorCode::INVALID_RECORD, "append: record ", i, " of ", header.record_count,
                  " is ", describe(fault));
    }
    const Timestamp time = header.base_timestamp + record.timestamp_delta;
    max_timestamp = std::max(max_timestamp, time);
    // One fault a record, as in Kafka: of one without a key the time is not looked at.
    if (needs_keys && !record.key) {
      keys.add(i);
    } else if (!window.allows(time)) {
      times.add(i);
    }
    if (record.offset_delta != i) deltas.add(i);
  }
  if (cursor.left() != 0) {
    return fail(ErrorCode::INVALID_RECORD, "append: ", cursor.left(), " bytes behind the last of ",
                header.record_count, " records");
  }
  if (times.count > 0) {
    return refuse(ErrorCode::INVALID_TIMESTAMP,
                  window.allows_any ? "timestamp out of range" : "batch claims LogAppendTime",
                  times, header);
  }
  if (keys.count > 0) {
    return refuse(ErrorCode::INVALID_RECORD, "no key on a compacted topic", keys, header);
  }
  if (deltas.count > 0) {
    return refuse(ErrorCode::INVALID_RECORD, "offset delta is not its index", deltas, header);
  }
  return max_timestamp;
}

/// The control record of a leader's control batch, whose records have been checked.
Result<ControlRecord> check_control(const BatchHeader& header, Bytes record_bytes) {
  base::ByteCursor cursor(record_bytes);
  StoredRecord first;
  (void)decode_record(cursor, first);
  ONCELOG_TRY_ASSIGN(const ControlRecord control, decode_control_record(first));
  if (header.has_producer_id() && !control.is_marker()) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "append: control record of type ", control.type,
                " from producer ", header.producer_id, " is no transaction marker");
  }
  return control;
}

/// Semantics 2.9: the true largest time, or the log's own. Neither changes where it is right.
void set_timestamps(CheckedBatch& batch, Timestamp max_timestamp) {
  BatchHeader& header = batch.header;
  const bool has_append_time = batch.append_time != kNoTimestamp;
  if (!has_append_time && header.max_timestamp == max_timestamp) return;
  header.attributes = static_cast<std::int16_t>((header.attributes & kKnownBits) |
                                                (has_append_time ? kLogAppendTimeBit : 0));
  header.max_timestamp = has_append_time ? batch.append_time : max_timestamp;
  header.crc = batch_crc(header, batch.record_bytes);
}

std::optional<int> level_of(Codec codec, const TopicConfig& config) {
  switch (codec) {
    case Codec::kGzip:
      return config.compression_gzip_level;
    case Codec::kLz4:
      return config.compression_lz4_level;
    case Codec::kZstd:
      return config.compression_zstd_level;
    case Codec::kNone:
    case Codec::kSnappy:
      break;
  }
  return std::nullopt;
}

/// Semantics 2.11 and 1.13.
Result<void> rebuild(CheckedBatch& batch, Codec codec, Bytes plain, const BatchRules& rules) {
  Storing storing{.codec = codec, .level = level_of(codec, rules.config)};
  if (batch.append_time != kNoTimestamp) storing.append_time = batch.append_time;
  ONCELOG_TRY_ASSIGN(NewBatch converted, convert_batch(batch.header, plain, storing));
  batch.header = converted.header;
  batch.rebuilt = std::move(converted.record_bytes);
  batch.record_bytes = batch.rebuilt;
  if (batch.size_bytes() <= rules.config.max_message_bytes) return {};
  return fail(ErrorCode::MESSAGE_TOO_LARGE, "append: batch of ", batch.size_bytes(),
              " bytes in the topic's codec, max.message.bytes is ", rules.config.max_message_bytes);
}

}  // namespace

Result<std::optional<CheckedBatch>> check_batch(Bytes bytes, const BatchRules& rules) {
  Prescan found;
  ONCELOG_TRY(scan(bytes, rules, found));
  if (found.batch_count == 0) return std::nullopt;
  if (found.batch_count != 1) {
    return fail(ErrorCode::INVALID_RECORD, "append: ", found.batch_count, " batches, 1 expected");
  }
  const BatchHeader& header = found.header;
  ONCELOG_TRY(check_header(header, rules.origin));

  const Bytes stored = found.batch.subspan(kHeaderBytes);
  const auto source_codec = static_cast<Codec>(header.codec_bits());
  PlainBytes decompressed(0);
  Bytes plain = stored;
  if (source_codec != Codec::kNone) {
    ONCELOG_TRY_ASSIGN(decompressed, decompress(header.codec_bits(), stored, rules.decompression));
    plain = decompressed.bytes();
  }
  ONCELOG_TRY_ASSIGN(const Timestamp max_timestamp, check_records(header, plain, rules));

  Result<std::optional<CheckedBatch>> checked(std::in_place, std::in_place, header, stored);
  CheckedBatch& batch = **checked;
  if (header.is_control()) {
    ONCELOG_TRY_ASSIGN(batch.control, check_control(header, plain));
  }
  if (rules.config.message_timestamp_type == TimestampType::kLogAppendTime) {
    batch.append_time = rules.now;
  }
  const Codec codec = rules.config.compression_type.value_or(source_codec);
  if (codec == source_codec || header.is_control()) {
    set_timestamps(batch, max_timestamp);
  } else {
    ONCELOG_TRY(rebuild(batch, codec, plain, rules));
  }
  return checked;
}

Result<std::vector<ReceivedBatch>> check_received_batches(Bytes bytes) {
  std::vector<ReceivedBatch> batches;
  const auto visit = [&](const BatchHeader& header, Bytes batch) -> Result<void> {
    ONCELOG_TRY(check_crc_and_codec(header, batch));
    const bool is_in_order =
        batches.empty() || header.base_offset > batches.back().header.last_offset();
    // The offset behind the last one must be a number, too.
    if (header.record_count < 0) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "follower append: batch at offset ",
                  header.base_offset, " has record count ", header.record_count);
    }
    const bool is_offset = header.base_offset >= Offset(0) && header.last_offset_delta >= 0 &&
                           header.last_offset_delta < kOffsetMax - header.base_offset;
    if (!is_in_order || !is_offset) {
      return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "follower append: batch at offset ",
                  header.base_offset, " with last offset ", header.last_offset(),
                  " is out of order");
    }
    if (header.leader_epoch < LeaderEpoch(0)) {
      return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "follower append: batch at offset ",
                  header.base_offset, " has leader epoch ", header.leader_epoch);
    }
    ReceivedBatch received{.header = header, .bytes = batch};
    if (header.is_control() && header.has_producer_id()) {
      ONCELOG_TRY_ASSIGN(const RecordBatchView view, RecordBatchView::parse(batch));
      ONCELOG_TRY_ASSIGN(received.control, view.control_record());
    }
    batches.push_back(std::move(received));
    return {};
  };
  ONCELOG_TRY(for_each_batch(bytes, visit));
  return batches;
}

}  // namespace oncelog::record
