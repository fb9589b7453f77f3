// producer_entry.h: what a partition remembers of one producer (semantics 0.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "oncelog/types.h"
#include "record/batch_header.h"

namespace oncelog::producer {

/// Batches remembered for answering retries; a Java client keeps at most five in flight.
inline constexpr std::size_t kWindowBatches = 5;

/// A stored data batch, as far as a retry of it must be recognised and answered.
struct RememberedBatch {
  Sequence last_sequence = kNoSequence;
  Offset last_offset = kNoOffset;
  std::int32_t offset_delta = 0;       ///< last offset − first offset
  Timestamp timestamp = kNoTimestamp;  ///< the batch's max timestamp

  [[nodiscard]] Sequence first_sequence() const {
    return record::decrement_sequence(last_sequence, offset_delta);
  }
  [[nodiscard]] Offset first_offset() const { return last_offset - offset_delta; }

  friend bool operator==(const RememberedBatch&, const RememberedBatch&) = default;
};

/// One producer. A value: checked and changed as a copy, put back when the batch is stored.
///
/// Invariant: the window holds batches of `epoch` only, oldest first, at most kWindowBatches.
class ProducerEntry {
 public:
  ProducerEpoch epoch = kNoProducerEpoch;
  CoordinatorEpoch coordinator_epoch = kNoCoordinatorEpoch;
  Timestamp last_timestamp = kNoTimestamp;
  std::optional<Offset> transaction_first_offset{};

  [[nodiscard]] std::span<const RememberedBatch> window() const {
    return {batches_.data(), count_};
  }
  /// The last data batch, or null if none is known.
  [[nodiscard]] const RememberedBatch* last_batch() const {
    return count_ == 0 ? nullptr : &batches_[count_ - 1];
  }
  [[nodiscard]] Sequence last_sequence() const {
    return count_ == 0 ? kNoSequence : last_batch()->last_sequence;
  }
  /// The remembered batch with exactly this epoch and these sequences, or null (semantics 5.1).
  [[nodiscard]] const RememberedBatch* find_duplicate(const record::BatchHeader& header) const;

  /// Takes another epoch, which empties the window; the same epoch changes nothing.
  void set_epoch(ProducerEpoch to);
  /// Remembers a batch, dropping the oldest beyond the window.
  void remember(const RememberedBatch& batch);

  friend bool operator==(const ProducerEntry&, const ProducerEntry&) = default;

 private:
  std::array<RememberedBatch, kWindowBatches> batches_{};
  std::size_t count_ = 0;
};

}  // namespace oncelog::producer
