// batch_replay.h: what the batches of a log, taken in order, say about producers, transactions and
// leader epochs.
#pragma once

#include <optional>
#include <vector>

#include "log/leader_epochs.h"
#include "oncelog/partition_log.h"
#include "oncelog/record.h"
#include "producer/producer_table.h"

namespace oncelog::inspect {

/// Batches that contradict those before them (a data batch outside of its open transaction, say)
/// change nothing: a log that somebody wrote so is shown as far as it makes sense.
class BatchReplay {
 public:
  BatchReplay() : pending_(producers_) {}
  BatchReplay(const BatchReplay&) = delete;
  BatchReplay& operator=(const BatchReplay&) = delete;

  /// Requires: offsets above those of all batches before.
  void apply(const RecordBatchView& batch, Offset segment);
  /// Completed transactions below it no longer hold the last stable offset back.
  void set_high_watermark(Offset to) { producers_.release_below(to); }
  /// Forgets transactions whose marker lies below the first segment that is left.
  void forget_aborted_below(Offset first_base);

  /// Ascending by id.
  [[nodiscard]] std::vector<ProducerInfo> producers() const;
  [[nodiscard]] std::optional<Offset> first_unstable_offset() const {
    return producers_.first_unstable_offset();
  }
  /// By marker.
  [[nodiscard]] const std::vector<AbortedTransactionEntry>& aborted() const { return aborted_; }
  [[nodiscard]] const log::LeaderEpochs& epochs() const { return epochs_; }

 private:
  producer::ProducerTable producers_;
  producer::PendingAppend pending_;
  std::vector<AbortedTransactionEntry> aborted_;
  log::LeaderEpochs epochs_;
};

}  // namespace oncelog::inspect
