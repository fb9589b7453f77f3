// append_check.h: accept, answer as a duplicate, or refuse: idempotence and transactions of one
// batch against the entry of its producer (semantics 5 and 6). Pure.
#pragma once

#include <optional>

#include "oncelog/error.h"
#include "oncelog/record.h"
#include "producer/producer_entry.h"
#include "record/batch_header.h"

namespace oncelog::producer {

/// How strict the check is (semantics 0.4).
enum class Strictness : std::uint8_t {
  kClient,       ///< epochs and sequences are checked, duplicates recognised
  kCoordinator,  ///< epochs are checked
  kReplication,  ///< the leader has decided: epochs and sequences may even go back (3.6)
};

/// What the check says of a batch that is not refused.
struct AppendVerdict {
  const RememberedBatch* duplicate_of =
      nullptr;  ///< the answer of its first append, if it is a retry
};

/// `entry` is null for a producer that is not known. The batch must have a producer id; `control`
/// is its first record if it is a control batch that has one.
Result<AppendVerdict> check_append(const ProducerEntry* entry, const record::BatchHeader& header,
                                   const std::optional<ControlRecord>& control,
                                   Strictness strictness);

/// A transaction that a marker has ended.
struct CompletedTransaction {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset{};
  Offset last_offset{};  ///< of the marker
  bool is_aborted = false;
};

/// What storing a batch did to its producer's transaction.
struct TransactionStep {
  bool has_started = false;  ///< entry.transaction_first_offset is new
  std::optional<CompletedTransaction> completed{};
};

/// Changes the entry as storing a batch that check_append accepted does (5.5, 6.1, 6.7).
TransactionStep apply_append(ProducerEntry& entry, const record::BatchHeader& header,
                             const std::optional<ControlRecord>& control);

}  // namespace oncelog::producer
