// inspect_coordinator.h: what the records of Kafka's internal topics say: `__consumer_offsets` and
// `__transaction_state`. Nothing is trusted of their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "oncelog/inspect_fields.h"
#include "oncelog/types.h"

namespace oncelog {

enum class CoordinatorTopic : std::uint8_t { kConsumerOffsets, kTransactionState };

/// The internal topic of this name, if it is one of the two.
[[nodiscard]] std::optional<CoordinatorTopic> coordinator_topic_of(std::string_view topic);

/// A record as its topic's coordinator reads it. Fields have the names of Kafka's schemas.
struct DecodedRecord {
  /// "offset_commit", "group_metadata", "transaction" and so on; empty if the key does not tell.
  std::string_view type{};
  Fields key{};
  std::optional<std::int16_t> value_version{};  ///< none: a tombstone, or nothing to read it from
  Fields value{};
  /// The record's value is null: what the key names is gone.
  bool is_tombstone = false;
  /// Why key or value has no fields: a type or version that is not known, or bytes that are not
  /// what they should be. Empty if both were read to their end.
  std::string not_decoded{};
  /// The bytes are not what their version says. A later type or version is no damage.
  bool is_damaged = false;
};

/// Takes memory in proportion to the bytes, whatever they claim.
[[nodiscard]] DecodedRecord decode_coordinator_record(CoordinatorTopic topic,
                                                      const std::optional<Bytes>& key,
                                                      const std::optional<Bytes>& value);

}  // namespace oncelog
