#include "inspect/map_cells.h"

#include <algorithm>
#include <utility>

namespace oncelog::inspect {

namespace {

/// Kafka's markers; other control batches are counted as batches only.
void count_control(MapCell& cell, const RecordBatchView& batch) {
  const auto control = batch.control_record();
  if (!control || !*control || !(*control)->is_marker()) return;
  ((*control)->is_abort() ? cell.abort_count : cell.commit_count) = 1;
}

void take_first(Timestamp& first, Timestamp timestamp) {
  if (timestamp <= kNoTimestamp) return;
  if (first <= kNoTimestamp || timestamp < first) first = timestamp;
}

/// The longer first; of two of one length the one whose marker came first.
bool is_longer(const ListedTransaction& a, const ListedTransaction& b) {
  const std::int64_t a_length = *a.marker_offset - *a.first_offset;
  const std::int64_t b_length = *b.marker_offset - *b.first_offset;
  return a_length != b_length ? a_length > b_length : a.marker_offset < b.marker_offset;
}

}  // namespace

MapCell cell_of(const RecordBatchView& batch, const BatchPlace& place) {
  MapCell cell{.begin = batch.base_offset(),
               .end = batch.next_offset(),
               .segment = place.segment,
               .position = place.position,
               .batch_count = 1,
               .bytes = std::ssize(batch.bytes()),
               .producer_epoch = batch.producer_epoch(),
               .last_timestamp = batch.max_timestamp()};
  // A batch that compaction has rewritten may have its delete horizon in that field.
  take_first(cell.first_timestamp,
             batch.has_delete_horizon() ? batch.max_timestamp() : batch.base_timestamp());
  if (batch.is_control()) {
    count_control(cell, batch);
  } else {
    cell.record_count = batch.record_count();
    cell.transactional_batch_count = batch.is_transactional() ? 1 : 0;
  }
  return cell;
}

void merge(MapCell& into, const MapCell& other) {
  if (other.batch_count == 0) return;
  if (into.batch_count == 0) {
    into = other;
    return;
  }
  if (other.begin < into.begin) {
    into.begin = other.begin;
    into.segment = other.segment;
    into.position = other.position;
  }
  if (other.end >= into.end) {
    into.end = other.end;
    into.producer_epoch = other.producer_epoch;
  }
  into.batch_count += other.batch_count;
  into.bytes += other.bytes;
  into.record_count += other.record_count;
  into.transactional_batch_count += other.transactional_batch_count;
  into.commit_count += other.commit_count;
  into.abort_count += other.abort_count;
  take_first(into.first_timestamp, other.first_timestamp);
  into.last_timestamp = std::max(into.last_timestamp, other.last_timestamp);
}

void ProducerShares::add(ProducerId producer_id, const MapCell& cell) {
  const auto at = std::ranges::lower_bound(shares_, producer_id, {}, &Share::producer_id);
  if (at != shares_.end() && at->producer_id == producer_id) {
    merge(at->cell, cell);
    return;
  }
  shares_.insert(at, {producer_id, cell});
  if (shares_.size() <= kSharesMax) return;
  const auto fewest = std::ranges::min_element(
      shares_, {}, [](const Share& share) { return share.cell.batch_count; });
  merge(rest_, fewest->cell);
  shares_.erase(fewest);
}

void ProducerShares::add(const ProducerShares& others) {
  for (const Share& share : others.shares_) add(share.producer_id, share.cell);
  merge(rest_, others.rest_);
}

void merge_shared(SharedCell& into, SharedCell&& next) {
  merge(into.all, next.all);
  into.producers.add(next.producers);
}

void MapCells::add(const RecordBatchView& batch, const BatchPlace& place) {
  SharedCell cell{.all = cell_of(batch, place)};
  const ProducerId producer_id = std::max(batch.producer_id(), kNoProducerId);
  cell.producers.add(producer_id, cell.all);
  merge(totals_[producer_id], cell.all);
  runs_.add(std::move(cell));
}

std::vector<ProducerId> MapCells::choose_lanes(const std::vector<ListedTransaction>& open,
                                               std::size_t lanes_max) const {
  std::vector<ProducerId> chosen;
  for (const ListedTransaction& transaction : open) {
    if (chosen.size() >= (lanes_max + 1) / 2) break;
    // One whose batches all go back in the log has no cell.
    if (totals_.contains(transaction.producer_id)) chosen.push_back(transaction.producer_id);
  }
  std::vector<std::pair<std::int64_t, ProducerId>> by_batches;
  for (const auto& [id, total] : totals_) {
    if (std::ranges::find(chosen, id) == chosen.end())
      by_batches.emplace_back(-total.batch_count, id);
  }
  const std::size_t room = std::min(lanes_max - chosen.size(), by_batches.size());
  std::ranges::partial_sort(by_batches, by_batches.begin() + static_cast<std::ptrdiff_t>(room));
  for (std::size_t i = 0; i < room; ++i) chosen.push_back(by_batches[i].second);
  return chosen;
}

void MapCells::fill(PartitionMap& map, const std::vector<ListedTransaction>& open,
                    std::int64_t lanes_max) const {
  std::map<ProducerId, std::size_t> lane_indexes;
  for (const ProducerId id : choose_lanes(open, static_cast<std::size_t>(lanes_max))) {
    lane_indexes[id] = map.lanes.size();
    map.lanes.push_back({.producer_id = id, .total = totals_.at(id)});
  }
  for (const auto& [id, total] : totals_) {
    merge(map.total, total);
    if (!lane_indexes.contains(id)) merge(map.others.total, total);
    if (id != kNoProducerId) ++map.producer_count;
  }
  for (const SharedCell& cell : runs_.runs()) {
    map.cells.push_back(cell.all);
    MapCell rest = cell.producers.rest();
    for (const ProducerShares::Share& share : cell.producers.shares()) {
      const auto lane = lane_indexes.find(share.producer_id);
      if (lane == lane_indexes.end()) {
        merge(rest, share.cell);
      } else {
        map.lanes[lane->second].cells.push_back(share.cell);
      }
    }
    if (rest.batch_count > 0) map.others.cells.push_back(rest);
  }
}

void LongestTransactions::add(const ListedTransaction& transaction) {
  kept_.push_back(transaction);
  ++added_count_;
  if (kept_.size() >= 2 * count_max_) drop_shortest();
}

void LongestTransactions::drop_shortest() {
  if (kept_.size() <= count_max_) return;
  const auto end = kept_.begin() + static_cast<std::ptrdiff_t>(count_max_);
  std::ranges::nth_element(kept_, end, is_longer);
  kept_.erase(end, kept_.end());
}

std::vector<ListedTransaction> LongestTransactions::take() && {
  drop_shortest();
  return std::move(kept_);
}

}  // namespace oncelog::inspect
