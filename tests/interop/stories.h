// stories.h: what a partition goes through before Kafka judges it: clients and their coordinator,
// leaders that it follows, a power cut.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "interop/log_report.h"
#include "interop/stored_partition.h"
#include "oncelog/record_builder.h"

namespace oncelog::interop {

using Buffer = std::vector<std::byte>;

inline constexpr std::int32_t kSequenceMax = std::numeric_limits<std::int32_t>::max();

inline Sequence sequence_behind(Sequence sequence, std::int32_t steps) {
  const std::int64_t wrap = std::int64_t{kSequenceMax} + 1;
  return Sequence(static_cast<std::int32_t>((sequence.value() + std::int64_t{steps}) % wrap));
}

/// A batch of `count` records, whose key is the producer and whose values are numbered.
inline Buffer make_batch(const BatchFields& fields, int count, Timestamp time) {
  RecordBatchBuilder builder(fields);
  const std::string key = "producer " + std::to_string(fields.producer_id.value());
  for (int i = 0; i < count; ++i) {
    const std::string value =
        std::to_string(fields.base_sequence.value()) + "+" + std::to_string(i);
    value_of(builder.add({.timestamp = time, .key = as_bytes(key), .value = as_bytes(value)}));
  }
  return value_of(builder.build());
}

/// A client and its coordinator: it counts its sequences and ends its transactions.
class Producer {
 public:
  Producer(StoredPartition& partition, std::int64_t id, std::int16_t epoch = 0,
           std::int32_t sequence = 0)
      : partition_(partition), id_(id), epoch_(epoch), next_(sequence) {}

  void send(int count, Codec codec = Codec::kNone) { send_batch(count, codec, false); }
  void send_in_transaction(int count, Codec codec = Codec::kNone) {
    send_batch(count, codec, true);
  }
  /// Sends the last batch again, which must not be stored again.
  void retry() {
    const Appended again = value_of(partition_.log().append_as_leader(last_bytes_));
    EXPECT_TRUE(again.is_duplicate);
    EXPECT_EQ(again.base_offset, last_base_);
  }
  void commit() { end(MarkerType::kCommit); }
  void abort() { end(MarkerType::kAbort); }
  /// A new epoch begins at sequence 0.
  void bump_epoch() {
    epoch_ = epoch_ + 1;
    next_ = Sequence(0);
  }

 private:
  void send_batch(int count, Codec codec, bool is_transactional) {
    last_bytes_ = make_batch({.codec = codec,
                              .is_transactional = is_transactional,
                              .producer_id = id_,
                              .producer_epoch = epoch_,
                              .base_sequence = next_},
                             count, partition_.now());
    const Appended stored = value_of(partition_.log().append_as_leader(last_bytes_));
    EXPECT_FALSE(stored.is_duplicate);
    last_base_ = stored.base_offset;
    next_ = sequence_behind(next_, count);
    partition_.advance_clock(10);
  }
  void end(MarkerType type) {
    value_of(partition_.log().append_marker({.type = type,
                                             .producer_id = id_,
                                             .producer_epoch = epoch_,
                                             .coordinator_epoch = CoordinatorEpoch(7)}));
    partition_.advance_clock(10);
  }

  StoredPartition& partition_;
  ProducerId id_;
  ProducerEpoch epoch_;
  Sequence next_;
  Buffer last_bytes_;
  Offset last_base_ = kNoOffset;
};

// --- what a leader's log goes through ---

inline void tell_codecs(StoredPartition& partition) {
  constexpr std::array kCodecs{Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4,
                               Codec::kZstd};
  const std::string wordy(500, 'w');
  const std::array<NewRecord::Header, 3> headers{
      {{"trace", as_bytes("ä→🙂")}, {"trace", std::nullopt}, {"empty", as_bytes("")}}};
  Producer numbered(partition, 100);
  for (int round = 0; round < 4; ++round) {
    for (const Codec codec : kCodecs) {
      RecordBatchBuilder odd({.codec = codec});
      const Timestamp now = partition.now();
      value_of(odd.add({.timestamp = now, .value = as_bytes("no key")}));
      value_of(odd.add({.timestamp = now, .key = as_bytes("no value")}));
      value_of(odd.add({.timestamp = now}));
      value_of(odd.add({.timestamp = now, .key = as_bytes(""), .value = as_bytes("")}));
      value_of(odd.add({.timestamp = now - 5'000,
                        .key = as_bytes("schlüssel"),
                        .value = as_bytes("значение 値 🙂"),
                        .headers = headers}));
      value_of(odd.add({.timestamp = now, .key = as_bytes("long"), .value = as_bytes(wordy)}));
      value_of(partition.log().append_as_leader(value_of(odd.build())));
      numbered.send(3 + round, codec);
    }
  }
}

inline void tell_producers(StoredPartition& partition) {
  Producer steady(partition, 101);
  Producer bumped(partition, 102);
  Producer wraps_inside(partition, 103, 4, kSequenceMax - 13);
  Producer wraps_between(partition, 104, 0, kSequenceMax - 11);
  Producer last_epoch(partition, 105, std::numeric_limits<std::int16_t>::max() - 1);
  Producer id_zero(partition, 0);
  for (int round = 0; round < 9; ++round) {
    steady.send(1 + round % 3);
    steady.retry();
    if (round == 3 || round == 6) bumped.bump_epoch();
    bumped.send(2);
    wraps_inside.send(5);
    wraps_between.send(4);
    wraps_between.retry();
  }
  last_epoch.send(1);
  id_zero.send(2);
  value_of(partition.log().append_as_leader(make_batch({}, 2, partition.now())));
}

inline void tell_transactions(StoredPartition& partition) {
  Producer a(partition, 201);
  Producer b(partition, 202);
  Producer c(partition, 203);
  Producer plain(partition, 204);
  for (int round = 0; round < 8; ++round) {
    a.send_in_transaction(2, round % 2 == 0 ? Codec::kNone : Codec::kZstd);
    b.send_in_transaction(1);
    if (round == 3) value_of(partition.log().roll());
    plain.send(1);
    c.send_in_transaction(3);
    round % 2 == 0 ? a.commit() : a.abort();
    round % 3 == 0 ? c.commit() : c.abort();
    b.send_in_transaction(1);
    round % 2 == 0 ? b.abort() : b.commit();
  }
  c.send_in_transaction(2);
  c.bump_epoch();  // the coordinator fences it: the marker has the next epoch
  c.abort();
  c.send_in_transaction(1);
  c.commit();
  // What follows the open transactions is stored and replicated, but not stable.
  b.send_in_transaction(2);
  plain.send(2);
  c.send_in_transaction(2);
  c.abort();
  a.send_in_transaction(1);
  b.send_in_transaction(2);
}

inline void tell_markers_only(StoredPartition& partition) {
  Producer commits(partition, 301, 2);
  Producer aborts(partition, 302);
  Producer bumps(partition, 303);
  for (int round = 0; round < 6; ++round) {
    commits.commit();
    aborts.abort();
    bumps.abort();
    bumps.bump_epoch();
  }
}

inline void tell_epochs(StoredPartition& partition) {
  Producer producer(partition, 401);
  for (const int epoch : {0, 1, 4, 5, 7}) {
    value_of(partition.log().assign_leader_epoch(LeaderEpoch(epoch)));
    const bool is_silent = epoch == 5;
    for (int i = 0; i < 6 && !is_silent; ++i) producer.send(2);
    if (epoch == 4) value_of(partition.log().roll());
  }
  value_of(partition.log().assign_leader_epoch(LeaderEpoch(9)));  // nothing is written in it
}

inline void tell_append_time(StoredPartition& partition) {
  Producer producer(partition, 501);
  Producer compressed(partition, 502);
  for (int round = 0; round < 6; ++round) {
    producer.send(3);
    partition.advance_clock(1'000);
    compressed.send_in_transaction(4, Codec::kLz4);
    compressed.commit();
    producer.retry();
  }
}

/// Batches as a leader of other epochs stored them, after a compaction that left gaps.
class Leader {
 public:
  explicit Leader(Offset end) : end_(end) {}
  void become_leader(int epoch) { epoch_ = LeaderEpoch(epoch); }
  void skip(int offsets) { end_ = end_ + offsets; }

  Buffer batch(BatchFields fields, int count, Timestamp time) {
    fields.base_offset = std::exchange(end_, end_ + count);
    fields.leader_epoch = epoch_;
    return make_batch(fields, count, time);
  }
  Buffer marker(MarkerType type, ProducerId id, Timestamp time) {
    return build_marker({.base_offset = std::exchange(end_, end_ + 1),
                         .leader_epoch = epoch_,
                         .type = type,
                         .producer_id = id,
                         .producer_epoch = ProducerEpoch(0),
                         .coordinator_epoch = CoordinatorEpoch(2),
                         .timestamp = time});
  }
  [[nodiscard]] Offset end() const { return end_; }

 private:
  Offset end_;
  LeaderEpoch epoch_{3};
};

inline Buffer join(std::initializer_list<Buffer> parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline BatchFields fields_of(int id, int sequence, bool is_transactional) {
  return {.is_transactional = is_transactional,
          .producer_id = ProducerId(id),
          .producer_epoch = ProducerEpoch(0),
          .base_sequence = Sequence(sequence)};
}

inline void tell_follower(StoredPartition& partition) {
  Leader leader{Offset(5)};
  for (int round = 0; round < 10; ++round) {
    const Timestamp now = partition.now();
    if (round == 5) leader.become_leader(6);
    const Buffer first = leader.batch(fields_of(601, round * 9, false), 2, now);
    leader.skip(round % 4);
    const Buffer second = leader.batch(fields_of(602, round * 2, true), 2, now);
    const Buffer third = leader.batch({.codec = Codec::kSnappy}, 3, now);
    leader.skip(2);
    value_of(partition.log().append_as_follower(join({first, second, third}),
                                                {.leader_high_watermark = leader.end()}));
    const auto type = round % 3 == 0 ? MarkerType::kAbort : MarkerType::kCommit;
    value_of(partition.log().append_as_follower(leader.marker(type, ProducerId(602), now)));
    partition.advance_clock(10);
  }
  value_of(partition.log().append_as_follower(
      leader.batch(fields_of(602, 20, true), 1, partition.now())));
}

/// The log start ends up inside a batch of the third segment, and inside a transaction.
inline void tell_log_start(StoredPartition& partition) {
  Leader leader{Offset(0)};
  const auto take = [&](const Buffer& bytes, FollowerAppendOptions options = {}) {
    value_of(partition.log().append_as_follower(bytes, options));
    partition.advance_clock(10);
  };
  take(leader.batch(fields_of(701, 0, false), 3, partition.now()));
  for (int round = 0; round < 24; ++round) {
    if (round == 8) leader.become_leader(5);
    take(leader.batch(fields_of(702, round * 3, false), 3, partition.now()));
    if (round < 20) take(leader.batch(fields_of(703, round, true), 1, partition.now()));
    if (round == 20) take(leader.marker(MarkerType::kAbort, ProducerId(703), partition.now()));
  }
  const std::vector<Offset> segments = partition.log().segments();
  ASSERT_GE(segments.size(), 4U);
  take(leader.batch({}, 1, partition.now()),
       {.leader_high_watermark = leader.end(), .leader_log_start = segments[2] + 4});
}

/// Half a batch behind the end, as a power cut leaves it; we recover and go on.
inline void tell_unclean(StoredPartition& partition) {
  Producer idempotent(partition, 801);
  Producer committing(partition, 802);
  Producer aborting(partition, 803);
  for (int round = 0; round < 12; ++round) {
    if (round == 4) value_of(partition.log().flush());
    idempotent.send(2);
    committing.send_in_transaction(2);
    aborting.send_in_transaction(1);
    committing.commit();
    aborting.abort();
  }
  aborting.send_in_transaction(2);
  const Offset end = partition.log().ends().log_end;
  const std::string active = std::to_string(partition.log().segments().back().value());
  value_of(partition.log().drain());  // or the ring's batches would come over the torn one
  partition.crash();

  const Buffer torn = make_batch({.base_offset = end}, 9, partition.now());
  std::ofstream file(partition.partition_directory() + "/" + std::string(20 - active.size(), '0') +
                         active + ".log",
                     std::ios::binary | std::ios::app);
  file << as_text(Bytes(torn).first(torn.size() / 2));
  file.close();
  const RecoveryReport& report = partition.open().recovery_report();
  EXPECT_FALSE(report.was_clean);
  EXPECT_EQ(report.bytes_cut, std::ssize(torn) / 2);
  idempotent.retry();
  idempotent.send(1);
  aborting.send_in_transaction(1);
}

inline void tell_nothing(StoredPartition&) {}

struct Story {
  std::string name{};
  std::function<void(StoredPartition&)> tell{};
  TimestampType timestamp_type = TimestampType::kCreateTime;

  friend void PrintTo(const Story& story, std::ostream* out) { *out << story.name; }
};

inline const std::vector<Story> kStories{
    {"codecs", tell_codecs},
    {"producers", tell_producers},
    {"transactions", tell_transactions},
    {"markers_only", tell_markers_only},
    {"epochs", tell_epochs},
    {"append_time", tell_append_time, TimestampType::kLogAppendTime},
    {"follower", tell_follower},
    {"log_start", tell_log_start},
    {"unclean", tell_unclean},
    {"nothing", tell_nothing},
};

inline TopicConfig config_of(const Story& story) {
  TopicConfig config;
  config.segment_bytes = 1024;
  config.index_interval_bytes = 128;
  config.message_timestamp_type = story.timestamp_type;
  return config;
}

}  // namespace oncelog::interop
