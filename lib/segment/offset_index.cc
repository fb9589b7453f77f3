#include "segment/offset_index.h"

#include "base/assert.h"
#include "base/bytes.h"

namespace oncelog::segment {

void OffsetIndex::append(OffsetIndexEntry entry) noexcept {
  ONCELOG_ASSERT(!is_full(), count());
  if (count() > 0) {
    const OffsetIndexEntry& last = (*this)[count() - 1];
    ONCELOG_ASSERT(entry.offset > last.offset, entry.offset, last.offset);
    ONCELOG_ASSERT(entry.position > last.position, entry.position, last.position);
  }
  entries_.push_back(entry);
}

OffsetIndexEntry OffsetIndex::floor(Offset target) const {
  const std::size_t above = entries_.partition_point(
      [&](const OffsetIndexEntry& entry) { return entry.offset <= target; });
  return above == 0 ? OffsetIndexEntry{base_, 0} : entries_[above - 1];
}

std::optional<OffsetIndexEntry> OffsetIndex::at_or_behind(std::int64_t position) const {
  const std::size_t count = entries_.size();
  const std::size_t found = entries_.partition_point(
      [&](const OffsetIndexEntry& entry) { return entry.position < position; });
  // An entry that was appended meanwhile lies behind `count` and may be missed: its set was not
  // there either.
  return found >= count ? std::nullopt : std::optional(entries_[found]);
}

void encode(std::vector<std::byte>& out, Offset base, const OffsetIndexEntry& entry) {
  const std::size_t begin = out.size();
  out.resize(begin + kOffsetIndexEntryBytes);
  base::store_be(std::span(out), begin, static_cast<std::int32_t>(entry.offset - base));
  base::store_be(std::span(out), begin + 4, static_cast<std::int32_t>(entry.position));
}

std::vector<OffsetIndexEntry> decode_offset_index(Bytes file, Offset base) {
  std::vector<OffsetIndexEntry> entries(file.size() / kOffsetIndexEntryBytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t begin = i * kOffsetIndexEntryBytes;
    entries[i] = {base + base::load_be<std::int32_t>(file, begin),
                  base::load_be<std::int32_t>(file, begin + 4)};
  }
  return entries;
}

}  // namespace oncelog::segment
