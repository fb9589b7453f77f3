#include "segment/time_index.h"

#include "base/assert.h"
#include "base/bytes.h"

namespace oncelog::segment {

void TimeIndex::append_if_later(TimeIndexEntry entry) noexcept {
  const TimeIndexEntry last =
      count() == 0 ? TimeIndexEntry{kNoTimestamp, base_} : (*this)[count() - 1];
  if (entry.timestamp <= last.timestamp || count() >= entries_max_) return;
  ONCELOG_ASSERT(entry.offset >= last.offset, entry.offset, last.offset);
  entries_.push_back(entry);
}

TimeIndexEntry TimeIndex::floor(Timestamp timestamp) const {
  const std::size_t above = entries_.partition_point(
      [&](const TimeIndexEntry& entry) { return entry.timestamp <= timestamp; });
  return above == 0 ? TimeIndexEntry{kNoTimestamp, base_} : entries_[above - 1];
}

void encode(std::vector<std::byte>& out, Offset base, const TimeIndexEntry& entry) {
  const std::size_t begin = out.size();
  out.resize(begin + kTimeIndexEntryBytes);
  base::store_be(std::span(out), begin, entry.timestamp.value());
  base::store_be(std::span(out), begin + 8, static_cast<std::int32_t>(entry.offset - base));
}

std::vector<TimeIndexEntry> decode_time_index(Bytes file, Offset base) {
  std::vector<TimeIndexEntry> entries(file.size() / kTimeIndexEntryBytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t begin = i * kTimeIndexEntryBytes;
    entries[i] = {Timestamp(base::load_be<std::int64_t>(file, begin)),
                  base + base::load_be<std::int32_t>(file, begin + 8)};
  }
  return entries;
}

}  // namespace oncelog::segment
