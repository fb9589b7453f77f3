#include "snapshot/lmdb_rows.h"

#include <set>

namespace oncelog::snapshot {

namespace {

std::set<Hour> hours_of(std::span<const ProducerRow> rows) {
  std::set<Hour> hours;
  for (const ProducerRow& row : rows) {
    if (row.entry) hours.insert(hour_of(row.entry->last_timestamp));
  }
  return hours;
}

}  // namespace

Result<ProducerKey> producer_key_of(const LmdbCursor& cursor) {
  const auto key = parse_producer_key(cursor.key());
  if (key) return *key;
  return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: a key of ", cursor.key().size(),
              " bytes among those of producers");
}

Result<std::optional<ProducerRow>> find_producer(LmdbCursor& cursor, Incarnation life,
                                                 ProducerId id, Offset at) {
  const Row wanted = producer_key(life, id, at);
  ONCELOG_TRY(cursor.seek(wanted));
  if (!cursor.starts_with(Bytes(wanted).first(wanted.size() - sizeof(std::int64_t)))) {
    return std::nullopt;
  }
  ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
  ONCELOG_TRY_ASSIGN(const auto entry, decode_producer(cursor.key(), cursor.value()));
  return ProducerRow{key.at, entry};
}

Result<std::vector<CheckpointInfo>> list_checkpoints(LmdbTransaction& transaction,
                                                     Incarnation life) {
  std::vector<CheckpointInfo> all;
  const Row prefix = key_prefix(RowKind::kCheckpoint, life);
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  ONCELOG_TRY(cursor.seek(prefix));
  while (cursor.starts_with(prefix)) {
    ONCELOG_TRY_ASSIGN(all.emplace_back(), decode_checkpoint(cursor.key(), cursor.value()));
    ONCELOG_TRY(cursor.next());
  }
  return all;
}

Result<std::vector<ProducerRow>> rows_of(LmdbTransaction& transaction, Incarnation life,
                                         ProducerId id) {
  std::vector<ProducerRow> rows;
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  const Row newest = producer_key(life, id, kNewestCheckpoint);
  const Bytes prefix = Bytes(newest).first(newest.size() - sizeof(std::int64_t));
  ONCELOG_TRY(cursor.seek(newest));
  while (cursor.starts_with(prefix)) {
    ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
    ONCELOG_TRY_ASSIGN(const auto entry, decode_producer(cursor.key(), cursor.value()));
    rows.push_back({key.at, entry});
    ONCELOG_TRY(cursor.next());
  }
  return rows;
}

Result<void> change_hours(LmdbTransaction& transaction, Incarnation life, ProducerId id,
                          std::span<const ProducerRow> before, std::span<const ProducerRow> now) {
  const std::set<Hour> had = hours_of(before);
  const std::set<Hour> has = hours_of(now);
  for (const Hour hour : had) {
    if (!has.contains(hour)) ONCELOG_TRY(transaction.erase(time_key(life, hour, id)));
  }
  for (const Hour hour : has) {
    if (had.contains(hour)) continue;
    const Row key = time_key(life, hour, id);
    ONCELOG_TRY(transaction.put(key, encode_bare(key)));
  }
  return {};
}

Result<void> erase_row(LmdbTransaction& transaction, Incarnation life, ProducerId id, Offset at) {
  ONCELOG_TRY(transaction.erase(producer_key(life, id, at)));
  return transaction.erase(open_transaction_key(life, id, at));
}

}  // namespace oncelog::snapshot
