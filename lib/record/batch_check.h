// batch_check.h: all that can be refused before any state of the log is read.
#pragma once

#include <optional>
#include <vector>

#include "oncelog/options.h"
#include "oncelog/record.h"
#include "oncelog/types.h"
#include "record/batch_header.h"

namespace oncelog::record {

/// What of the partition's options the check needs.
struct BatchRules {
  const TopicConfig& config;
  const DecompressionLimits& decompression;
  AppendOrigin origin = AppendOrigin::kClient;
  Timestamp now{};
};

/// One batch that may be stored: the header as it must be written but for base_offset and
/// leader_epoch (which the CRC does not cover), and its record bytes, in the caller's memory or in
/// `rebuilt`.
struct CheckedBatch {
  BatchHeader header{};
  Bytes record_bytes{};
  std::vector<std::byte> rebuilt{};        ///< owns record_bytes if the batch had to be rebuilt
  std::optional<ControlRecord> control{};  ///< of a control batch
  Timestamp append_time = kNoTimestamp;    ///< given by a LogAppendTime topic

  [[nodiscard]] std::int64_t size_bytes() const { return header.size_bytes(); }
};

/// Checks and converts the one batch of a leader append (semantics 1.5, 1.9, 2; quirks as design
/// section 9 decides). Nothing if `bytes` holds no whole batch (1.10).
Result<std::optional<CheckedBatch>> check_batch(Bytes bytes, const BatchRules& rules);

/// One batch of a follower append, as it was received.
struct ReceivedBatch {
  BatchHeader header{};
  Bytes bytes{};
  std::optional<ControlRecord> control{};
};

/// Checks the batches of a follower append (semantics 3.2, 3.5): framing, CRC, each batch behind
/// the one before, a leader epoch. Empty if there is no whole batch. Records are not looked at but
/// for those of markers. (Kafka compares last offsets only; a log with batches that overlap is one
/// that recovery must take for damaged.)
Result<std::vector<ReceivedBatch>> check_received_batches(Bytes bytes);

}  // namespace oncelog::record
