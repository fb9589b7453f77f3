// fuzz_seal.cc: `.seal`. The rules: what is accepted, but for the one flag that is read as true or
// false, is encoded to the same bytes; decoding allocates no more than the file has.
//
// The input: the file.
#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"
#include "fuzz/target.h"
#include "segment/seal.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  const auto seal = segment::decode_seal(fuzz::bytes_of(data, size));
  if (!seal) return 0;
  const auto encoded = segment::encode(*seal);
  ONCELOG_ASSERT(encoded.size() == size);
  const auto again = segment::decode_seal(encoded);
  ONCELOG_ASSERT(again.has_value());
  ONCELOG_ASSERT(*again == *seal);
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog;
  return fuzz::mutate_in_front(
      data, size, size_max, 0, seed, [](fuzz::Stretch& file, unsigned way) {
        file.mutate();
        const auto bytes = file.bytes();
        if (way % 8 == 0 || bytes.size() < sizeof(std::uint64_t)) return;
        const auto body = bytes.first(bytes.size() - sizeof(std::uint64_t));
        base::store_be(bytes, body.size(), base::hash64(body));
      });
}
