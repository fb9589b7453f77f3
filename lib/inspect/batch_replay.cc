#include "inspect/batch_replay.h"

#include <algorithm>

#include "record/batch_header.h"

namespace oncelog::inspect {

void BatchReplay::apply(const RecordBatchView& batch, Offset segment) {
  if (batch.leader_epoch() > kNoLeaderEpoch) {
    epochs_.assign(batch.leader_epoch(), batch.base_offset());
  }
  if (batch.producer_id() <= kNoProducerId) return;
  std::optional<ControlRecord> control;
  if (batch.is_control()) {
    const auto record = batch.control_record();
    if (!record) return;
    control = *record;
  }
  const auto header = record::header_of(batch);
  pending_.clear();
  if (!pending_.check(header, control, producer::Strictness::kReplication)) return;
  pending_.prepare();
  producers_.apply(pending_);
  for (AbortedTransactionEntry entry : pending_.aborted()) {
    entry.segment = segment;
    aborted_.push_back(entry);
  }
}

void BatchReplay::forget_aborted_below(Offset first_base) {
  const auto kept =
      std::ranges::lower_bound(aborted_, first_base, {}, &AbortedTransactionEntry::last_offset);
  aborted_.erase(aborted_.begin(), kept);
}

std::vector<ProducerInfo> BatchReplay::producers() const {
  std::vector<ProducerInfo> infos;
  for (const auto& [id, slot] : producers_.changed()) {
    if (slot) infos.push_back(producer::describe(id, *slot));
  }
  return infos;
}

}  // namespace oncelog::inspect
