// seals.cc: seals of segments: written, believed, removed.
//
// Invariant: a seal stands only beside files that are as it says, unless they were damaged or
//   somebody else wrote to them: it is removed, the directory synced, before we change them.
// Crash: a seal is written when its segment lies below the recovery point. One that is torn does
//   not have its hash; one that is lost costs the reading of its segment.
#include "log/seals.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <span>

namespace oncelog::log {

namespace {

using segment::Segment;

Result<void> seal_one(LogState& state, Segment& one) {
  ONCELOG_TRY_ASSIGN(const auto seal, one.describe_files());
  if (!seal) return {};
  ONCELOG_TRY(segment::write_seal(state.environment.vfs, state.directory, *seal));
  one.set_sealed();
  return {};
}

bool is_due(const LogState& state, const Segment& one) {
  return !one.is_sealed() && one.bytes() >= state.environment.store.sealed_segment_bytes_min;
}

/// The first failure is answered once the others have been tried.
Result<void> seal_each(LogState& state, std::span<const std::shared_ptr<Segment>> segments) {
  Result<void> first_failure;
  bool has_sealed = false;
  for (const auto& one : segments) {
    auto sealed = seal_one(state, *one);
    has_sealed |= one->is_sealed();
    if (!sealed && first_failure) first_failure = std::move(sealed);
  }
  if (has_sealed) {
    ONCELOG_TRY(poison_unless_full(state, state.environment.vfs.sync_directory(state.directory)));
  }
  return first_failure;
}

void note_dropped(LogState& state, Offset base, const std::string& why) {
  state.report.warnings.push_back(segment::segment_file_name(base, segment::kSealSuffix) + ": " +
                                  why + "; the segment was read");
}

}  // namespace

std::vector<segment::OpenTransaction> open_transactions_at_end(const LogState& state) {
  std::vector<segment::OpenTransaction> open;
  constexpr Offset kAny{std::numeric_limits<std::int64_t>::max()};
  for (const auto& [first, id] : state.producers.open_transactions_below(kAny)) {
    open.push_back({id, first});
  }
  return open;
}

std::vector<std::shared_ptr<Segment>> closed_unsealed(const LogState& state) {
  std::vector<std::shared_ptr<Segment>> due;
  const Offset recovery_point(state.recovery_point.load());
  for (std::size_t i = 0; i + 1 < state.segments.size(); ++i) {
    if (state.segments[i + 1]->base_offset() > recovery_point) break;
    if (is_due(state, *state.segments[i])) due.push_back(state.segments[i]);
  }
  return due;
}

Result<void> seal_closed_segments(LogState& state) {
  std::vector<std::shared_ptr<Segment>> due;
  {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(check_writable(state));
    due = closed_unsealed(state);
  }
  return seal_each(state, due);
}

Result<void> seal_all_segments(LogState& state) {
  state.active()->set_open_transactions(open_transactions_at_end(state));
  std::vector<std::shared_ptr<Segment>> due;
  std::ranges::copy_if(state.segments, std::back_inserter(due),
                       [&](const auto& one) { return is_due(state, *one); });
  return seal_each(state, due);
}

Result<std::optional<SealedSegment>> read_sealed_segment(LogState& state, Offset base,
                                                         const ScanOptions& options) {
  if (!options.believes_seals) return std::nullopt;
  auto seal = segment::read_seal(state.environment.vfs, state.directory, base);
  if (!seal) {
    if (seal.error().os_errno != 0) return std::unexpected(std::move(seal).error());
    note_dropped(state, base, seal.error().text());
    return std::nullopt;
  }
  if (!*seal) return std::nullopt;
  const Offset needed =
      std::min({options.recovery_point, options.replay_from, options.epochs_from});
  if ((*seal)->next_offset > needed) return std::nullopt;
  ONCELOG_TRY_ASSIGN(auto opened,
                     segment::open_sealed(state.environment.vfs, state.directory, **seal));
  if (!opened.contents) {
    note_dropped(state, base, opened.why_not);
    return std::nullopt;
  }
  return SealedSegment{*std::move(*seal), *std::move(opened.contents)};
}

Result<void> remove_seals(LogState& state, const DirectoryContent& content, const LogScan& scan) {
  bool has_removed = false;
  for (const Offset base : content.seals) {
    const auto at = std::ranges::lower_bound(content.bases, base);
    const auto index = static_cast<std::size_t>(at - content.bases.begin());
    // The last segment that was found will be appended to, or cut.
    const bool stays = at != content.bases.end() && *at == base &&
                       index + 1 < scan.segments.size() && scan.segments[index].is_sealed;
    if (stays) continue;
    ONCELOG_TRY(segment::remove_seal(state.environment.vfs, state.directory, base));
    has_removed = true;
  }
  if (!has_removed) return {};
  return state.environment.vfs.sync_directory(state.directory);
}

}  // namespace oncelog::log
