#include "compaction/key_map.h"

#include <algorithm>

namespace oncelog::compaction {

namespace {

constexpr std::size_t kFirstSlots = 1024;

/// How many of so many slots may be used: a free one must be left, where a look-up ends.
std::int64_t usable(std::size_t slots) {
  return static_cast<std::int64_t>(std::max<std::size_t>(1, slots * 9 / 10));
}

}  // namespace

KeyMap::KeyMap(std::int64_t bytes_max)
    : slots_max_(std::max<std::size_t>(
          2, static_cast<std::size_t>(std::max<std::int64_t>(bytes_max, 0)) / sizeof(Slot))),
      slots_(std::min(kFirstSlots, slots_max_)) {}

std::size_t KeyMap::index_of(const std::vector<Slot>& slots, const base::Hash128& hash) {
  std::size_t index = hash.low % slots.size();
  while (slots[index].offset != kNoOffset && slots[index].hash != hash) {
    index = index + 1 == slots.size() ? 0 : index + 1;
  }
  return index;
}

void KeyMap::grow() {
  std::vector<Slot> larger(std::min(slots_.size() * 2, slots_max_));
  for (const Slot& slot : slots_) {
    if (slot.offset != kNoOffset) larger[index_of(larger, slot.hash)] = slot;
  }
  slots_ = std::move(larger);
}

bool KeyMap::put(Bytes key, Offset offset) {
  const base::Hash128 hash = base::hash128(key);
  std::size_t index = index_of(slots_, hash);
  if (slots_[index].offset == kNoOffset) {
    if (count_ >= usable(slots_.size())) {
      if (slots_.size() == slots_max_) return false;
      grow();
      index = index_of(slots_, hash);
    }
    ++count_;
  }
  slots_[index] = {hash, offset};
  return true;
}

Offset KeyMap::find(Bytes key) const { return slots_[index_of(slots_, base::hash128(key))].offset; }

}  // namespace oncelog::compaction
