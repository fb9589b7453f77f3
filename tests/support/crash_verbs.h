// crash_verbs.h: each verb that changes a partition, and the ways to acknowledge: what the crash
// tests go through.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "support/crash_world.h"

namespace oncelog::test {

struct VerbCase {
  std::string name{};
  std::function<void(CrashWorld&)> prepare{};
  std::function<void(CrashWorld&)> run{};
  std::function<void(CrashOptions&)> configure{};
};

void PrintTo(const VerbCase& verb, std::ostream* out);

[[nodiscard]] std::vector<VerbCase> crash_verbs();

/// The ways to acknowledge.
enum class CrashPolicy : std::uint8_t { kDurable, kWritten, kManual };

[[nodiscard]] std::string name_of(CrashPolicy policy);
/// Small segments, all of them sealed.
[[nodiscard]] CrashOptions options_of(CrashPolicy policy);

}  // namespace oncelog::test
