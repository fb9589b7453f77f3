// partition_offsets.cc: where the ends of a partition are, and what holds the last stable offset
// back: checkpoint files beside the directory, and one pass over the batches.
#include "inspect/partition_offsets.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "log/checkpoint.h"
#include "segment/segment_names.h"
#include "store/checkpoint_files.h"

namespace oncelog::inspect {

namespace {

struct Checkpoint {
  std::string_view file{};
  std::optional<Offset> PartitionOffsets::* offset = nullptr;
};

constexpr std::array<Checkpoint, 4> kCheckpoints{{
    {store::kLogStartFile, &PartitionOffsets::stored_log_start},
    {store::kHighWatermarkFile, &PartitionOffsets::stored_high_watermark},
    {store::kRecoveryPointFile, &PartitionOffsets::recovery_point},
    {store::kCleanerFile, &PartitionOffsets::cleaned_to},
}};

}  // namespace

OffsetsSurvey::OffsetsSurvey(Vfs& vfs, const std::string& directory)
    : vfs_(vfs), place_(place_of(directory)) {
  read_checkpoints();
}

void OffsetsSurvey::read_checkpoints() {
  for (const Checkpoint& checkpoint : kCheckpoints) {
    const std::string path = join_path(place_.parent, checkpoint.file);
    const auto entries = log::read_offset_checkpoint(vfs_, path);
    if (!entries) {
      problems_.add(path, 0, entries.error().text());
      continue;
    }
    for (const log::OffsetCheckpointEntry& entry : *entries) {
      if (segment::partition_directory_name(entry.name) == place_.name) {
        offsets_.*checkpoint.offset = entry.offset;
      }
    }
  }
}

std::optional<ListedTransaction> OffsetsSurvey::add(const ScannedBatch& found) {
  auto ended = transactions_.add(*found.batch);
  if (!ended) {
    problems_.add(found.file, found.position, ended.error().text());
    return std::nullopt;
  }
  if (*ended) take_unreplicated(**ended);
  return *std::move(ended);
}

void OffsetsSurvey::take_unreplicated(const ListedTransaction& transaction) {
  // Without a high watermark everything counts as replicated (7.3).
  if (!offsets_.stored_high_watermark || !transaction.first_offset) return;
  if (*transaction.marker_offset < *offsets_.stored_high_watermark) return;
  if (!unreplicated_ || transaction.first_offset < unreplicated_->first_offset) {
    unreplicated_ = transaction;
  }
}

PartitionOffsets OffsetsSurvey::finish(const Ends& ends) && {
  offsets_.first_segment = ends.first_segment;
  offsets_.log_end = ends.log_end;
  offsets_.newest_timestamp = transactions_.newest_timestamp();
  set_ends();
  check_checkpoints();
  find_bound();
  offsets_.problems = std::move(problems_).take();
  return std::move(offsets_);
}

void OffsetsSurvey::set_ends() {
  const Offset end = offsets_.log_end;
  offsets_.log_start = std::clamp(offsets_.stored_log_start.value_or(offsets_.first_segment),
                                  std::min(offsets_.first_segment, end), end);
  offsets_.high_watermark =
      std::clamp(offsets_.stored_high_watermark.value_or(end), offsets_.log_start, end);
}

// The cleaner's may be anywhere: Kafka sets one that lies outside right by itself.
void OffsetsSurvey::check_checkpoints() {
  for (const Checkpoint& checkpoint : kCheckpoints) {
    const std::optional<Offset> stored = offsets_.*checkpoint.offset;
    if (checkpoint.file == store::kCleanerFile || !stored || *stored <= offsets_.log_end) continue;
    problems_.add(join_path(place_.parent, checkpoint.file), 0,
                  "offset " + std::to_string(stored->value()) + " of " + place_.name +
                      " is behind the log end " + std::to_string(offsets_.log_end.value()));
  }
}

// Semantics 7.1, 7.2.
void OffsetsSurvey::find_bound() {
  const std::vector<ListedTransaction> open = transactions_.open();
  offsets_.open_transaction_count = std::ssize(open);
  auto first = unreplicated_;
  if (!open.empty() && (!first || open.front().first_offset < first->first_offset)) {
    first = open.front();
  }
  offsets_.last_stable_offset = offsets_.high_watermark;
  offsets_.holder = first;
  if (first && *first->first_offset < offsets_.high_watermark) {
    offsets_.last_stable_offset = std::max(*first->first_offset, offsets_.log_start);
    offsets_.bound = first->marker_offset ? StableOffsetBound::kUnreplicatedTransaction
                                          : StableOffsetBound::kOpenTransaction;
  } else if (offsets_.high_watermark < offsets_.log_end) {
    offsets_.bound = StableOffsetBound::kHighWatermark;
  }
}

}  // namespace oncelog::inspect

namespace oncelog {

Result<PartitionOffsets> read_offsets(const std::string& directory, Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  // In front of the batches: what is appended meanwhile lies behind what they say.
  inspect::OffsetsSurvey survey(disk, directory);
  ONCELOG_TRY_ASSIGN(auto segments, inspect::list_partition(disk, directory));
  const Offset first_segment = segments.front().base;
  inspect::BatchStream batches(disk, std::move(segments));
  const auto add = [&survey](const inspect::SegmentName&, const ScannedBatch& found) {
    survey.add(found);
    return true;
  };
  ONCELOG_TRY(inspect::walk_batches(batches, survey.problems(), add));
  return std::move(survey).finish(
      {.first_segment = first_segment, .log_end = batches.end_offset()});
}

}  // namespace oncelog
