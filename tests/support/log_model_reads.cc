// log_model_reads.cc: transactions, reads and look-ups from the history.
#include <algorithm>

#include "support/log_model.h"

namespace oncelog::test {

namespace {

/// The segment that a batch lies in: the greatest base at or below its own.
Offset segment_of(const ModelBatch& batch, const std::vector<Offset>& bases) {
  Offset found = bases.front();
  for (const Offset base : bases) {
    if (base <= batch.base_offset) found = base;
  }
  return found;
}

}  // namespace

std::vector<ModelTransaction> LogModel::transactions() const {
  std::vector<ModelTransaction> all;
  for (const ModelBatch& batch : batches_) {
    if (batch.producer_id == kNoProducerId) continue;
    ModelTransaction* open = nullptr;
    for (ModelTransaction& transaction : all) {
      if (transaction.producer_id == batch.producer_id && !transaction.marker_offset) {
        open = &transaction;
      }
    }
    if (batch.marker && open != nullptr) {
      open->marker_offset = batch.base_offset;
      open->marker_append = batch.append_number;
      open->is_aborted = batch.marker->type == MarkerType::kAbort;
    } else if (!batch.marker && batch.is_transactional && open == nullptr) {
      all.push_back({batch.producer_id, batch.base_offset, {}, false, batch.append_number, 0, {}});
    }
  }
  for (ModelTransaction& ended : all) {
    if (!ended.marker_offset) continue;
    // 9.2: the oldest transaction of another producer that is open at the marker. They are in order
    // of their first offsets.
    const auto oldest = [&](bool sees_whole_append) {
      for (const ModelTransaction& other : all) {
        const bool has_begun = other.first_offset < *ended.marker_offset ||
                               (sees_whole_append && other.first_append == ended.marker_append);
        const bool has_ended = other.marker_offset && *other.marker_offset <= *ended.marker_offset;
        if (other.producer_id != ended.producer_id && has_begun && !has_ended) {
          return other.first_offset;
        }
      }
      return *ended.marker_offset + 1;
    };
    ended.last_stable_offsets = {oldest(false), oldest(true)};
  }
  return all;
}

std::vector<ModelRead> LogModel::read(Offset from, Offset bound, bool is_committed) const {
  const std::vector<ModelTransaction> all = transactions();
  const auto is_aborted = [&](const ModelBatch& batch) {
    return std::ranges::any_of(all, [&](const ModelTransaction& transaction) {
      return transaction.is_aborted && batch.is_transactional &&
             transaction.producer_id == batch.producer_id &&
             transaction.first_offset <= batch.base_offset &&
             *transaction.marker_offset > batch.base_offset;
    });
  };
  std::vector<ModelRead> reads;
  for (const ModelBatch& batch : batches_) {
    if (batch.next_offset() > bound) break;  // 11.9: a batch around the bound is withheld
    if (batch.marker || (is_committed && is_aborted(batch))) continue;  // 10.2, 10.3
    Offset offset = batch.base_offset;
    for (const ModelRecord& record : batch.records) {
      if (offset >= from) reads.push_back({offset, record.timestamp, record.key, record.value});
      offset = offset + 1;
    }
  }
  return reads;
}

std::vector<AbortedTransaction> LogModel::must_list_aborted(Offset from, Offset until) const {
  std::vector<AbortedTransaction> listed;
  for (const ModelTransaction& transaction : transactions()) {
    if (transaction.is_aborted && *transaction.marker_offset >= from &&
        transaction.first_offset < until) {
      listed.push_back({transaction.producer_id, transaction.first_offset});
    }
  }
  return listed;
}

OffsetFound LogModel::find_by_time(Timestamp timestamp, const std::vector<Offset>& bases) const {
  // 12.4: only the first segment with a large enough timestamp is searched.
  const Offset start = log_start();
  std::optional<Offset> segment;
  for (const ModelBatch& batch : batches_) {
    if (!segment && batch.max_timestamp() >= timestamp) segment = segment_of(batch, bases);
  }
  for (const ModelBatch& batch : batches_) {
    if (!segment || segment_of(batch, bases) != *segment) continue;
    Offset offset = batch.base_offset;
    for (const ModelRecord& record : batch.records) {
      if (record.timestamp >= timestamp && offset >= start) {
        return {offset, record.timestamp, batch.leader_epoch};
      }
      offset = offset + 1;
    }
  }
  return {};
}

OffsetFound LogModel::find_max_timestamp() const {
  const Offset start = log_start();
  OffsetFound found;  // 12.5, Q18
  for (const ModelBatch& batch : batches_) {
    Offset offset = batch.base_offset;
    for (const ModelRecord& record : batch.records) {
      if (offset >= start && record.timestamp > found.timestamp) {
        found = {offset, record.timestamp, batch.leader_epoch};
      }
      offset = offset + 1;
    }
  }
  return found;
}

OffsetFound LogModel::list_offsets(Timestamp timestamp, const std::vector<Offset>& bases,
                                   Offset limit) const {
  const std::vector<LeaderEpochStart> epochs = leader_epochs();
  if (timestamp == kEarliestTimestamp) {  // 12.2
    OffsetFound found{log_start(), kNoTimestamp, kNoLeaderEpoch};
    if (!epochs.empty() && epochs.front().start <= log_start()) {
      found.leader_epoch = epochs.front().epoch;
    }
    return found;
  }
  if (timestamp == kLatestTimestamp) {  // 12.3
    return {limit, kNoTimestamp, epochs.empty() ? kNoLeaderEpoch : epochs.back().epoch};
  }
  OffsetFound found =
      timestamp == kMaxTimestamp ? find_max_timestamp() : find_by_time(timestamp, bases);
  if (found.offset >= limit) return {};  // 12.6
  return found;
}

}  // namespace oncelog::test
