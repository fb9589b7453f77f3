// epoch_list.cc: the leader epochs of a partition: what its file says, and what its batches say.
#include <map>
#include <utility>

#include "inspect/batch_stream.h"
#include "inspect/epoch_check.h"
#include "oncelog/inspect_partition.h"
#include "store/checkpoint_files.h"

namespace oncelog {

Result<EpochListing> list_epochs(const std::string& directory, Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  ONCELOG_TRY_ASSIGN(auto batches, inspect::BatchStream::open(disk, directory));
  inspect::ProblemList problems;
  const auto recovery_point =
      inspect::checkpoint_entry(disk, inspect::place_of(directory), store::kRecoveryPointFile);
  inspect::EpochCheck check(disk, directory, recovery_point.value_or(Offset(0)), problems);
  std::map<LeaderEpoch, ListedEpoch> epochs;
  for (const LeaderEpochStart& entry : check.entries()) {
    epochs[entry.epoch] = {entry.epoch, entry.start, {}, {}, 0};
  }
  const auto add = [&](const inspect::SegmentName&, const ScannedBatch& found) {
    check.add_batch(found);
    const LeaderEpoch epoch = found.batch->leader_epoch();
    if (epoch <= kNoLeaderEpoch) return true;  // of a log without leaders
    ListedEpoch& listed = epochs[epoch];
    listed.epoch = epoch;
    if (!listed.first_offset) listed.first_offset = found.batch->base_offset();
    listed.last_offset = found.batch->last_offset();
    ++listed.batch_count;
    return true;
  };
  ONCELOG_TRY(inspect::walk_batches(batches, problems, add));
  check.finish(batches.end_offset());
  EpochListing listing;
  for (const auto& [epoch, listed] : epochs) listing.epochs.push_back(listed);
  listing.problems = std::move(problems).take();
  return listing;
}

}  // namespace oncelog
