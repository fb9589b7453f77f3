#include "producer/append_check.h"

#include <limits>

namespace oncelog::producer {

namespace {

using record::BatchHeader;

std::unexpected<Error> refuse_epoch(const ProducerEntry& entry, const BatchHeader& header) {
  return fail(ErrorCode::INVALID_PRODUCER_EPOCH, "append: epoch ", header.producer_epoch,
              " of producer ", header.producer_id, " is older than its epoch ", entry.epoch);
}

Result<AppendVerdict> check_marker(const ProducerEntry* entry, const BatchHeader& header,
                                   const ControlRecord& control, Strictness strictness) {
  if (!control.is_marker()) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "append: control record of type ", control.type,
                " from producer ", header.producer_id, " is no transaction marker");
  }
  if (entry == nullptr || strictness == Strictness::kReplication) return AppendVerdict{};
  if (header.producer_epoch < entry->epoch) return refuse_epoch(*entry, header);
  if (control.coordinator_epoch < entry->coordinator_epoch) {
    return fail(ErrorCode::TRANSACTION_COORDINATOR_FENCED, "append: marker of producer ",
                header.producer_id, " has coordinator epoch ", control.coordinator_epoch,
                ", older than ", entry->coordinator_epoch);
  }
  return AppendVerdict{};
}

/// Semantics 5.4. An entry with epoch −1 (left by an empty control batch) counts as unknown.
Result<void> check_sequence(const ProducerEntry& entry, const BatchHeader& header) {
  if (entry.epoch == kNoProducerEpoch) return {};
  const Sequence first = header.base_sequence;
  const bool is_new_epoch = header.producer_epoch != entry.epoch;
  const Sequence last = entry.last_sequence();
  const bool is_next =
      is_new_epoch ? first == Sequence(0) : first == record::increment_sequence(last, 1);
  if (is_next) return {};
  return fail(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "append: producer ", header.producer_id,
              " epoch ", header.producer_epoch, " sends sequence ", first, ", expected ",
              is_new_epoch ? Sequence(0) : record::increment_sequence(last, 1), " (epoch ",
              entry.epoch, ", last sequence ", last, ")");
}

}  // namespace

Result<AppendVerdict> check_append(const ProducerEntry* entry, const BatchHeader& header,
                                   const std::optional<ControlRecord>& control,
                                   Strictness strictness) {
  if (header.is_control()) {
    if (!control) return AppendVerdict{};  // emptied by compaction: says nothing (6.10)
    return check_marker(entry, header, *control, strictness);
  }
  if (entry == nullptr) return AppendVerdict{};
  if (strictness == Strictness::kClient) {
    if (const RememberedBatch* batch = entry->find_duplicate(header)) return AppendVerdict{batch};
  }
  if (strictness != Strictness::kReplication) {
    if (header.producer_epoch < entry->epoch) return refuse_epoch(*entry, header);
  }
  if (strictness == Strictness::kClient) ONCELOG_TRY(check_sequence(*entry, header));
  if (entry->transaction_first_offset && !header.is_transactional()) {
    return fail(ErrorCode::INVALID_TXN_STATE, "append: producer ", header.producer_id,
                " sends a batch outside of its transaction, which is open since offset ",
                *entry->transaction_first_offset);
  }
  return AppendVerdict{};
}

TransactionStep apply_append(ProducerEntry& entry, const BatchHeader& header,
                             const std::optional<ControlRecord>& control) {
  TransactionStep step;
  if (header.is_control()) {
    if (!control) return step;
    entry.set_epoch(header.producer_epoch);
    entry.coordinator_epoch = control->coordinator_epoch;
    entry.last_timestamp = header.max_timestamp;
    if (entry.transaction_first_offset) {
      step.completed = CompletedTransaction{header.producer_id, *entry.transaction_first_offset,
                                            header.base_offset, control->is_abort()};
      entry.transaction_first_offset.reset();
    }
    return step;
  }
  entry.set_epoch(header.producer_epoch);
  entry.remember({header.last_sequence(), header.last_offset(), header.last_offset_delta,
                  header.max_timestamp});
  entry.last_timestamp = header.max_timestamp;
  if (header.is_transactional() && !entry.transaction_first_offset) {
    entry.transaction_first_offset = header.base_offset;
    step.has_started = true;
  }
  return step;
}

}  // namespace oncelog::producer
