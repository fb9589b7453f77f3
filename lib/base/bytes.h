// bytes.h: big-endian numbers in bytes. The caller has checked that the bytes are there.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>

#include "oncelog/types.h"

namespace oncelog::base {

/// The number at `position`; every one of its bytes must lie within `bytes`.
template <std::integral T>
[[nodiscard]] inline T load_be(Bytes bytes, std::size_t position) {
  T value;
  std::memcpy(&value, bytes.data() + position, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}

/// Puts the number at `position`; every one of its bytes must lie within `bytes`.
template <std::integral T>
inline void store_be(std::span<std::byte> bytes, std::size_t position, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(bytes.data() + position, &value, sizeof value);
}

}  // namespace oncelog::base
