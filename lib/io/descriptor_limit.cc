#include "io/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace oncelog::io {

std::int64_t descriptor_limit() {
  constexpr rlim_t kMost = std::numeric_limits<std::int32_t>::max();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::int64_t>(std::min(limit.rlim_cur, kMost));
}

}  // namespace oncelog::io
