// lmdb_checkpoint.cc: writing checkpoints: what has changed, and the end of what nobody needs any
// more.
//
// Invariant: a producer's newest row at or below the oldest checkpoint that is kept stays, with all
// newer ones; older ones go when the producer is written again.
#include <algorithm>
#include <limits>
#include <set>

#include "snapshot/lmdb_partition.h"
#include "snapshot/lmdb_rows.h"
#include "snapshot/lmdb_snapshot_store.h"

namespace oncelog::snapshot {

namespace {

using producer::ProducerEntry;

constexpr Offset kNewest{std::numeric_limits<std::int64_t>::max()};

/// All rows of a producer, newest first.
Result<std::vector<ProducerRow>> rows_of(LmdbTransaction& transaction, Incarnation life,
                                         ProducerId id) {
  std::vector<ProducerRow> rows;
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  const Row newest = producer_key(life, id, kNewest);
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

/// One checkpoint on its way into the environment.
class Saving {
 public:
  Saving(LmdbTransaction& transaction, Incarnation life, const CheckpointInfo& info)
      : transaction_(transaction), life_(life), info_(info) {}

  /// Decides which checkpoints stay, drops the others and counts from the one before this.
  Result<void> begin(Offset keep_from) {
    ONCELOG_TRY_ASSIGN(const auto present, list_checkpoints(transaction_, life_));
    oldest_kept_ = info_.offset <= keep_from ? info_.offset : Offset(-1);
    for (const CheckpointInfo& one : present) {
      if (one.offset <= keep_from) oldest_kept_ = std::max(oldest_kept_, one.offset);
    }
    for (const CheckpointInfo& one : present) {  // newest first
      if (one.offset < oldest_kept_) {
        ONCELOG_TRY(transaction_.erase(checkpoint_key(life_, one.offset)));
      }
    }
    const auto before = std::ranges::find_if(
        present, [&](const CheckpointInfo& one) { return one.offset <= info_.offset; });
    if (before != present.end()) info_.producer_count = before->producer_count;
    return collect();
  }

  Result<void> write(const ProducerChange& change) {
    ONCELOG_TRY_ASSIGN(std::vector<ProducerRow> rows, rows_of(transaction_, life_, change.id));
    const auto before =
        std::ranges::find_if(rows, [&](const ProducerRow& row) { return row.at <= info_.offset; });
    const bool was_known = before != rows.end() && before->entry;
    info_.producer_count += (change.entry != nullptr ? 1 : 0) - (was_known ? 1 : 0);
    ONCELOG_TRY(drop_shadowed(change.id, rows));

    const auto older =
        std::ranges::find_if(rows, [&](const ProducerRow& row) { return row.at < info_.offset; });
    // Silence is enough where no older row speaks up, nor one that may yet be put below this.
    const bool may_have_older = older != rows.end() || info_.offset > oldest_kept_;
    if (change.entry != nullptr || may_have_older) {
      const Row key = producer_key(life_, change.id, info_.offset);
      ONCELOG_TRY(transaction_.put(key, encode(key, change.entry)));
    }
    if (info_.offset > oldest_kept_ && (change.entry == nullptr || older != rows.end())) {
      const Row key = garbage_key(life_, info_.offset, change.id);
      ONCELOG_TRY(transaction_.put(key, encode_bare(key)));
    }
    ONCELOG_TRY(write_transaction(change, rows, older != rows.end() ? &*older : nullptr));
    if (change.entry == nullptr) return {};
    const Row key = time_key(life_, change.entry->last_timestamp, change.id, info_.offset);
    return transaction_.put(key, encode_bare(key));
  }

  Result<void> end() {
    const Row key = checkpoint_key(life_, info_.offset);
    return transaction_.put(key, encode(key, info_));
  }

 private:
  /// Whether the producer's transaction is open, where another row would say otherwise.
  Result<void> write_transaction(const ProducerChange& change, const std::vector<ProducerRow>& rows,
                                 const ProducerRow* older) {
    const bool is_open = change.entry != nullptr && change.entry->transaction_first_offset;
    const bool hides_open = older != nullptr && is_open_in(*older);
    if (is_open || hides_open) {
      const Row key = open_transaction_key(life_, change.id, info_.offset);
      ONCELOG_TRY(transaction_.put(key, encode_open_transaction(key, is_open)));
    }
    if (!is_open) return {};
    // A newer row in which it is closed had nothing to say until now.
    const auto newer = std::ranges::find_if(
        rows.rbegin(), rows.rend(), [&](const ProducerRow& row) { return row.at > info_.offset; });
    if (newer == rows.rend() || is_open_in(*newer)) return {};
    const Row key = open_transaction_key(life_, change.id, newer->at);
    return transaction_.put(key, encode_open_transaction(key, false));
  }

  static bool is_open_in(const ProducerRow& row) {
    return row.entry && row.entry->transaction_first_offset;
  }

  /// Rows of producers that have been silent since: they go once nothing kept needs them.
  Result<void> collect() {
    const Row prefix = key_prefix(RowKind::kGarbage, life_);
    std::vector<ProducerKey> due;
    {
      ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction_.cursor());
      ONCELOG_TRY(cursor.seek(prefix));
      while (cursor.starts_with(prefix)) {
        ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
        if (key.at > oldest_kept_) break;
        due.push_back(key);
        ONCELOG_TRY(cursor.next());
      }
    }
    for (const ProducerKey& key : due) {
      ONCELOG_TRY(transaction_.erase(garbage_key(life_, key.at, key.id)));
      ONCELOG_TRY(collect_producer(key.id));
    }
    return {};
  }

  Result<void> collect_producer(ProducerId id) {
    ONCELOG_TRY_ASSIGN(const std::vector<ProducerRow> rows, rows_of(transaction_, life_, id));
    const auto kept =
        std::ranges::find_if(rows, [&](const ProducerRow& row) { return row.at <= oldest_kept_; });
    for (auto row = kept; row != rows.end(); ++row) {
      // The oldest that is kept says something only if it knows the producer.
      const bool is_needed = row == kept && row->entry;
      if (!is_needed) ONCELOG_TRY(erase_producer(transaction_, life_, id, *row));
    }
    return {};
  }

  /// Drops what this checkpoint replaces or, being kept from, shadows; `rows` are left with the
  /// others.
  Result<void> drop_shadowed(ProducerId id, std::vector<ProducerRow>& rows) {
    bool has_kept_oldest = info_.offset <= oldest_kept_;
    std::vector<ProducerRow> kept;
    for (ProducerRow& row : rows) {
      const bool is_replaced = row.at == info_.offset;
      // A newer one, above this one, is no reason to keep or to drop.
      const bool is_shadowed = row.at <= oldest_kept_ && has_kept_oldest && row.at < info_.offset;
      if (is_replaced || is_shadowed) {
        ONCELOG_TRY(erase_producer(transaction_, life_, id, row));
        continue;
      }
      has_kept_oldest |= row.at <= oldest_kept_;
      kept.push_back(std::move(row));
    }
    rows = std::move(kept);
    return {};
  }

  LmdbTransaction& transaction_;
  const Incarnation life_;
  CheckpointInfo info_;
  Offset oldest_kept_{};
};

/// A life's rows of one kind with the checkpoint that each belongs to.
struct KeyedRow {
  ProducerKey key{};
  std::optional<ProducerEntry> entry{};
};

Result<std::vector<KeyedRow>> rows_above(LmdbTransaction& transaction, Incarnation life,
                                         Offset offset) {
  std::vector<KeyedRow> above;
  const Row prefix = key_prefix(RowKind::kProducer, life);
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  ONCELOG_TRY(cursor.seek(prefix));
  while (cursor.starts_with(prefix)) {
    ONCELOG_TRY_ASSIGN(const ProducerKey key, producer_key_of(cursor));
    if (key.at > offset) {
      ONCELOG_TRY_ASSIGN(const auto entry, decode_producer(cursor.key(), cursor.value()));
      above.push_back({key, entry});
    }
    ONCELOG_TRY(cursor.next());
  }
  return above;
}

/// The first key of each life and kind, until a life that is not in use is found.
Result<std::optional<Row>> find_unused_prefix(LmdbTransaction& transaction,
                                              const std::set<Incarnation>& used) {
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  for (const RowKind kind : {RowKind::kCheckpoint, RowKind::kProducer, RowKind::kOpenTransaction,
                             RowKind::kTime, RowKind::kGarbage}) {
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

Result<void> erase_prefix(LmdbTransaction& transaction, const Row& prefix) {
  ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
  std::vector<Row> keys;
  ONCELOG_TRY(cursor.seek(prefix));
  while (cursor.starts_with(prefix)) {
    keys.emplace_back(cursor.key().begin(), cursor.key().end());
    ONCELOG_TRY(cursor.next());
  }
  for (const Row& key : keys) ONCELOG_TRY(transaction.erase(key));
  return {};
}

/// What was to be collected for checkpoints that go.
Result<void> erase_garbage_above(LmdbTransaction& transaction, Incarnation life, Offset offset) {
  const Row prefix = key_prefix(RowKind::kGarbage, life);
  std::vector<Row> keys;
  {
    ONCELOG_TRY_ASSIGN(LmdbCursor cursor, transaction.cursor());
    ONCELOG_TRY(cursor.seek(garbage_key(life, offset + 1, ProducerId(0))));
    while (cursor.starts_with(prefix)) {
      keys.emplace_back(cursor.key().begin(), cursor.key().end());
      ONCELOG_TRY(cursor.next());
    }
  }
  for (const Row& key : keys) ONCELOG_TRY(transaction.erase(key));
  return {};
}

}  // namespace

Result<void> collect_garbage(LmdbTransaction& transaction) {
  ONCELOG_TRY_ASSIGN(const auto used, lives_in_use(transaction));
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto prefix, find_unused_prefix(transaction, used));
    if (!prefix) break;
    ONCELOG_TRY(erase_prefix(transaction, *prefix));
  }
  return {};
}

Result<void> LmdbPartition::save(const CheckpointInfo& info,
                                 std::span<const ProducerChange> changes, Offset keep_from) {
  return environment_.write(
      [&](LmdbTransaction& transaction) -> Result<void> {
        Saving saving(transaction, life(), info);
        ONCELOG_TRY(saving.begin(keep_from));
        for (const ProducerChange& change : changes) ONCELOG_TRY(saving.write(change));
        return saving.end();
      },
      collect_garbage);
}

Result<void> LmdbPartition::drop_above(Offset offset) {
  ONCELOG_TRY_ASSIGN(const auto present, list());
  if (!present.empty() && present.front().offset <= offset) return {};
  if (present.empty()) {
    ONCELOG_TRY_ASSIGN(const bool has_rows, has_producers());
    if (!has_rows) return {};
  }
  return environment_.write(
      [&](LmdbTransaction& transaction) -> Result<void> {
        ONCELOG_TRY(erase_garbage_above(transaction, life(), offset));
        for (const CheckpointInfo& one : present) {
          if (one.offset > offset)
            ONCELOG_TRY(transaction.erase(checkpoint_key(life(), one.offset)));
        }
        // Where no checkpoint is left, older rows are no state of any either.
        const bool is_last = present.empty() || present.back().offset > offset;
        ONCELOG_TRY_ASSIGN(const auto above,
                           rows_above(transaction, life(), is_last ? kNoOffset : offset));
        for (const KeyedRow& row : above) {
          ONCELOG_TRY(erase_producer(transaction, life(), row.key.id, {row.key.at, row.entry}));
        }
        return {};
      },
      collect_garbage);
}

Result<void> LmdbPartition::note_first_base(Offset at, Offset first_base) {
  const Row key = checkpoint_key(life(), at);
  return environment_.write([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(key));
    if (!value) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, "producer state: no checkpoint at ", at);
    }
    ONCELOG_TRY_ASSIGN(CheckpointInfo info, decode_checkpoint(key, *value));
    info.noted_first_base = first_base;
    return transaction.put(key, encode(key, info));
  });
}

Result<void> LmdbPartition::forget_all() {
  const Row store = store_key();
  const Row partition = partition_key(name_);
  Incarnation begun{};
  ONCELOG_TRY(environment_.write(
      [&](LmdbTransaction& transaction) -> Result<void> {
        ONCELOG_TRY_ASSIGN(const auto value, transaction.get(store));
        if (!value) return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: no store row");
        ONCELOG_TRY_ASSIGN(StoreRow row, decode_store(store, *value));
        begun = row.next_life;
        row.next_life = row.next_life + 1;
        ONCELOG_TRY(transaction.put(store, encode(store, row)));
        return transaction.put(partition, encode(partition, PartitionRow{begun, topic_id_}));
      },
      collect_garbage));
  const bool had_life = life() != Incarnation(0);
  life_.store(begun.value());
  return had_life ? environment_.write(collect_garbage) : Result<void>{};
}

}  // namespace oncelog::snapshot
