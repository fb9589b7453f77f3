// producer_table.h: the producers of a partition, its open transactions and those not yet below the
// high watermark.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/partition_log.h"
#include "producer/append_check.h"
#include "producer/producer_entry.h"

namespace oncelog::producer {

class PendingAppend;

/// A producer as a listing shows it.
[[nodiscard]] ProducerInfo describe(ProducerId id, const ProducerEntry& entry);

/// Memory over the newest checkpoint of a snapshot store, if there is one: what has changed since
/// it, what is just being written to one, and a cache of what it holds. Not thread-safe: the log's
/// writer lock guards it.
///
/// Invariant: open transactions are exactly those of the entries' transaction_first_offset; a
/// producer with an open one is in memory.
class ProducerTable {
 public:
  /// In an entry's slot, no entry means that the producer is known to be unknown.
  using Slot = std::optional<ProducerEntry>;

  [[nodiscard]] const ProducerEntry* find(ProducerId id) const;
  /// Whether only the checkpoint can say if this producer is known: read it, then admit().
  [[nodiscard]] bool is_unread(ProducerId id) const;
  /// Takes what the checkpoint says of a producer that is unread.
  void admit(ProducerId id, const Slot& stored);
  /// Moves on whenever what has been read from a checkpoint before may be old news.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  /// Takes the place of another table: what was read for that one is old news.
  void succeed(const ProducerTable& before) { generation_ = before.generation_ + 1; }
  /// From now on memory is not all there is: a checkpoint stands behind it.
  void set_incomplete() { is_complete_ = false; }

  /// Producers in memory, changed or not, whose slot is newer than the checkpoint or as it is.
  [[nodiscard]] std::map<ProducerId, Slot> changed() const;

  /// Makes the changes of a checked append; cannot fail. Then pending.aborted() has the entries for
  /// the transaction index.
  void apply(PendingAppend& pending) noexcept;

  /// Releases completed transactions whose marker lies below the high watermark (semantics 7.3).
  void release_below(Offset high_watermark) noexcept;
  /// Takes over completed transactions with a marker below `end` that another table still holds.
  void adopt_unreleased(const ProducerTable& other, Offset end);

  /// First offset of the earliest transaction that is open or completed but not yet released (7.1).
  [[nodiscard]] std::optional<Offset> first_unstable_offset() const;

  /// Open transactions that began below an offset.
  [[nodiscard]] std::vector<std::pair<Offset, ProducerId>> open_transactions_below(
      Offset offset) const;
  /// The earliest one that is not completed, and whose it is.
  [[nodiscard]] std::optional<std::pair<Offset, ProducerId>> oldest_open_transaction() const {
    if (open_.empty()) return std::nullopt;
    return std::pair(open_.begin()->first, open_.begin()->second.producer_id);
  }
  [[nodiscard]] std::int64_t open_transaction_count() const { return std::ssize(open_); }
  /// Whether a transaction of somebody else than `id` is open that began at this offset.
  [[nodiscard]] bool has_open_transaction_of_another(Offset first_offset, ProducerId id) const;
  /// Puts an entry as a snapshot has it, in place of what is known; a change.
  void restore(ProducerId id, const ProducerEntry& entry);
  /// Takes an entry with an open transaction as the checkpoint has it; no change.
  void adopt_open(ProducerId id, const ProducerEntry& entry);
  /// A change: the producer is unknown from now on. It must not have an open transaction.
  void forget(ProducerId id);

  // ---- a checkpoint: freeze, write saving() without a lock, then thaw_some until it says so, or
  // unfreeze if it could not be written
  void freeze();
  /// Immutable until thawed.
  [[nodiscard]] const auto& saving() const { return saving_; }
  [[nodiscard]] bool is_saving() const { return !saving_.empty(); }
  /// What has been saved becomes cache, at most `count` slots of it; true once all is.
  bool thaw_some(std::size_t count);
  void unfreeze();

  /// Drops cached slots until `bytes_max` are used, or a bounded number has been looked at.
  void evict_some(std::int64_t bytes_max);
  [[nodiscard]] std::int64_t cached_bytes() const { return bytes_of(cached_); }
  [[nodiscard]] std::int64_t cached_count() const { return std::ssize(cached_); }
  /// Slots that no checkpoint holds yet; one of a producer that is just being saved may be there
  /// twice.
  [[nodiscard]] std::int64_t changed_count() const {
    return std::ssize(changed_) + std::ssize(saving_);
  }
  /// Memory of what no checkpoint holds yet.
  [[nodiscard]] std::int64_t changed_bytes() const {
    return bytes_of(changed_) + bytes_of(saving_);
  }

  /// What is not as it must be, in words; for tests.
  [[nodiscard]] std::vector<std::string> check_invariants() const;

 private:
  friend class PendingAppend;

  struct IdHash {
    std::size_t operator()(ProducerId id) const;
  };
  struct Transaction {
    ProducerId producer_id = kNoProducerId;
    Offset last_offset{};  ///< of the marker, once completed
  };
  using Slots = std::unordered_map<ProducerId, Slot, IdHash>;
  using Transactions = std::map<Offset, Transaction>;  // by first offset

  static std::int64_t bytes_of(const Slots& slots);
  [[nodiscard]] const Slot* find_slot(ProducerId id) const;
  /// LSO as the transaction index stores it (9.2): the oldest open transaction of another producer,
  /// else behind the marker.
  [[nodiscard]] Offset stable_offset_after(const CompletedTransaction& completed) const;

  Slots changed_;  ///< since the checkpoint; before there is one, all
  Slots saving_;   ///< changes of before freeze(), shadowed by changed_
  Slots cached_;   ///< as the checkpoint has them; disjoint from changed_
  std::size_t evict_bucket_ = 0;
  std::uint64_t generation_ = 0;
  bool is_complete_ = true;  ///< a producer that is not in memory is unknown
  Transactions open_;
  Transactions unreleased_;
};

/// What one append (of one batch, or of several as a follower) will change. Made by check beats,
/// given to apply. Reusable: clear() keeps its memory, so that a steady append allocates nothing.
class PendingAppend {
 public:
  explicit PendingAppend(ProducerTable& table) : table_(table) {}

  /// Checks one more batch against the table and the batches before it, and stages its changes
  /// unless it is a duplicate. A batch without a producer id changes nothing. After a refusal:
  /// clear(). Requires that its producer is not unread.
  Result<AppendVerdict> check(const record::BatchHeader& header,
                              const std::optional<ControlRecord>& control, Strictness strictness);
  /// Allocates all that apply needs.
  void prepare();
  void clear();

  [[nodiscard]] std::size_t aborted_count() const;
  /// After apply: entries for the transaction index, in the order of their markers; `segment` is
  /// not set.
  [[nodiscard]] const std::vector<AbortedTransactionEntry>& aborted() const { return aborted_; }

 private:
  friend class ProducerTable;

  struct Change {
    ProducerId producer_id = kNoProducerId;
    /// Among the table's changes; null if the producer has not changed since the checkpoint.
    ProducerTable::Slot* stored = nullptr;
    ProducerEntry after{};
  };
  /// The usual append: one batch that only goes on where its producer's entry, which has changed
  /// since the checkpoint, is. It needs no copy of that and no memory.
  struct InPlace {
    ProducerEntry* entry = nullptr;
    record::BatchHeader header{};
  };

  static bool may_apply_in_place(const ProducerTable::Slot& slot,
                                 const record::BatchHeader& header);
  Result<AppendVerdict> check_first(const record::BatchHeader& header,
                                    const std::optional<ControlRecord>& control,
                                    Strictness strictness);
  /// Another batch follows: the first one is a change like others.
  void stage_in_place();
  Change& find_change(ProducerId id);

  ProducerTable& table_;
  InPlace in_place_;  ///< instead of a change
  std::vector<Change> changes_;
  std::unordered_map<ProducerId, std::size_t, ProducerTable::IdHash>
      change_index_;  // once there are many
  std::vector<std::pair<Offset, ProducerId>> started_;
  std::vector<CompletedTransaction> completed_;
  // Made by prepare():
  ProducerTable::Slots new_slots_;
  ProducerTable::Transactions new_transactions_;
  std::vector<AbortedTransactionEntry> aborted_;
};

}  // namespace oncelog::producer
