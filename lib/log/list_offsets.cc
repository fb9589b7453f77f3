// list_offsets.cc: offsets by time and by name (semantics 12). Takes no lock.
#include <algorithm>

#include "log/log_state.h"
#include "segment/header_walk.h"

namespace oncelog {

namespace {

using log::LogView;
using record::BatchHeader;
using segment::HeaderWalk;
using segment::LocatedBatch;
using segment::Segment;

/// The first record of a batch that is wanted, or nothing.
template <class IsWanted>
Result<std::optional<RecordView>> find_record(const Segment& segment, const LocatedBatch& batch,
                                              const DecompressionLimits& limits,
                                              IsWanted is_wanted) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(batch.header.size_bytes()));
  ONCELOG_TRY_ASSIGN(const std::size_t read, segment.log_file()->read_at(bytes, batch.position));
  bytes.resize(read);
  ONCELOG_TRY_ASSIGN(const RecordBatchView view, RecordBatchView::parse(bytes));
  ONCELOG_TRY(view.check_crc());
  ONCELOG_TRY_ASSIGN(RecordReader reader, RecordReader::open(view, limits));
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record, reader.next());
    if (!record || is_wanted(*record)) return record;
  }
}

/// The first record at or behind `begin` that is wanted, among batches that may have one.
template <class MayHave, class IsWanted>
Result<OffsetFound> find_in_segment(const Segment& segment, Offset begin,
                                    const DecompressionLimits& limits, MayHave may_have,
                                    IsWanted is_wanted) {
  const std::int64_t end = segment.bytes();
  ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> first, segment.find_batch(begin, end));
  if (!first) return OffsetFound{};
  HeaderWalk walk(*segment.log_file(), segment.log_path(), first->position, end);
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<BatchHeader> header, walk.next());
    if (!header) return OffsetFound{};
    if (!may_have(*header)) continue;
    ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record,
                       find_record(segment, {walk.position(), *header}, limits, is_wanted));
    if (record) return OffsetFound{record->offset, record->timestamp, header->leader_epoch};
  }
}

/// 12.4: the first record at or after a time, in the first segment that reaches it.
Result<OffsetFound> find_by_time(const LogView& view, Offset log_start, Timestamp timestamp,
                                 const DecompressionLimits& limits) {
  const auto segment = std::ranges::find_if(view.segments, [&](const auto& candidate) {
    return candidate->bytes() > 0 && candidate->max_timestamp() >= timestamp;
  });
  if (segment == view.segments.end()) return OffsetFound{};
  const Offset begin = std::max((*segment)->time_index().floor(timestamp).offset, log_start);
  return find_in_segment(
      **segment, begin, limits,
      [&](const BatchHeader& header) { return header.max_timestamp >= timestamp; },
      [&](const RecordView& record) {
        return record.timestamp >= timestamp && record.offset >= log_start;
      });
}

/// The largest timestamp among the records of a segment at or above the log start (quirk Q18);
/// nothing if it has no batch there.
Result<std::optional<Timestamp>> max_timestamp_from(const Segment& segment, Offset log_start,
                                                    const DecompressionLimits& limits) {
  const std::int64_t end = segment.bytes();
  if (end == 0) return std::nullopt;
  if (segment.base_offset() >= log_start) return segment.max_timestamp();
  ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> first, segment.find_batch(log_start, end));
  if (!first) return std::nullopt;
  Timestamp largest = kNoTimestamp;
  HeaderWalk walk(*segment.log_file(), segment.log_path(), first->position, end);
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<BatchHeader> header, walk.next());
    if (!header) return largest;
    if (header->base_offset >= log_start) {
      largest = std::max(largest, header->max_timestamp);
      continue;
    }
    const auto note = [&](const RecordView& record) {
      if (record.offset >= log_start) largest = std::max(largest, record.timestamp);
      return false;
    };
    ONCELOG_TRY(find_record(segment, {walk.position(), *header}, limits, note));
  }
}

/// 12.5: the first record that carries the largest timestamp, which may be none (−1).
Result<OffsetFound> find_max_timestamp(const LogView& view, Offset log_start,
                                       const DecompressionLimits& limits) {
  const Segment* found = nullptr;
  Timestamp largest = kNoTimestamp;
  for (const auto& segment : view.segments) {
    ONCELOG_TRY_ASSIGN(const auto candidate, max_timestamp_from(*segment, log_start, limits));
    if (!candidate || (found != nullptr && *candidate <= largest)) continue;
    largest = *candidate;
    found = segment.get();
  }
  if (found == nullptr) return OffsetFound{};
  const Offset begin = std::max(found->base_offset(), log_start);
  return find_in_segment(
      *found, begin, limits,
      [&](const BatchHeader& header) { return header.max_timestamp >= largest; },
      [&](const RecordView& record) {
        return record.timestamp == largest && record.offset >= log_start;
      });
}

struct Wanted {
  Timestamp timestamp{};
  Isolation isolation{};
};

/// The answer of one look at the log.
Result<OffsetFound> look_up(const LogView& view, const LogEnds& ends, const Wanted& wanted,
                            const DecompressionLimits& limits) {
  const Offset limit = ends.bound_of(wanted.isolation);
  const std::vector<LeaderEpochStart>& epochs = view.epochs;
  if (wanted.timestamp == kEarliestTimestamp) {
    const bool is_known = !epochs.empty() && epochs.front().start <= ends.log_start;
    return OffsetFound{ends.log_start, kNoTimestamp,
                       is_known ? epochs.front().epoch : kNoLeaderEpoch};
  }
  if (wanted.timestamp == kLatestTimestamp) {
    return OffsetFound{limit, kNoTimestamp, epochs.empty() ? kNoLeaderEpoch : epochs.back().epoch};
  }
  if (wanted.timestamp < kMaxTimestamp) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, "list_offsets: timestamp ", wanted.timestamp,
                " has no meaning here");
  }
  Result<OffsetFound> found = wanted.timestamp == kMaxTimestamp
                                  ? find_max_timestamp(view, ends.log_start, limits)
                                  : find_by_time(view, ends.log_start, wanted.timestamp, limits);
  if (found && found->offset >= limit) return OffsetFound{};  // 12.6
  return found;
}

}  // namespace

Result<OffsetFound> PartitionLog::list_offsets(Timestamp timestamp, Isolation isolation) const {
  while (true) {
    if (state_->is_closed_for_readers.load()) {
      return fail(ErrorCode::MISUSE, state_->directory, ": the log is closed");
    }
    const auto [now, view] = log::look_at(*state_);
    auto found =
        look_up(*view, now.ends, {timestamp, isolation}, state_->environment.store.decompression);
    // Its files may have been cut, or have gone, meanwhile.
    if (found || !log::is_outdated(*state_, view)) return found;
  }
}

}  // namespace oncelog
