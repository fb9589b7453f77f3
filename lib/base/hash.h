// hash.h: xxHash behind one name. Only this and hash.cc know whose hash it is.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>

#include <xxhash.h>

#include "oncelog/types.h"

namespace oncelog::base {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

[[nodiscard]] inline std::uint64_t hash64(Bytes bytes, std::uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

[[nodiscard]] inline Hash128 hash128(Bytes bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

/// The older 32-bit hash, which LZ4 frames hold.
[[nodiscard]] inline std::uint32_t hash32(Bytes bytes) {
  return XXH32(bytes.data(), bytes.size(), 0);
}

/// hash128 of bytes that come in parts.
class Hasher128 {
 public:
  Hasher128() : state_(XXH3_createState()) { XXH3_128bits_reset(state_.get()); }

  void add(Bytes bytes);
  [[nodiscard]] Hash128 digest() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return {hash.high64, hash.low64};
  }

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

}  // namespace oncelog::base
