// produce_lines.cc: the sending half of `oncelog produce`.
//
// Crash: a line is in the log or it is not, whole batches at a time; whatever moment the process
//   ends at, the next run finds in the log how far this one came (produce_resume.cc).
#include <chrono>
#include <limits>
#include <utility>

#include "args.h"
#include "produce.h"
#include "signals.h"

namespace oncelog::cli {

namespace {

constexpr std::int64_t kRecordOverheadBytes = 32;  // at most, lengths and deltas of one record

Sequence add_to_sequence(Sequence sequence, std::size_t count) {
  constexpr std::int64_t kSequences = std::int64_t{std::numeric_limits<std::int32_t>::max()} + 1;
  const auto sum = (sequence.value() + static_cast<std::int64_t>(count)) % kSequences;
  return Sequence(static_cast<std::int32_t>(sum));
}

/// The same batch as a producer had sent it, before the log gave it offsets.
Result<std::vector<std::byte>> rebuild(const RecordBatchView& stored) {
  BatchFields fields;
  fields.codec = static_cast<Codec>(stored.codec_bits());
  fields.is_transactional = stored.is_transactional();
  fields.producer_id = stored.producer_id();
  fields.producer_epoch = stored.producer_epoch();
  fields.base_sequence = stored.base_sequence();
  RecordBatchBuilder builder(fields);
  ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(stored));
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto record, reader.next());
    if (!record) return builder.build();
    ONCELOG_TRY(
        builder.add({.timestamp = record->timestamp, .key = record->key, .value = record->value}));
  }
}

}  // namespace

LineProducer::LineProducer(PartitionLog& log, const ProduceFlags& flags, LineInput& input,
                           StoredProgress progress)
    : log_(log),
      flags_(flags),
      input_(input),
      codec_{flags.key_separator},
      progress_(std::move(progress)) {
  transaction_is_open_ = progress_.has_open_transaction;
  transaction_lines_ = std::move(progress_.open_lines);
  counts_.resumed_at_line =
      progress_.committed_lines + static_cast<std::int64_t>(transaction_lines_.size());
}

Result<void> LineProducer::resume() {
  if (!progress_.last_batch.empty()) ONCELOG_TRY(resend_last_batch());
  if (!transaction_is_open_) return {};
  if (flags_.append) return end_transaction(MarkerType::kAbort);
  if (!is_transactional()) return end_transaction(MarkerType::kCommit);
  return {};
}

Result<void> LineProducer::resend_last_batch() {
  ONCELOG_TRY_ASSIGN(const auto stored, RecordBatchView::parse(progress_.last_batch));
  ONCELOG_TRY_ASSIGN(const auto bytes, rebuild(stored));
  ++counts_.retried_batches;
  ONCELOG_TRY_ASSIGN(const Appended appended, log_.append_as_leader(bytes));
  if (!appended.is_duplicate || appended.base_offset != stored.base_offset()) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "retry of the batch at offset ",
                stored.base_offset(), ": not answered as a duplicate, but stored at offset ",
                appended.base_offset);
  }
  ++counts_.duplicates;
  return {};
}

Result<void> LineProducer::run() {
  while (!stop_requested()) {
    ONCELOG_TRY_ASSIGN(const std::vector<std::string> lines, gather_lines());
    if (!lines.empty()) {
      ONCELOG_TRY(send(lines));
    } else if (stop_requested() || !transaction_is_open_) {
      return {};
    }
    const auto in_transaction = static_cast<std::int64_t>(transaction_lines_.size());
    const bool is_full = in_transaction >= flags_.transaction_records;
    if (transaction_is_open_ && (is_full || lines.empty())) ONCELOG_TRY(end_full_transaction());
    if (flags_.delay_us > 0) sleep_interruptibly(std::chrono::microseconds(flags_.delay_us));
  }
  return {};
}

Result<std::vector<std::string>> LineProducer::gather_lines() {
  auto count_max = static_cast<std::int64_t>(flags_.batch_records);
  if (is_transactional()) {
    const auto in_transaction = static_cast<std::int64_t>(transaction_lines_.size());
    count_max = std::min(count_max, flags_.transaction_records - in_transaction);
  }
  std::vector<std::string> lines;
  std::int64_t bytes = kBatchHeaderBytes;
  while (static_cast<std::int64_t>(lines.size()) < count_max) {
    ONCELOG_TRY_ASSIGN(auto line, next_line());
    if (!line) break;
    bytes += static_cast<std::int64_t>(line->size()) + kRecordOverheadBytes;
    if (!lines.empty() && bytes > flags_.batch_bytes) {
      lines_again_.push_front(*std::move(line));
      break;
    }
    lines.push_back(*std::move(line));
  }
  return lines;
}

Result<std::optional<std::string>> LineProducer::next_line() {
  if (lines_again_.empty()) return input_.next();
  std::optional<std::string> line = std::move(lines_again_.front());
  lines_again_.pop_front();
  return line;
}

Result<void> LineProducer::send(const std::vector<std::string>& lines) {
  BatchFields fields;
  fields.codec = parse_codec(flags_.codec).value_or(Codec::kNone);
  fields.is_transactional = is_transactional();
  if (!flags_.not_idempotent) {
    fields.producer_id = ProducerId(flags_.producer_id);
    fields.producer_epoch = progress_.epoch;
    fields.base_sequence = progress_.next_sequence;
  }
  RecordBatchBuilder builder(fields);
  const Timestamp now = system_clock().now();
  for (const std::string& line : lines) ONCELOG_TRY(builder.add(codec_.record_of(line, now)));
  ONCELOG_TRY_ASSIGN(const auto bytes, builder.build());

  ONCELOG_TRY_ASSIGN(const Appended appended, log_.append_as_leader(bytes));
  if (appended.is_duplicate) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "append of new lines at sequence ",
                fields.base_sequence, ": answered as a duplicate of offset ", appended.base_offset);
  }

  progress_.next_sequence = add_to_sequence(progress_.next_sequence, lines.size());
  ++counts_.batches;
  counts_.lines += static_cast<std::int64_t>(lines.size());
  if (is_transactional()) {
    transaction_is_open_ = true;
    transaction_lines_.insert(transaction_lines_.end(), lines.begin(), lines.end());
  }
  return {};
}

Result<void> LineProducer::end_transaction(MarkerType type) {
  MarkerFields fields;
  fields.type = type;
  fields.producer_id = ProducerId(flags_.producer_id);
  fields.producer_epoch = progress_.epoch;
  fields.timestamp = system_clock().now();
  ONCELOG_TRY(log_.append_marker(fields));

  const bool is_abort = type == MarkerType::kAbort;
  ++(is_abort ? counts_.aborted_transactions : counts_.committed_transactions);
  ++progress_.ended_transactions;
  transaction_is_open_ = false;
  if (is_abort) {
    lines_again_.insert(lines_again_.begin(), transaction_lines_.begin(), transaction_lines_.end());
  }
  transaction_lines_.clear();
  return {};
}

Result<void> LineProducer::end_full_transaction() {
  const std::int64_t number = progress_.ended_transactions + 1;
  const bool is_aborted = flags_.abort_every > 0 && number % flags_.abort_every == 0;
  return end_transaction(is_aborted ? MarkerType::kAbort : MarkerType::kCommit);
}

}  // namespace oncelog::cli
