#include "base/varint.h"

#include <bit>

namespace oncelog::base {

namespace {

constexpr std::uint8_t kMore = 0x80;  // another byte follows
constexpr int kGroupBits = 7;

template <class Bits, std::size_t kBytesMax>
Bits decode_groups(ByteCursor& cursor) {
  Bits bits = 0;
  for (std::size_t i = 0; i < kBytesMax; ++i) {
    if (cursor.at == cursor.end) break;
    const auto group = std::to_integer<std::uint8_t>(*cursor.at++);
    bits |= static_cast<Bits>(group & (kMore - 1)) << (kGroupBits * i);
    if ((group & kMore) == 0) return bits;
  }
  cursor.fail();
  return 0;
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

std::int32_t decode_long_varint(ByteCursor& cursor) {
  return unzigzag(decode_groups<std::uint32_t, kVarintBytesMax>(cursor));
}

std::int64_t decode_long_varlong(ByteCursor& cursor) {
  return unzigzag(decode_groups<std::uint64_t, kVarlongBytesMax>(cursor));
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
