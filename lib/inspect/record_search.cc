// record_search.cc: records by what is in them, and the last ones of a log.
#include <algorithm>
#include <deque>
#include <ranges>
#include <utility>
#include <vector>

#include "inspect/batch_stream.h"
#include "oncelog/inspect_partition.h"

namespace oncelog {

namespace {

using inspect::BatchStream;
using inspect::ProblemList;
using inspect::SegmentName;

bool may_match(const RecordQuery& query, const RecordBatchView& batch) {
  if (batch.is_control()) return false;
  if (batch.last_offset() < query.offset_begin || batch.base_offset() >= query.offset_end) {
    return false;
  }
  // The smallest timestamp of a batch is not in its header.
  if (query.timestamp_begin && batch.max_timestamp() < *query.timestamp_begin) return false;
  return !query.producer_id || batch.producer_id() == *query.producer_id;
}

bool has_header(const RecordQuery& query, const RecordView& record) {
  const std::vector<RecordHeader> headers = record.headers();
  return std::ranges::any_of(headers, [&](const RecordHeader& header) {
    if (header.key != *query.header_key) return false;
    return !query.header_value || (header.value && as_text(*header.value) == *query.header_value);
  });
}

bool matches(const RecordQuery& query, const RecordView& record) {
  if (record.offset < query.offset_begin || record.offset >= query.offset_end) return false;
  if (query.timestamp_begin && record.timestamp < *query.timestamp_begin) return false;
  if (query.timestamp_end && record.timestamp >= *query.timestamp_end) return false;
  if (query.key && (!record.key || as_text(*record.key) != *query.key)) return false;
  return !query.header_key || has_header(query, record);
}

/// False if the visitor ended the search.
Result<bool> visit_matches(const ScannedBatch& found, const RecordQuery& query,
                           const RecordVisitor& visit) {
  ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(*found.batch));
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto record, reader.next());
    if (!record) return true;
    if (!matches(query, *record)) continue;
    if (!visit({found.file, found.position, *found.batch, *record})) return false;
  }
}

/// Those that may hold offsets of the range.
std::vector<SegmentName> segments_in_range(const std::vector<SegmentName>& all,
                                           const RecordQuery& query) {
  std::vector<SegmentName> chosen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_below = i + 1 < all.size() && all[i + 1].base <= query.offset_begin;
    if (!is_below && all[i].base < query.offset_end) chosen.push_back(all[i]);
  }
  return chosen;
}

Result<std::vector<Problem>> search(Vfs& vfs, const std::vector<SegmentName>& segments,
                                    const RecordQuery& query, const RecordVisitor& visit) {
  BatchStream batches(vfs, segments_in_range(segments, query));
  ProblemList problems;
  const auto look = [&](const SegmentName&, const ScannedBatch& found) {
    if (!may_match(query, *found.batch)) return true;
    const Result<bool> goes_on = visit_matches(found, query, visit);
    if (!goes_on) problems.add(found.file, found.position, goes_on.error().text());
    return !goes_on || *goes_on;
  };
  ONCELOG_TRY(inspect::walk_batches(batches, problems, look));
  return std::move(problems).take();
}

/// A batch, and how many data records lie from its front on.
struct TailStart {
  Offset base{};
  std::int64_t record_count = 0;
};

/// The last batch from which on there are `count` data records; the first one if there are fewer.
Result<TailStart> find_tail(Vfs& vfs, const std::vector<SegmentName>& segments,
                            std::int64_t count) {
  TailStart start{segments.front().base, 0};
  for (const SegmentName& name : std::views::reverse(segments)) {
    std::deque<TailStart> batches;  // the last ones of the segment that may be needed
    std::int64_t records = 0;
    ProblemList passed_over;
    BatchStream stream(vfs, {name});
    ONCELOG_TRY(inspect::walk_batches(
        stream, passed_over, [&](const SegmentName&, const ScannedBatch& found) {
          if (found.batch->is_control()) return true;
          batches.push_back({found.batch->base_offset(), found.batch->record_count()});
          records += found.batch->record_count();
          while (records - batches.front().record_count >= count) {
            records -= batches.front().record_count;
            batches.pop_front();
          }
          return true;
        }));
    for (; !batches.empty() && start.record_count < count; batches.pop_back()) {
      start.base = batches.back().base;
      start.record_count += batches.back().record_count;
    }
    if (start.record_count >= count) break;
  }
  return start;
}

}  // namespace

Result<std::vector<Problem>> find_records(const std::string& directory, const RecordQuery& query,
                                          const RecordVisitor& visit, Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  ONCELOG_TRY_ASSIGN(const auto segments, inspect::list_partition(disk, directory));
  return search(disk, segments, query, visit);
}

Result<std::vector<Problem>> find_last_records(const std::string& directory, std::int64_t count,
                                               const RecordVisitor& visit, Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  ONCELOG_TRY_ASSIGN(const auto segments, inspect::list_partition(disk, directory));
  if (count <= 0) return std::vector<Problem>{};
  ONCELOG_TRY_ASSIGN(const TailStart start, find_tail(disk, segments, count));
  std::int64_t to_skip = std::max<std::int64_t>(start.record_count - count, 0);
  RecordQuery query;
  query.offset_begin = start.base;
  return search(disk, segments, query, [&](const LocatedRecord& found) {
    if (to_skip == 0) return visit(found);
    --to_skip;
    return true;
  });
}

}  // namespace oncelog
