// legacy_message.h: recognises message sets of magic 0 and 1, which are refused by name rather than
// taken for damage. Source: formats 15.
#pragma once

#include "oncelog/error.h"
#include "oncelog/types.h"

namespace oncelog::record {

/// Bytes in front of a legacy message's own: int64 offset, int32 size.
inline constexpr std::int64_t kLegacyPrefixBytes = 12;

/// Whether `message`, the bytes from the size field's end on, is a whole message of magic 0 or 1
/// with the right CRC-32.
[[nodiscard]] bool is_legacy_message(Bytes message);

}  // namespace oncelog::record
