// segment_swap.cc: a segment that a compaction has built takes the place of those that it was built
// from (semantics 21.2-21.4).
//
// Invariant: no producer is forgotten because its batches go; what a reader holds stays readable.
//
// 1 check: the segments are still those of the log; a checkpoint of the producers holds all that is
//   in them, and names the batch by which it will be known then. Die here: the next open removes
//   the `.cleaned` files.
//
// 2 write: seals go, the new files become `.swap`, and with that synced they are what an open takes
//   (settle_directory); the old files go, the new ones get their names. Die here: the next open
//   does what is left of it.
//
// 3 apply: memory, between the sync and the removals. A failure of 2 poisons the partition.
#include "log/segment_swap.h"

#include <algorithm>
#include <vector>

#include "log/producer_checkpoint.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"

namespace oncelog::log {

namespace {

using segment::Segment;
using snapshot::Anchor;
using Segments = std::vector<std::shared_ptr<Segment>>;

using Header = std::optional<record::BatchHeader>;

Anchor anchor_of(const Header& batch) {
  if (!batch) return snapshot::kNoBatchLeft;
  return {batch->base_offset, batch->leader_epoch, batch->crc};
}

/// The last batch of these segments.
Result<Header> last_batch_of(std::span<const std::shared_ptr<Segment>> segments) {
  for (std::size_t i = segments.size(); i-- > 0;) {
    ONCELOG_TRY_ASSIGN(const Header last, segments[i]->last_batch());
    if (last) return last;
  }
  return std::nullopt;
}

/// The last batches below the end of the round, before and behind a swap.
struct RoundEnd {
  Header present{};
  Header left{};
};

class Swapper {
 public:
  Swapper(LogState& state, const SegmentSwap& swap)
      : state_(state), swap_(swap), vfs_(state.environment.vfs) {}

  Result<SwapOutcome> run() {
    const std::scoped_lock maintenance(state_.maintenance_mutex);
    ONCELOG_TRY_ASSIGN(const Segments segments, present_segments());
    const auto begin = std::ranges::search(segments, swap_.going).begin();
    if (begin == segments.end()) return SwapOutcome::kOutOfDate;
    ONCELOG_TRY_ASSIGN(const RoundEnd end, find_round_end(segments, begin - segments.begin()));
    if (state_.snapshots) ONCELOG_TRY(prepare_checkpoints(end));
    ONCELOG_TRY_ASSIGN(
        const auto swapped_in,
        Segment::open(vfs_, state_.directory, swap_.cleaned.base_offset(), state_.config.read(),
                      state_.environment.clock.now(), swap_.contents, segment::kCleanedSuffix,
                      state_.environment.open_files));

    const std::scoped_lock files(state_.file_mutex);
    ONCELOG_TRY(poison_if_failed(state_, begin_swap()));

    apply(swapped_in, end);

    ONCELOG_TRY(poison_if_failed(state_, finish_swap(end)));
    swapped_in->note_stored();
    return SwapOutcome::kSwapped;
  }

 private:
  Result<Segments> present_segments() const {
    const std::scoped_lock lock(state_.writer_mutex);
    ONCELOG_TRY(check_writable(state_));
    return state_.segments;
  }

  Result<RoundEnd> find_round_end(const Segments& segments, std::ptrdiff_t going_at) const {
    const auto at = static_cast<std::size_t>(going_at);
    const auto below = [&](const auto& one) { return one->base_offset() < swap_.round_end; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(segments, below));
    const std::span all = std::span(segments).first(count);
    RoundEnd end;
    ONCELOG_TRY_ASSIGN(end.present, last_batch_of(all));
    ONCELOG_TRY_ASSIGN(end.left, last_batch_of(all.subspan(at + swap_.going.size())));
    if (!end.left) end.left = swap_.cleaned.last_batch();
    if (!end.left) {
      ONCELOG_TRY_ASSIGN(end.left, last_batch_of(all.first(at)));
    }
    return end;
  }

  /// A checkpoint that holds all of the round, known by the batch that will be the last below it.
  /// Older ones go: behind them transactions may be open whose markers are gone.
  Result<void> prepare_checkpoints(const RoundEnd& end) {
    if (!end.present) return {};
    const Offset stored_end = end.present->next_offset();
    ONCELOG_TRY(checkpoint_between(state_, stored_end));
    ONCELOG_TRY(state_.snapshots->drop_below(stored_end));
    if (anchor_of(end.present) == anchor_of(end.left)) return {};
    ONCELOG_TRY_ASSIGN(const auto kept, state_.snapshots->list());
    for (const snapshot::CheckpointInfo& one : kept) {
      const bool is_anchored_above = one.anchor && one.anchor->base_offset >= swap_.round_end;
      if (is_anchored_above) continue;
      ONCELOG_TRY(
          state_.snapshots->permit_anchor(one.offset, anchor_of(end.present), anchor_of(end.left)));
    }
    return {};
  }

  [[nodiscard]] std::string path_of(std::string_view suffix, std::string_view aside) const {
    return state_.path(segment::segment_file_name(swap_.cleaned.base_offset(), suffix)) +
           std::string(aside);
  }

  /// From here on an open takes the new segment.
  Result<void> begin_swap() {
    // Only a `.cleaned` that is on the disk can say, by being left, that the swap had not begun.
    ONCELOG_TRY(vfs_.sync_directory(state_.directory));
    bool has_seals = false;
    for (const auto& one : swap_.going) {
      if (!one->is_sealed()) continue;
      has_seals = true;
      ONCELOG_TRY(segment::remove_seal(vfs_, state_.directory, one->base_offset()));
    }
    if (has_seals) ONCELOG_TRY(vfs_.sync_directory(state_.directory));
    // The `.log` last: an open that finds it as `.swap` finds the indexes, too.
    const auto& suffixes = swap_.cleaned.suffixes();
    for (std::size_t i = suffixes.size(); i-- > 0;) {
      ONCELOG_TRY(vfs_.rename(path_of(suffixes[i], segment::kCleanedSuffix),
                              path_of(suffixes[i], segment::kSwapSuffix)));
    }
    return vfs_.sync_directory(state_.directory);
  }

  /// The segment with the round's last batch goes last: an open knows the checkpoint by that batch
  /// or by the one that takes its place, not by one in between.
  Result<void> finish_swap(const RoundEnd& end) {
    for (const auto& one : swap_.going) one->retire();
    std::shared_ptr<Segment> last;
    for (const auto& one : swap_.going) {
      if (end.present && one->base_offset() <= end.present->base_offset) last = one;
    }
    for (const auto& one : swap_.going) {
      if (one == last) continue;
      ONCELOG_TRY(segment::remove_segment_files(vfs_, state_.directory, one->base_offset()));
    }
    if (last) {
      if (swap_.going.size() > 1) ONCELOG_TRY(vfs_.sync_directory(state_.directory));
      ONCELOG_TRY(segment::remove_segment_files(vfs_, state_.directory, last->base_offset()));
    }
    ONCELOG_TRY(vfs_.sync_directory(state_.directory));
    for (const std::string_view suffix : swap_.cleaned.suffixes()) {
      ONCELOG_TRY(vfs_.rename(path_of(suffix, segment::kSwapSuffix), path_of(suffix, {})));
    }
    return vfs_.sync_directory(state_.directory);
  }

  void apply(const std::shared_ptr<Segment>& swapped_in, const RoundEnd& end) {
    const std::scoped_lock lock(state_.writer_mutex);
    // Only the end of the list can have changed meanwhile.
    const auto begin = std::ranges::search(state_.segments, swap_.going).begin();
    const auto rest = begin + std::ssize(swap_.going);
    *begin = swapped_in;
    state_.segments.erase(begin + 1, rest);
    const bool has_last_batch_gone =
        state_.last_batch && end.present &&
        state_.last_batch->anchor.base_offset == end.present->base_offset;
    if (has_last_batch_gone) {
      state_.last_batch.reset();
      if (end.left) state_.last_batch = LastBatch{anchor_of(end.left), end.left->next_offset()};
    }
    auto view = make_view(state_, nullptr, state_.epochs.entries());
    const Reshaping reshaping(state_.reshapes);
    state_.view.publish(std::move(view));
  }

  LogState& state_;
  const SegmentSwap& swap_;
  Vfs& vfs_;
};

}  // namespace

Result<SwapOutcome> swap_segments(LogState& state, const SegmentSwap& swap) {
  return Swapper(state, swap).run();
}

}  // namespace oncelog::log
