// log_machine_appends.cc: batches of every kind, by the leader, the coordinator and as a follower.
#include <algorithm>

#include "support/log_machine.h"

namespace oncelog::test {

namespace {

constexpr std::int32_t kSequenceMax = 2147483647;

/// Timestamps of the batch are as they were stored; those of LogAppendTime cannot be sent.
ModelBatch as_sent(ModelBatch batch) {
  batch.timestamp_type = TimestampType::kCreateTime;
  return batch;
}

}  // namespace

std::vector<std::byte> encode(const ModelBatch& batch, bool is_from_leader) {
  const Offset base = is_from_leader ? batch.base_offset : Offset(0);
  const LeaderEpoch leader_epoch = is_from_leader ? batch.leader_epoch : kNoLeaderEpoch;
  if (batch.marker) {
    return build_marker({base, leader_epoch, batch.marker->type, batch.producer_id,
                         batch.producer_epoch, batch.marker->coordinator_epoch,
                         batch.records.front().timestamp});
  }
  RecordBatchBuilder builder({base,
                              leader_epoch,
                              batch.codec,
                              {},
                              batch.timestamp_type,
                              batch.is_transactional,
                              batch.producer_id,
                              batch.producer_epoch,
                              batch.base_sequence});
  for (const ModelRecord& record : batch.records) {
    NewRecord added;
    added.timestamp = record.timestamp;
    if (record.key) added.key = as_bytes(*record.key);
    if (record.value) added.value = as_bytes(*record.value);
    require_value(builder.add(added), "builder");
  }
  return require_value(builder.build(), "builder");
}

Timestamp LogMachine::choose_timestamp(std::uint8_t by) const {
  const std::int64_t now = clock_.now().value();
  switch (by % 16) {
    case 15:
      return kNoTimestamp;
    case 14:
      return Timestamp(now - 2000);
    case 13:
      return Timestamp(now + 2000);
    case 12:
      return Timestamp(now - 7'000'000);
    case 11:
      return Timestamp(1000 + by);
    default:
      return Timestamp(now + by % 7 - by % 5);
  }
}

ModelBatch LogMachine::choose_batch(bool is_client) {
  ModelBatch batch;
  batch.codec = choice(4) % 8 < 4 ? Codec::kNone : static_cast<Codec>(choice(4) % 5);
  const int count = 1 + choice(5) % 4;
  for (int i = 0; i < count; ++i) {
    ModelRecord record;
    record.timestamp = choose_timestamp(static_cast<std::uint8_t>(choice(6) + i * (choice(7) % 4)));
    if (choice(5) % 8 < 5) record.key = "k" + std::to_string(i);
    if (choice(5) % 16 < 13) record.value = std::string(choice(4) % 32, static_cast<char>('a' + i));
    batch.records.push_back(record);
  }
  if (is_rare(0, 8)) {  // no producer
    batch.is_transactional = is_rare(3, 32);
    return batch;
  }
  batch.producer_id = ProducerId(choice(0) % producer_count_);
  const auto producers = model_.producers();
  const auto known = producers.find(batch.producer_id);
  const bool is_known = known != producers.end();
  int epoch = is_known ? known->second.epoch.value() : choice(1) % 3;
  if (is_rare(1, 12)) epoch += 1;
  if (is_rare(1, 13)) epoch -= 1;
  if (is_rare(1, 29)) epoch += 5;
  batch.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(std::max(epoch, -1)));
  std::int64_t sequence = 0;
  if (!is_known && is_rare(2, 3)) sequence = kSequenceMax - choice(2) % 3;
  if (is_known && batch.producer_epoch == known->second.epoch && !known->second.window.empty()) {
    sequence = std::int64_t{known->second.window.back().last_sequence.value()} + 1;
  }
  if (is_rare(2, 12)) sequence += 1;
  if (is_rare(2, 13)) sequence -= 1;
  if (is_rare(2, 31)) sequence = 0;
  if (is_rare(2, 37)) sequence = kSequenceMax;
  if (sequence > kSequenceMax) sequence -= std::int64_t{kSequenceMax} + 1;
  if (!is_client && !is_rare(2, 3)) sequence = -1;
  batch.base_sequence = Sequence(static_cast<std::int32_t>(std::max<std::int64_t>(sequence, -1)));
  const bool is_open = is_known && known->second.transaction_first_offset;
  batch.is_transactional = is_open ? !is_rare(3, 16) : choice(3) % 2 == 1;
  return batch;
}

void LogMachine::append(const ModelBatch& batch, AppendOrigin origin) {
  const std::vector<std::byte> bytes = encode(batch, false);
  const ModelAnswer expected =
      model_.append_as_leader(batch, origin, std::ssize(bytes), clock_.now());
  LeaderAppendOptions options{origin, {}};
  if (is_rare(7, 8)) options.level = Level::kDurable;
  const Result<Appended> seen = log_->append_as_leader(bytes, options);
  check_answer(seen, expected);
  const Level level = options.level.value_or(*options_.level);
  if (seen && level == Level::kDurable) {
    require(seen->level == Level::kDurable, "the append did not reach its level");
    note_durable(seen->last_offset + 1);
  }
}

void LogMachine::check_answer(const Result<Appended>& seen, const ModelAnswer& expected) {
  const ErrorCode code = seen ? ErrorCode::NONE : seen.error().code;
  ++tally_[seen && seen->is_duplicate ? "duplicate" : show(code)];
  if (code != expected.code && code != expected.other_code) {
    throw Disagreement("append gives " +
                       (seen ? "offset " + show(seen->base_offset) : seen.error().text()) +
                       ", the oracle says " + show(expected.code));
  }
  if (!seen) {
    require(!seen.error().context.empty(), "an error without context");
    return;
  }
  require_equal(seen->base_offset, expected.base_offset, "base offset of an append");
  require_equal(seen->last_offset, expected.last_offset, "last offset of an append");
  require_equal(seen->is_duplicate, expected.is_duplicate, "is_duplicate");
  require_equal(seen->append_time, expected.append_time, "append time");
  require_equal(seen->log_start, model_.log_start(), "log start of an append");
}

void LogMachine::run_append() { append(choose_batch(true), AppendOrigin::kClient); }

void LogMachine::run_coordinator() { append(choose_batch(false), AppendOrigin::kCoordinator); }

void LogMachine::run_retry() {
  std::vector<ModelBatch> sent;
  for (const ModelBatch& batch : model_.accepted()) {
    if (!batch.marker && batch.base_sequence != kNoSequence) sent.push_back(batch);
  }
  if (sent.empty()) return;
  // The newest is the likeliest.
  const std::size_t back = static_cast<std::size_t>(choice(0)) % (choice(1) % 2 == 0 ? 6 : 256);
  ModelBatch batch = as_sent(sent[sent.size() - 1 - back % sent.size()]);
  if (is_rare(2, 12) && batch.records.size() > 1) batch.records.pop_back();
  if (is_rare(2, 13)) batch.records.push_back(batch.records.back());
  append(batch, AppendOrigin::kClient);
}

void LogMachine::run_malformed() {
  ModelBatch batch = choose_batch(true);
  const auto refused = [&](Bytes bytes, ErrorCode code) {
    ModelAnswer expected;
    expected.code = code;
    check_answer(log_->append_as_leader(bytes), expected);
  };
  switch (choice(0) % 7) {
    case 0: {
      std::vector<std::byte> bytes = encode(batch, false);
      bytes[17 + choice(1) % (bytes.size() - 17)] ^= std::byte{0x40};
      return refused(bytes, ErrorCode::CORRUPT_MESSAGE);
    }
    case 1: {
      const std::vector<std::byte> bytes = encode(batch, false);
      return refused(Bytes(bytes).first(choice(1) % bytes.size()), ErrorCode::NONE);
    }
    case 2: {
      std::vector<std::byte> bytes = encode(batch, false);
      const std::vector<std::byte> again = bytes;
      bytes.insert(bytes.end(), again.begin(), again.end());
      return refused(bytes, ErrorCode::INVALID_RECORD);
    }
    case 3:
      batch.records.front().value = std::string(
          static_cast<std::size_t>(options_.config.segment_bytes + choice(1) * 1000), 'v');
      batch.codec = Codec::kNone;
      if (options_.config.compression_type || options_.config.segment_bytes >= 1 << 20) return;
      return append(batch, AppendOrigin::kClient);
    case 4:
      batch = {};
      batch.producer_id = ProducerId(choice(1) % producer_count_);
      batch.producer_epoch = ProducerEpoch(choice(2));
      batch.marker = ModelMarker{};
      batch.records = {{clock_.now(), {}, {}}};
      return append(batch, AppendOrigin::kClient);
    case 5:
      batch.base_offset = Offset(1 + choice(1));
      return refused(encode(batch, true), ErrorCode::INVALID_RECORD);
    default:
      batch.timestamp_type = TimestampType::kLogAppendTime;
      return append(batch, AppendOrigin::kClient);
  }
}

void LogMachine::run_marker() {
  ModelBatch marker;
  marker.producer_id = ProducerId(choice(0) % producer_count_);
  const ModelProducer known = model_.producers()[marker.producer_id];
  int epoch = std::max<int>(known.epoch.value(), 0);
  if (is_rare(1, 5)) epoch += 1;
  if (is_rare(1, 11)) epoch -= 1;
  marker.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(epoch));
  int coordinator_epoch = std::max(known.coordinator_epoch.value(), 0);
  if (is_rare(2, 5)) coordinator_epoch += 1;
  if (is_rare(2, 11)) coordinator_epoch = std::max(coordinator_epoch - 1, 0);
  marker.marker = ModelMarker{choice(3) % 2 == 0 ? MarkerType::kCommit : MarkerType::kAbort,
                              CoordinatorEpoch(coordinator_epoch)};
  marker.is_transactional = true;
  marker.records = {{choose_timestamp(choice(4)), {}, {}}};
  MarkerFields fields{{},
                      {},
                      marker.marker->type,
                      marker.producer_id,
                      marker.producer_epoch,
                      marker.marker->coordinator_epoch,
                      marker.records.front().timestamp};
  if (fields.timestamp == kNoTimestamp) marker.records.front().timestamp = clock_.now();
  const ModelAnswer expected = model_.append_as_leader(
      marker, AppendOrigin::kCoordinator, std::ssize(encode(marker, false)), clock_.now());
  check_answer(log_->append_marker(fields), expected);
}

ModelBatch LogMachine::choose_follower_batch(std::minstd_rand& random, Offset base,
                                             LeaderEpoch epoch) const {
  const auto one_of = [&](unsigned n) { return random() / 16 % n; };
  ModelBatch batch;
  batch.base_offset = base;
  batch.leader_epoch = epoch;
  const auto producers = model_.producers();
  if (one_of(8) != 0) {
    batch.producer_id = ProducerId(static_cast<std::int64_t>(one_of(producer_count_)));
    const auto known = producers.find(batch.producer_id);
    const bool is_known = known != producers.end();
    int producer_epoch = is_known ? known->second.epoch.value() : static_cast<int>(one_of(3));
    if (one_of(6) == 0) producer_epoch += static_cast<int>(one_of(3)) - 1;
    batch.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(std::max(producer_epoch, 0)));
    batch.base_sequence = Sequence(static_cast<std::int32_t>(one_of(20)));
    const bool is_open = is_known && known->second.transaction_first_offset;
    batch.is_transactional = one_of(2) == 0 || (is_open && one_of(10) != 0);
    if (one_of(3) == 0) {
      batch.marker = ModelMarker{one_of(2) == 0 ? MarkerType::kCommit : MarkerType::kAbort,
                                 CoordinatorEpoch(static_cast<std::int32_t>(one_of(3)))};
      batch.is_transactional = true;
      batch.base_sequence = kNoSequence;
      batch.records = {{choose_timestamp(static_cast<std::uint8_t>(one_of(256))), {}, {}}};
      return batch;
    }
  }
  batch.codec = static_cast<Codec>(one_of(5));
  if (one_of(4) == 0) batch.timestamp_type = TimestampType::kLogAppendTime;
  const Timestamp timestamp = choose_timestamp(static_cast<std::uint8_t>(one_of(256)));
  for (auto left = 1 + one_of(3); left > 0; --left) {
    batch.records.push_back({timestamp, "key", std::string(one_of(20), 'f')});
  }
  return batch;
}

void LogMachine::run_follower() {
  std::minstd_rand random(choice(0) * 65536u + choice(1) * 256u + choice(2) + 1u);
  const Offset end = model_.log_end();
  const auto epochs = model_.leader_epochs();
  LeaderEpoch epoch =
      std::max(epochs.empty() ? LeaderEpoch(0) : epochs.back().epoch, model_.leader_epoch());
  if (is_rare(3, 6)) epoch = epoch + 1;
  if (is_rare(3, 17)) epoch = std::max(epoch - 2, LeaderEpoch(0));
  if (is_rare(3, 61)) epoch = kNoLeaderEpoch;
  Offset base = end;
  if (is_rare(4, 8)) base = base + 1 + choice(5) % 8;
  if (is_rare(4, 63)) base = base + 3'000'000'000;
  if (is_rare(4, 25) && end > Offset(0)) base = end - 1;
  const bool is_empty = model_.log_start() == end;
  if (is_empty && is_rare(4, 4)) base = std::max(end - 1 - choice(5) % 2, Offset(0));  // 3.3
  std::vector<ModelBatch> batches;
  std::vector<std::byte> bytes;
  for (int left = 1 + choice(5) % 3; left > 0; --left) {
    batches.push_back(choose_follower_batch(random, base, epoch));
    const std::vector<std::byte> encoded = encode(batches.back(), true);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    base = batches.back().next_offset();
    if (is_rare(6, 8)) base = base + choice(6) % 5;
    if (is_rare(6, 50)) base = base - 1;
    if (is_rare(7, 9)) epoch = epoch + 1;
  }
  if (std::ssize(bytes) > options_.config.segment_bytes) return;
  FollowerAppendOptions options;
  const bool is_watermark_free = options_.high_watermark != HighWatermarkPolicy::kDurable;
  if (is_watermark_free && choice(7) % 2 == 1) options.leader_high_watermark = end + choice(6) % 4;
  if (is_rare(9, 8)) options.leader_log_start = model_.log_start() + choice(8) % 6;
  const ModelAnswer expected =
      model_.append_as_follower(batches, options.leader_high_watermark, options.leader_log_start);
  check_answer(log_->append_as_follower(bytes, options), expected);
  if (expected.code == ErrorCode::NONE && batches.front().base_offset < end) {
    ++tally_["log begun anew inside of a batch"];
    durable_end_ = std::min(durable_end_, batches.front().base_offset);
  }
}

}  // namespace oncelog::test
