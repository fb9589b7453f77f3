#include "record/record_codec.h"

#include "base/assert.h"

namespace oncelog::record {

namespace {

using base::ByteCursor;

// What follows the length and is in every record: the attributes byte.
constexpr std::int64_t kAttributesBytes = 1;

// The hottest loop of an append: inlined, so that the cursor stays in registers, and written in
// place, as a copy of an optional span waits for its halves.
[[gnu::always_inline]] inline void take_nullable(ByteCursor& cursor, std::optional<Bytes>& out) {
  const std::int32_t length = base::decode_varint(cursor);
  out.reset();
  if (length < 0 || !cursor.ok) return;
  const auto length_bytes = static_cast<std::size_t>(length);
  if (length_bytes > cursor.left()) return cursor.fail();
  out.emplace(cursor.at, length_bytes);
  cursor.at += length_bytes;
}

RecordFault check_headers(Bytes bytes, std::int32_t count) {
  ByteCursor cursor(bytes);
  std::optional<Bytes> value;
  for (std::int32_t i = 0; i < count; ++i) {
    const std::int32_t key_bytes = base::decode_varint(cursor);
    if (!cursor.ok) return RecordFault::kBrokenOff;
    if (key_bytes < 0) return RecordFault::kHeaderKey;
    if (static_cast<std::size_t>(key_bytes) > cursor.left()) return RecordFault::kBrokenOff;
    cursor.at += key_bytes;
    take_nullable(cursor, value);
    if (!cursor.ok) return RecordFault::kBrokenOff;
  }
  return cursor.left() == 0 ? RecordFault::kNone : RecordFault::kBytesLeft;
}

std::int64_t nullable_size_bytes(const std::optional<Bytes>& bytes) {
  if (!bytes) return 1;
  const auto content_bytes = static_cast<std::int64_t>(bytes->size());
  const auto length_bytes = base::varlong_bytes(content_bytes);  // the same form, without a cut
  return static_cast<std::int64_t>(length_bytes) + content_bytes;
}

std::int64_t body_size_bytes(const StoredRecord& record) {
  return kAttributesBytes + static_cast<std::int64_t>(base::varlong_bytes(record.timestamp_delta)) +
         static_cast<std::int64_t>(base::varint_bytes(record.offset_delta)) +
         nullable_size_bytes(record.key) + nullable_size_bytes(record.value) +
         static_cast<std::int64_t>(base::varint_bytes(record.header_count)) +
         static_cast<std::int64_t>(record.header_bytes.size());
}

}  // namespace

std::string_view describe(RecordFault fault) {
  switch (fault) {
    case RecordFault::kNone:
      return "sound";
    case RecordFault::kNoRecord:
      return "missing: the bytes end before it";
    case RecordFault::kLength:
      return "of an impossible length";
    case RecordFault::kBrokenOff:
      return "broken off or malformed";
    case RecordFault::kHeaderCount:
      return "of an impossible header count";
    case RecordFault::kHeaderKey:
      return "with a header key of negative length";
    case RecordFault::kBytesLeft:
      return "longer than its fields";
  }
  return "malformed";
}

std::optional<Bytes> decode_nullable_bytes(ByteCursor& cursor) {
  std::optional<Bytes> bytes;
  take_nullable(cursor, bytes);
  return bytes;
}

RecordFault decode_record(ByteCursor& cursor, StoredRecord& record) {
  if (cursor.left() == 0) return RecordFault::kNoRecord;
  const std::int32_t length = base::decode_varint(cursor);
  if (!cursor.ok || length < kAttributesBytes) return RecordFault::kLength;
  if (static_cast<std::size_t>(length) > cursor.left()) return RecordFault::kLength;

  ByteCursor body(cursor.at + kAttributesBytes, cursor.at + length);
  cursor.at += length;
  record.timestamp_delta = base::decode_varlong(body);
  record.offset_delta = base::decode_varint(body);
  take_nullable(body, record.key);
  take_nullable(body, record.value);
  record.header_count = base::decode_varint(body);
  if (!body.ok) return RecordFault::kBrokenOff;

  record.header_bytes = Bytes(body.at, body.left());
  if (record.header_count == 0) [[likely]] {
    return body.left() == 0 ? RecordFault::kNone : RecordFault::kBytesLeft;
  }
  if (record.header_count < 0) return RecordFault::kHeaderCount;
  if (static_cast<std::size_t>(record.header_count) > body.left()) {
    return RecordFault::kHeaderCount;
  }
  return check_headers(record.header_bytes, record.header_count);
}

std::int64_t record_size_bytes(const StoredRecord& record) {
  const std::int64_t body_bytes = body_size_bytes(record);
  return static_cast<std::int64_t>(base::varlong_bytes(body_bytes)) + body_bytes;
}

void encode_nullable_bytes(const std::optional<Bytes>& bytes, std::vector<std::byte>& out) {
  if (!bytes) return base::encode_varint(-1, out);
  base::encode_varint(static_cast<std::int32_t>(bytes->size()), out);
  out.insert(out.end(), bytes->begin(), bytes->end());
}

void encode_record(const StoredRecord& record, std::vector<std::byte>& out) {
  const std::int64_t body_bytes = body_size_bytes(record);
  ONCELOG_ASSERT(body_bytes <= INT32_MAX, body_bytes);
  base::encode_varint(static_cast<std::int32_t>(body_bytes), out);
  const std::size_t body_begin = out.size();
  out.push_back(std::byte{0});
  base::encode_varlong(record.timestamp_delta, out);
  base::encode_varint(record.offset_delta, out);
  encode_nullable_bytes(record.key, out);
  encode_nullable_bytes(record.value, out);
  base::encode_varint(record.header_count, out);
  out.insert(out.end(), record.header_bytes.begin(), record.header_bytes.end());
  ONCELOG_ASSERT(out.size() - body_begin == static_cast<std::size_t>(body_bytes), body_bytes);
}

}  // namespace oncelog::record
