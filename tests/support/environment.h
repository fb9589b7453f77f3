// environment.h: numbers that a long run sets higher.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace oncelog::test {

/// From the environment, or the default.
[[nodiscard]] inline std::int64_t number_from_environment(const char* name,
                                                          std::int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

}  // namespace oncelog::test
