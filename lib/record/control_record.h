// control_record.h: keys and values of control records (formats 3).
#pragma once

#include <array>
#include <cstdint>

#include "oncelog/record.h"
#include "record/record_codec.h"

namespace oncelog::record {

inline constexpr std::size_t kControlKeyBytes = 4;
inline constexpr std::size_t kMarkerValueBytes = 6;

/// What a control record says. INVALID_RECORD for a key or a marker's value that is too short or of
/// a negative version; unknown types are fine, and their values are not looked at.
Result<ControlRecord> decode_control_record(const StoredRecord& record);

[[nodiscard]] std::array<std::byte, kControlKeyBytes> encode_control_key(MarkerType type);
[[nodiscard]] std::array<std::byte, kMarkerValueBytes> encode_marker_value(CoordinatorEpoch epoch);

}  // namespace oncelog::record
