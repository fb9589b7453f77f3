// batch_filter.h: what a compaction leaves of a batch (semantics 23.3.2-23.3.4).
#pragma once

#include <cstdint>
#include <functional>

#include "compaction/decided_transactions.h"
#include "compaction/key_map.h"
#include "oncelog/record.h"
#include "record/batch_convert.h"

namespace oncelog::compaction {

/// What holds for all batches of a round.
struct FilterRules {
  Offset coverage_end{};  ///< records from here on stay: the map does not know their keys
  Offset round_end{};     ///< a batch that ends here keeps its header, so that the end is not lost
  Timestamp now{};
  std::int64_t delete_retention_ms = 0;
  DecompressionLimits limits{};
};

/// Whether a batch without records is the last that its producer, still known, has written.
using IsLastOfProducer = std::function<Result<bool>(const record::BatchHeader&)>;

struct FilteredBatch {
  enum class Fate : std::uint8_t {
    kDropped,
    kUnchanged,  ///< byte for byte
    kRebuilt,    ///< `rebuilt` has it; without records only its header
  };
  Fate fate = Fate::kDropped;
  record::NewBatch rebuilt{};
  std::int64_t records_kept = 0;
  /// An entry of the old transaction index that the new one needs.
  std::optional<segment::TxnIndexEntry> aborted{};
};

/// Fed the batches of a log in order. Not thread-safe.
class BatchFilter {
 public:
  BatchFilter(const KeyMap& keys, FilterRules rules, IsLastOfProducer is_last_of_producer)
      : keys_(keys), rules_(rules), is_last_of_producer_(std::move(is_last_of_producer)) {}

  [[nodiscard]] DecidedTransactions& transactions() { return transactions_; }
  /// Errors are those of a malformed batch and of looking up its producer.
  Result<FilteredBatch> filter(const RecordBatchView& batch);

 private:
  struct Contents;
  Result<Contents> read_contents(const RecordBatchView& batch, const record::BatchHeader& header,
                                 FilteredBatch& filtered);
  [[nodiscard]] bool keeps(const record::BatchHeader& header, const RecordView& record) const;

  const KeyMap& keys_;
  const FilterRules rules_;
  const IsLastOfProducer is_last_of_producer_;
  DecidedTransactions transactions_;
};

}  // namespace oncelog::compaction
