// crc32c.h: CRC-32C (Castagnoli), as record batches and producer snapshots hold it (formats 0.2).
#pragma once

#include <cstdint>

#include "oncelog/types.h"

namespace oncelog::base {

/// The CRC of `bytes` behind bytes whose CRC is `crc`; crc32c_extend(0, b) is crc32c(b).
[[nodiscard]] std::uint32_t crc32c_extend(std::uint32_t crc, Bytes bytes);

[[nodiscard]] inline std::uint32_t crc32c(Bytes bytes) { return crc32c_extend(0, bytes); }

/// The same numbers, a byte at a time from a table: for machines that the fast one does not know.
[[nodiscard]] std::uint32_t crc32c_extend_by_table(std::uint32_t crc, Bytes bytes);

}  // namespace oncelog::base
