// keyed_batches.h: batches of records with keys, for compaction, and what is left of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "oncelog/partition_log.h"
#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::test {

/// A record as a test names it; without a value it is a tombstone, without a key it has none.
struct Keyed {
  std::optional<std::string> key{};
  std::optional<std::string> value{};
  std::int64_t timestamp = 1000;
};

/// A batch of these records, with the header fields of `spec`.
[[nodiscard]] inline Buffer make_keyed(const std::vector<Keyed>& records,
                                       const BatchSpec& spec = {}) {
  RecordBatchBuilder builder({.base_offset = Offset(spec.base),
                              .leader_epoch = LeaderEpoch(spec.leader_epoch),
                              .codec = spec.codec,
                              .is_transactional = spec.is_transactional,
                              .producer_id = ProducerId(spec.producer_id),
                              .producer_epoch = ProducerEpoch(spec.producer_epoch),
                              .base_sequence = Sequence(spec.sequence)});
  for (const Keyed& record : records) {
    NewRecord one{.timestamp = Timestamp(record.timestamp)};
    if (record.key) one.key = as_bytes(*record.key);
    if (record.value) one.value = as_bytes(*record.value);
    EXPECT_THAT(builder.add(one), Succeeds());
  }
  return value_of(builder.build());
}

[[nodiscard]] inline RecordBatchView view_of(const Buffer& bytes) {
  return value_of(RecordBatchView::parse(bytes));
}

/// "offset key=value" of each record of a batch; "-" for what there is none of.
[[nodiscard]] inline std::vector<std::string> records_of(const RecordBatchView& batch) {
  std::vector<std::string> records;
  if (batch.record_count() == 0) return records;
  RecordReader reader = value_of(RecordReader::open(batch));
  while (const auto record = value_of(reader.next())) {
    records.push_back(std::to_string(record->offset.value()) + " " +
                      std::string(record->key ? as_text(*record->key) : "-") + "=" +
                      std::string(record->value ? as_text(*record->value) : "-"));
  }
  return records;
}

/// The batches that a log holds from an offset on, as bytes of their own.
[[nodiscard]] inline std::vector<Buffer> stored_batches(const PartitionLog& log) {
  std::vector<Buffer> batches;
  Offset from = log.ends().log_start;
  while (from < log.ends().log_end) {
    const Buffer bytes =
        value_of(value_of(log.fetch(from, {.isolation = Isolation::kReplica})).read());
    if (bytes.empty()) break;
    BatchCursor cursor(bytes);
    while (const auto batch = value_of(cursor.next())) {
      batches.emplace_back(batch->bytes().begin(), batch->bytes().end());
      from = batch->next_offset();
    }
  }
  return batches;
}

/// All records of a log but those of control batches.
[[nodiscard]] inline std::vector<std::string> stored_records(const PartitionLog& log) {
  std::vector<std::string> records;
  for (const Buffer& bytes : stored_batches(log)) {
    if (view_of(bytes).is_control()) continue;
    for (std::string& record : records_of(view_of(bytes))) records.push_back(std::move(record));
  }
  return records;
}

}  // namespace oncelog::test
