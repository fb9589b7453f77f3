#include "report_json.h"

#include <algorithm>
#include <vector>

#include "why_lso.h"

namespace oncelog::cli {

namespace {

/// JavaScript's numbers are exact up to 2^53 only: greater ones become strings, which are shown as
/// they are. Offsets of damaged batches may be anything.
Json exact(std::int64_t number) {
  constexpr std::int64_t kExactMax = (std::int64_t{1} << 53) - 1;
  if (number > kExactMax || number < -kExactMax) return std::to_string(number);
  return number;
}

template <class Number>
Json exact_or_null(const std::optional<Number>& number) {
  return number ? exact(number->value()) : Json(nullptr);
}

/// Differences to the cell before, and what is mostly 0 at the end, where it is left out. They are
/// for drawing: those of damaged offsets may lose their last digits.
class CellRow {
 public:
  explicit CellRow(Timestamp epoch) : timestamp_(epoch) {}

  Json encode(const MapCell& cell) {
    std::vector<std::int64_t> row = {cell.begin - begin_,
                                     cell.end - cell.begin,
                                     cell.segment - segment_,
                                     cell.position,
                                     cell.bytes,
                                     cell.batch_count,
                                     cell.record_count,
                                     cell.producer_epoch.value()};
    begin_ = cell.begin;
    segment_ = cell.segment;
    // A batch may have no time: then the row has no duration, −1.
    const bool has_time = cell.first_timestamp > kNoTimestamp;
    row.push_back(has_time ? cell.first_timestamp - timestamp_ : 0);
    row.push_back(has_time ? cell.last_timestamp - cell.first_timestamp : -1);
    if (has_time) timestamp_ = cell.first_timestamp;
    row.push_back(cell.transactional_batch_count);
    row.push_back(cell.commit_count);
    row.push_back(cell.abort_count);
    while (row.back() == 0) row.pop_back();
    return row;
  }

 private:
  Offset begin_{};
  Offset segment_{};
  Timestamp timestamp_;
};

Json json_cells(const std::vector<MapCell>& cells, Timestamp epoch) {
  Json rows = Json::array();
  CellRow row(epoch);
  for (const MapCell& cell : cells) rows.push_back(row.encode(cell));
  return rows;
}

Json json_lane(const MapLane& lane, Timestamp epoch) {
  return {{"pid", exact(lane.producer_id.value())},
          {"total", json_cells({lane.total}, epoch)[0]},
          {"cells", json_cells(lane.cells, epoch)}};
}

Json json_segments(const std::vector<MapSegment>& segments, Timestamp epoch) {
  Json all = Json::array();
  for (const MapSegment& segment : segments) {
    Json one = {{"base", exact(segment.base.value())}, {"count", segment.segment_count}};
    if (segment.damaged_bytes > 0) one["damaged_bytes"] = segment.damaged_bytes;
    if (segment.total.batch_count > 0) one["total"] = json_cells({segment.total}, epoch)[0];
    all.push_back(std::move(one));
  }
  return all;
}

Json json_transaction(const ListedTransaction& one) {
  return {{"state", state_text(one.state)},
          {"pid", exact(one.producer_id.value())},
          {"epoch", one.producer_epoch.value()},
          {"coordinator", one.coordinator_epoch.value()},
          {"first", exact_or_null(one.first_offset)},
          {"last", exact_or_null(one.last_offset)},
          {"marker", exact_or_null(one.marker_offset)},
          {"records", one.record_count},
          {"batches", one.batch_count},
          {"from", one.first_timestamp.value()},
          {"to", one.last_timestamp.value()}};
}

Json json_offsets(const PartitionOffsets& offsets) {
  return {{"first_segment", exact(offsets.first_segment.value())},
          {"log_start", exact(offsets.log_start.value())},
          {"last_stable_offset", exact(offsets.last_stable_offset.value())},
          {"high_watermark", exact(offsets.high_watermark.value())},
          {"high_watermark_known", offsets.stored_high_watermark.has_value()},
          {"log_end", exact(offsets.log_end.value())}};
}

Json json_damages(const std::vector<MapDamage>& damages) {
  Json all = Json::array();
  for (const MapDamage& damage : damages) {
    all.push_back({{"file", damage.file},
                   {"position", damage.position},
                   {"bytes", damage.bytes},
                   {"begin", exact(damage.begin.value())},
                   {"end", exact(damage.end.value())},
                   {"what", damage.what}});
  }
  return all;
}

/// Those that are in no batch: checkpoint files, markers that cannot be read.
Json json_problems(const PartitionMap& map) {
  Json all = Json::array();
  for (const Problem& problem : map.offsets.problems) {
    const auto is_same = [&](const MapDamage& damage) {
      return damage.file == problem.file && damage.position == problem.position;
    };
    if (std::ranges::any_of(map.damages, is_same)) continue;
    all.push_back(
        {{"file", problem.file}, {"position", problem.position}, {"what", problem.problem}});
  }
  return all;
}

}  // namespace

Json json_partition(const ReportedPartition& partition, const PartitionMap& map) {
  const Timestamp epoch = std::max(map.total.first_timestamp, Timestamp(0));
  Json json = {{"name", partition.name},
               {"path", partition.path},
               {"now", partition.now.value()},
               {"hanging_ms", partition.hanging_ms},
               {"time_zero", epoch.value()},
               {"bound", bound_name(map.offsets.bound)},
               {"why", why_sentence(map.offsets, partition.now)},
               {"remedy", remedy_command(partition.name, map.offsets)},
               {"offsets", json_offsets(map.offsets)},
               {"open_count", map.offsets.open_transaction_count},
               {"committed_count", map.committed_count},
               {"aborted_count", map.aborted_count},
               {"producer_count", map.producer_count},
               {"segment_count", map.segment_count},
               {"damage_count", map.damage_count},
               {"damaged_bytes", map.damaged_bytes}};
  json["total"] = map.total.batch_count > 0 ? json_cells({map.total}, epoch)[0] : Json(nullptr);
  json["cells"] = json_cells(map.cells, epoch);
  json["lanes"] = Json::array();
  for (const MapLane& lane : map.lanes) json["lanes"].push_back(json_lane(lane, epoch));
  if (map.others.total.batch_count > 0) json["others"] = json_lane(map.others, epoch);
  json["segments"] = json_segments(map.segments, epoch);
  json["transactions"] = Json::array();
  for (const ListedTransaction& one : map.transactions) {
    json["transactions"].push_back(json_transaction(one));
  }
  json["damages"] = json_damages(map.damages);
  json["problems"] = json_problems(map);
  return json;
}

}  // namespace oncelog::cli
