// fetch.cc: bounds, one region of one segment, the aborted transactions that touch it. Takes no
// lock.
//
// Invariant: a fetch sees ends that were true together, and the list of segments that goes with
// them or has grown at its end since (look_at).
#include <algorithm>

#include "log/log_state.h"

namespace oncelog {

namespace {

using log::LogView;
using log::Positioned;
using segment::LocatedBatch;
using segment::Segment;

/// Index of the segment with the greatest base at or below `offset`; the first if there is none.
std::size_t segment_index(const LogView& view, Offset offset) {
  const auto above = std::ranges::upper_bound(
      view.segments, offset, {}, [](const auto& segment) { return segment->base_offset(); });
  return above == view.segments.begin()
             ? 0
             : static_cast<std::size_t>(above - view.segments.begin()) - 1;
}

/// Bytes of a segment that were there when the ends were read.
std::int64_t readable_bytes(const Segment& segment, const Positioned& now) {
  return segment.base_offset() == now.end_segment_base ? now.end_position : segment.bytes();
}

/// Where offset `bound` lies in its segment (semantics 11.9: inside a batch, its start).
Result<std::int64_t> position_of_bound(const Segment& segment, Offset bound,
                                       const Positioned& now) {
  const std::int64_t bytes = readable_bytes(segment, now);
  if (bound >= now.ends.log_end) return bytes;
  ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> batch, segment.find_batch(bound, bytes));
  return batch ? batch->position : bytes;
}

/// Semantics 9.4: transactions aborted by a marker at or behind `from` that began below the
/// region's upper bound.
std::vector<AbortedTransaction> aborted_in(const LogView& view, std::size_t index, Offset from,
                                           std::int64_t region_end, Offset log_end) {
  const auto entry = view.segments[index]->offset_index().at_or_behind(region_end);
  const Offset upper = entry                              ? entry->offset
                       : index + 1 < view.segments.size() ? view.segments[index + 1]->base_offset()
                                                          : log_end;
  std::vector<AbortedTransaction> aborted;
  for (; index < view.segments.size(); ++index) {
    const segment::TxnIndex& entries = view.segments[index]->txn_index();
    const std::size_t count = entries.size();
    for (std::size_t i =
             entries.partition_point([&](const auto& e) { return e.last_offset < from; });
         i < count; ++i) {
      if (entries[i].first_offset < upper) {
        aborted.push_back({entries[i].producer_id, entries[i].first_offset});
      }
      if (entries[i].last_stable_offset >= upper) return aborted;
    }
  }
  return aborted;
}

/// The region for one look at the log; empty if there is nothing to read below the bound.
Result<Fetched> fetch_now(const LogView& view, const Positioned& now, Offset from,
                          const FetchOptions& options) {
  const Offset bound = now.ends.bound_of(options.isolation);
  Fetched fetched;
  fetched.ends = now.ends;
  if (options.isolation == Isolation::kReadCommitted) fetched.aborted.emplace();
  if (from >= bound) return fetched;
  const std::size_t bound_index = segment_index(view, bound);
  for (std::size_t index = segment_index(view, from); index <= bound_index; ++index) {
    const Segment& segment = *view.segments[index];
    std::int64_t limit = readable_bytes(segment, now);
    if (index == bound_index) {
      ONCELOG_TRY_ASSIGN(limit, position_of_bound(segment, bound, now));
    }
    ONCELOG_TRY_ASSIGN(const std::optional<LocatedBatch> first, segment.find_batch(from, limit));
    if (!first) continue;  // compacted away up to the segment's end
    const std::int64_t wanted =
        std::max(options.bytes_max, options.min_one_batch ? first->header.size_bytes() : 0);
    const std::int64_t bytes = std::min(limit - first->position, wanted);
    if (bytes < first->header.size_bytes()) return fetched;  // 11.7: no fragments
    ONCELOG_TRY_ASSIGN(auto file, segment.file_up_to(first->position + bytes));
    fetched.region = {std::move(file), segment.log_path(), first->position, bytes};
    if (fetched.aborted) {
      fetched.aborted = aborted_in(view, index, from, first->position + bytes, now.ends.log_end);
    }
    return fetched;
  }
  return fetched;
}

/// Sleeps until the bound lies above `bound`, the log is closed, or the deadline has passed; false
/// in the last case.
bool wait_above(const log::LogState& state, Isolation isolation, Offset bound, Deadline deadline) {
  state.waiting_count.fetch_add(1);
  std::unique_lock lock(state.wait_mutex);
  const bool has_moved = state.ends_moved.wait_until(lock, deadline, [&] {
    return state.is_closed_for_readers.load() ||
           state.published.read().ends.bound_of(isolation) > bound;
  });
  state.waiting_count.fetch_sub(1);
  return has_moved;
}

}  // namespace

Result<Fetched> PartitionLog::fetch(Offset from, FetchOptions options) const {
  auto fetched = fetch_when_there(from, options);
  log::count_error(state_->metrics.fetch_errors, fetched);
  if (!fetched) return fetched;
  state_->metrics.fetches.add(1);
  state_->metrics.fetched_bytes.add(fetched->region.bytes);
  return fetched;
}

Result<Fetched> PartitionLog::fetch_when_there(Offset from, const FetchOptions& options) const {
  if (options.bytes_max < 0) {
    return fail(ErrorCode::MISUSE, "fetch: bytes_max is ", options.bytes_max);
  }
  while (true) {
    if (state_->is_closed_for_readers.load()) {
      return fail(ErrorCode::MISUSE, state_->directory, ": the log is closed");
    }
    const auto [now, view] = log::look_at(*state_);
    if (from < now.ends.log_start || from > now.ends.log_end) {
      return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "fetch: offset ", from, " is outside [",
                  now.ends.log_start, ", ", now.ends.log_end, "]");
    }
    auto found = fetch_now(*view, now, from, options);
    // Its files may have been cut, or have gone, meanwhile.
    if (!found && log::is_outdated(*state_, view)) continue;
    ONCELOG_TRY_ASSIGN(Fetched fetched, std::move(found));
    fetched.ends.durable_end = std::min(Offset(state_->durable_end.load()), now.ends.log_end);
    if (fetched.region.bytes > 0 || !options.wait_until) return fetched;
    const Offset bound = now.ends.bound_of(options.isolation);
    if (!wait_above(*state_, options.isolation, bound, *options.wait_until)) return fetched;
  }
}

Result<std::vector<std::byte>> Fetched::read() const {
  std::vector<std::byte> bytes(static_cast<std::size_t>(region.bytes));
  if (region.bytes == 0) return bytes;
  ONCELOG_TRY_ASSIGN(const std::size_t read, region.file->read_at(bytes, region.position));
  if (read < bytes.size()) {
    return fail(ErrorCode::KAFKA_STORAGE_ERROR, region.path, ": ends at position ",
                region.position + static_cast<std::int64_t>(read), ", expected ",
                region.position + region.bytes);
  }
  return bytes;
}

}  // namespace oncelog
