// fuzz_kept_options.cc: `.options` of a partition. The rules: what is accepted was written by us,
// byte for byte; what it says can be applied to the defaults, or is refused as a contradiction, and
// described again it says no more.
//
// The input: the file.
#include <algorithm>
#include <string>

#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "store/kept_options.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  const auto text = as_text(fuzz::bytes_of(data, size));
  const auto kept = store::decode_kept_options(text);
  if (!kept) return 0;
  ONCELOG_ASSERT(store::encode_kept_options(*kept) == text);
  const auto options = store::apply_kept_options(*kept, {});
  if (!options) {
    ONCELOG_ASSERT(options.error().code == ErrorCode::INVALID_CONFIG);
    return 0;
  }
  for (const auto& [name, value] : store::describe_options(*options, {}).overrides) {
    ONCELOG_ASSERT(kept->overrides.contains(name), name);
  }
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  return mutate_in_front(data, size, size_max, 0, seed, [](Stretch& file, unsigned way) {
    file.mutate();
    if (way % 8 != 0) repair_kept_options(file.bytes());
  });
}
