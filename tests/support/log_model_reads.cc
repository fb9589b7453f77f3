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

/// 9.2: the oldest transaction of another producer that is open at the marker, or the offset behind
/// it; not behind the producer's own next one, where there is one of another.
void find_last_stable_offsets(ModelTransaction& ended, const std::vector<ModelTransaction>& all) {
  if (!ended.marker_offset) return;
  const auto oldest = [&](bool sees_whole_append, bool sees_deleted) {
    std::optional<Offset> found;
    std::optional<Offset> own_next;
    for (const ModelTransaction& other : all) {
      const bool has_ended = other.marker_offset && *other.marker_offset <= *ended.marker_offset;
      if (has_ended) continue;
      const auto first = sees_deleted ? std::optional(other.first_offset()) : other.first_left;
      if (!first) continue;
      const bool has_begun = *first < *ended.marker_offset ||
                             (sees_whole_append && other.first_append == ended.marker_append);
      std::optional<Offset>& oldest_of = other.producer_id == ended.producer_id ? own_next : found;
      if (has_begun && (!oldest_of || *first < *oldest_of)) oldest_of = first;
    }
    if (found && own_next) return std::min(*found, *own_next);
    return found.value_or(*ended.marker_offset + 1);
  };
  ended.last_stable_offsets = {oldest(false, true), oldest(true, true)};
  ended.last_stable_offsets_left = {oldest(false, false), oldest(true, false)};
}

}  // namespace

bool ModelTransaction::may_begin_at(Offset offset) const {
  const bool is_one_of_them = std::ranges::find(batches, offset) != batches.end();
  return is_one_of_them && (!first_left || offset <= *first_left);
}

bool ModelTransaction::may_have_last_stable_offset(Offset offset) const {
  for (const Offset possible : last_stable_offsets) {
    if (offset == possible) return true;
  }
  for (const Offset possible : last_stable_offsets_left) {
    if (offset == possible) return true;
  }
  // Made when some of what is gone now was still there.
  return last_stable_offsets != last_stable_offsets_left &&
         offset > std::ranges::min(last_stable_offsets) &&
         offset < std::ranges::max(last_stable_offsets_left);
}

std::vector<ModelTransaction> LogModel::transactions() const {
  const State& state = now();
  std::vector<ModelTransaction> all;
  for (const std::size_t index : state.written) {
    const ModelBatch& batch = accepted_[index];
    if (batch.producer_id == kNoProducerId) continue;
    ModelTransaction* open = nullptr;
    for (ModelTransaction& transaction : all) {
      if (transaction.producer_id == batch.producer_id && !transaction.marker_offset) {
        open = &transaction;
      }
    }
    if (batch.marker && open != nullptr) {  // 6.5
      open->marker_offset = batch.base_offset;
      open->marker_append = batch.append_number;
      open->is_aborted = batch.marker->type == MarkerType::kAbort;
    } else if (!batch.marker && batch.is_transactional) {  // 6.1, 6.2
      if (open == nullptr) {
        open = &all.emplace_back();
        open->producer_id = batch.producer_id;
        open->first_append = batch.append_number;
      }
      open->batches.push_back(batch.base_offset);
      if (!open->first_left && is_left(state, batch)) open->first_left = batch.base_offset;
    }
  }
  for (ModelTransaction& transaction : all) {
    find_last_stable_offsets(transaction, all);
    add_cut_last_stable_offsets(transaction);
  }
  return all;
}

/// 9.3: transactions that began behind the marker, in the same append, were open already when the
/// entry was made; a truncation that cuts them off does not change the entry.
void LogModel::add_cut_last_stable_offsets(ModelTransaction& ended) const {
  if (!ended.marker_offset || ended.last_stable_offsets.front() <= *ended.marker_offset) return;
  for (const ModelBatch& batch : accepted_) {
    const bool has_begun_behind =
        batch.append_number == ended.marker_append && batch.base_offset > *ended.marker_offset &&
        batch.is_transactional && !batch.marker && batch.producer_id != ended.producer_id;
    if (has_begun_behind) ended.last_stable_offsets.push_back(batch.base_offset);
  }
}

std::vector<ModelRead> LogModel::read(Offset from, Offset bound, bool is_committed) const {
  const std::vector<ModelTransaction> all = transactions();
  const auto is_aborted = [&](const ModelBatch& batch) {
    return std::ranges::any_of(all, [&](const ModelTransaction& transaction) {
      return transaction.is_aborted &&
             std::ranges::find(transaction.batches, batch.base_offset) != transaction.batches.end();
    });
  };
  std::vector<ModelRead> reads;
  for (const ModelBatch& batch : batches()) {
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

OffsetFound LogModel::find_by_time(Timestamp timestamp, const std::vector<Offset>& bases) const {
  // 12.4: only the first segment with a large enough timestamp is searched.
  const Offset start = log_start();
  std::optional<Offset> segment;
  for (const ModelBatch& batch : batches()) {
    if (!segment && batch.max_timestamp() >= timestamp) segment = segment_of(batch, bases);
  }
  for (const ModelBatch& batch : batches()) {
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
  for (const ModelBatch& batch : batches()) {
    Offset offset = batch.base_offset;
    for (const ModelRecord& record : batch.records) {
      const bool is_first = found.offset == kNoOffset;
      if (offset >= start && (is_first || record.timestamp > found.timestamp)) {
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
