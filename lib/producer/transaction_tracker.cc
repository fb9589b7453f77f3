#include "producer/transaction_tracker.h"

namespace oncelog::producer {

void TransactionTracker::begin(ProducerId id, Offset first_offset) {
  if (first_offsets_.emplace(id, first_offset).second) open_.emplace(first_offset, id);
}

std::optional<AbortedTransactionEntry> TransactionTracker::add(
    const record::BatchHeader& header, const std::optional<ControlRecord>& control) {
  if (!header.has_producer_id()) return std::nullopt;
  if (!header.is_control()) {
    if (header.is_transactional()) begin(header.producer_id, header.base_offset);
    return std::nullopt;
  }
  if (!control || !control->is_marker()) return std::nullopt;
  if (remembers_markers_) last_ends_[header.producer_id] = header.next_offset();
  const auto open = first_offsets_.find(header.producer_id);
  if (open == first_offsets_.end()) return std::nullopt;
  const Offset first_offset = open->second;
  open_.erase(first_offset);
  first_offsets_.erase(open);
  if (!control->is_abort()) return std::nullopt;
  return AbortedTransactionEntry{Offset{}, header.producer_id, first_offset, header.base_offset,
                                 stable_offset_behind(header.base_offset)};
}

}  // namespace oncelog::producer
