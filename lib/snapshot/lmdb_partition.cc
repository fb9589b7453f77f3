// lmdb_partition.cc: reading checkpoints. Writing them: lmdb_checkpoint.cc.
#include "snapshot/lmdb_partition.h"

#include <algorithm>
#include <limits>

#include "snapshot/lmdb_rows.h"

namespace oncelog::snapshot {

using producer::ProducerEntry;

Result<void> LmdbPartition::read(const LmdbEnvironment::Body& body) {
  auto result = environment_.read(body);
  if (!result && result.error().code == ErrorCode::CORRUPT_MESSAGE) {
    result.error().code = ErrorCode::KAFKA_STORAGE_ERROR;
  }
  return result;
}

Result<LmdbPartition::Rest> LmdbPartition::look_above(Offset offset) {
  Rest rest = Rest::kNone;
  ONCELOG_TRY(read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto present, list_checkpoints(transaction, life()));
    ONCELOG_TRY_ASSIGN(const auto mark, transaction.get(unfinished_key(life())));
    const Row producers = key_prefix(RowKind::kProducer, life());
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY(cursor.seek(producers));
    // Without a checkpoint every row is one too many.
    const bool is_above =
        present.empty() ? cursor.starts_with(producers) : present.front().offset > offset;
    if (is_above || mark) rest = Rest::kSome;
    return {};
  }));
  return rest;
}

Result<std::vector<CheckpointInfo>> LmdbPartition::list() {
  std::vector<CheckpointInfo> all;
  ONCELOG_TRY(read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(all, list_checkpoints(transaction, life()));
    return {};
  }));
  return all;
}

Result<std::optional<ProducerEntry>> LmdbPartition::find(ProducerId id, Offset at) {
  std::optional<ProducerEntry> entry;
  ONCELOG_TRY(read([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY_ASSIGN(const auto row, find_producer(cursor, life(), id, at));
    if (row) entry = row->entry;
    return {};
  }));
  return entry;
}

Result<ProducerEntries> LmdbPartition::open_transactions(Offset at) {
  ProducerEntries open;
  ONCELOG_TRY(read([&](LmdbTransaction& transaction) -> Result<void> {
    std::vector<ProducerId> ids;
    const Row prefix = key_prefix(RowKind::kOpenTransaction, life());
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY(cursor.seek(prefix));
    std::optional<ProducerId> decided;
    while (cursor.starts_with(prefix)) {
      ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
      if (key.at <= at && key.id != decided) {
        decided = key.id;
        ONCELOG_TRY_ASSIGN(const bool is_open,
                           decode_open_transaction(cursor.key(), cursor.value()));
        if (is_open) ids.push_back(key.id);
      }
      ONCELOG_TRY(cursor.next());
    }
    for (const ProducerId id : ids) {
      ONCELOG_TRY_ASSIGN(const auto row, find_producer(cursor, life(), id, at));
      if (!row || !row->entry || !row->entry->transaction_first_offset) {
        return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: producer ", id,
                    " has no open transaction, but is listed with one");
      }
      open.emplace_back(id, *row->entry);
    }
    return {};
  }));
  return open;
}

Result<std::vector<ProducerId>> LmdbPartition::find_older(Offset at, Timestamp until) {
  std::vector<ProducerId> older;
  ONCELOG_TRY(read([&](LmdbTransaction& transaction) -> Result<void> {
    const Row prefix = key_prefix(RowKind::kTime, life());
    ONCELOG_TRY_ASSIGN(LmdbCursor times, transaction.cursor());
    ONCELOG_TRY_ASSIGN(LmdbCursor rows, transaction.cursor());
    ONCELOG_TRY(times.seek(prefix));
    while (times.starts_with(prefix)) {
      ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(times));
      if (key.hour > hour_of(until)) break;
      // It is the hour of some row, which a newer one may shadow.
      ONCELOG_TRY_ASSIGN(const auto row, find_producer(rows, life(), key.id, at));
      const bool is_old = row && row->entry && row->entry->last_timestamp <= until;
      if (is_old && !row->entry->transaction_first_offset) older.push_back(key.id);
      ONCELOG_TRY(times.next());
    }
    return {};
  }));
  std::ranges::sort(older);
  older.erase(std::ranges::unique(older).begin(), older.end());
  return older;
}

Result<void> LmdbPartition::visit(Offset at, const Visitor& visitor) {
  return read([&](LmdbTransaction& transaction) -> Result<void> {
    const Row prefix = key_prefix(RowKind::kProducer, life());
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    std::optional<ProducerId> visited;
    ONCELOG_TRY(cursor.seek(prefix));
    while (cursor.starts_with(prefix)) {
      ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
      if (key.at <= at && key.id != visited) {
        visited = key.id;
        ONCELOG_TRY_ASSIGN(const auto entry, decode_producer(cursor.key(), cursor.value()));
        if (entry) ONCELOG_TRY(visitor(key.id, *entry));
      }
      ONCELOG_TRY(cursor.next());
    }
    return {};
  });
}

}  // namespace oncelog::snapshot
