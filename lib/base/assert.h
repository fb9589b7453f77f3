// assert.h: invariants that only our own code can break. Checked in every build: print the values,
// abort.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "oncelog/error.h"

namespace oncelog::base {

/// Prints the broken condition with its values, and aborts.
template <class... Values>
[[noreturn]] void assert_failed(const char* file, int line, const char* condition,
                                const Values&... values) {
  std::string text;
  ((text += ' ', text += ::oncelog::detail::to_part(values)), ...);
  std::fprintf(stderr, "%s:%d: invariant broken: %s%s%s\n", file, line, condition,
               text.empty() ? "" : " |", text.c_str());
  std::abort();
}

}  // namespace oncelog::base

/// ONCELOG_ASSERT(condition, values...): values (numbers, texts) are printed if the condition is
/// false.
#define ONCELOG_ASSERT(condition, ...)                                                           \
  do {                                                                                           \
    if (!(condition)) [[unlikely]]                                                               \
      ::oncelog::base::assert_failed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)
