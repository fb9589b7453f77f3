// producer_fields.h: a producer of a snapshot or of `.state` as fields.
#pragma once

#include "oncelog/inspect_fields.h"
#include "producer/producer_entry.h"

namespace oncelog::inspect {

/// As `oncelog producers` names them.
[[nodiscard]] inline Fields fields_of(ProducerId id, const producer::ProducerEntry& entry) {
  const producer::RememberedBatch* last = entry.last_batch();
  const producer::RememberedBatch none;
  if (last == nullptr) last = &none;
  return {{"pid", id},
          {"epoch", entry.epoch},
          {"last_seq", last->last_sequence},
          {"last_offset", last->last_offset},
          {"offset_delta", last->offset_delta},
          {"coordinator_epoch", entry.coordinator_epoch},
          {"txn_first", entry.transaction_first_offset},
          {"timestamp", entry.last_timestamp}};
}

}  // namespace oncelog::inspect
