// varint.h: zigzag varint and varlong, as records hold them (formats 0.1). Decoding does not trust
// its bytes and does not allocate: a failure is a flag in the cursor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "oncelog/types.h"

namespace oncelog::base {

inline constexpr std::size_t kVarintBytesMax = 5;
inline constexpr std::size_t kVarlongBytesMax = 10;

/// A place in bytes that may be wrong. The first failure sticks: `ok` is false and nothing is left.
struct ByteCursor {
  const std::byte* at = nullptr;
  const std::byte* end = nullptr;
  bool ok = true;

  ByteCursor() = default;
  explicit ByteCursor(Bytes bytes) : at(bytes.data()), end(bytes.data() + bytes.size()) {}
  ByteCursor(const std::byte* from, const std::byte* to) : at(from), end(to) {}

  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end - at); }
  void fail() {
    ok = false;
    at = end;
  }
};

/// A run of 7-bit groups that was read; `next` is null if it was malformed. By value, so that the
/// caller's cursor can stay in registers.
template <class Bits>
struct ReadGroups {
  Bits bits = 0;
  const std::byte* next = nullptr;
};
[[nodiscard]] ReadGroups<std::uint32_t> read_groups32(const std::byte* at, const std::byte* end);
[[nodiscard]] ReadGroups<std::uint64_t> read_groups64(const std::byte* at, const std::byte* end);

[[nodiscard]] constexpr std::uint32_t zigzag(std::int32_t value) {
  return (static_cast<std::uint32_t>(value) << 1) ^ static_cast<std::uint32_t>(value >> 31);
}
[[nodiscard]] constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
[[nodiscard]] constexpr std::int32_t unzigzag(std::uint32_t bits) {
  return static_cast<std::int32_t>((bits >> 1) ^ (~(bits & 1) + 1));
}
[[nodiscard]] constexpr std::int64_t unzigzag(std::uint64_t bits) {
  return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
}

/// The number at the cursor, which moves behind it; 0 and a failed cursor if it is broken off or
/// has more than 5 bytes. Forms longer than needed are read.
[[nodiscard]] inline std::int32_t decode_varint(ByteCursor& cursor) {
  if (cursor.at != cursor.end && (*cursor.at & std::byte{0x80}) == std::byte{0}) [[likely]] {
    return unzigzag(std::to_integer<std::uint32_t>(*cursor.at++));
  }
  if (cursor.left() >= 2 && (cursor.at[1] & std::byte{0x80}) == std::byte{0}) {
    const auto low = std::to_integer<std::uint32_t>(cursor.at[0]) & 0x7f;
    const auto high = std::to_integer<std::uint32_t>(cursor.at[1]);
    cursor.at += 2;
    return unzigzag(low | high << 7);
  }
  const ReadGroups<std::uint32_t> groups = read_groups32(cursor.at, cursor.end);
  if (groups.next == nullptr) [[unlikely]] {
    cursor.fail();
    return 0;
  }
  cursor.at = groups.next;
  return unzigzag(groups.bits);
}

/// As decode_varint, for 64 bits and at most 10 bytes.
[[nodiscard]] inline std::int64_t decode_varlong(ByteCursor& cursor) {
  if (cursor.at != cursor.end && (*cursor.at & std::byte{0x80}) == std::byte{0}) [[likely]] {
    return unzigzag(std::to_integer<std::uint64_t>(*cursor.at++));
  }
  const ReadGroups<std::uint64_t> groups = read_groups64(cursor.at, cursor.end);
  if (groups.next == nullptr) [[unlikely]] {
    cursor.fail();
    return 0;
  }
  cursor.at = groups.next;
  return unzigzag(groups.bits);
}

/// Bytes of the shortest form, which is the one that is written.
[[nodiscard]] std::size_t varint_bytes(std::int32_t value);
[[nodiscard]] std::size_t varlong_bytes(std::int64_t value);

/// Appends the shortest form.
void encode_varint(std::int32_t value, std::vector<std::byte>& out);
void encode_varlong(std::int64_t value, std::vector<std::byte>& out);

}  // namespace oncelog::base
