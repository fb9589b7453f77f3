// ring_replay.cc: the append ring after the end of a process (FORMAT.md, `.tail`).
//
// Invariant: a batch is written only where it was appended, behind exactly the batches that it
//   followed then.
#include "log/ring_replay.h"

#include <algorithm>

#include "segment/append_ring.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

using segment::RingContent;
using segment::RingEntry;

Result<std::vector<std::byte>> read_ring_file(Vfs& vfs, const std::string& path,
                                              std::int64_t bytes) {
  std::vector<std::byte> content;
  if (bytes > segment::kRingBytesMax) return content;
  ONCELOG_TRY_ASSIGN(const auto file, vfs.open(path, OpenMode::kRead));
  content.resize(static_cast<std::size_t>(bytes));
  ONCELOG_TRY_ASSIGN(const std::size_t count, file->read_at(content, 0));
  content.resize(count);
  return content;
}

/// The batch where the scan stands; nothing if there is no whole one.
Result<std::optional<RingEntry>> next_entry(segment::BatchScan& log) {
  const std::int64_t position = log.position();
  ONCELOG_TRY_ASSIGN(const auto batch, log.next());
  if (!batch) return std::nullopt;
  return segment::ring_entry_of(record::header_of(*batch), position);
}

/// Indexes of the entries that the `.log` has not: none, unless it has the fill's anchor at its
/// position.
Result<std::vector<std::size_t>> find_missing(const File& file, const RingContent& ring,
                                              Offset recovery_point) {
  std::vector<std::size_t> missing;
  ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, file.size());
  const auto& anchor = ring.fill.anchor;
  if (anchor && (anchor->position < 0 || anchor->position > file_bytes)) return missing;
  std::int64_t end = file_bytes;
  for (const RingEntry& entry : ring.entries) end += entry.bytes;
  segment::BatchScan log(file, {.begin = anchor ? anchor->position : 0, .end = end});
  Offset next = ring.fill.segment_base;
  if (anchor) {
    ONCELOG_TRY_ASSIGN(const auto found, next_entry(log));
    if (found != anchor) return missing;
    next = anchor->base_offset + 1;
  }
  for (std::size_t i = 0; i < ring.entries.size(); ++i) {
    const RingEntry& entry = ring.entries[i];
    if (entry.position != log.position() || entry.base_offset < next) break;
    ONCELOG_TRY_ASSIGN(const auto found, next_entry(log));
    if (found && *found != entry) break;
    if (!found) {
      if (entry.base_offset < recovery_point) break;
      missing.push_back(i);
      log.resume_at(entry.position + entry.bytes);
    }
    next = entry.base_offset + 1;
  }
  return missing;
}

Result<void> write_missing(LogState& state, const RingContent& ring, Offset recovery_point) {
  const std::string path =
      state.path(segment::segment_file_name(ring.fill.segment_base, segment::kLogSuffix));
  ONCELOG_TRY_ASSIGN(const auto log, state.environment.vfs.open(path, OpenMode::kWrite));
  ONCELOG_TRY_ASSIGN(const auto missing, find_missing(*log, ring, recovery_point));
  if (missing.empty()) return {};
  for (const std::size_t i : missing) {
    ONCELOG_TRY(log->write_at({&ring.batches[i], 1}, ring.entries[i].position));
  }
  state.report.batches_from_ring = std::ssize(missing);
  return log->sync();
}

}  // namespace

Result<void> replay_ring(LogState& state, Offset last_base, Offset recovery_point) {
  Vfs& vfs = state.environment.vfs;
  const std::string path = state.path(segment::kRingFile);
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status) return {};
  ONCELOG_TRY_ASSIGN(const auto bytes, read_ring_file(vfs, path, status->bytes));
  const std::optional<RingContent> ring = segment::read_ring(bytes);
  // A roll drains first: a fill of an earlier segment has nothing that is missing.
  if (!ring || ring->fill.segment_base != last_base) return {};
  return write_missing(state, *ring, recovery_point);
}

Result<void> remove_ring(const LogState& state) {
  Vfs& vfs = state.environment.vfs;
  const std::string path = state.path(segment::kRingFile);
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status) return {};
  ONCELOG_TRY(vfs.remove(path));
  return vfs.sync_directory(state.directory);
}

Result<bool> hand_back_ring(LogState& state, Timestamp idle_since) {
  const std::scoped_lock files(state.file_mutex);
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    const auto& ring = state.ring;
    if (!ring || !ring->is_ready() || ring->last_used() > idle_since) return false;
    ONCELOG_TRY(drain_ring(state));
    ring->retire();
  }
  ONCELOG_TRY(poison_if_failed(state, remove_ring(state)));
  state.ring->give_back();
  return true;
}

Result<void> use_ring(LogState& state) {
  const LogEnvironment& environment = state.environment;
  const bool is_wanted = environment.ring_budget && environment.store.append_ring_bytes > 0;
  if (*state.options.level != Level::kWritten || !is_wanted) return {};
  state.ring = std::make_shared<segment::AppendRing>(
      environment.vfs, state.path(segment::kRingFile), environment.store.append_ring_bytes,
      environment.ring_budget);
  return state.active()->use_ring(state.ring);
}

}  // namespace oncelog::log
