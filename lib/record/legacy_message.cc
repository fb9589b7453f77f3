#include "record/legacy_message.h"

#include <zlib.h>

#include "base/bytes.h"

namespace oncelog::record {

bool is_legacy_message(Bytes message) {
  constexpr std::size_t kCrcBytes = 4;
  constexpr std::size_t kMessageBytesMin = 14;  // CRC, magic, attributes, two lengths
  if (message.size() < kMessageBytesMin) return false;
  const auto magic = base::load_be<std::int8_t>(message, kCrcBytes);
  if (magic != 0 && magic != 1) return false;
  const Bytes covered = message.subspan(kCrcBytes);
  const unsigned long crc = crc32_z(crc32_z(0, nullptr, 0),
                                    reinterpret_cast<const Bytef*>(covered.data()), covered.size());
  return crc == base::load_be<std::uint32_t>(message, 0);
}

}  // namespace oncelog::record
