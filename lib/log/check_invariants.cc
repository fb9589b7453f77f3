#include "log/check_invariants.h"

#include <algorithm>

#include "segment/header_walk.h"

namespace oncelog::log {

namespace {

using segment::Segment;

void check_ends(const LogState& state, std::vector<std::string>& broken) {
  const Positioned now = state.published.read();
  const LogOffsets& offsets = state.offsets;
  const bool is_published = now.ends.log_start == offsets.log_start() &&
                            now.ends.last_stable_offset == offsets.last_stable_offset() &&
                            now.ends.high_watermark == offsets.high_watermark() &&
                            now.ends.log_end == offsets.log_end() &&
                            now.end_segment_base == state.active()->base_offset() &&
                            now.end_position == state.active()->bytes();
  if (!is_published) broken.push_back("published ends differ from the writer's");
  if (Offset(state.durable_end.load()) > offsets.log_end()) {
    broken.push_back("durable end above the log end");
  }
  if (state.recovery_point.load() > state.durable_end.load()) {
    broken.push_back("recovery point above the durable end");
  }
  const auto unstable = state.producers.first_unstable_offset();
  const Offset expected = unstable && *unstable < offsets.high_watermark()
                              ? std::max(*unstable, offsets.log_start())
                              : offsets.high_watermark();
  if (expected != offsets.last_stable_offset()) broken.push_back("LSO is not what it must be");
}

void check_view(const LogState& state, std::vector<std::string>& broken) {
  const auto view = state.view.get();
  if (view->segments != state.segments) broken.push_back("published segments differ");
  if (view->epochs != state.epochs.entries()) broken.push_back("published epochs differ");
}

/// The batches of a segment against its indexes; answers the next offset behind it.
Offset check_segment(const Segment& segment, Offset expected, std::vector<std::string>& broken) {
  segment::HeaderWalk walk(*segment.log_file(), segment.log_path(), 0, segment.bytes());
  std::vector<std::pair<std::int64_t, Offset>> batches;
  while (true) {
    const auto header = walk.next();
    if (!header) broken.push_back(header.error().text());
    if (!header || !*header) break;
    if ((*header)->base_offset < expected || (*header)->base_offset < segment.base_offset()) {
      broken.push_back(segment.log_path() + ": offsets go back");
    }
    expected = (*header)->next_offset();
    batches.emplace_back(walk.position(), (*header)->last_offset());
  }
  for (std::int64_t i = 0; i < segment.offset_index().count(); ++i) {
    const segment::OffsetIndexEntry& entry = segment.offset_index()[i];
    const bool has_position = std::ranges::binary_search(batches, entry.position, {},
                                                         &std::pair<std::int64_t, Offset>::first);
    const bool has_offset = std::ranges::binary_search(batches, entry.offset, {},
                                                       &std::pair<std::int64_t, Offset>::second);
    if (!has_position || !has_offset) broken.push_back(segment.log_path() + ": wrong index entry");
  }
  return expected;
}

}  // namespace

std::vector<std::string> check_invariants(const LogState& state) {
  const std::scoped_lock lock(state.writer_mutex);
  std::vector<std::string> broken = state.producers.check_invariants();
  check_ends(state, broken);
  check_view(state, broken);
  Offset next{};
  for (const auto& segment : state.segments) {
    next = std::max(check_segment(*segment, next, broken), segment->base_offset());
  }
  if (next != state.reopen_end()) broken.push_back("the last batch is not the last one stored");
  if (state.reopen_end() + state.end_gap != state.offsets.log_end()) {
    broken.push_back("log end is not behind the last batch");
  }
  return broken;
}

}  // namespace oncelog::log
