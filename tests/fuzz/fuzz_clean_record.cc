// fuzz_clean_record.cc: `.clean`. The rules: what is accepted was written by us, byte for byte: it
// is encoded to the same bytes; decoding allocates no more than the file has.
//
// The input: the file.
#include <algorithm>

#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "store/clean_record.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  const Bytes file = fuzz::bytes_of(data, size);
  const auto record = store::decode_clean_record(file);
  if (!record) return 0;
  ONCELOG_ASSERT(std::ranges::equal(store::encode_clean_record(*record), file));
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  return mutate_in_front(data, size, size_max, 0, seed, [](Stretch& file, unsigned way) {
    file.mutate();
    if (way % 8 != 0) repair_clean_record(file.bytes());
  });
}
