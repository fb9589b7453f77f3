// schema_reader.h: reads values of Kafka's message formats (formats 0) as a table of their fields
// says, from bytes that may be wrong.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "oncelog/inspect_fields.h"
#include "oncelog/types.h"

namespace oncelog::inspect {

enum class FieldType : std::uint8_t {
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kTimestamp,          ///< an int64
  kTransactionStatus,  ///< an int8, shown by its name
  kString,
  kBytes,
  kUuid,
  kStruct,
};

/// One field; the fields of a struct follow one another.
struct FieldSchema {
  std::string_view name{};
  FieldType type = FieldType::kInt8;
  bool is_array = false;
  bool is_nullable = false;
  /// Versions that have it, first and last.
  std::int16_t since = 0;
  std::int16_t until = std::numeric_limits<std::int16_t>::max();
  int tag = -1;                           ///< of a tagged field; such stand behind all others
  std::span<const FieldSchema> fields{};  ///< of a struct
};

/// A message, or the body of one.
struct MessageSchema {
  std::span<const FieldSchema> fields{};
  std::int16_t version_max = 0;
  /// From this version on lengths are compact and tagged fields may follow.
  std::int16_t flexible_since = 0;
};
inline constexpr std::int16_t kNeverFlexible = std::numeric_limits<std::int16_t>::max();

/// What could be read; where it ended too early, or there is more, `problem` says where.
struct ReadMessage {
  Fields fields{};
  std::string problem{};
};

/// Requires: version in [0, version_max].
/// Takes memory in proportion to `bytes`; descends no deeper than the schema.
[[nodiscard]] ReadMessage read_message(const MessageSchema& schema, std::int16_t version,
                                       Bytes bytes);

}  // namespace oncelog::inspect
