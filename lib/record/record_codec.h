// record_codec.h: one record inside a batch (formats 2). Hot: no allocation, no Result per record.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/varint.h"
#include "oncelog/types.h"

namespace oncelog::record {

/// One record as it is stored: deltas, and views into the bytes it was read from or will be
/// written from. The attributes byte is not kept: it is written 0 and ignored on reading.
struct StoredRecord {
  std::int64_t timestamp_delta = 0;
  std::int32_t offset_delta = 0;
  std::optional<Bytes> key{};
  std::optional<Bytes> value{};
  std::int32_t header_count = 0;
  Bytes header_bytes{};  ///< behind the header count, to the record's end
};

/// What is wrong with a record.
enum class RecordFault : std::uint8_t {
  kNone,
  kNoRecord,     ///< the bytes end before the record begins
  kLength,       ///< its length is malformed, negative or more than there are bytes
  kBrokenOff,    ///< a field is malformed or reaches past the record's end
  kHeaderCount,  ///< negative, or more headers than bytes
  kHeaderKey,    ///< negative length
  kBytesLeft,    ///< the fields end before the record does
};
[[nodiscard]] std::string_view describe(RecordFault fault);

/// Reads the record at the cursor, which moves behind it. After a fault, both are of no use.
[[nodiscard]] RecordFault decode_record(base::ByteCursor& cursor, StoredRecord& record);

/// Bytes of the record with its length in front. Its parts must fit 32 bits together.
[[nodiscard]] std::int64_t record_size_bytes(const StoredRecord& record);

/// Appends the record with its length in front.
void encode_record(const StoredRecord& record, std::vector<std::byte>& out);

/// The form that keys, values and header values have: their length, −1 for none, and their bytes.
void encode_nullable_bytes(const std::optional<Bytes>& bytes, std::vector<std::byte>& out);
/// Reads that form; any negative length is none. A failed cursor if it is broken off.
[[nodiscard]] std::optional<Bytes> decode_nullable_bytes(base::ByteCursor& cursor);

}  // namespace oncelog::record
