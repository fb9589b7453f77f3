#include "base/hash.h"

#ifdef ONCELOG_HAS_XXH_DISPATCH
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#endif

namespace oncelog::base {

void Hasher128::add(Bytes bytes) {
#ifdef ONCELOG_HAS_XXH_DISPATCH
  XXH3_128bits_update_dispatch(state_.get(), bytes.data(), bytes.size());
#else
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
#endif
}

}  // namespace oncelog::base
