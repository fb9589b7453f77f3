#include "log/adopt_snapshot.h"

#include <algorithm>

#include "log/checkpoint.h"
#include "segment/segment_names.h"
#include "snapshot/kafka_snapshot.h"

namespace oncelog::log {

namespace {

using producer::ProducerEntry;

/// 46 bytes a producer: room for more than twenty million.
constexpr std::int64_t kSnapshotBytesMax = std::int64_t{1} << 30;

/// The producers in a snapshot file; nothing, and a warning, if it is no snapshot.
Result<std::optional<snapshot::ProducerEntries>> read_snapshot(LogState& state, Offset offset) {
  const std::string name = segment::segment_file_name(offset, segment::kSnapshotSuffix);
  ONCELOG_TRY_ASSIGN(const auto file,
                     read_small_file(state.environment.vfs, state.path(name), kSnapshotBytesMax));
  if (!file) return std::nullopt;
  auto entries = snapshot::decode_kafka_snapshot(as_bytes(*file));
  if (entries) return std::optional(*std::move(entries));
  state.report.warnings.push_back(name + ": " + entries.error().text());
  return std::nullopt;
}

/// Whether an entry can be true of a log up to `end`: its offsets lie below. Sequences and epochs
/// are whatever a batch had that a recovery found: the batch may have gone since.
bool is_possible(ProducerId id, const ProducerEntry& entry, Offset end) {
  if (id < ProducerId(0)) return false;
  const producer::RememberedBatch* last = entry.last_batch();
  if (last != nullptr &&
      (last->last_offset >= end || last->offset_delta < 0 || last->first_offset() < Offset(0))) {
    return false;
  }
  return !entry.transaction_first_offset || *entry.transaction_first_offset < end;
}

/// Puts an entry, unless it is impossible or claims a transaction that another producer has open.
void restore(LogState& state, ProducerId id, const ProducerEntry& entry, Offset snapshot_offset) {
  const bool is_taken =
      entry.transaction_first_offset &&
      state.producers.has_open_transaction_of_another(*entry.transaction_first_offset, id);
  if (is_possible(id, entry, snapshot_offset) && !is_taken) {
    state.producers.restore(id, entry);
    return;
  }
  state.report.warnings.push_back("producer " + std::to_string(id.value()) +
                                  ": impossible in the snapshot at " +
                                  std::to_string(snapshot_offset.value()) + ", passed over");
}

/// Whether both say the same of a producer, as far as a snapshot can say it.
bool is_same(const ProducerEntry& log, const ProducerEntry& snapshot) {
  const auto last_offset = [](const ProducerEntry& entry) {
    return entry.last_batch() == nullptr ? kNoOffset : entry.last_batch()->last_offset;
  };
  return log.epoch == snapshot.epoch && log.coordinator_epoch == snapshot.coordinator_epoch &&
         log.last_sequence() == snapshot.last_sequence() &&
         last_offset(log) == last_offset(snapshot) &&
         log.transaction_first_offset == snapshot.transaction_first_offset;
}

}  // namespace

Result<void> restore_snapshot_below(LogState& state, const DirectoryContent& content) {
  const auto above = std::ranges::upper_bound(content.kafka_snapshots, content.bases.front());
  if (above == content.kafka_snapshots.begin()) return {};
  ONCELOG_TRY_ASSIGN(const auto entries, read_snapshot(state, *std::prev(above)));
  if (!entries) return {};
  for (const auto& [id, entry] : *entries) restore(state, id, entry, *std::prev(above));
  return {};
}

Result<void> merge_end_snapshot(LogState& state, const DirectoryContent& content, Offset end) {
  if (!std::ranges::binary_search(content.kafka_snapshots, end)) return {};
  ONCELOG_TRY_ASSIGN(const auto entries, read_snapshot(state, end));
  if (!entries) return {};
  const Offset first_base = content.bases.front();
  for (const auto& [id, stored] : *entries) {
    if (state.producers.is_unread(id)) {
      ONCELOG_TRY_ASSIGN(const auto in_checkpoint, state.snapshots->find(id, *state.saved_at));
      state.producers.admit(id, in_checkpoint);
    }
    const ProducerEntry* known = state.producers.find(id);
    if (known == nullptr || known->epoch == kNoProducerEpoch) {
      restore(state, id, stored, end);
      continue;
    }
    ProducerEntry entry = *known;
    const bool has_begun_below =
        stored.transaction_first_offset && *stored.transaction_first_offset < first_base;
    if (has_begun_below) entry.transaction_first_offset = stored.transaction_first_offset;
    if (!is_same(entry, stored)) {
      state.report.warnings.push_back("producer " + std::to_string(id.value()) +
                                      ": the snapshot at " + std::to_string(end.value()) +
                                      " differs from the log, which is believed");
    } else if (has_begun_below) {
      restore(state, id, entry, end);
    }
  }
  return {};
}

}  // namespace oncelog::log
