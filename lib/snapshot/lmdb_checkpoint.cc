// lmdb_checkpoint.cc: writing checkpoints, and their end.
//
// Invariant: a row above the newest checkpoint is of one that was not finished, or of one that is
// being dropped, and the mark kUnfinished stands as long as there is one; they go before the next
// checkpoint is begun.
// Crash: a checkpoint is there once its descriptor is, which comes last; it is gone once its
// descriptor is, which goes first.
#include <algorithm>
#include <tuple>

#include "snapshot/lmdb_collect.h"
#include "snapshot/lmdb_partition.h"
#include "snapshot/lmdb_rows.h"
#include "snapshot/lmdb_saving.h"

namespace oncelog::snapshot {

namespace {

Result<void> make_room(LmdbTransaction& transaction) {
  ONCELOG_TRY(collect_unused_lives(transaction, kRowsPerTransaction));
  return {};
}

Result<void> drop_checkpoints_above(LmdbTransaction& transaction, Incarnation life, Offset offset) {
  ONCELOG_TRY_ASSIGN(const auto present, list_checkpoints(transaction, life));
  for (const CheckpointInfo& one : present) {
    if (one.offset > offset) ONCELOG_TRY(transaction.erase(checkpoint_key(life, one.offset)));
  }
  return {};
}

}  // namespace

Result<void> LmdbPartition::save(const CheckpointInfo& info,
                                 std::span<const ProducerChange> changes, Offset keep_from) {
  ONCELOG_TRY(drop_above(kNewestCheckpoint));  // what an unfinished one has left
  const auto collect = [&](LmdbTransaction& transaction) {
    return collect_shadowed(transaction, life(), keep_from, rows_per_transaction_);
  };
  CheckpointInfo counted = info;
  bool is_first_part = true;
  while (changes.size() > rows_per_transaction_) {
    ONCELOG_TRY_ASSIGN(counted.producer_count,
                       save_part(counted, is_first_part, changes.first(rows_per_transaction_)));
    changes = changes.subspan(rows_per_transaction_);
    is_first_part = false;
  }
  Collected collected{};
  ONCELOG_TRY(environment_.write(
      [&](LmdbTransaction& transaction) -> Result<void> {
        Saving saving(transaction, life(), counted);
        ONCELOG_TRY(saving.begin(keep_from, is_first_part));
        for (const ProducerChange& change : changes) ONCELOG_TRY(saving.write(change));
        ONCELOG_TRY(saving.finish());
        ONCELOG_TRY_ASSIGN(collected, collect(transaction));
        return {};
      },
      make_room));
  // It is saved; what cannot be collected now is collected by the next one.
  if (collected == Collected::kSome) std::ignore = collect_all(environment_, collect);
  return {};
}

Result<std::int64_t> LmdbPartition::save_part(const CheckpointInfo& info, bool is_first_part,
                                              std::span<const ProducerChange> changes) {
  std::int64_t producer_count = 0;
  ONCELOG_TRY(environment_.write(
      [&](LmdbTransaction& transaction) -> Result<void> {
        Saving saving(transaction, life(), info);
        ONCELOG_TRY(saving.resume(is_first_part));
        for (const ProducerChange& change : changes) ONCELOG_TRY(saving.write(change));
        producer_count = saving.producer_count();
        return saving.suspend();
      },
      make_room));
  return producer_count;
}

Result<void> LmdbPartition::drop_above(Offset offset) {
  ONCELOG_TRY_ASSIGN(const Rest rest, look_above(offset));
  return rest == Rest::kNone ? Result<void>{} : drop_parts_above(offset);
}

Result<void> LmdbPartition::drop_parts_above(Offset offset) {
  std::optional<Row> next = key_prefix(RowKind::kProducer, life());
  while (next) {
    std::optional<Row> rest;
    ONCELOG_TRY(environment_.write(
        [&](LmdbTransaction& transaction) -> Result<void> {
          ONCELOG_TRY(drop_checkpoints_above(transaction, life(), offset));
          ONCELOG_TRY_ASSIGN(const auto left, list_checkpoints(transaction, life()));
          // Rows above the newest that is left are of none, also at or below `offset`.
          const Offset kept = left.empty() ? kNoOffset : std::min(offset, left.front().offset);
          ONCELOG_TRY_ASSIGN(
              rest, drop_rows_above(transaction, life(), kept, *next, rows_per_transaction_));
          const Row mark = unfinished_key(life());
          return rest ? transaction.put(mark, encode_bare(mark)) : transaction.erase(mark);
        },
        make_room));
    next = rest;
  }
  return {};
}

Result<void> LmdbPartition::change_info(Offset at,
                                        const std::function<void(CheckpointInfo&)>& change) {
  const Row key = checkpoint_key(life(), at);
  return environment_.write([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(key));
    if (!value) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, "producer state: no checkpoint at ", at);
    }
    ONCELOG_TRY_ASSIGN(CheckpointInfo info, decode_checkpoint(key, *value));
    change(info);
    return transaction.put(key, encode(key, info));
  });
}

Result<void> LmdbPartition::note_first_base(Offset at, Offset first_base) {
  return change_info(at, [&](CheckpointInfo& info) { info.noted_first_base = first_base; });
}

Result<void> LmdbPartition::permit_anchor(Offset at, const Anchor& present, const Anchor& rebuilt) {
  return change_info(at, [&](CheckpointInfo& info) {
    info.anchor = present == kNoBatchLeft ? std::nullopt : std::optional(present);
    info.rebuilt_anchor = rebuilt;
  });
}

Result<void> LmdbPartition::drop_below(Offset offset) {
  ONCELOG_TRY_ASSIGN(const auto present, list());
  if (present.empty() || present.back().offset >= offset) return {};
  // Their rows go with the next checkpoint, as those of all that were kept no longer.
  return environment_.write([&](LmdbTransaction& transaction) -> Result<void> {
    for (const CheckpointInfo& one : present) {
      if (one.offset < offset) ONCELOG_TRY(transaction.erase(checkpoint_key(life(), one.offset)));
    }
    return {};
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
      make_room));
  const bool had_life = life() != Incarnation(0);
  life_.store(begun.value());
  // Nobody sees them any more; what cannot be collected now goes when room is needed.
  if (had_life) std::ignore = collect_unused_lives(environment_);
  return {};
}

}  // namespace oncelog::snapshot
