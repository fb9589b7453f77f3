#include "base/varint.h"

#include <bit>

namespace oncelog::base {

namespace {

constexpr std::uint8_t kMore = 0x80;  // another byte follows
constexpr int kGroupBits = 7;

template <class Bits, std::size_t kBytesMax>
ReadGroups<Bits> read_groups(const std::byte* at, const std::byte* end) {
  Bits bits = 0;
  for (std::size_t shift = 0; shift < kBytesMax * kGroupBits && at != end; shift += kGroupBits) {
    const auto group = std::to_integer<std::uint8_t>(*at++);
    bits |= static_cast<Bits>(group & (kMore - 1)) << shift;
    if ((group & kMore) == 0) return {bits, at};
  }
  return {};
}

template <class Bits>
std::size_t groups_bytes(Bits bits) {
  return bits == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(bits)) + 6) / kGroupBits;
}

template <class Bits>
void encode_groups(Bits bits, std::vector<std::byte>& out) {
  while (bits >= kMore) {
    out.push_back(static_cast<std::byte>(static_cast<std::uint8_t>(bits) | kMore));
    bits >>= kGroupBits;
  }
  out.push_back(static_cast<std::byte>(bits));
}

}  // namespace

ReadGroups<std::uint32_t> read_groups32(const std::byte* at, const std::byte* end) {
  return read_groups<std::uint32_t, kVarintBytesMax>(at, end);
}

ReadGroups<std::uint64_t> read_groups64(const std::byte* at, const std::byte* end) {
  return read_groups<std::uint64_t, kVarlongBytesMax>(at, end);
}

std::size_t varint_bytes(std::int32_t value) { return groups_bytes(zigzag(value)); }

std::size_t varlong_bytes(std::int64_t value) { return groups_bytes(zigzag(value)); }

void encode_varint(std::int32_t value, std::vector<std::byte>& out) {
  encode_groups(zigzag(value), out);
}

void encode_varlong(std::int64_t value, std::vector<std::byte>& out) {
  encode_groups(zigzag(value), out);
}

}  // namespace oncelog::base
