// inspect_transactions.h: the transactions in the files of a partition, ours or Kafka's, damaged,
// or being written at this moment; and what holds its last stable offset back. Nothing here takes a
// lock or changes a byte; every function reads the whole partition once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/inspect.h"
#include "oncelog/io.h"
#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog {

enum class TransactionState : std::uint8_t { kOpen, kCommitted, kAborted };

/// A transaction as the batches of one partition show it.
struct ListedTransaction {
  TransactionState state = TransactionState::kOpen;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;  ///< of its last data batch, else of the marker
  /// That its marker brings; of an open one the one that the producer's marker before brought.
  CoordinatorEpoch coordinator_epoch = kNoCoordinatorEpoch;
  /// None where only the marker is there: the transaction wrote nothing here, or retention or
  /// compaction has removed what it wrote.
  std::optional<Offset> first_offset{};
  std::optional<Offset> last_offset{};  ///< of its last data record
  std::optional<Offset> marker_offset{};
  std::int64_t record_count = 0;             ///< markers are none
  std::int64_t batch_count = 0;              ///< of data
  Timestamp first_timestamp = kNoTimestamp;  ///< of its first batch, else of the marker
  Timestamp last_timestamp = kNoTimestamp;   ///< the latest of its batches and its marker
};

/// Return false to end the listing.
using TransactionVisitor = std::function<bool(const ListedTransaction&)>;

struct TransactionListing {
  Timestamp newest_timestamp = kNoTimestamp;  ///< of all batches: a clock to measure ages by
  /// Damaged stretches, as far as the listing has come. A marker may have been in one: what is
  /// listed as open may be complete.
  std::vector<Problem> problems{};
};

/// Visits the completed transactions of a partition directory by marker, then the open ones by
/// first offset. Memory grows with producers and open transactions only.
/// UNKNOWN_TOPIC_OR_PARTITION if the directory holds no segment.
Result<TransactionListing> list_transactions(const std::string& directory,
                                             const TransactionVisitor& visit, Vfs* vfs = nullptr);

/// What keeps a last stable offset from the log end (semantics 7.2).
enum class StableOffsetBound : std::uint8_t {
  kNothing,                  ///< it is the log end
  kOpenTransaction,          ///< until its marker is written
  kUnreplicatedTransaction,  ///< complete, until the high watermark is above its marker
  kHighWatermark,            ///< until that rises
};

/// The offsets of a partition, as its files and the checkpoint files beside its directory say.
struct PartitionOffsets {
  Offset first_segment{};  ///< base of the first segment that is left
  Offset log_start{};      ///< the checkpoint's, but not below the first segment
  Offset last_stable_offset{};
  /// The checkpoint's, between log start and log end; the log end where there is none. An owner
  /// writes it every few seconds, or at a close only.
  Offset high_watermark{};
  Offset log_end{};  ///< behind the last whole batch
  // As the checkpoint files have them; none where they say nothing.
  std::optional<Offset> stored_log_start{};
  std::optional<Offset> stored_high_watermark{};
  std::optional<Offset> recovery_point{};
  std::optional<Offset> cleaned_to{};

  StableOffsetBound bound = StableOffsetBound::kNothing;
  std::optional<ListedTransaction> holder{};  ///< `bound`, or what comes behind the watermark
  std::int64_t open_transaction_count = 0;
  Timestamp newest_timestamp = kNoTimestamp;  ///< of all batches
  /// Damaged stretches, and checkpoints that cannot be read or lie outside of the log.
  std::vector<Problem> problems{};
};

/// UNKNOWN_TOPIC_OR_PARTITION if the directory holds no segment.
Result<PartitionOffsets> read_offsets(const std::string& directory, Vfs* vfs = nullptr);

/// An aborted transaction as a transaction index has it, as the batches have it, or both.
struct ListedAbort {
  std::string file{};                                 ///< the `.txnindex`
  std::optional<std::int64_t> position{};             ///< of the entry; none if it has none
  std::optional<AbortedTransactionEntry> stored{};    ///< what the entry says
  std::optional<AbortedTransactionEntry> replayed{};  ///< what the batches say
  /// In what they differ, empty if they agree as far as batches are left that could show it.
  std::string problem{};
};

/// Return false to end the listing.
using AbortVisitor = std::function<bool(const ListedAbort&)>;

/// Visits the entries of all transaction indexes of a partition directory in file order, each
/// compared with the batches, and the aborts that the indexes lack; those behind the recovery point
/// may not be written yet. Answers damaged stretches and files that cannot be read; what differs is
/// in the visits. Memory grows with aborted transactions. UNKNOWN_TOPIC_OR_PARTITION if the
/// directory holds no segment.
Result<std::vector<Problem>> list_aborted(const std::string& directory, const AbortVisitor& visit,
                                          Vfs* vfs = nullptr);

}  // namespace oncelog
