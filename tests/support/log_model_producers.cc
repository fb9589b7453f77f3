// log_model_producers.cc: what the history makes of producers, and from which checkpoints they come
// back.
#include <algorithm>

#include "support/log_model.h"

namespace oncelog::test {

namespace {

/// Whether a snapshot's entry says the same as the log's, as far as it can.
bool is_same(const ModelProducer& log, const ModelProducer& snapshot) {
  const auto last_of = [](const ModelProducer& producer) {
    return producer.window.empty() ? ProducerBatch{} : producer.window.back();
  };
  return log.epoch == snapshot.epoch && log.coordinator_epoch == snapshot.coordinator_epoch &&
         last_of(log).last_sequence == last_of(snapshot).last_sequence &&
         last_of(log).last_offset == last_of(snapshot).last_offset &&
         log.transaction_first_offset == snapshot.transaction_first_offset;
}

}  // namespace

void LogModel::change_producers(State& state, const ProducerChange& change) const {
  for (const ProducerId id : change.expired) state.producers.erase(id);  // 5.10
  for (const auto& [id, producer] : change.adopted) state.producers[id] = producer;
  if (!change.batch) return;
  const ModelBatch& batch = accepted_[*change.batch];
  if (batch.producer_id == kNoProducerId) return;  // 5.11
  ModelProducer& producer = state.producers[batch.producer_id];
  if (batch.marker && producer.transaction_first_offset) {  // 6.8
    state.decided.push_back({*producer.transaction_first_offset, batch.base_offset});
  }
  apply_to_producer(producer, batch);
}

void LogModel::make_producers(State& state) const {
  state.producers.clear();
  state.decided.clear();
  for (const ProducerChange& change : state.changes) change_producers(state, change);
}

/// After a replay it is open which transactions that were decided before are still known to be
/// unreplicated (7.6, Q20).
void LogModel::reconsider_decided(State& state) const {
  state.unreplicated.clear();
  for (Undecided transaction : state.decided) {
    if (transaction.marker_offset < state.high_watermark) continue;  // 7.3
    transaction.is_forgettable = true;
    state.unreplicated.push_back(transaction);
  }
}

void LogModel::walk_replay(State& state, bool has_snapshot) const {
  const ModelProducers closed = state.producers;
  state.changes.clear();
  state.checkpoints.clear();
  for (const std::size_t index : state.written) {  // 20.5
    if (is_left(state, accepted_[index])) state.changes.push_back({index, {}, {}});
  }
  make_producers(state);
  if (has_snapshot) {
    state.changes.push_back({{}, {}, adopt_snapshot(state, closed)});
    change_producers(state, state.changes.back());
  }
  reconsider_decided(state);
}

/// Memory has survived: it may know of decided transactions whose data a replay no longer finds.
void LogModel::walk_replay_after_truncation(State& state) const {
  const std::vector<Undecided> known = state.unreplicated;
  walk_replay(state, false);
  for (Undecided transaction : known) {
    const auto found =
        std::ranges::find(state.unreplicated, transaction.marker_offset, &Undecided::marker_offset);
    if (found != state.unreplicated.end()) {
      // Memory knows where it began, also if its first batches are gone.
      found->first_offset = std::min(found->first_offset, transaction.first_offset);
      continue;
    }
    transaction.is_forgettable = true;
    state.unreplicated.push_back(transaction);
  }
}

/// What Kafka's snapshot of a clean end adds to a replay (`state`): producers whose batches are
/// gone, with the last of their batches, and transactions that began in segments that are gone. The
/// log wins where both know something.
ModelProducers LogModel::adopt_snapshot(const State& state, const ModelProducers& closed) const {
  ModelProducers adopted;
  for (const auto& [id, stored] : closed) {
    ModelProducer producer = stored;
    if (producer.window.size() > 1) {  // 5.2
      producer.window = {producer.window.back()};
    }
    for (ProducerBatch& batch : producer.window) batch.max_timestamp = producer.last_timestamp;
    const auto replayed = state.producers.find(id);
    if (replayed == state.producers.end()) {
      adopted[id] = producer;
      continue;
    }
    const auto first_offset = producer.transaction_first_offset;
    if (!first_offset || *first_offset >= state.first_base) continue;
    ModelProducer with_transaction = replayed->second;
    with_transaction.transaction_first_offset = first_offset;
    if (is_same(with_transaction, producer)) adopted[id] = with_transaction;
  }
  return adopted;
}

// ---- expiries are not in the log, only in checkpoints

std::size_t LogModel::count_expiries(const State& state) {
  const auto is_expiry = [](const ProducerChange& change) { return !change.expired.empty(); };
  return static_cast<std::size_t>(std::ranges::count_if(state.changes, is_expiry));
}

void LogModel::keep_expiries(State& state, std::size_t kept) {
  std::size_t count = 0;
  std::erase_if(state.changes, [&](const ProducerChange& change) {
    return !change.expired.empty() && ++count > kept;
  });
}

void LogModel::walk_expiries_undone(State& state, std::size_t kept) const {
  keep_expiries(state, kept);
  make_producers(state);
  for (Checkpoint& checkpoint : state.checkpoints) {
    checkpoint.expiries = std::min(checkpoint.expiries, kept);
  }
}

ModelProducers LogModel::producers_with(std::size_t expiries) const {
  State state = now();
  keep_expiries(state, expiries);
  make_producers(state);
  return state.producers;
}

std::size_t LogModel::expiry_count() const { return count_expiries(now()); }

std::size_t LogModel::certain_expiry_count() const {
  std::size_t certain = 0;
  for (const Checkpoint& checkpoint : now().checkpoints) {
    certain = std::max(certain, checkpoint.expiries);
  }
  return certain;
}

Offset LogModel::replay_bound() const {
  Offset bound(0);
  for (const Checkpoint& checkpoint : now().checkpoints) {
    bound = std::max(bound, checkpoint.at_least);
  }
  return bound;
}

bool LogModel::has_checkpoint_for_truncation(Offset to) const {
  const State& state = now();
  // The newest at or below the watermark is kept, and all above.
  const bool is_above_all_watermarks = std::ranges::max(state.watermarks) <= to;
  return is_above_all_watermarks &&
         std::ranges::any_of(state.checkpoints, [&](const Checkpoint& checkpoint) {
           return checkpoint.at_most <= to;
         });
}

}  // namespace oncelog::test
