// log_model.cc: appends, by the leader and as a follower, and leader epochs and watermark.
//
// The other verbs: log_model_verbs.cc. What the history says: log_model_history.cc, and for
// readers log_model_reads.cc.
#include "support/log_model.h"

#include <algorithm>

namespace oncelog::test {

namespace {

constexpr std::int64_t kSequences = std::int64_t{1} << 31;  // they count from 0 and wrap

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

void apply_to_producer(ModelProducer& producer, const ModelBatch& batch) {
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
    for (const ProducerBatch& stored : producer.window) {
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

ErrorCode LogModel::check_received(const std::vector<ModelBatch>& batches,
                                   bool is_begun_anew) const {
  Offset end = is_begun_anew ? batches.front().base_offset : log_end();
  for (const ModelBatch& batch : batches) {  // 3.2, 3.3, 3.5
    if (batch.base_offset < end || batch.leader_epoch < LeaderEpoch(0)) {
      return ErrorCode::UNKNOWN_SERVER_ERROR;
    }
    end = batch.next_offset();
  }
  ModelProducers known;
  if (!is_begun_anew) known = producers();
  for (const ModelBatch& batch : batches) {  // 5.12, 6.3
    if (batch.producer_id == kNoProducerId) continue;
    ModelProducer& producer = known[batch.producer_id];
    if (producer.transaction_first_offset && !batch.is_transactional) {
      return ErrorCode::INVALID_TXN_STATE;
    }
    apply_to_producer(producer, batch);
  }
  return ErrorCode::NONE;
}

/// Above the watermark that comes with it (16.1); then nothing is stored (decision 16).
bool LogModel::is_leader_start_too_high(const std::vector<ModelBatch>& batches, bool is_begun_anew,
                                        std::optional<Offset> leader_high_watermark,
                                        Offset leader_log_start) const {
  const Offset end = batches.empty() ? log_end() : batches.back().next_offset();
  const Offset start = is_begun_anew ? batches.front().base_offset : log_start();
  Offset watermark = is_begun_anew ? start : high_watermark();
  const bool follows_end = options_.high_watermark == HighWatermarkPolicy::kLogEnd;
  if (follows_end && !batches.empty()) watermark = end;
  if (leader_high_watermark) watermark = std::clamp(*leader_high_watermark, start, end);
  return leader_log_start > watermark && leader_log_start > start;
}

ModelAnswer LogModel::append_as_follower(std::vector<ModelBatch> batches,
                                         std::optional<Offset> leader_high_watermark,
                                         std::optional<Offset> leader_log_start) {
  // 3.3: the leader's log start lies inside of its first batch.
  const bool is_begun_anew = !batches.empty() && log_start() == log_end() &&
                             batches.front().base_offset < log_end() &&
                             batches.front().last_offset() >= log_end();
  const bool is_start_too_high =
      leader_log_start &&
      is_leader_start_too_high(batches, is_begun_anew, leader_high_watermark, *leader_log_start);
  ModelAnswer answer;
  answer.code = check_received(batches, is_begun_anew);
  if (is_start_too_high) answer.other_code = ErrorCode::OFFSET_OUT_OF_RANGE;
  if (answer.code == ErrorCode::NONE) answer.code = answer.other_code.value_or(ErrorCode::NONE);
  if (answer.code != ErrorCode::NONE) return answer;
  if (is_begun_anew) truncate_fully_and_start_at(batches.front().base_offset);
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
  if (leader_log_start && *leader_log_start > log_start()) raise_log_start(*leader_log_start);
  return answer;
}

void LogModel::store(ModelBatch batch) {
  accepted_.push_back(std::move(batch));
  add_event({.kind = EventKind::kBatch, .batch = accepted_.size() - 1});
  if (options_.high_watermark == HighWatermarkPolicy::kLogEnd) set_high_watermark(log_end());
}

void LogModel::assign_epoch(LeaderEpoch epoch) {
  add_event({.kind = EventKind::kEpoch, .offset = log_end(), .epoch = epoch});
}

Offset LogModel::set_high_watermark(Offset to) {
  const Offset clamped = std::clamp(to, log_start(), log_end());  // 13.3
  add_event({.kind = EventKind::kHighWatermark, .offset = clamped});
  return clamped;
}

void LogModel::note_synced() {
  if (options_.high_watermark == HighWatermarkPolicy::kDurable) set_high_watermark(log_end());
}

}  // namespace oncelog::test
