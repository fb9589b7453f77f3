// committed_records.cc: what a Kafka consumer would be given (semantics 10).
//
// Invariant: an aborted transaction of a producer is in `pending` before its first batch is met, in
//   `aborted_now` from there to its abort marker, and in neither behind it. Strictly in batch
//   order.
#include <algorithm>
#include <functional>
#include <queue>
#include <unordered_set>
#include <utility>

#include "oncelog/record.h"

namespace oncelog {

namespace {

struct LaterFirst {
  bool operator()(const AbortedTransaction& a, const AbortedTransaction& b) const {
    return a.first_offset > b.first_offset;
  }
};

enum class Delivery : std::uint8_t { kWanted, kSkipped };

}  // namespace

struct CommittedRecords::State {
  BatchCursor batches;
  Options options;
  Offset position;
  std::priority_queue<AbortedTransaction, std::vector<AbortedTransaction>, LaterFirst> pending;
  std::unordered_set<std::int64_t> aborted_now;  // producer ids
  std::optional<RecordBatchView> batch{};        // the one that `records` walks
  std::optional<RecordReader> records{};
  std::optional<Error> failure{};  // sticks: what follows cannot be judged any more

  State(Bytes bytes, std::vector<AbortedTransaction> aborted, Options given)
      : batches(bytes),
        options(given),
        position(given.from),
        pending(LaterFirst(), std::move(aborted)) {}

  void move_to(Offset offset) { position = std::max(position, offset); }
  Result<Delivery> judge(const RecordBatchView& next);
  Result<void> open_batch();
  Result<std::optional<RecordView>> take();
};

/// Keeps the aborted producers up to date with this batch, and says whether its records are wanted.
Result<Delivery> CommittedRecords::State::judge(const RecordBatchView& next) {
  const bool has_producer = next.producer_id() > kNoProducerId;
  if (!has_producer || (pending.empty() && aborted_now.empty())) {
    return next.is_control() ? Delivery::kSkipped : Delivery::kWanted;
  }

  while (!pending.empty() && pending.top().first_offset <= next.last_offset()) {
    aborted_now.insert(pending.top().producer_id.value());
    pending.pop();
  }
  if (next.is_control()) {
    ONCELOG_TRY_ASSIGN(const std::optional<ControlRecord> control, next.control_record());
    if (control && control->is_abort()) aborted_now.erase(next.producer_id().value());
    return Delivery::kSkipped;
  }
  const bool is_aborted =
      next.is_transactional() && aborted_now.contains(next.producer_id().value());
  return is_aborted ? Delivery::kSkipped : Delivery::kWanted;
}

/// Opens the next batch with wanted records, if there is one.
Result<void> CommittedRecords::State::open_batch() {
  for (;;) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> next, batches.next());
    if (!next) return {};
    if (options.check_crcs) ONCELOG_TRY(next->check_crc());
    ONCELOG_TRY_ASSIGN(const Delivery delivery, judge(*next));
    if (delivery == Delivery::kSkipped || next->next_offset() <= position) {
      move_to(next->next_offset());
      continue;
    }
    ONCELOG_TRY_ASSIGN(records, RecordReader::open(*next, options.limits));
    batch = next;
    return {};
  }
}

Result<std::optional<RecordView>> CommittedRecords::State::take() {
  for (;;) {
    if (!records) ONCELOG_TRY(open_batch());
    if (!records) return std::nullopt;
    ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record, records->next());
    if (!record) {
      move_to(batch->next_offset());
      records.reset();
      continue;
    }
    if (record->offset < position) continue;
    move_to(record->offset + 1);
    return record;
  }
}

CommittedRecords::CommittedRecords(Bytes bytes, std::vector<AbortedTransaction> aborted,
                                   Options options)
    : state_(std::make_unique<State>(bytes, std::move(aborted), options)) {}
CommittedRecords::CommittedRecords(CommittedRecords&&) noexcept = default;
CommittedRecords::~CommittedRecords() = default;

Result<std::optional<RecordView>> CommittedRecords::next() {
  if (state_->failure) return std::unexpected(*state_->failure);
  Result<std::optional<RecordView>> record = state_->take();
  if (!record) state_->failure = record.error();
  return record;
}

Offset CommittedRecords::position() const { return state_->position; }

}  // namespace oncelog
