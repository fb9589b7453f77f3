#include "snapshot/lmdb_collect.h"

#include <algorithm>
#include <limits>
#include <set>

#include "snapshot/lmdb_rows.h"

namespace oncelog::snapshot {

namespace {

/// Keys from `from` on that begin with `prefix`, at most `count_max`.
Result<std::vector<Row>> keys_from(LmdbTransaction& transaction, const Row& from, Bytes prefix,
                                   std::size_t count_max) {
  std::vector<Row> keys;
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  ONCELOG_TRY(cursor.seek(from));
  while (cursor.starts_with(prefix) && keys.size() < count_max) {
    keys.emplace_back(cursor.key().begin(), cursor.key().end());
    ONCELOG_TRY(cursor.next());
  }
  return keys;
}

Result<void> collect_producer(LmdbTransaction& transaction, Incarnation life, ProducerId id,
                              Offset oldest) {
  ONCELOG_TRY_ASSIGN(const auto rows, rows_of(transaction, life, id));
  const auto newest_below =
      std::ranges::find_if(rows, [&](const ProducerRow& row) { return row.at <= oldest; });
  // It is needed only if it knows the producer.
  const bool is_needed = newest_below != rows.end() && newest_below->entry;
  const std::span kept(rows.begin(), is_needed ? std::next(newest_below) : newest_below);
  for (const ProducerRow& row : std::span(rows).subspan(kept.size())) {
    ONCELOG_TRY(erase_row(transaction, life, id, row.at));
  }
  return change_hours(transaction, life, id, rows, kept);
}

/// Producers with a row above `offset`, from a key on; one more than `count_max` at most.
Result<std::vector<ProducerId>> ids_above(LmdbTransaction& transaction, Incarnation life,
                                          Offset offset, const Row& from, std::size_t count_max) {
  std::vector<ProducerId> ids;
  const Row prefix = key_prefix(RowKind::kProducer, life);
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  ONCELOG_TRY(cursor.seek(from));
  while (cursor.starts_with(prefix) && ids.size() <= count_max) {
    ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
    const bool is_next = ids.empty() || ids.back() != key.id;
    if (key.at > offset && is_next) ids.push_back(key.id);
    ONCELOG_TRY(cursor.next());
  }
  return ids;
}

/// The first key of each life and kind, until a life that is not in use is found.
Result<std::optional<Row>> find_unused_prefix(LmdbTransaction& transaction,
                                              const std::set<Incarnation>& used) {
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  for (const RowKind kind : {RowKind::kCheckpoint, RowKind::kProducer, RowKind::kOpenTransaction,
                             RowKind::kTime, RowKind::kGarbage, RowKind::kUnfinished}) {
    Row from = key_prefix(kind, Incarnation(0));
    while (true) {
      ONCELOG_TRY(cursor.seek(from));
      if (!cursor.starts_with(Bytes(from).first(1))) break;
      const auto life = life_of_key(cursor.key());
      if (!life) return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: a key without a life");
      if (!used.contains(*life)) return key_prefix(kind, *life);
      if (life->value() == std::numeric_limits<std::uint64_t>::max()) break;
      from = key_prefix(kind, *life + 1);
    }
  }
  return std::nullopt;
}

Result<std::set<Incarnation>> lives_in_use(LmdbTransaction& transaction) {
  std::set<Incarnation> used;
  const Row prefix{static_cast<std::byte>(RowKind::kPartition)};
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  ONCELOG_TRY(cursor.seek(prefix));
  while (cursor.starts_with(prefix)) {
    ONCELOG_TRY_ASSIGN(const PartitionRow row, decode_partition(cursor.key(), cursor.value()));
    used.insert(row.life);
    ONCELOG_TRY(cursor.next());
  }
  return used;
}

}  // namespace

Offset oldest_kept(std::span<const CheckpointInfo> newest_first, Offset keep_from) {
  const auto kept = std::ranges::find_if(
      newest_first, [&](const CheckpointInfo& one) { return one.offset <= keep_from; });
  return kept == newest_first.end() ? kNoOffset : kept->offset;
}

Result<Collected> collect_shadowed(LmdbTransaction& transaction, Incarnation life, Offset keep_from,
                                   std::size_t rows_max) {
  ONCELOG_TRY_ASSIGN(const auto present, list_checkpoints(transaction, life));
  const Offset oldest = oldest_kept(present, keep_from);
  const Row prefix = key_prefix(RowKind::kGarbage, life);
  ONCELOG_TRY_ASSIGN(const auto notes, keys_from(transaction, prefix, prefix, rows_max));
  for (const Row& note : notes) {
    const auto key = parse_producer_key(note);
    if (!key) return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: a key without a producer");
    if (key->at > oldest) return Collected::kAll;
    ONCELOG_TRY(transaction.erase(note));
    ONCELOG_TRY(collect_producer(transaction, life, key->id, oldest));
  }
  return notes.size() < rows_max ? Collected::kAll : Collected::kSome;
}

Result<std::optional<Row>> drop_rows_above(LmdbTransaction& transaction, Incarnation life,
                                           Offset offset, const Row& from, std::size_t rows_max) {
  ONCELOG_TRY_ASSIGN(const auto notes,
                     keys_from(transaction, garbage_key(life, offset + 1, ProducerId(0)),
                               key_prefix(RowKind::kGarbage, life), rows_max));
  for (const Row& note : notes) ONCELOG_TRY(transaction.erase(note));
  if (notes.size() == rows_max) return from;

  ONCELOG_TRY_ASSIGN(auto ids, ids_above(transaction, life, offset, from, rows_max));
  std::optional<Row> rest;
  if (ids.size() > rows_max) {
    rest = producer_key(life, ids.back(), kNewestCheckpoint);
    ids.pop_back();
  }
  for (const ProducerId id : ids) {
    ONCELOG_TRY_ASSIGN(const auto rows, rows_of(transaction, life, id));
    const auto kept =
        std::ranges::find_if(rows, [&](const ProducerRow& row) { return row.at <= offset; });
    for (auto row = rows.begin(); row != kept; ++row) {
      ONCELOG_TRY(erase_row(transaction, life, id, row->at));
    }
    ONCELOG_TRY(change_hours(transaction, life, id, rows, std::span(kept, rows.end())));
  }
  return rest;
}

Result<Collected> collect_unused_lives(LmdbTransaction& transaction, std::size_t rows_max) {
  ONCELOG_TRY_ASSIGN(const auto used, lives_in_use(transaction));
  std::size_t left = rows_max;
  while (left > 0) {
    ONCELOG_TRY_ASSIGN(const auto prefix, find_unused_prefix(transaction, used));
    if (!prefix) return Collected::kAll;
    ONCELOG_TRY_ASSIGN(const auto keys, keys_from(transaction, *prefix, *prefix, left));
    for (const Row& key : keys) ONCELOG_TRY(transaction.erase(key));
    left -= keys.size();
  }
  return Collected::kSome;
}

Result<void> collect_all(LmdbEnvironment& environment, const Collector& collector) {
  Collected collected = Collected::kSome;
  while (collected == Collected::kSome) {
    ONCELOG_TRY(environment.write([&](LmdbTransaction& transaction) -> Result<void> {
      ONCELOG_TRY_ASSIGN(collected, collector(transaction));
      return {};
    }));
  }
  return {};
}

Result<void> collect_unused_lives(LmdbEnvironment& environment) {
  return collect_all(environment, [](LmdbTransaction& transaction) {
    return collect_unused_lives(transaction, kRowsPerTransaction);
  });
}

}  // namespace oncelog::snapshot
