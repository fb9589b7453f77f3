// offset_index.h: offset -> position in the `.log`, sparse. Format: FORMAT.md, offset index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/types.h"
#include "segment/growing_array.h"

namespace oncelog::segment {

inline constexpr std::int64_t kOffsetIndexEntryBytes = 8;

/// (last offset of an appended set of batches, position where the set starts).
struct OffsetIndexEntry {
  Offset offset{};
  std::int64_t position = 0;
  friend bool operator==(const OffsetIndexEntry&, const OffsetIndexEntry&) = default;
};

/// In memory; one appender, readers without a lock.
///
/// Invariant: offsets and positions strictly increase.
class OffsetIndex {
 public:
  OffsetIndex(Offset base, std::int64_t entries_max) : base_(base), entries_max_(entries_max) {}

  [[nodiscard]] Offset base() const { return base_; }
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(entries_.size()); }
  [[nodiscard]] bool is_full() const { return count() >= entries_max_; }
  [[nodiscard]] const OffsetIndexEntry& operator[](std::int64_t index) const {
    return entries_[static_cast<std::size_t>(index)];
  }

  /// Takes an entry of a checked index file, however many there are.
  void adopt(const OffsetIndexEntry& entry) { entries_.push_back(entry); }
  void reserve(std::size_t count) { entries_.reserve(count); }
  void append(OffsetIndexEntry entry) noexcept;

  /// The greatest entry with an offset <= `target`, or (base, 0).
  [[nodiscard]] OffsetIndexEntry floor(Offset target) const;
  /// The smallest entry with a position >= `position`.
  [[nodiscard]] std::optional<OffsetIndexEntry> at_or_behind(std::int64_t position) const;

 private:
  Offset base_;
  std::int64_t entries_max_;
  GrowingArray<OffsetIndexEntry> entries_;
};

/// Appends the stored form of an entry.
void encode(std::vector<std::byte>& out, Offset base, const OffsetIndexEntry& entry);

/// The entries in the bytes of an index file, whatever they are; a partial one at the end is left
/// out.
[[nodiscard]] std::vector<OffsetIndexEntry> decode_offset_index(Bytes file, Offset base);

}  // namespace oncelog::segment
