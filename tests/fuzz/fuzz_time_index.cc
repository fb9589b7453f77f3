// fuzz_time_index.cc: the bytes of a time index. The rules:
// - decoding is bounded by the file: an entry for each twelve bytes, the rest left out;
// - what was decoded is encoded to the same bytes;
// - look-ups in an index in order agree with a search from its front.
//
// The input: the file; behind it the segment's base offset and the time looked for.
#include <algorithm>

#include "fuzz/target.h"
#include "segment/time_index.h"

namespace oncelog::fuzz {

namespace {

using segment::TimeIndex;
using segment::TimeIndexEntry;

void check_lookups(Offset base, const std::vector<TimeIndexEntry>& entries, Timestamp target) {
  TimeIndex index(base, std::ssize(entries) + 1);
  index.reserve(entries.size());
  TimeIndexEntry floor{kNoTimestamp, base};
  TimeIndexEntry last = floor;
  std::int64_t count = 0;
  for (const TimeIndexEntry& entry : entries) {
    if (entry.offset < last.offset) continue;
    index.append_if_later(entry);
    if (entry.timestamp <= last.timestamp) continue;
    last = entry;
    ++count;
    if (entry.timestamp <= target) floor = entry;
  }
  ONCELOG_ASSERT(index.count() == count, index.count(), count);
  ONCELOG_ASSERT(index.floor(target) == floor, target);
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const Offset base(input.number<std::int64_t>());
  const Timestamp target(input.number<std::int64_t>());
  const Bytes file = input.bytes();
  const auto entries = segment::decode_time_index(file, base);
  ONCELOG_ASSERT(std::ssize(entries) == std::ssize(file) / segment::kTimeIndexEntryBytes);
  Buffer encoded;
  for (const auto& entry : entries) segment::encode(encoded, base, entry);
  ONCELOG_ASSERT(std::ranges::equal(encoded, file.first(encoded.size())));
  check_lookups(base, entries, target);
  return 0;
}
