// fuzz_offset_index.cc: the bytes of an offset index. The rules:
// - decoding is bounded by the file: an entry for each eight bytes, the rest left out;
// - what was decoded is encoded to the same bytes;
// - look-ups in an index in order agree with a search from its front.
//
// The input: the file; behind it the segment's base offset and the offset looked for.
#include <algorithm>

#include "fuzz/target.h"
#include "segment/offset_index.h"

namespace oncelog::fuzz {

namespace {

using segment::OffsetIndex;
using segment::OffsetIndexEntry;

void check_lookups(Offset base, const std::vector<OffsetIndexEntry>& entries, Offset target) {
  OffsetIndex index(base, std::ssize(entries) + 1);
  index.reserve(entries.size());
  OffsetIndexEntry floor{base, 0};
  std::optional<OffsetIndexEntry> behind;
  const std::int64_t position = target - base;
  OffsetIndexEntry last{base, 0};
  for (const OffsetIndexEntry& entry : entries) {
    if (entry.offset <= last.offset || entry.position <= last.position) continue;
    last = entry;
    index.append(entry);
    if (entry.offset <= target) floor = entry;
    if (!behind && entry.position >= position) behind = entry;
  }
  ONCELOG_ASSERT(index.floor(target) == floor, target);
  ONCELOG_ASSERT(index.at_or_behind(position) == behind, position);
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const Offset base(input.number<std::int64_t>());
  const Offset target = base + input.number<std::int32_t>();
  const Bytes file = input.bytes();
  const auto entries = segment::decode_offset_index(file, base);
  ONCELOG_ASSERT(std::ssize(entries) == std::ssize(file) / segment::kOffsetIndexEntryBytes);
  Buffer encoded;
  for (const auto& entry : entries) segment::encode(encoded, base, entry);
  ONCELOG_ASSERT(std::ranges::equal(encoded, file.first(encoded.size())));
  check_lookups(base, entries, target);
  return 0;
}
