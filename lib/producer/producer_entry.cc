#include "producer/producer_entry.h"

#include <algorithm>

namespace oncelog::producer {

const RememberedBatch* ProducerEntry::find_duplicate(const record::BatchHeader& header) const {
  if (header.producer_epoch != epoch) return nullptr;
  const Sequence last_sequence = header.last_sequence();
  const auto found = std::ranges::find_if(window(), [&](const RememberedBatch& batch) {
    return batch.last_sequence == last_sequence && batch.first_sequence() == header.base_sequence;
  });
  return found == window().end() ? nullptr : &*found;
}

void ProducerEntry::set_epoch(ProducerEpoch to) {
  if (to == epoch) return;
  epoch = to;
  batches_ = {};
  count_ = 0;
}

void ProducerEntry::remember(const RememberedBatch& batch) {
  if (count_ == kWindowBatches) {
    std::shift_left(batches_.begin(), batches_.end(), 1);
    --count_;
  }
  batches_[count_++] = batch;
}

}  // namespace oncelog::producer
