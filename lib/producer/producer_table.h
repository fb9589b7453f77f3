// producer_table.h: all producers of a partition, its open transactions and those not yet below the
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

/// Memory only; rebuilt from the log. Not thread-safe: the log's writer lock guards it.
///
/// Invariant: open transactions are exactly those of the entries' transaction_first_offset.
class ProducerTable {
 public:
  [[nodiscard]] const ProducerEntry* find(ProducerId id) const;
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  /// Producers, ascending by id.
  [[nodiscard]] std::vector<ProducerInfo> list() const;
  [[nodiscard]] std::vector<std::pair<ProducerId, ProducerEntry>> entries() const;

  /// Makes the changes of a checked append; cannot fail. Then pending.aborted() has the entries for
  /// the transaction index.
  void apply(PendingAppend& pending) noexcept;

  /// Releases completed transactions whose marker lies below the high watermark (semantics 7.3).
  void release_below(Offset high_watermark) noexcept;

  /// First offset of the earliest transaction that is open or completed but not yet released (7.1).
  [[nodiscard]] std::optional<Offset> first_unstable_offset() const;

  /// Whether a transaction of somebody else than `id` is open that began at this offset.
  [[nodiscard]] bool has_open_transaction_of_another(Offset first_offset, ProducerId id) const;
  /// Forgets everything.
  void clear();
  /// Puts an entry as a snapshot has it, in place of what is known.
  void restore(ProducerId id, const ProducerEntry& entry);

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
  using Entries = std::unordered_map<ProducerId, ProducerEntry, IdHash>;
  using Transactions = std::map<Offset, Transaction>;  // by first offset

  /// LSO as the transaction index stores it (9.2): the oldest open transaction of another producer,
  /// else behind the marker.
  [[nodiscard]] Offset stable_offset_after(const CompletedTransaction& completed) const;

  Entries entries_;
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
  /// clear().
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
    ProducerEntry* stored = nullptr;  ///< in the table; null if the producer is new
    ProducerEntry after{};
  };
  Change& find_change(ProducerId id);

  ProducerTable& table_;
  std::vector<Change> changes_;
  std::unordered_map<ProducerId, std::size_t, ProducerTable::IdHash>
      change_index_;  // once there are many
  std::vector<std::pair<Offset, ProducerId>> started_;
  std::vector<CompletedTransaction> completed_;
  // Made by prepare():
  ProducerTable::Entries new_entries_;
  ProducerTable::Transactions new_transactions_;
  std::vector<AbortedTransactionEntry> aborted_;
};

}  // namespace oncelog::producer
