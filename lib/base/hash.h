// hash.h: xxHash behind one name. The only file that knows whose hash it is.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>

#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
// xxHash's own choice of the widest vectors that the processor has: three times as fast where
// the library is compiled for all of x86-64.
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#define ONCELOG_XXH3_128_UPDATE XXH3_128bits_update_dispatch
#else
#define ONCELOG_XXH3_128_UPDATE XXH3_128bits_update
#endif

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

  void add(Bytes bytes) { ONCELOG_XXH3_128_UPDATE(state_.get(), bytes.data(), bytes.size()); }
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
#undef ONCELOG_XXH3_128_UPDATE

}  // namespace oncelog::base
