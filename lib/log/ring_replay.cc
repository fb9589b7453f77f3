// ring_replay.cc: the append ring after the end of a process (FORMAT.md, `.tail`).
//
// Invariant: a batch is written only where it was appended, behind exactly the batches that it
//   followed then.
#include "log/ring_replay.h"

#include "segment/append_ring.h"
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

/// The whole batch at `position` of a `.log`; nothing if there is none.
Result<std::optional<RingEntry>> batch_at(const File& log, std::int64_t position) {
  std::array<std::byte, record::kHeaderBytes> header_bytes;
  ONCELOG_TRY_ASSIGN(const std::size_t header_count, log.read_at(header_bytes, position));
  if (header_count < header_bytes.size()) return std::nullopt;
  const record::BatchHeader header = record::decode_batch_header(header_bytes);
  ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, log.size());
  if (header.size_bytes() < kBatchHeaderBytes || header.size_bytes() > file_bytes - position) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(header.size_bytes()));
  ONCELOG_TRY_ASSIGN(const std::size_t count, log.read_at(bytes, position));
  const auto batch = RecordBatchView::parse(Bytes(bytes).first(count));
  if (!batch || std::ssize(batch->bytes()) != header.size_bytes() || !batch->check_crc()) {
    return std::nullopt;
  }
  return segment::ring_entry_of(header, position);
}

/// Whether the fill's anchor is the batch that the `.log` has there.
Result<bool> is_anchored(const File& log, const RingContent& ring) {
  if (!ring.fill.anchor) return true;
  ONCELOG_TRY_ASSIGN(const auto found, batch_at(log, ring.fill.anchor->position));
  return found == ring.fill.anchor;
}

/// Indexes of the entries that the `.log` has not: a run up to the end, or none.
Result<std::vector<std::size_t>> find_missing(const File& log, const RingContent& ring,
                                              Offset recovery_point) {
  std::vector<std::size_t> missing;
  std::int64_t position =
      ring.fill.anchor ? ring.fill.anchor->position + ring.fill.anchor->bytes : 0;
  Offset next = ring.fill.anchor ? ring.fill.anchor->base_offset + 1 : ring.fill.segment_base;
  for (std::size_t i = 0; i < ring.entries.size(); ++i) {
    const RingEntry& entry = ring.entries[i];
    if (entry.position != position || entry.base_offset < next) break;
    ONCELOG_TRY_ASSIGN(const auto found, batch_at(log, position));
    if (found && *found != entry) break;
    if (!found && entry.base_offset < recovery_point) break;
    if (!found) missing.push_back(i);
    position += entry.bytes;
    next = entry.base_offset + 1;
  }
  return missing;
}

Result<void> write_missing(LogState& state, const RingContent& ring, Offset recovery_point) {
  const std::string path =
      state.path(segment::segment_file_name(ring.fill.segment_base, segment::kLogSuffix));
  ONCELOG_TRY_ASSIGN(const auto log, state.environment.vfs.open(path, OpenMode::kWrite));
  ONCELOG_TRY_ASSIGN(const bool is_anchor_there, is_anchored(*log, ring));
  if (!is_anchor_there) return {};
  ONCELOG_TRY_ASSIGN(const auto missing, find_missing(*log, ring, recovery_point));
  if (missing.empty()) return {};
  for (const std::size_t i : missing) {
    ONCELOG_TRY(log->write_at({&ring.batches[i], 1}, ring.entries[i].position));
  }
  state.report.batches_from_ring = std::ssize(missing);
  return log->sync();
}

}  // namespace

Result<void> replay_ring(LogState& state, const std::vector<Offset>& bases, Offset recovery_point,
                         RingTrust trust) {
  Vfs& vfs = state.environment.vfs;
  const std::string path = state.path(segment::kRingFile);
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status) return {};
  if (trust == RingTrust::kOwn && !bases.empty()) {
    ONCELOG_TRY_ASSIGN(const auto bytes, read_ring_file(vfs, path, status->bytes));
    const std::optional<RingContent> ring = segment::read_ring(bytes);
    // A roll drains first: a fill of an earlier segment has nothing that is missing.
    if (ring && ring->fill.segment_base == bases.back()) {
      ONCELOG_TRY(write_missing(state, *ring, recovery_point));
    }
  }
  // Back after a loss of power, it would fill up what has been cut by then.
  ONCELOG_TRY(vfs.remove(path));
  return vfs.sync_directory(state.directory);
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
