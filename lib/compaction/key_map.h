// key_map.h: where the newest record of each key is, in a bounded table that holds hashes instead
// of keys.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "oncelog/types.h"

namespace oncelog::compaction {

/// Keys by their XXH3-128: two keys of one hash would be taken for one, which nobody has seen.
/// (Kafka's own map has MD5 in its place; the choice shows nowhere in the files.) Not thread-safe.
///
/// Invariant: at most 90 % of the slots that the limit allows are used.
class KeyMap {
 public:
  /// Memory of the table at its largest; half as much again while it grows. At least one key fits.
  explicit KeyMap(std::int64_t bytes_max);

  /// Takes the offset for this key. False, and nothing has changed, if the key is new and the map
  /// is full.
  [[nodiscard]] bool put(Bytes key, Offset offset);
  /// The newest offset that was put for this key, or −1.
  [[nodiscard]] Offset find(Bytes key) const;

  [[nodiscard]] std::int64_t key_count() const { return count_; }

 private:
  struct Slot {
    base::Hash128 hash{};
    Offset offset = kNoOffset;  ///< none: the slot is free
  };

  [[nodiscard]] static std::size_t index_of(const std::vector<Slot>& slots,
                                            const base::Hash128& hash);
  void grow();

  const std::size_t slots_max_;
  std::vector<Slot> slots_;
  std::int64_t count_ = 0;
};

}  // namespace oncelog::compaction
