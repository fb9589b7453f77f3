// partition_reader.cc: fetch and offset look-ups over what a ReaderLog knows. Semantics 9.4,
// 11, 12.
#include <algorithm>

#include "inspect/reader_log.h"
#include "oncelog/inspect.h"
#include "segment/header_walk.h"

namespace oncelog {

namespace {

using inspect::LocatedBatch;
using inspect::ReaderLog;
using inspect::ReaderSegment;
using record::BatchHeader;

/// Where offset `bound` lies in its segment (semantics 11.9: inside a batch, its start).
Result<std::int64_t> position_of_bound(const ReaderLog& log, const ReaderSegment& segment,
                                       Offset bound) {
  if (bound >= log.ends().log_end) return segment.bytes();
  ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> batch, segment.find_batch(bound));
  return batch ? batch->position : segment.bytes();
}

/// Semantics 9.4, with the exact upper bound: the first offset that may lie behind the region.
Result<std::vector<AbortedTransaction>> aborted_in(const ReaderLog& log, std::size_t index,
                                                   Offset from, std::int64_t region_end) {
  ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> behind,
                     log.segments()[index].batch_at_or_behind(region_end));
  const Offset upper = behind ? behind->header.base_offset : log.end_of_segment(index);
  const std::vector<AbortedTransactionEntry>& entries = log.replay().aborted();
  std::vector<AbortedTransaction> aborted;
  for (auto entry =
           std::ranges::lower_bound(entries, from, {}, &AbortedTransactionEntry::last_offset);
       entry != entries.end(); ++entry) {
    if (entry->first_offset < upper) aborted.push_back({entry->producer_id, entry->first_offset});
    if (entry->last_stable_offset >= upper) break;
  }
  return aborted;
}

/// The first record of a batch that is wanted, or nothing.
template <class IsWanted>
Result<std::optional<RecordView>> find_record(const ReaderSegment& segment,
                                              const LocatedBatch& batch, IsWanted is_wanted) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(batch.header.size_bytes()));
  ONCELOG_TRY_ASSIGN(const std::size_t count, segment.file()->read_at(bytes, batch.position));
  bytes.resize(count);
  ONCELOG_TRY_ASSIGN(const RecordBatchView view, RecordBatchView::parse(bytes));
  ONCELOG_TRY(view.check_crc());
  ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(view));
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record, reader.next());
    if (!record || is_wanted(*record)) return record;
  }
}

/// Walks the batches from `position` and looks for the record in those that may have it.
template <class MayHave, class IsWanted>
Result<OffsetFound> find_in_segment(const ReaderSegment& segment, std::int64_t position,
                                    MayHave may_have, IsWanted is_wanted) {
  segment::HeaderWalk walk(*segment.file(), segment.path(), position, segment.bytes());
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<BatchHeader> header, walk.next());
    if (!header) return OffsetFound{};
    if (!may_have(*header)) continue;
    ONCELOG_TRY_ASSIGN(const auto record,
                       find_record(segment, {walk.position(), *header}, is_wanted));
    if (record) return OffsetFound{record->offset, record->timestamp, header->leader_epoch};
  }
}

/// 12.4: the first record at or after a time, in the first segment that reaches it.
Result<OffsetFound> find_by_time(const ReaderLog& log, Timestamp timestamp) {
  const Offset log_start = log.ends().log_start;
  const auto segment = std::ranges::find_if(log.segments(), [&](const ReaderSegment& candidate) {
    return candidate.bytes() > 0 && candidate.max_timestamp() >= timestamp;
  });
  if (segment == log.segments().end()) return OffsetFound{};
  return find_in_segment(
      *segment, segment->position_before(timestamp),
      [&](const BatchHeader& header) {
        return header.max_timestamp >= timestamp && header.last_offset() >= log_start;
      },
      [&](const RecordView& record) {
        return record.timestamp >= timestamp && record.offset >= log_start;
      });
}

/// The largest timestamp among the records of a segment at or above the log start (quirk Q18);
/// nothing if it has no batch there.
Result<std::optional<Timestamp>> max_timestamp_from(const ReaderSegment& segment,
                                                    Offset log_start) {
  if (segment.bytes() == 0) return std::nullopt;
  if (segment.base() >= log_start) return segment.max_timestamp();
  ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> first, segment.find_batch(log_start));
  if (!first) return std::nullopt;
  Timestamp largest = kNoTimestamp;
  segment::HeaderWalk walk(*segment.file(), segment.path(), first->position, segment.bytes());
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<BatchHeader> header, walk.next());
    if (!header) return largest;
    if (header->base_offset >= log_start) {
      largest = std::max(largest, header->max_timestamp);
      continue;
    }
    ONCELOG_TRY(find_record(segment, {walk.position(), *header}, [&](const RecordView& record) {
      if (record.offset >= log_start) largest = std::max(largest, record.timestamp);
      return false;
    }));
  }
}

/// 12.5: the first record that carries the largest timestamp, which may be none (−1).
Result<OffsetFound> find_max_timestamp(const ReaderLog& log) {
  const Offset log_start = log.ends().log_start;
  const ReaderSegment* found = nullptr;
  Timestamp largest = kNoTimestamp;
  for (const ReaderSegment& segment : log.segments()) {
    ONCELOG_TRY_ASSIGN(const auto candidate, max_timestamp_from(segment, log_start));
    if (!candidate || (found != nullptr && *candidate <= largest)) continue;
    largest = *candidate;
    found = &segment;
  }
  if (found == nullptr) return OffsetFound{};
  return find_in_segment(
      *found, found->position_before(largest),
      [&](const BatchHeader& header) {
        return header.max_timestamp >= largest && header.last_offset() >= log_start;
      },
      [&](const RecordView& record) {
        return record.timestamp == largest && record.offset >= log_start;
      });
}

/// The epoch in force at the log start (12.2).
LeaderEpoch first_epoch(const ReaderLog& log) {
  const auto& epochs = log.epochs();
  const auto above =
      std::ranges::upper_bound(epochs, log.ends().log_start, {}, &LeaderEpochStart::start);
  return above == epochs.begin() ? kNoLeaderEpoch : std::prev(above)->epoch;
}

}  // namespace

struct PartitionReader::State {
  ReaderLog log;
};

PartitionReader::PartitionReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
PartitionReader::~PartitionReader() = default;

Result<std::unique_ptr<PartitionReader>> PartitionReader::open(const std::string& directory,
                                                               Vfs* vfs) {
  auto state =
      std::make_unique<State>(State{ReaderLog(vfs != nullptr ? *vfs : posix_vfs(), directory)});
  ONCELOG_TRY(state->log.refresh());
  return std::unique_ptr<PartitionReader>(new PartitionReader(std::move(state)));
}

Result<void> PartitionReader::refresh() { return state_->log.refresh(); }

LogEnds PartitionReader::ends() const { return state_->log.ends(); }

Result<std::optional<Problem>> PartitionReader::damage_at_end() const {
  return state_->log.damage_at_end();
}

std::vector<ProducerInfo> PartitionReader::producers() const {
  return state_->log.replay().producers();
}

Result<Fetched> PartitionReader::fetch(Offset from, FetchOptions options) const {
  const ReaderLog& log = state_->log;
  const LogEnds& ends = log.ends();
  if (options.bytes_max < 0) {
    return fail(ErrorCode::MISUSE, "fetch: bytes_max is ", options.bytes_max);
  }
  if (from < ends.log_start || from > ends.log_end) {
    return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "fetch: offset ", from, " is outside [",
                ends.log_start, ", ", ends.log_end, "]");
  }
  Fetched fetched;
  fetched.ends = ends;
  if (options.isolation == Isolation::kReadCommitted) fetched.aborted.emplace();
  const Offset bound = ends.bound_of(options.isolation);
  if (from >= bound) return fetched;

  const std::size_t bound_index = log.segment_index(bound);
  for (std::size_t index = log.segment_index(from); index <= bound_index; ++index) {
    const ReaderSegment& segment = log.segments()[index];
    ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> first, segment.find_batch(from));
    if (!first) continue;  // compacted away up to the segment's end
    std::int64_t limit = segment.bytes();
    if (index == bound_index) {
      ONCELOG_TRY_ASSIGN(limit, position_of_bound(log, segment, bound));
    }
    const std::int64_t wanted =
        std::max(options.bytes_max, options.min_one_batch ? first->header.size_bytes() : 0);
    const std::int64_t bytes = std::min(limit - first->position, wanted);
    if (bytes < first->header.size_bytes()) return fetched;  // 11.7: no fragments
    fetched.region = {segment.file(), segment.path(), first->position, bytes};
    if (fetched.aborted) {
      ONCELOG_TRY_ASSIGN(fetched.aborted, aborted_in(log, index, from, first->position + bytes));
    }
    return fetched;
  }
  return fetched;
}

Result<OffsetFound> PartitionReader::list_offsets(Timestamp timestamp, Isolation isolation) const {
  const ReaderLog& log = state_->log;
  const Offset limit = log.ends().bound_of(isolation);
  if (timestamp == kEarliestTimestamp) {
    return OffsetFound{log.ends().log_start, kNoTimestamp, first_epoch(log)};
  }
  if (timestamp == kLatestTimestamp) {
    const auto& epochs = log.epochs();
    return OffsetFound{limit, kNoTimestamp, epochs.empty() ? kNoLeaderEpoch : epochs.back().epoch};
  }
  if (timestamp < kMaxTimestamp) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, "list_offsets: timestamp ", timestamp,
                " has no meaning here");
  }
  ONCELOG_TRY_ASSIGN(const OffsetFound found, timestamp == kMaxTimestamp
                                                  ? find_max_timestamp(log)
                                                  : find_by_time(log, timestamp));
  return found.offset >= limit ? OffsetFound{} : found;  // 12.6
}

}  // namespace oncelog
