#include "base/crc32c.h"

#include <algorithm>
#include <array>
#include <cstddef>

#if defined(__x86_64__) || defined(__aarch64__)
#define ONCELOG_HAS_ISAL 1
#include <isa-l/crc.h>
#else
#define ONCELOG_HAS_ISAL 0
#endif

namespace oncelog::base {

namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

#if ONCELOG_HAS_ISAL
// ISA-L counts bytes in an int.
constexpr std::size_t kChunkBytes = std::size_t{1} << 30;

// ISA-L inverts neither the value it is given nor the one it returns: both are done here.
std::uint32_t extend_by_isal(std::uint32_t crc, Bytes bytes) {
  std::uint32_t state = ~crc;
  while (!bytes.empty()) {
    const Bytes chunk = bytes.first(std::min(bytes.size(), kChunkBytes));
    // The parameter is not const, but only read.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(chunk.data()));
    state = crc32_iscsi(data, static_cast<int>(chunk.size()), state);
    bytes = bytes.subspan(chunk.size());
  }
  return ~state;
}
#endif

}  // namespace

std::uint32_t crc32c_extend_by_table(std::uint32_t crc, Bytes bytes) {
  std::uint32_t state = ~crc;
  for (const std::byte byte : bytes) {
    state = (state >> 8) ^ kTable[(state ^ std::to_integer<std::uint32_t>(byte)) & 0xff];
  }
  return ~state;
}

std::uint32_t crc32c_extend(std::uint32_t crc, Bytes bytes) {
#if ONCELOG_HAS_ISAL
  return extend_by_isal(crc, bytes);
#else
  return crc32c_extend_by_table(crc, bytes);
#endif
}

}  // namespace oncelog::base
