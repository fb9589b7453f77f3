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

/// The batch that begins at `offset`, if it does; whatever is in its way is for the scan to say.
std::optional<BatchHeader> walk_to(const File& file, const std::string& path, std::int64_t begin,
                                   std::int64_t end, Offset offset) {
  if (begin < 0 || begin >= end) return std::nullopt;
  segment::HeaderWalk walk(file, path, begin, end);
  while (true) {
    const auto header = walk.next();
    if (!header || !*header || (*header)->base_offset > offset) return std::nullopt;
    if ((*header)->base_offset == offset) return **header;
  }
}

Result<std::optional<BatchHeader>> find_stored(const LogState& state,
                                               const std::vector<Offset>& bases, Offset offset) {
  const auto above = std::ranges::upper_bound(bases, offset);
  if (above == bases.begin()) return std::nullopt;
  const Offset base = *std::prev(above);
  const std::string path = state.path(segment::segment_file_name(base, segment::kLogSuffix));
  ONCELOG_TRY_ASSIGN(const auto file, state.environment.vfs.open(path, OpenMode::kRead));
  ONCELOG_TRY_ASSIGN(const std::int64_t bytes, file->size());
  ONCELOG_TRY_ASSIGN(const std::int64_t hint, position_hint(state, base, offset));
  const auto found = walk_to(*file, path, hint, bytes, offset);
  // The index is a shortcut and may be wrong.
  return found || hint == 0 ? found : walk_to(*file, path, 0, bytes, offset);
}

/// Whether a checkpoint is one of this log (design section 5).
Result<bool> is_of_this_log(const LogState& state, const std::vector<Offset>& bases,
                            const CheckpointInfo& info) {
  const Offset first_base = bases.front();
  if (!info.anchor || info.anchor->base_offset < first_base) {
    return is_continued_by(info, first_base);
  }
  ONCELOG_TRY_ASSIGN(const auto batch, find_stored(state, bases, info.anchor->base_offset));
  return batch && batch->next_offset() == info.offset && batch->crc == info.anchor->crc &&
         batch->leader_epoch == info.anchor->leader_epoch;
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
  info.offset = last ? last->next_offset : base;
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
