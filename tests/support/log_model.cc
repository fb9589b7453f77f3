// log_model.cc: the operations, and producers, epochs and ends from the history. Reads:
// log_model_reads.cc.
#include "support/log_model.h"

#include <algorithm>

namespace oncelog::test {

namespace {

constexpr std::int64_t kSequences = std::int64_t{1} << 31;  // they count from 0 and wrap

/// 14.2.
void assign(std::vector<LeaderEpochStart>& epochs, LeaderEpoch epoch, Offset start) {
  if (!epochs.empty() && epochs.back().epoch == epoch && epochs.back().start <= start) return;
  while (!epochs.empty() && (epochs.back().epoch >= epoch || epochs.back().start >= start)) {
    epochs.pop_back();
  }
  epochs.push_back({epoch, start});
}

/// 14.6.
void truncate_from_end(std::vector<LeaderEpochStart>& epochs, Offset end) {
  while (!epochs.empty() && epochs.back().start >= end) epochs.pop_back();
}

/// 14.6.
void truncate_from_start(std::vector<LeaderEpochStart>& epochs, Offset start) {
  std::optional<LeaderEpochStart> last_removed;
  while (!epochs.empty() && epochs.front().start <= start) {
    last_removed = epochs.front();
    epochs.erase(epochs.begin());
  }
  if (last_removed) epochs.insert(epochs.begin(), {last_removed->epoch, start});
}

/// 5.5, 6.1, 6.7: what a stored batch does to its producer.
void apply(ModelProducer& producer, const ModelBatch& batch) {
  if (producer.epoch != batch.producer_epoch) producer.window.clear();
  producer.epoch = batch.producer_epoch;
  producer.last_timestamp = batch.max_timestamp();
  if (batch.marker) {
    producer.coordinator_epoch = batch.marker->coordinator_epoch;
    producer.transaction_first_offset.reset();
    return;
  }
  producer.window.push_back({batch.base_sequence, batch.last_sequence(), batch.base_offset,
                             batch.last_offset(), batch.max_timestamp()});
  if (producer.window.size() > 5) producer.window.erase(producer.window.begin());
  if (batch.is_transactional && !producer.transaction_first_offset) {
    producer.transaction_first_offset = batch.base_offset;
  }
}

ModelAnswer refusal(ErrorCode code) {
  ModelAnswer answer;
  answer.code = code;
  return answer;
}

}  // namespace

Sequence ModelBatch::last_sequence() const {
  if (base_sequence == kNoSequence) return kNoSequence;
  const std::int64_t last =
      (base_sequence.value() + static_cast<std::int64_t>(records.size()) - 1) % kSequences;
  return Sequence(static_cast<std::int32_t>(last));
}

Timestamp ModelBatch::max_timestamp() const {
  Timestamp max = records.front().timestamp;
  for (const ModelRecord& record : records) max = std::max(max, record.timestamp);
  return max;
}

// ---- operations

std::optional<ModelAnswer> LogModel::find_refusal(const ModelBatch& batch, AppendOrigin origin,
                                                  std::int64_t bytes, Timestamp now) const {
  const TopicConfig& config = options_.config;
  if (bytes > config.max_message_bytes) return refusal(ErrorCode::MESSAGE_TOO_LARGE);  // 1.9d
  const bool is_client = origin == AppendOrigin::kClient;
  const bool has_id = batch.producer_id != kNoProducerId;
  if (is_client && batch.marker) return refusal(ErrorCode::INVALID_RECORD);  // 2.3
  if (is_client && has_id && batch.base_sequence == kNoSequence) {
    return refusal(ErrorCode::INVALID_RECORD);  // 2.3
  }
  if (batch.is_transactional && !has_id) return refusal(ErrorCode::INVALID_RECORD);  // Q2
  if (has_id && batch.producer_epoch == kNoProducerEpoch) {
    return refusal(ErrorCode::INVALID_PRODUCER_EPOCH);  // Q10
  }
  if (batch.timestamp_type == TimestampType::kLogAppendTime) {
    return refusal(ErrorCode::INVALID_TIMESTAMP);  // 2.5, Q3
  }
  if (config.message_timestamp_type == TimestampType::kCreateTime) {
    for (const ModelRecord& record : batch.records) {  // 2.5
      if (record.timestamp == kNoTimestamp) continue;
      if (now - record.timestamp > config.message_timestamp_before_max_ms ||
          record.timestamp - now > config.message_timestamp_after_max_ms) {
        return refusal(ErrorCode::INVALID_TIMESTAMP);
      }
    }
  }
  if (bytes > config.segment_bytes) return refusal(ErrorCode::RECORD_LIST_TOO_LARGE);  // 1.15
  return std::nullopt;
}

ModelAnswer LogModel::check_producer(const ModelBatch& batch, AppendOrigin origin) const {
  if (batch.producer_id == kNoProducerId) return {};  // 5.11
  const auto known = producers();
  const auto found = known.find(batch.producer_id);
  if (found == known.end()) return {};  // 5.6, first row
  const ModelProducer& producer = found->second;
  if (batch.marker) {  // 6.6
    if (batch.producer_epoch < producer.epoch) return refusal(ErrorCode::INVALID_PRODUCER_EPOCH);
    if (batch.marker->coordinator_epoch < producer.coordinator_epoch) {
      return refusal(ErrorCode::TRANSACTION_COORDINATOR_FENCED);
    }
    return {};
  }
  const bool is_client = origin == AppendOrigin::kClient;
  if (is_client && batch.producer_epoch == producer.epoch) {  // 5.1
    for (const ModelSent& stored : producer.window) {
      if (stored.first_sequence == batch.base_sequence &&
          stored.last_sequence == batch.last_sequence()) {
        return {ErrorCode::NONE, stored.base_offset, stored.last_offset, true,
                stored.max_timestamp};
      }
    }
  }
  if (batch.producer_epoch < producer.epoch)
    return refusal(ErrorCode::INVALID_PRODUCER_EPOCH);  // 5.3
  if (is_client) {                                      // 5.4
    const Sequence last =
        producer.window.empty() ? kNoSequence : producer.window.back().last_sequence;
    const std::int64_t next =
        batch.producer_epoch == producer.epoch ? (last.value() + std::int64_t{1}) % kSequences : 0;
    if (batch.base_sequence.value() != next) {
      return refusal(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
  }
  if (producer.transaction_first_offset && !batch.is_transactional) {  // 6.3
    return refusal(ErrorCode::INVALID_TXN_STATE);
  }
  return {};
}

ModelAnswer LogModel::append_as_leader(ModelBatch batch, AppendOrigin origin, std::int64_t bytes,
                                       Timestamp now) {
  if (const auto refused = find_refusal(batch, origin, bytes, now)) return *refused;
  ModelAnswer answer = check_producer(batch, origin);
  if (answer.code != ErrorCode::NONE || answer.is_duplicate) return answer;
  if (options_.config.message_timestamp_type == TimestampType::kLogAppendTime) {  // 2.9
    batch.timestamp_type = TimestampType::kLogAppendTime;
    for (ModelRecord& record : batch.records) record.timestamp = now;
    answer.append_time = now;
  }
  batch.base_offset = log_end();
  batch.leader_epoch = leader_epoch();
  batch.append_number = ++append_count_;
  answer.base_offset = batch.base_offset;
  answer.last_offset = batch.last_offset();
  store(std::move(batch));
  return answer;
}

ModelAnswer LogModel::append_as_follower(std::vector<ModelBatch> batches,
                                         std::optional<Offset> leader_high_watermark,
                                         std::optional<Offset> leader_log_start) {
  ModelAnswer answer;
  Offset end = log_end();
  for (const ModelBatch& batch : batches) {  // 3.2, 3.3, 3.5
    if (batch.base_offset < end || batch.leader_epoch < LeaderEpoch(0)) {
      return refusal(ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    end = batch.next_offset();
  }
  auto known = producers();
  for (const ModelBatch& batch : batches) {  // 5.12, 6.3
    if (batch.producer_id == kNoProducerId) continue;
    ModelProducer& producer = known[batch.producer_id];
    if (producer.transaction_first_offset && !batch.is_transactional) {
      return refusal(ErrorCode::INVALID_TXN_STATE);
    }
    apply(producer, batch);
  }
  if (!batches.empty()) {
    answer.base_offset = batches.front().base_offset;
    answer.last_offset = batches.back().last_offset();
    ++append_count_;
    for (ModelBatch& batch : batches) {
      batch.append_number = append_count_;
      store(std::move(batch));
    }
  }
  if (leader_high_watermark) set_high_watermark(*leader_high_watermark);  // 3.7
  if (leader_log_start) {                                                 // 16.1
    if (*leader_log_start > high_watermark()) answer.code = ErrorCode::OFFSET_OUT_OF_RANGE;
    if (answer.code == ErrorCode::NONE && *leader_log_start > log_start()) {
      add_event({.kind = EventKind::kLogStart, .offset = *leader_log_start});
    }
  }
  return answer;
}

void LogModel::store(ModelBatch batch) {
  batches_.push_back(std::move(batch));
  add_event({.kind = EventKind::kBatch, .batch = batches_.size() - 1});
  if (options_.high_watermark == HighWatermarkPolicy::kLogEnd) set_high_watermark(log_end());
}

void LogModel::assign_epoch(LeaderEpoch epoch) {
  add_event({.kind = EventKind::kEpoch, .offset = log_end(), .epoch = epoch});
}

Offset LogModel::set_high_watermark(Offset to) {
  const State now = walk();
  const Offset clamped = std::clamp(to, now.log_start, now.log_end);  // 13.3
  add_event({.kind = EventKind::kHighWatermark, .offset = clamped});
  return clamped;
}

void LogModel::note_synced() {
  if (options_.high_watermark == HighWatermarkPolicy::kDurable) set_high_watermark(log_end());
}

void LogModel::note_reopened(Offset high_watermark) {
  add_event({.kind = EventKind::kReopen, .offset = high_watermark});
}

void LogModel::settle_leader_epochs(const std::vector<LeaderEpochStart>& seen) {
  const std::vector<LeaderEpochStart> expected = leader_epochs();
  if (expected.empty() && !seen.empty()) add_event({.kind = EventKind::kEpochsRebuilt});
  const bool is_one_more =
      !expected.empty() && seen.size() == expected.size() + 1 && seen.front().start == log_start();
  if (is_one_more && has_epochs_gone_back()) {
    add_event({.kind = EventKind::kEpochInFront, .epoch = seen.front().epoch});
  }
}

void LogModel::settle_last_stable_offset(Offset seen) {
  if (last_stable_offsets().size() < 2) return;
  add_event({.kind = EventKind::kForgotten});
  if (last_stable_offsets().contains(seen)) return;
  events_.back().kind = EventKind::kRemembered;
}

// ---- the history

void LogModel::walk_batch(State& state, const ModelBatch& batch) const {
  state.log_end = batch.next_offset();
  assign(state.epochs, batch.leader_epoch, batch.base_offset);
  if (batch.producer_id == kNoProducerId) return;
  const auto open = state.open.find(batch.producer_id);
  if (batch.marker && open != state.open.end()) {  // 6.8
    state.decided.push_back({open->second, batch.base_offset});
    state.unreplicated.push_back(state.decided.back());
    state.open.erase(open);
  } else if (!batch.marker && batch.is_transactional && open == state.open.end()) {  // 6.1
    state.open[batch.producer_id] = batch.base_offset;
  }
}

LogModel::State LogModel::walk() const {
  State state;
  state.leader_epoch = options_.leader_epoch;
  const auto take_leader_epoch = [&] {
    state.leader_epoch = options_.leader_epoch;
    if (state.epochs.empty()) return;
    state.leader_epoch = std::max(state.leader_epoch, state.epochs.back().epoch);
  };
  const auto set_watermark = [&](Offset to) {
    state.high_watermark = to;
    state.watermarks.push_back(to);
    std::erase_if(state.unreplicated, [&](const Undecided& transaction) {  // 7.3
      return transaction.marker_offset < to;
    });
  };
  set_watermark(Offset(0));
  for (const Event& event : events_) {
    switch (event.kind) {
      case EventKind::kBatch:
        walk_batch(state, batches_[event.batch]);
        break;
      case EventKind::kEpoch:
        assign(state.epochs, event.epoch, event.offset);
        state.leader_epoch = event.epoch;
        break;
      case EventKind::kHighWatermark:
        set_watermark(event.offset);
        break;
      case EventKind::kLogStart:  // 16.1: at or below the watermark
        state.log_start = event.offset;
        truncate_from_start(state.epochs, event.offset);
        break;
      case EventKind::kReopen:  // 7.6, 14.7
        state.unreplicated = state.decided;
        for (Undecided& transaction : state.unreplicated) transaction.is_from_before_reopen = true;
        set_watermark(event.offset);
        truncate_from_end(state.epochs, state.log_end);
        truncate_from_start(state.epochs, state.log_start);
        take_leader_epoch();
        break;
      case EventKind::kEpochsRebuilt:
        for (const ModelBatch& batch : batches_) {
          if (batch.base_offset >= state.log_end) break;
          assign(state.epochs, batch.leader_epoch, batch.base_offset);
        }
        truncate_from_start(state.epochs, state.log_start);
        take_leader_epoch();
        break;
      case EventKind::kEpochInFront:
        state.epochs.insert(state.epochs.begin(), {event.epoch, state.log_start});
        break;
      case EventKind::kForgotten:
        std::erase_if(state.unreplicated, &Undecided::is_from_before_reopen);
        break;
      case EventKind::kRemembered:
        for (Undecided& transaction : state.unreplicated) transaction.is_from_before_reopen = false;
        break;
    }
  }
  return state;
}

Offset LogModel::log_end() const {
  return batches_.empty() ? Offset(0) : batches_.back().next_offset();
}

std::set<Offset> LogModel::last_stable_offsets() const {
  const State now = walk();
  const auto lso = [&](bool counts_forgettable) {
    Offset first_unstable = now.high_watermark;  // 7.1, 7.2
    for (const auto& [id, first_offset] : now.open) {
      first_unstable = std::min(first_unstable, first_offset);
    }
    for (const Undecided& transaction : now.unreplicated) {
      if (transaction.is_from_before_reopen && !counts_forgettable) continue;
      first_unstable = std::min(first_unstable, transaction.first_offset);
    }
    return std::max(first_unstable, now.log_start);
  };
  return {lso(true), lso(false)};
}

bool LogModel::has_had_high_watermark(Offset offset) const {
  const State now = walk();
  for (const Offset watermark : now.watermarks) {
    if (std::clamp(watermark, now.log_start, now.log_end) == offset) return true;
  }
  return false;
}

std::map<ProducerId, ModelProducer> LogModel::producers() const {
  std::map<ProducerId, ModelProducer> producers;
  for (const ModelBatch& batch : batches_) {
    if (batch.producer_id != kNoProducerId) apply(producers[batch.producer_id], batch);
  }
  return producers;
}

LeaderEpochEnd LogModel::epoch_end(LeaderEpoch epoch) const {  // 14.4
  const std::vector<LeaderEpochStart> epochs = leader_epochs();
  if (epochs.empty() || epoch == kNoLeaderEpoch || epoch > epochs.back().epoch) return {};
  if (epoch == epochs.back().epoch) return {epoch, log_end()};
  if (epoch < epochs.front().epoch) return {epoch, epochs.front().start};
  LeaderEpochEnd found;
  for (const LeaderEpochStart& entry : epochs) {
    if (entry.epoch <= epoch) {
      found.epoch = entry.epoch;
    } else {
      found.end = entry.start;
      break;
    }
  }
  return found;
}

bool LogModel::has_epochs_gone_back() const {
  LeaderEpoch highest = kNoLeaderEpoch;
  for (const Event& event : events_) {
    LeaderEpoch epoch = highest;
    if (event.kind == EventKind::kBatch) epoch = batches_[event.batch].leader_epoch;
    if (event.kind == EventKind::kEpoch) epoch = event.epoch;
    if (epoch < highest) return true;
    highest = epoch;
  }
  return false;
}

}  // namespace oncelog::test
