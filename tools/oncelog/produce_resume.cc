// produce_resume.cc: how `oncelog produce` finds out where the run before it was cut: the log
// itself knows. The committed records of a producer are the first lines of its input, the records
// of its open transaction the lines behind them; each is compared, so that another input is
// refused and not mixed in.
#include <algorithm>
#include <limits>
#include <utility>

#include "produce.h"

namespace oncelog::cli {

namespace {

constexpr std::int64_t kFetchBytes = 4 << 20;

/// Walks the batches of one producer and takes the lines they were made of from the input.
class ProgressReader {
 public:
  ProgressReader(const ProduceFlags& flags, LineInput& input)
      : producer_id_(flags.producer_id), codec_{flags.key_separator}, input_(input) {}

  Result<void> visit(const RecordBatchView& batch) {
    if (batch.producer_id() != producer_id_) return {};
    ONCELOG_TRY(batch.check_crc());
    if (batch.is_control()) return end_transaction(batch);
    const Bytes bytes = batch.bytes();
    progress_.last_batch.assign(bytes.begin(), bytes.end());
    ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(batch));
    while (true) {
      ONCELOG_TRY_ASSIGN(const auto record, reader.next());
      if (!record) return {};
      ONCELOG_TRY(add_record(*record, batch.is_transactional()));
    }
  }

  /// Takes the lines of the transaction that is still open.
  Result<StoredProgress> finish() {
    for (const std::string& line : pending_) ONCELOG_TRY(take_line(line));
    progress_.open_lines = std::move(pending_);
    return std::move(progress_);
  }

 private:
  Result<void> add_record(const RecordView& record, bool is_transactional) {
    auto line = codec_.line_of(record);
    if (!line) return refuse_input();
    if (is_transactional) {
      pending_.push_back(*std::move(line));
      return {};
    }
    ++progress_.committed_lines;
    return take_line(*line);
  }

  Result<void> end_transaction(const RecordBatchView& batch) {
    ONCELOG_TRY_ASSIGN(const auto control, batch.control_record());
    if (!control || !control->is_marker() || pending_.empty()) return {};
    ++progress_.ended_transactions;
    if (!control->is_abort()) {
      for (const std::string& line : pending_) ONCELOG_TRY(take_line(line));
      progress_.committed_lines += static_cast<std::int64_t>(pending_.size());
    }
    pending_.clear();
    return {};
  }

  Result<void> take_line(const std::string& stored) {
    ONCELOG_TRY_ASSIGN(const auto line, input_.next());
    if (!line || *line != stored) return refuse_input();
    return {};
  }

  [[nodiscard]] std::unexpected<Error> refuse_input() const {
    return fail(ErrorCode::INVALID_REQUEST, "the stored records of producer ", producer_id_,
                " are not the beginning of this input (seen at line ", input_.line_count(),
                "); use --producer-id for another stream, or --append");
  }

  ProducerId producer_id_;
  LineCodec codec_;
  LineInput& input_;
  StoredProgress progress_{};
  std::vector<std::string> pending_{};  ///< lines of the transaction that is open at this place
};

Result<void> visit_log(const PartitionLog& log, ProgressReader& reader) {
  const LogEnds ends = log.ends();
  FetchOptions options;
  options.isolation = Isolation::kReplica;
  options.bytes_max = kFetchBytes;
  Offset position = ends.log_start;
  while (position < ends.log_end) {
    ONCELOG_TRY_ASSIGN(const Fetched fetched, log.fetch(position, options));
    ONCELOG_TRY_ASSIGN(const auto bytes, fetched.read());
    const Offset before = position;
    BatchCursor cursor(bytes);
    while (true) {
      ONCELOG_TRY_ASSIGN(const auto batch, cursor.next());
      if (!batch) break;
      ONCELOG_TRY(reader.visit(*batch));
      position = batch->next_offset();
    }
    if (position <= before) break;
  }
  return {};
}

/// Takes epoch, sequence and open transaction over from what the log knows of the producer.
Result<void> set_producer_state(StoredProgress& progress, const PartitionLog& log,
                                ProducerId producer_id) {
  ONCELOG_TRY_ASSIGN(const auto info, log.find_producer(producer_id));
  if (!info) {  // unknown or forgotten: there is nothing a retry could match
    progress.last_batch.clear();
    return {};
  }
  constexpr std::int64_t kSequences = std::int64_t{std::numeric_limits<std::int32_t>::max()} + 1;
  const std::int64_t next = (std::int64_t{info->last_sequence.value()} + 1) % kSequences;
  progress.epoch = info->epoch;
  progress.next_sequence = Sequence(static_cast<std::int32_t>(next));
  progress.has_open_transaction = info->transaction_first_offset.has_value();
  const auto last = RecordBatchView::parse(progress.last_batch);
  const bool is_remembered = last && last->last_offset() == info->last_offset;
  if (!is_remembered) progress.last_batch.clear();
  return {};
}

}  // namespace

NewRecord LineCodec::record_of(std::string_view line, Timestamp timestamp) const {
  NewRecord record;
  record.timestamp = timestamp;
  const auto cut = key_separator.empty() ? std::string_view::npos : line.find(key_separator);
  if (cut != std::string_view::npos) {
    record.key = as_bytes(line.substr(0, cut));
    line.remove_prefix(cut + key_separator.size());
  }
  record.value = as_bytes(line);
  return record;
}

std::optional<std::string> LineCodec::line_of(const RecordView& record) const {
  if (!record.value || (record.key && key_separator.empty())) return {};
  std::string line;
  if (record.key) {
    line += as_text(*record.key);
    line += key_separator;
  }
  line += as_text(*record.value);
  return line;
}

Result<StoredProgress> read_progress(const PartitionLog& log, const ProduceFlags& flags,
                                     LineInput& input) {
  const Offset log_start = log.ends().log_start;
  if (log_start > Offset(0)) {
    return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "resume ", flags.partition,
                ": the log starts at offset ", log_start,
                ", so it cannot be told which lines it holds already; use --append");
  }
  ProgressReader reader(flags, input);
  ONCELOG_TRY(visit_log(log, reader));
  ONCELOG_TRY_ASSIGN(StoredProgress progress, reader.finish());
  ONCELOG_TRY(set_producer_state(progress, log, ProducerId(flags.producer_id)));
  return progress;
}

Result<StoredProgress> read_producer_state(const PartitionLog& log, ProducerId producer_id) {
  StoredProgress progress;
  ONCELOG_TRY(set_producer_state(progress, log, producer_id));
  return progress;
}

}  // namespace oncelog::cli
