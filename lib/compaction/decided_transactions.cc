#include "compaction/decided_transactions.h"

namespace oncelog::compaction {

void DecidedTransactions::add_aborted(std::span<const segment::TxnIndexEntry> entries) {
  for (const segment::TxnIndexEntry& entry : entries) later_.push(entry);
}

void DecidedTransactions::begin_up_to(Offset offset) {
  while (!later_.empty() && later_.top().first_offset <= offset) {
    // The first one of a producer holds until it ends: what comes again changes nothing.
    aborted_.try_emplace(later_.top().producer_id, Aborted{later_.top(), false});
    later_.pop();
  }
}

bool DecidedTransactions::read_data(const record::BatchHeader& header) {
  begin_up_to(header.last_offset());
  if (!header.is_transactional()) return false;
  const auto aborted = aborted_.find(header.producer_id);
  if (aborted == aborted_.end()) {
    committed_.insert(header.producer_id);
    return false;
  }
  aborted->second.has_data = true;
  return true;
}

DecidedTransactions::MarkerVerdict DecidedTransactions::read_marker(
    const record::BatchHeader& header, const std::optional<ControlRecord>& control) {
  begin_up_to(header.last_offset());
  if (!control) return {.is_removable = true};  // a header that stands for a marker
  if (!control->is_marker()) return {};
  if (!control->is_abort()) return {.is_removable = committed_.erase(header.producer_id) == 0};
  const auto aborted = aborted_.find(header.producer_id);
  if (aborted == aborted_.end()) return {.is_removable = true};
  const Aborted ended = aborted->second;
  aborted_.erase(aborted);
  if (!ended.has_data) return {.is_removable = true};
  return {.is_removable = false, .aborted = ended.entry};
}

}  // namespace oncelog::compaction
