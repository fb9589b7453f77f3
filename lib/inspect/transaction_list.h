// transaction_list.h: the transactions that a run of batches begins and ends.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "oncelog/inspect_transactions.h"
#include "oncelog/record.h"

namespace oncelog::inspect {

/// Fed batches that may contradict each other: nothing is refused, a marker ends whatever its
/// producer has open. A producer has at most one transaction open (semantics 6.2), so memory grows
/// with producers only. Not thread-safe.
class TransactionList {
 public:
  /// The transaction that the batch ends, if it is a marker. INVALID_RECORD for a control batch
  /// that cannot be read.
  Result<std::optional<ListedTransaction>> add(const RecordBatchView& batch);
  /// By first offset.
  [[nodiscard]] std::vector<ListedTransaction> open() const;
  [[nodiscard]] Timestamp newest_timestamp() const { return newest_timestamp_; }

 private:
  void add_data(const RecordBatchView& batch);
  ListedTransaction end(const RecordBatchView& batch, const ControlRecord& marker);

  std::map<ProducerId, ListedTransaction> open_;
  std::map<ProducerId, CoordinatorEpoch> coordinator_epochs_;
  Timestamp newest_timestamp_ = kNoTimestamp;
};

}  // namespace oncelog::inspect
