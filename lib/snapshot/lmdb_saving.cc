#include "snapshot/lmdb_saving.h"

#include <algorithm>

#include "snapshot/lmdb_collect.h"

namespace oncelog::snapshot {

namespace {

bool is_open_in(const ProducerRow& row) { return row.entry && row.entry->transaction_first_offset; }

/// The first of rows, newest first, that lies below.
const ProducerRow* find_below(std::span<const ProducerRow> rows, Offset offset) {
  const auto row = std::ranges::find_if(rows, [&](const auto& one) { return one.at < offset; });
  return row == rows.end() ? nullptr : &*row;
}

}  // namespace

/// Answers the checkpoints that are there, newest first.
Result<std::vector<CheckpointInfo>> Saving::look_around(bool is_first_part) {
  ONCELOG_TRY_ASSIGN(auto present, list_checkpoints(transaction_, life_));
  const auto before = std::ranges::find_if(
      present, [&](const CheckpointInfo& one) { return one.offset <= info_.offset; });
  if (before == present.end()) return present;
  if (is_first_part) info_.producer_count = before->producer_count;
  if (before->offset == info_.offset) replaced_ = *before;
  return present;
}

Result<void> Saving::begin(Offset keep_from, bool is_first_part) {
  ONCELOG_TRY_ASSIGN(const auto present, look_around(is_first_part));
  oldest_kept_ = oldest_kept(present, keep_from);
  if (info_.offset <= keep_from) oldest_kept_ = std::max(oldest_kept_, info_.offset);
  for (const CheckpointInfo& one : present) {
    if (one.offset < oldest_kept_) {
      ONCELOG_TRY(transaction_.erase(checkpoint_key(life_, one.offset)));
    }
  }
  return {};
}

Result<void> Saving::resume(bool is_first_part) {
  ONCELOG_TRY(look_around(is_first_part));
  return {};
}

Result<void> Saving::write(const ProducerChange& change) {
  ONCELOG_TRY_ASSIGN(const auto rows, rows_of(transaction_, life_, change.id));
  const auto before =
      std::ranges::find_if(rows, [&](const ProducerRow& row) { return row.at <= info_.offset; });
  const bool was_known = before != rows.end() && before->entry;
  info_.producer_count += (change.entry != nullptr ? 1 : 0) - (was_known ? 1 : 0);

  ONCELOG_TRY_ASSIGN(std::vector<ProducerRow> left, drop_shadowed(change.id, rows));
  ONCELOG_TRY(write_row(change, left));
  if (change.entry != nullptr) left.push_back({info_.offset, *change.entry});
  return change_hours(transaction_, life_, change.id, rows, left);
}

Result<void> Saving::write_row(const ProducerChange& change, std::span<const ProducerRow> rows) {
  const ProducerRow* const older = find_below(rows, info_.offset);
  const bool is_above_kept = info_.offset > oldest_kept_;
  // Silence is enough where no older row speaks up, nor one that may yet be put below this.
  if (change.entry != nullptr || older != nullptr || is_above_kept) {
    const Row key = producer_key(life_, change.id, info_.offset);
    ONCELOG_TRY(transaction_.put(key, encode(key, change.entry)));
  }
  if (is_above_kept && (change.entry == nullptr || older != nullptr)) {
    const Row key = garbage_key(life_, info_.offset, change.id);
    ONCELOG_TRY(transaction_.put(key, encode_bare(key)));
  }
  // One that is put below another has somebody to shadow it, once that is the oldest kept.
  const auto newer = std::ranges::find_if(
      rows.rbegin(), rows.rend(), [&](const ProducerRow& row) { return row.at > info_.offset; });
  if (newer != rows.rend()) {
    const Row key = garbage_key(life_, newer->at, change.id);
    ONCELOG_TRY(transaction_.put(key, encode_bare(key)));
  }
  return write_transaction(change, rows, older);
}

/// Whether the producer's transaction is open, where another row would say otherwise.
Result<void> Saving::write_transaction(const ProducerChange& change,
                                       std::span<const ProducerRow> rows,
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

/// Drops what this checkpoint replaces or, being kept from, shadows. Answers the other rows.
Result<std::vector<ProducerRow>> Saving::drop_shadowed(ProducerId id,
                                                       std::span<const ProducerRow> rows) {
  bool has_kept_oldest = info_.offset <= oldest_kept_;
  std::vector<ProducerRow> kept;
  for (const ProducerRow& row : rows) {
    const bool is_replaced = row.at == info_.offset;
    // A newer one, above this one, is no reason to keep or to drop.
    const bool is_shadowed = row.at <= oldest_kept_ && has_kept_oldest && row.at < info_.offset;
    if (is_replaced || is_shadowed) {
      ONCELOG_TRY(erase_row(transaction_, life_, id, row.at));
      continue;
    }
    has_kept_oldest |= row.at <= oldest_kept_;
    kept.push_back(row);
  }
  return kept;
}

Result<void> Saving::finish() {
  const Row key = checkpoint_key(life_, info_.offset);
  ONCELOG_TRY(transaction_.put(key, encode(key, info_)));
  return transaction_.erase(unfinished_key(life_));
}

Result<void> Saving::suspend() {
  if (replaced_) {
    // Its rows change one by one, each as true as the one that it replaces.
    replaced_->producer_count = info_.producer_count;
    const Row key = checkpoint_key(life_, info_.offset);
    ONCELOG_TRY(transaction_.put(key, encode(key, *replaced_)));
  }
  const Row key = unfinished_key(life_);
  return transaction_.put(key, encode_bare(key));
}

}  // namespace oncelog::snapshot
