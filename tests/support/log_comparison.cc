#include "support/log_comparison.h"

#include <algorithm>

namespace oncelog::test {

namespace {

template <class T>
bool contains(const std::vector<T>& values, const T& value) {
  return std::ranges::find(values, value) != values.end();
}

Offset bound_of(const LogEnds& ends, Isolation isolation) {
  if (isolation == Isolation::kReplica) return ends.log_end;
  return isolation == Isolation::kReadCommitted ? ends.last_stable_offset : ends.high_watermark;
}

std::string text_of(const std::vector<LeaderEpochStart>& epochs) {
  std::string text;
  for (const LeaderEpochStart& entry : epochs)
    text += show(entry.epoch) + "@" + show(entry.start) + " ";
  return text;
}

}  // namespace

void LogComparison::check_state(const std::vector<Timestamp>& times) {
  check_ends();
  check_producers();
  check_epochs();
  check_aborted_index();
  check_segments();
  check_list_offsets(times);
  for (const std::string& broken : log_.check_invariants()) {
    throw Disagreement("invariant: " + broken);
  }
}

void LogComparison::check_ends() {
  const LogEnds ends = log_.ends();
  require_equal(ends.log_start, model_.log_start(), "log start");
  require_equal(ends.high_watermark, model_.high_watermark(), "high watermark");
  require_equal(ends.log_end, model_.log_end(), "log end");
  const auto allowed = model_.last_stable_offsets();
  require(
      allowed.contains(ends.last_stable_offset),
      "LSO is " + show(ends.last_stable_offset) + ", the oracle says " + show(*allowed.begin()));
  // Once they differ, one of them is right for good.
  model_.settle_last_stable_offset(ends.last_stable_offset);
}

void LogComparison::check_producers() {
  const std::vector<ProducerInfo> seen = log_.producers();
  const auto expected = model_.producers();
  require_equal(seen.size(), expected.size(), "number of producers");
  std::size_t index = 0;
  for (const auto& [id, producer] : expected) {
    const ProducerInfo& info = seen[index++];
    const std::string who = "producer " + show(id) + ": ";
    require_equal(info.producer_id, id, who + "id");
    require_equal(info.epoch, producer.epoch, who + "epoch");
    const bool has_batch = !producer.window.empty();
    require_equal(info.last_sequence,
                  has_batch ? producer.window.back().last_sequence : kNoSequence,
                  who + "last sequence");
    require_equal(info.last_offset, has_batch ? producer.window.back().last_offset : kNoOffset,
                  who + "last offset");
    require_equal(info.coordinator_epoch, producer.coordinator_epoch, who + "coordinator epoch");
    require_equal(info.transaction_first_offset.value_or(kNoOffset),
                  producer.transaction_first_offset.value_or(kNoOffset),
                  who + "first offset of its transaction");
    require_equal(info.last_timestamp, producer.last_timestamp, who + "last timestamp");
  }
}

void LogComparison::check_epochs() {
  const auto seen = log_.leader_epochs();
  const auto expected = model_.leader_epochs();
  require(seen == expected,
          "leader epochs are " + text_of(seen) + ", the oracle says " + text_of(expected));
  const LeaderEpoch last = expected.empty() ? LeaderEpoch(0) : expected.back().epoch;
  for (LeaderEpoch epoch = kNoLeaderEpoch; epoch <= last + 1; epoch = epoch + 1) {
    const LeaderEpochEnd end = log_.epoch_end(epoch);
    const LeaderEpochEnd right = model_.epoch_end(epoch);
    require_equal(end.epoch, right.epoch, "epoch of the end of epoch " + show(epoch));
    require_equal(end.end, right.end, "end of epoch " + show(epoch));
  }
}

void LogComparison::check_aborted_index() {
  std::vector<ModelTransaction> expected;
  for (const ModelTransaction& transaction : model_.transactions()) {
    if (transaction.is_aborted) expected.push_back(transaction);
  }
  std::ranges::sort(expected, {}, &ModelTransaction::marker_offset);
  const auto seen = log_.aborted_transactions();
  require_equal(seen.size(), expected.size(), "number of aborted transactions");
  const std::vector<Offset> bases = log_.segments();
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const Offset marker = *expected[i].marker_offset;
    require_equal(seen[i].producer_id, expected[i].producer_id,
                  "producer of an aborted transaction");
    require_equal(seen[i].first_offset, expected[i].first_offset, "its first offset");
    require_equal(seen[i].last_offset, marker, "its marker");
    const auto above = std::ranges::upper_bound(bases, marker);
    require_equal(seen[i].segment, *std::prev(above), "the segment of its index entry");
    require(contains(expected[i].last_stable_offsets, seen[i].last_stable_offset),
            "its last stable offset is " + show(seen[i].last_stable_offset) + ", the oracle says " +
                show(expected[i].last_stable_offsets.front()));
  }
}

void LogComparison::check_segments() {
  const std::vector<Offset> bases = log_.segments();
  require(!bases.empty() && bases.back() <= model_.log_end(), "segments");
  for (std::size_t i = 1; i < bases.size(); ++i) {
    require(bases[i - 1] < bases[i], "segments are not in order");
    for (const ModelBatch& batch : model_.batches()) {
      require(batch.base_offset >= bases[i] || batch.next_offset() <= bases[i],
              "a segment begins inside of a batch");
    }
  }
}

void LogComparison::check_list_offsets(const std::vector<Timestamp>& times) {
  const LogEnds ends = log_.ends();
  const std::vector<Offset> bases = log_.segments();
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    for (const Timestamp timestamp : times) {
      const auto seen = require_value(log_.list_offsets(timestamp, isolation), "list_offsets");
      const OffsetFound expected = model_.list_offsets(timestamp, bases, bound_of(ends, isolation));
      const std::string what = " for timestamp " + show(timestamp);
      require_equal(seen.offset, expected.offset, "offset" + what);
      require_equal(seen.timestamp, expected.timestamp, "timestamp" + what);
      require_equal(seen.leader_epoch, expected.leader_epoch, "leader epoch" + what);
    }
  }
}

/// The whole batches of a region against the history; answers where they end.
Offset LogComparison::check_batches(Bytes bytes, Offset from, Offset bound) {
  const auto& batches = model_.batches();
  auto expected = std::ranges::find_if(
      batches, [&](const ModelBatch& batch) { return batch.last_offset() >= from; });
  BatchCursor cursor(bytes);
  Offset end = from;
  while (const auto batch = require_value(cursor.next(), "batches of a region")) {
    require(expected != batches.end(), "a batch behind the end");
    const ModelBatch& right = *expected++;
    require_equal(batch->base_offset(), right.base_offset, "base offset");
    require_equal(batch->next_offset(), right.next_offset(), "next offset");
    const std::string what = " of the batch at " + show(right.base_offset);
    require_value(batch->check_crc(), "CRC" + what);
    require_equal(batch->leader_epoch(), right.leader_epoch, "leader epoch" + what);
    require_equal(batch->is_transactional(), right.is_transactional, "transactional bit" + what);
    require_equal(batch->is_control(), right.marker.has_value(), "control bit" + what);
    require_equal(batch->producer_id(), right.producer_id, "producer id" + what);
    require_equal(batch->producer_epoch(), right.producer_epoch, "producer epoch" + what);
    require_equal(batch->base_sequence(), right.base_sequence, "base sequence" + what);
    require_equal(batch->max_timestamp(), right.max_timestamp(), "max timestamp" + what);
    require(batch->timestamp_type() == right.timestamp_type, "timestamp type" + what);
    require(batch->next_offset() <= bound, "a batch behind the bound");
    end = batch->next_offset();
  }
  return end;
}

void LogComparison::check_aborted_list(const std::vector<AbortedTransaction>& seen, Offset from,
                                       Offset until) {
  for (const AbortedTransaction& needed : model_.must_list_aborted(from, until)) {
    require(contains(seen, needed), "the aborted transaction at " + show(needed.first_offset) +
                                        " is missing from the list");
  }
  const auto possible = model_.must_list_aborted(from, model_.log_end());
  for (const AbortedTransaction& listed : seen) {
    require(contains(possible, listed),
            "no aborted transaction is at " + show(listed.first_offset));
  }
}

void LogComparison::check_read(Offset from, Isolation isolation, std::int64_t bytes_max) {
  const Offset bound = bound_of(log_.ends(), isolation);
  const bool is_committed = isolation == Isolation::kReadCommitted;
  std::vector<ModelRead> seen;
  Offset position = from;
  while (true) {
    const Fetched fetched = require_value(
        log_.fetch(position, {.isolation = isolation, .bytes_max = bytes_max}), "fetch");
    require_equal(fetched.aborted.has_value(), is_committed, "presence of the aborted list");
    if (fetched.region.bytes == 0) break;
    const std::vector<std::byte> bytes = require_value(fetched.read(), "read");
    require_equal(std::ssize(bytes), std::ptrdiff_t{fetched.region.bytes}, "bytes read");
    const Offset end = check_batches(bytes, position, bound);
    require(end > position, "no whole batch in a region");
    if (is_committed) check_aborted_list(*fetched.aborted, position, end);
    CommittedRecords records(bytes, fetched.aborted.value_or(std::vector<AbortedTransaction>{}),
                             {.from = position});
    while (const auto record = require_value(records.next(), "records")) {
      ModelRead& read = seen.emplace_back(ModelRead{record->offset, record->timestamp, {}, {}});
      if (record->key) read.key = std::string(as_text(*record->key));
      if (record->value) read.value = std::string(as_text(*record->value));
    }
    require_equal(records.position(), end, "position behind a region");
    position = end;
  }
  const std::vector<ModelRead> expected = model_.read(from, bound, is_committed);
  for (std::size_t i = 0; i < std::min(seen.size(), expected.size()); ++i) {
    require(seen[i] == expected[i], "the record at " + show(expected[i].offset) + " was read at " +
                                        show(seen[i].offset) + " or with other content");
  }
  require_equal(seen.size(), expected.size(), "number of records read from " + show(from));
}

void LogComparison::check_budget(Offset from, Isolation isolation, std::int64_t bytes_max) {
  const Offset bound = bound_of(log_.ends(), isolation);
  const auto fetch = [&](std::int64_t bytes, bool min_one_batch) {
    return require_value(
        log_.fetch(from,
                   {.isolation = isolation, .bytes_max = bytes, .min_one_batch = min_one_batch}),
        "fetch");
  };
  const bool has_data = std::ranges::any_of(model_.batches(), [&](const ModelBatch& batch) {
    return batch.last_offset() >= from && batch.next_offset() <= bound;
  });
  const std::int64_t first = fetch(0, true).region.bytes;
  require_equal(first > 0, has_data, "whether there is anything to read at " + show(from));
  require_equal(fetch(0, false).region.bytes, std::int64_t{0}, "bytes without a budget");
  if (!has_data) return;
  const std::int64_t all = fetch(1 << 30, false).region.bytes;
  require_equal(fetch(bytes_max, false).region.bytes,
                bytes_max < first ? 0 : std::min(all, bytes_max), "bytes within a budget");
  require_equal(fetch(bytes_max, true).region.bytes, std::min(all, std::max(first, bytes_max)),
                "bytes within a budget, or one batch");
}

}  // namespace oncelog::test
