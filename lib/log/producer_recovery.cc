#include "log/producer_recovery.h"

#include <algorithm>
#include <limits>

#include "log/checkpoint.h"
#include "log/producer_checkpoint.h"
#include "segment/header_walk.h"
#include "segment/offset_index.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

using record::BatchHeader;
using snapshot::CheckpointInfo;

constexpr std::int64_t kIndexBytesMax = 64 << 20;

/// Where in the segment a batch with this offset can begin at the earliest, as its index says.
Result<std::int64_t> position_hint(const LogState& state, Offset base, Offset offset) {
  Vfs& vfs = state.environment.vfs;
  const std::string path =
      state.path(segment::segment_file_name(base, segment::kOffsetIndexSuffix));
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  // Without a hint it only takes longer, and a file of that size is no index.
  if (!status || status->bytes > kIndexBytesMax) return 0;
  ONCELOG_TRY_ASSIGN(const auto bytes, read_small_file(vfs, path, kIndexBytesMax));
  const auto entries = segment::decode_offset_index(as_bytes(bytes.value_or("")), base);
  const auto above =
      std::ranges::upper_bound(entries, offset, {}, &segment::OffsetIndexEntry::offset);
  return above == entries.begin() ? 0 : std::int64_t{std::prev(above)->position};
}

/// The last of the batches in a segment that begin below `offset`, from this position on; damage
/// in the way is for the scan to say.
Result<std::optional<BatchHeader>> walk_below(const File& file, const std::string& path,
                                              std::int64_t begin, std::int64_t end, Offset offset) {
  if (begin < 0 || begin >= end) return std::nullopt;
  segment::HeaderWalk walk(file, path, begin, end);
  std::optional<BatchHeader> last;
  while (true) {
    auto header = walk.next();
    // What cannot be read now may say otherwise to another open: nobody is forgotten for it.
    if (!header && header.error().os_errno != 0) return std::unexpected(std::move(header).error());
    if (!header || !*header || (*header)->base_offset >= offset) return last;
    // A torn tail may be a batch of long ago.
    if (last && (*header)->base_offset < last->next_offset()) return last;
    last = **header;
  }
}

/// Walks from where the index says that it saves reading, or from the first batch of a segment.
enum class WalkFrom : std::uint8_t { kHint, kBegin };

/// The last stored batch that begins below `offset`.
Result<std::optional<BatchHeader>> find_last_below(const LogState& state,
                                                   const std::vector<Offset>& bases, Offset offset,
                                                   WalkFrom from) {
  for (std::size_t i = bases.size(); i-- > 0;) {
    if (bases[i] >= offset) continue;
    const std::string path = state.path(segment::segment_file_name(bases[i], segment::kLogSuffix));
    ONCELOG_TRY_ASSIGN(const auto file, state.environment.vfs.open(path, OpenMode::kRead));
    ONCELOG_TRY_ASSIGN(const std::int64_t bytes, file->size());
    std::int64_t begin = 0;
    if (from == WalkFrom::kHint) {
      ONCELOG_TRY_ASSIGN(begin, position_hint(state, bases[i], Offset(offset.value() - 1)));
    }
    ONCELOG_TRY_ASSIGN(const auto found, walk_below(*file, path, begin, bytes, offset));
    if (found) return found;
  }
  return std::nullopt;
}

/// Whether the last batch below a checkpoint is the one that it names; without any batch there,
/// whether it names none.
bool has_anchor(const CheckpointInfo& info, const std::optional<BatchHeader>& last) {
  if (!last) return !info.anchor || info.rebuilt_anchor == snapshot::kNoBatchLeft;
  const snapshot::Anchor found{last->base_offset, last->leader_epoch, last->crc};
  return last->next_offset() <= info.offset &&
         (info.anchor == found || info.rebuilt_anchor == found);
}

/// Whether batches behind a checkpoint have been compacted: a transaction that was open there may
/// have no marker any more.
Result<bool> is_below_compacted(const LogState& state, const std::vector<Offset>& bases,
                                const CheckpointInfo& info) {
  const Offset cleaned = state.cleaner_offset.value_or(Offset(0));
  if (cleaned <= info.offset || cleaned > bases.back()) return false;
  ONCELOG_TRY_ASSIGN(const auto last, find_last_below(state, bases, cleaned, WalkFrom::kBegin));
  return last && last->base_offset >= info.offset;
}

/// Whether a checkpoint is one of this log (design section 5).
Result<bool> is_of_this_log(const LogState& state, const std::vector<Offset>& bases,
                            const CheckpointInfo& info) {
  ONCELOG_TRY_ASSIGN(const bool is_lost, is_below_compacted(state, bases, info));
  if (is_lost) return false;
  if (info.noted_first_base == bases.front()) return true;
  if (info.offset < bases.front()) return false;
  ONCELOG_TRY_ASSIGN(const auto last, find_last_below(state, bases, info.offset, WalkFrom::kHint));
  if (has_anchor(info, last)) return true;
  // The index is a shortcut and may be wrong.
  ONCELOG_TRY_ASSIGN(const auto again,
                     find_last_below(state, bases, info.offset, WalkFrom::kBegin));
  return has_anchor(info, again);
}

}  // namespace

Result<void> restore_checkpoint(LogState& state, const std::vector<Offset>& bases) {
  if (!state.snapshots) return {};
  ONCELOG_TRY_ASSIGN(const auto present, state.snapshots->list());
  for (const CheckpointInfo& info : present) {
    ONCELOG_TRY_ASSIGN(const bool holds, is_of_this_log(state, bases, info));
    if (!holds) {
      state.report.warnings.push_back("producer state at offset " +
                                      std::to_string(info.offset.value()) +
                                      " is not of this log, passed over");
      continue;
    }
    auto table = open_table(*state.snapshots, info.offset);
    if (!table && table.error().os_errno != 0) return std::unexpected(std::move(table).error());
    if (!table) {
      state.report.warnings.push_back(table.error().text());
      return {};
    }
    state.producers = *std::move(table);
    state.saved_at = info.offset;
    return {};
  }
  return {};
}

Result<void> drop_stale_checkpoints(LogState& state) {
  if (!state.snapshots) return {};
  return state.snapshots->drop_above(state.saved_at.value_or(kNoOffset));
}

Result<void> save_recovered(LogState& state, const std::optional<LastBatch>& last, Offset base,
                            Offset keep_from) {
  if (!state.snapshots) return {};
  ONCELOG_TRY(drop_stale_checkpoints(state));
  CheckpointInfo info;
  // Compaction may have taken away what lay between the last batch and a checkpoint.
  info.offset = std::max(last ? last->next_offset : base, state.saved_at.value_or(Offset(0)));
  if (last) info.anchor = last->anchor;
  state.producers.freeze();
  ONCELOG_TRY(save_table(*state.snapshots, state.producers, info, keep_from));
  state.saved_at = info.offset;
  state.producers.thaw_some(std::numeric_limits<std::size_t>::max());
  return {};
}

Result<void> save_if_full(LogState& state, const LastBatch& last, Offset keep_from) {
  const std::int64_t bytes_max = state.environment.store.producer_cache_bytes;
  if (!state.snapshots) return {};
  state.producers.evict_some(bytes_max);
  if (state.producers.changed_bytes() <= bytes_max / 2) return {};
  return save_recovered(state, last, last.next_offset, keep_from);
}

}  // namespace oncelog::log
