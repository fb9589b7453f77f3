#include "inspect/epoch_check.h"

#include <algorithm>

#include "inspect/segment_list.h"
#include "log/checkpoint.h"
#include "segment/segment_names.h"
#include "store/checkpoint_files.h"

namespace oncelog::inspect {

namespace {

std::string text_of(const LeaderEpochStart& entry) {
  return "epoch " + std::to_string(entry.epoch.value()) + " from offset " +
         std::to_string(entry.start.value());
}

}  // namespace

EpochCheck::EpochCheck(Vfs& vfs, const std::string& directory, std::optional<Offset> lags_from,
                       ProblemList& problems)
    : problems_(problems),
      path_(join_path(directory, segment::kLeaderEpochFile)),
      lags_from_(lags_from) {
  const auto log_start = checkpoint_entry(vfs, place_of(directory), store::kLogStartFile);
  log_start_ = log_start.value_or(Offset(0));
  auto entries = log::read_leader_epochs(vfs, path_);
  if (!entries) {
    problems_.add(path_, 0, entries.error().text());
    return;
  }
  entries_ = *std::move(entries);
  is_usable_ = true;
  for (std::size_t i = 1; i < entries_.size(); ++i) {
    if (entries_[i].epoch > entries_[i - 1].epoch && entries_[i].start > entries_[i - 1].start) {
      continue;
    }
    is_usable_ = false;
    problems_.add(path_, 0, text_of(entries_[i]) + " is not above the entry before it");
  }
}

void EpochCheck::add_batch(const ScannedBatch& found) {
  if (!is_usable_) return;
  const LeaderEpoch epoch = found.batch->leader_epoch();
  const Offset base = found.batch->base_offset();
  const auto above = std::ranges::upper_bound(entries_, base, {}, &LeaderEpochStart::start);
  const LeaderEpoch in_force = above == entries_.begin() ? kNoLeaderEpoch : std::prev(above)->epoch;
  // In front of the first entry lie batches below the log start only: its epoch is theirs, or
  // theirs was older and has been forgotten. Where the log starts at its end there is none.
  const bool is_below_start = above != entries_.end() || found.batch->last_offset() < log_start_;
  const bool is_forgotten = above == entries_.begin() && is_below_start;
  const bool is_older = above == entries_.end() || epoch <= above->epoch;
  const bool is_new = above == entries_.end() && lags_from_ && base >= *lags_from_;
  const bool is_right = is_forgotten ? is_older : epoch == in_force || (is_new && epoch > in_force);
  // Batches of one wrong stretch are one problem.
  const std::pair<LeaderEpoch, LeaderEpoch> seen{epoch, in_force};
  if (!is_right && wrong_before_ != seen) {
    problems_.add(found.file, found.position,
                  "leader epoch is " + std::to_string(epoch.value()) + ", " +
                      std::string(segment::kLeaderEpochFile) + " has " +
                      std::to_string(in_force.value()) + " at offset " +
                      std::to_string(base.value()));
  }
  wrong_before_ = is_right ? std::nullopt : std::optional(seen);
}

void EpochCheck::finish(Offset log_end) {
  if (!is_usable_ || entries_.empty() || entries_.back().start <= log_end) return;
  problems_.add(
      path_, 0,
      text_of(entries_.back()) + " begins behind the log end " + std::to_string(log_end.value()));
}

}  // namespace oncelog::inspect
