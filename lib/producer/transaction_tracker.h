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

  /// From now on every producer's last marker is remembered: in a compacted log, where the first
  /// batches of a transaction may be gone, only that says where it can have begun.
  void remember_markers() { remembers_markers_ = true; }
  /// Behind the producer's last marker that is remembered, or 0.
  [[nodiscard]] Offset end_of_last(ProducerId id) const {
    const auto found = last_ends_.find(id);
    return found == last_ends_.end() ? Offset(0) : found->second;
  }
  /// The LSO of 9.2 for a marker at this offset, once it has been added.
  [[nodiscard]] Offset stable_offset_behind(Offset marker) const {
    return open_.empty() ? marker + 1 : open_.begin()->first;
  }
  /// Open transactions by their first offsets.
  [[nodiscard]] const std::map<Offset, ProducerId>& open() const { return open_; }

 private:
  std::map<Offset, ProducerId> open_;
  std::map<ProducerId, Offset> first_offsets_;
  bool remembers_markers_ = false;
  std::map<ProducerId, Offset> last_ends_;
};

}  // namespace oncelog::producer
