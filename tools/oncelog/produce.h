// produce.h: what the parts of `oncelog produce` share.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/oncelog.h"
#include "produce_input.h"

namespace oncelog::cli {

struct ProduceFlags {
  std::string directory{};
  std::string partition{};
  std::vector<std::string> files{};
  std::string key_separator{};  ///< one character, or none: lines are values only
  std::int32_t batch_records = 100;
  std::int64_t batch_bytes = 512 << 10;
  std::string codec = "none";
  std::string level = "durable";
  std::int64_t transaction_records = 0;  ///< 0: no transactions
  std::int64_t abort_every = 0;          ///< 0: never on purpose
  std::int64_t producer_id = 1;
  bool not_idempotent = false;
  bool append = false;
  std::vector<std::string> config{};
  std::string stats{};
  std::int64_t delay_us = 0;
};

/// What an earlier run left in the log.
struct StoredProgress {
  ProducerEpoch epoch{0};
  Sequence next_sequence{0};
  std::int64_t committed_lines = 0;
  std::vector<std::string> open_lines{};  ///< of the transaction that is still open
  bool has_open_transaction = false;
  std::int64_t ended_transactions = 0;
  std::vector<std::byte> last_batch{};  ///< as stored; empty if the log knows no last batch
};

/// A line as a record and back. The views live as long as the line.
struct LineCodec {
  std::string_view key_separator{};

  [[nodiscard]] NewRecord record_of(std::string_view line, Timestamp timestamp) const;
  /// Nothing if no line makes this record.
  [[nodiscard]] std::optional<std::string> line_of(const RecordView& record) const;
};

/// Reads what this producer has stored and takes as many lines from the input, comparing each.
/// INVALID_REQUEST if the stored records are not the beginning of the input, OFFSET_OUT_OF_RANGE if
/// the log no longer begins where it began.
Result<StoredProgress> read_progress(const PartitionLog& log, const ProduceFlags& flags,
                                     LineInput& input);

/// What --append needs: the producer's state, without a look at its records.
Result<StoredProgress> read_producer_state(const PartitionLog& log, ProducerId producer_id);

/// What a run did, for the summary and for --stats.
struct ProduceCounts {
  std::int64_t resumed_at_line = 0;
  std::int64_t lines = 0;
  std::int64_t batches = 0;
  std::int64_t retried_batches = 0;
  std::int64_t duplicates = 0;
  std::int64_t committed_transactions = 0;
  std::int64_t aborted_transactions = 0;
};

/// Sends lines as batches, and those in transactions, until the input ends.
/// Invariant: `transaction_lines_` are exactly the lines stored in the open transaction.
class LineProducer {
 public:
  LineProducer(PartitionLog& log, const ProduceFlags& flags, LineInput& input,
               StoredProgress progress);

  /// Sends the last batch of the run before once more, as a client does that never saw the answer;
  /// the log must answer it as a duplicate. Then deals with the transaction that run left open.
  Result<void> resume();
  /// Until the input ends or the process is told to stop.
  Result<void> run();

  [[nodiscard]] const ProduceCounts& counts() const { return counts_; }

 private:
  Result<void> resend_last_batch();
  /// Up to a batch of lines; none at the end of the input.
  Result<std::vector<std::string>> gather_lines();
  Result<std::optional<std::string>> next_line();
  Result<void> send(const std::vector<std::string>& lines);
  Result<void> end_transaction(MarkerType type);
  /// Commits or, if it is that one's turn, aborts and sends its lines again.
  Result<void> end_full_transaction();

  [[nodiscard]] bool is_transactional() const { return flags_.transaction_records > 0; }

  PartitionLog& log_;
  const ProduceFlags& flags_;
  LineInput& input_;
  LineCodec codec_;
  StoredProgress progress_;
  std::vector<std::string> transaction_lines_{};
  bool transaction_is_open_ = false;
  std::deque<std::string> lines_again_{};  ///< taken from the input, not in the log
  ProduceCounts counts_{};
};

}  // namespace oncelog::cli
