// transaction_tracker.h: which transactions a run of batches aborts, with nothing in memory but the
// open ones.
#pragma once

#include <map>
#include <optional>

#include "oncelog/partition_log.h"
#include "record/batch_header.h"

namespace oncelog::producer {

/// Fed the batches of a log in order, from the first that is left. Not thread-safe.
class TransactionTracker {
 public:
  /// A transaction that began below the first batch.
  void begin(ProducerId id, Offset first_offset);
  /// The entry of the transaction index for a marker that ends a transaction by abort, with the LSO
  /// of 9.2; `segment` is not set. `control` is the first record of a control batch that has one.
  std::optional<AbortedTransactionEntry> add(const record::BatchHeader& header,
                                             const std::optional<ControlRecord>& control);

  /// Open transactions by their first offsets.
  [[nodiscard]] const std::map<Offset, ProducerId>& open() const { return open_; }

 private:
  std::map<Offset, ProducerId> open_;
  std::map<ProducerId, Offset> first_offsets_;
};

}  // namespace oncelog::producer
