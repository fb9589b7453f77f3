// time_index.h: timestamp -> offset, sparse. Format: FORMAT.md, time index.
#pragma once

#include <cstdint>
#include <vector>

#include "oncelog/types.h"
#include "segment/growing_array.h"

namespace oncelog::segment {

inline constexpr std::int64_t kTimeIndexEntryBytes = 12;

/// (T, O): no record with a timestamp above T precedes O in the segment; O is the last offset of
/// the earliest batch with T.
struct TimeIndexEntry {
  Timestamp timestamp = kNoTimestamp;
  Offset offset{};
  friend bool operator==(const TimeIndexEntry&, const TimeIndexEntry&) = default;
};

/// In memory; one appender, readers without a lock.
///
/// Invariant: timestamps strictly increase, offsets never decrease.
class TimeIndex {
 public:
  TimeIndex(Offset base, std::int64_t entries_max) : base_(base), entries_max_(entries_max) {}

  [[nodiscard]] Offset base() const { return base_; }
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(entries_.size()); }
  /// One slot is kept for the entry that a roll or a close adds.
  [[nodiscard]] bool is_full() const { return count() >= entries_max_ - 1; }
  [[nodiscard]] const TimeIndexEntry& operator[](std::int64_t index) const {
    return entries_[static_cast<std::size_t>(index)];
  }

  /// Takes an entry of a checked index file, however many there are.
  void adopt(const TimeIndexEntry& entry) { entries_.push_back(entry); }
  void reserve(std::size_t count) { entries_.reserve(count); }
  /// Adds the entry unless its timestamp is none or not above the last one's, or no slot is left.
  void append_if_later(TimeIndexEntry entry) noexcept;

  /// The greatest entry with a timestamp <= `timestamp`, or (−1, base).
  [[nodiscard]] TimeIndexEntry floor(Timestamp timestamp) const;

 private:
  Offset base_;
  std::int64_t entries_max_;
  GrowingArray<TimeIndexEntry> entries_;
};

/// Appends the stored form of an entry.
void encode(std::vector<std::byte>& out, Offset base, const TimeIndexEntry& entry);

/// The entries in the bytes of an index file, whatever they are; a partial one at the end is left
/// out.
[[nodiscard]] std::vector<TimeIndexEntry> decode_time_index(Bytes file, Offset base);

}  // namespace oncelog::segment
