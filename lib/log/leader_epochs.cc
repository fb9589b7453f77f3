#include "log/leader_epochs.h"

#include <algorithm>

#include "base/assert.h"

namespace oncelog::log {

LeaderEpochs::LeaderEpochs(const std::vector<LeaderEpochStart>& stored) {
  for (const LeaderEpochStart& entry : stored) assign(entry.epoch, entry.start);
}

LeaderEpoch LeaderEpochs::latest() const {
  return entries_.empty() ? kNoLeaderEpoch : entries_.back().epoch;
}

bool LeaderEpochs::is_new(LeaderEpoch epoch, Offset start) const {
  return entries_.empty() || entries_.back().epoch != epoch || entries_.back().start > start;
}

void LeaderEpochs::assign(LeaderEpoch epoch, Offset start) {
  ONCELOG_ASSERT(epoch >= LeaderEpoch(0) && start >= Offset(0), epoch, start);
  if (!is_new(epoch, start)) return;
  while (!entries_.empty() && (entries_.back().epoch >= epoch || entries_.back().start >= start)) {
    entries_.pop_back();
  }
  entries_.push_back({epoch, start});
}

void LeaderEpochs::truncate_from_end(Offset end) {
  while (!entries_.empty() && entries_.back().start >= end) entries_.pop_back();
}

void LeaderEpochs::truncate_from_start(Offset start) {
  const auto kept = std::ranges::find_if(
      entries_, [&](const LeaderEpochStart& entry) { return entry.start > start; });
  if (kept == entries_.begin()) return;
  std::prev(kept)->start = start;
  entries_.erase(entries_.begin(), std::prev(kept));
}

LeaderEpochEnd LeaderEpochs::end_of(LeaderEpoch epoch, Offset log_end) const {
  return end_of_epoch(entries_, epoch, log_end);
}

LeaderEpoch LeaderEpochs::epoch_at(Offset offset) const {
  const auto above = std::ranges::find_if(
      entries_, [&](const LeaderEpochStart& entry) { return entry.start > offset; });
  return above == entries_.begin() ? kNoLeaderEpoch : std::prev(above)->epoch;
}

LeaderEpochEnd end_of_epoch(const std::vector<LeaderEpochStart>& entries, LeaderEpoch epoch,
                            Offset log_end) {
  if (epoch == kNoLeaderEpoch || entries.empty() || epoch > entries.back().epoch) return {};
  if (epoch == entries.back().epoch) return {epoch, log_end};
  const auto above = std::ranges::find_if(
      entries, [&](const LeaderEpochStart& entry) { return entry.epoch > epoch; });
  if (above == entries.begin()) return {epoch, above->start};
  return {std::prev(above)->epoch, above->start};
}

}  // namespace oncelog::log
