// index_entries.cc: the entries of a segment's three indexes, each compared with the one before.
#include <optional>
#include <string>

#include "base/bytes.h"
#include "inspect/entry_lists.h"
#include "segment/offset_index.h"
#include "segment/time_index.h"
#include "segment/txn_index.h"

namespace oncelog::inspect {

namespace {

/// Where the name does not tell the base, offsets are shown as they are stored: relative to it.
Offset base_of(const EntrySource& source) { return source.base().value_or(Offset(0)); }

Result<void> list_array(const EntrySource& source, std::int64_t entry_bytes, bool may_end_in_zeros,
                        const EntryReader& read, const FileEntryVisitor& visit) {
  ONCELOG_TRY(visit_array(source, {0, source.bytes(), entry_bytes, may_end_in_zeros}, read, visit));
  return {};
}

std::string problem_of(const segment::TxnIndexEntry& entry, Offset base, Offset last_marker) {
  if (entry.last_offset < base) {
    return "its marker lies below the segment's base " + std::to_string(base.value());
  }
  if (entry.last_offset <= last_marker) return "its marker is not above the entry before it";
  if (entry.first_offset < Offset(0) || entry.first_offset >= entry.last_offset) {
    return "it does not begin before its marker";
  }
  if (entry.last_stable_offset < Offset(0)) return "its last stable offset is negative";
  return {};
}

}  // namespace

Result<void> list_offset_index(const EntrySource& source, const FileEntryVisitor& visit) {
  const Offset base = base_of(source);
  std::optional<segment::OffsetIndexEntry> before;
  const EntryReader read = [&](std::int64_t position, Bytes bytes) -> FileEntry {
    const segment::OffsetIndexEntry entry = segment::decode_offset_index(bytes, base).front();
    std::string damage;
    if (entry.offset < base || entry.position < 0) {
      damage = "a number is negative";
    } else if (before && entry.offset <= before->offset) {
      damage = "its offset is not above " + std::to_string(before->offset.value());
    } else if (before && entry.position <= before->position) {
      damage = "its position is not above " + std::to_string(before->position);
    }
    if (damage.empty()) before = entry;  // a wrong one does not make those behind it wrong
    return {"entry",
            position,
            segment::kOffsetIndexEntryBytes,
            {{"offset", entry.offset}, {"log_position", entry.position}},
            std::move(damage)};
  };
  return list_array(source, segment::kOffsetIndexEntryBytes, true, read, visit);
}

Result<void> list_time_index(const EntrySource& source, const FileEntryVisitor& visit) {
  const Offset base = base_of(source);
  std::optional<segment::TimeIndexEntry> before;
  const EntryReader read = [&](std::int64_t position, Bytes bytes) -> FileEntry {
    const segment::TimeIndexEntry entry = segment::decode_time_index(bytes, base).front();
    std::string damage;
    if (entry.offset < base) {
      damage = "its offset is negative";
    } else if (before && entry.timestamp <= before->timestamp) {
      damage = "its timestamp is not above " + std::to_string(before->timestamp.value());
    } else if (before && entry.offset < before->offset) {
      damage = "its offset is below " + std::to_string(before->offset.value());
    }
    if (damage.empty()) before = entry;
    return {"entry",
            position,
            segment::kTimeIndexEntryBytes,
            {{"timestamp", entry.timestamp}, {"offset", entry.offset}},
            std::move(damage)};
  };
  return list_array(source, segment::kTimeIndexEntryBytes, true, read, visit);
}

Result<void> list_txn_index(const EntrySource& source, const FileEntryVisitor& visit) {
  const Offset base = base_of(source);
  Offset last_marker = kNoOffset;
  const EntryReader read = [&](std::int64_t position, Bytes bytes) -> FileEntry {
    FileEntry shown{"entry", position, segment::kTxnIndexEntryBytes, {}, {}};
    const auto entries = segment::decode_txn_index(bytes);
    if (!entries) {  // of a later version: what follows the version may mean anything
      shown.fields = {{"version", base::load_be<std::int16_t>(bytes, 0)}};
      shown.damage = "its version is not " + std::to_string(segment::kTxnIndexVersion);
      return shown;
    }
    const segment::TxnIndexEntry& entry = entries->front();
    shown.fields = {{"pid", entry.producer_id},
                    {"first_offset", entry.first_offset},
                    {"marker_offset", entry.last_offset},
                    {"last_stable_offset", entry.last_stable_offset}};
    shown.damage = problem_of(entry, base, last_marker);
    if (shown.damage.empty()) last_marker = entry.last_offset;
    return shown;
  };
  return list_array(source, segment::kTxnIndexEntryBytes, false, read, visit);
}

}  // namespace oncelog::inspect
