#include "support/log_comparison.h"

#include <algorithm>

namespace oncelog::test {

namespace {

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

std::string text_of(const ProducerInfo& producer) {
  std::string text = "producer " + show(producer.producer_id) + " epoch " + show(producer.epoch) +
                     " sequence " + show(producer.last_sequence) + " offset " +
                     show(producer.last_offset) + " coordinator epoch " +
                     show(producer.coordinator_epoch) + " transaction " +
                     show(producer.transaction_first_offset.value_or(kNoOffset)) + " time " +
                     show(producer.last_timestamp) + " batches";
  for (const ProducerBatch& batch : producer.batches) {
    text += " [" + show(batch.first_sequence) + ".." + show(batch.last_sequence) + " @" +
            show(batch.base_offset) + ".." + show(batch.last_offset) + " time " +
            show(batch.max_timestamp) + "]";
  }
  return text;
}

std::vector<ProducerInfo> infos_of(const ModelProducers& producers) {
  std::vector<ProducerInfo> infos;
  for (const auto& [id, producer] : producers) {
    ProducerInfo& info = infos.emplace_back();
    info.producer_id = id;
    info.epoch = producer.epoch;
    if (!producer.window.empty()) {
      info.last_sequence = producer.window.back().last_sequence;
      info.last_offset = producer.window.back().last_offset;
    }
    info.coordinator_epoch = producer.coordinator_epoch;
    info.transaction_first_offset = producer.transaction_first_offset;
    info.last_timestamp = producer.last_timestamp;
    info.batches = producer.window;
  }
  return infos;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text.empty() ? "\n  none" : text;
}

}  // namespace

std::vector<std::string> texts_of(const std::vector<ProducerInfo>& producers) {
  std::vector<std::string> texts;
  for (const ProducerInfo& producer : producers) texts.push_back(text_of(producer));
  return texts;
}

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
  const auto seen = texts_of(require_value(log_.producers(), "producers"));
  const auto expected = texts_of(infos_of(model_.producers()));
  require(seen == expected,
          "producers are" + joined(seen) + "\nthe oracle says" + joined(expected));
}

void LogComparison::settle_expiries() {
  const auto seen = texts_of(require_value(log_.producers(), "producers"));
  const std::size_t certain = model_.certain_expiry_count();
  for (std::size_t kept = model_.expiry_count(); kept >= certain; --kept) {
    if (texts_of(infos_of(model_.producers_with(kept))) == seen) {
      return model_.settle_expiries(kept);
    }
    if (kept == 0) return;
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
    if (transaction.is_aborted && *transaction.marker_offset >= model_.first_base()) {
      expected.push_back(transaction);
    }
  }
  std::ranges::sort(expected, {}, &ModelTransaction::marker_offset);
  const auto seen = log_.aborted_transactions();
  const std::vector<Offset> bases = log_.segments();
  std::size_t i = 0;
  for (const ModelTransaction& transaction : expected) {
    const Offset marker = *transaction.marker_offset;
    const std::string what = " of the aborted transaction with marker " + show(marker);
    if (i == seen.size() || seen[i].last_offset != marker) {
      // Where the index was made anew when its batches were gone, it is no transaction any more.
      require(!transaction.first_left, "no index entry" + what);
      continue;
    }
    const AbortedTransactionEntry& entry = seen[i++];
    require_equal(entry.producer_id, transaction.producer_id, "producer" + what);
    require(transaction.may_begin_at(entry.first_offset),
            "first offset" + what + " is " + show(entry.first_offset) + ", the oracle says " +
                show(transaction.first_offset()));
    const auto above = std::ranges::upper_bound(bases, marker);
    require_equal(entry.segment, *std::prev(above), "segment of the index entry" + what);
    require(transaction.may_have_last_stable_offset(entry.last_stable_offset),
            "last stable offset" + what + " is " + show(entry.last_stable_offset) +
                ", the oracle says " + show(transaction.last_stable_offsets.front()));
  }
  require_equal(i, seen.size(), "number of aborted transactions that have been");
}

void LogComparison::check_segments() {
  const std::vector<Offset> bases = log_.segments();
  require(!bases.empty() && bases.back() <= model_.log_end(), "segments");
  require_equal(bases.front(), model_.first_base(), "base of the first segment");
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

/// 9.4: aborted transactions that touch the batches in [from, until) must be listed, those that end
/// behind `from` may.
void LogComparison::check_aborted_list(const std::vector<AbortedTransaction>& seen, Offset from,
                                       Offset until) {
  std::vector<ModelTransaction> possible;
  for (const ModelTransaction& transaction : model_.transactions()) {
    if (transaction.is_aborted && *transaction.marker_offset >= from) {
      possible.push_back(transaction);
    }
  }
  const auto is_entry_of = [](const AbortedTransaction& listed, const ModelTransaction& one) {
    return listed.producer_id == one.producer_id && one.may_begin_at(listed.first_offset);
  };
  for (const ModelTransaction& needed : possible) {
    if (!needed.first_left || *needed.first_left >= until) continue;
    require(
        std::ranges::any_of(seen, [&](const auto& one) { return is_entry_of(one, needed); }),
        "the aborted transaction at " + show(needed.first_offset()) + " is missing from the list");
  }
  for (const AbortedTransaction& listed : seen) {
    const auto is_of_this = [&](const auto& one) { return is_entry_of(listed, one); };
    require(std::ranges::any_of(possible, is_of_this),
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

void LogComparison::check_records(Offset from, Offset until) {
  const std::vector<ModelRead> expected = model_.read(from, until, false);
  std::size_t seen = 0;
  for (Offset position = from; position < until;) {
    const Fetched fetched =
        require_value(log_.fetch(position, {.isolation = Isolation::kReplica}), "fetch");
    const std::vector<std::byte> bytes = require_value(fetched.read(), "read");
    CommittedRecords records(bytes, {}, {.from = position});
    while (const auto record = require_value(records.next(), "records")) {
      if (record->offset >= until) break;
      require(seen < expected.size() && record->offset == expected[seen].offset &&
                  record->value.transform(as_text) == expected[seen].value,
              "the record at " + show(record->offset) + " is not the one that was stored");
      ++seen;
    }
    require(records.position() > position, "nothing can be read at " + show(position));
    position = records.position();
  }
  require_equal(seen, expected.size(), "number of records below " + show(until));
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
