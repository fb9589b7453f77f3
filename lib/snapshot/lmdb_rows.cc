#include "snapshot/lmdb_rows.h"

namespace oncelog::snapshot {

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

Result<void> erase_producer(LmdbTransaction& transaction, Incarnation life, ProducerId id,
                            const ProducerRow& row) {
  ONCELOG_TRY(transaction.erase(producer_key(life, id, row.at)));
  ONCELOG_TRY(transaction.erase(open_transaction_key(life, id, row.at)));
  if (!row.entry) return {};
  return transaction.erase(time_key(life, row.entry->last_timestamp, id, row.at));
}

}  // namespace oncelog::snapshot
