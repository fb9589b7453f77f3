// descriptor_limit.h: how many files this process may have open.
#pragma once

#include <cstdint>

namespace oncelog::io {

/// The soft limit as it is now; 1024 where the system does not say.
[[nodiscard]] std::int64_t descriptor_limit();

}  // namespace oncelog::io
