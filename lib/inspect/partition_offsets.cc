// partition_offsets.cc: where the ends of a partition are, and what holds the last stable offset
// back: checkpoint files beside the directory, and one pass over the batches.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "inspect/batch_stream.h"
#include "inspect/transaction_list.h"
#include "log/checkpoint.h"
#include "oncelog/inspect_transactions.h"
#include "segment/segment_names.h"
#include "store/checkpoint_files.h"

namespace oncelog {

namespace {

using inspect::BatchStream;
using inspect::ProblemList;
using inspect::SegmentName;

class OffsetsSurvey {
 public:
  OffsetsSurvey(Vfs& vfs, const std::string& directory)
      : vfs_(vfs), place_(inspect::place_of(directory)) {}

  Result<PartitionOffsets> run(const std::string& directory) {
    // In front of the batches: what is appended meanwhile lies behind what they say.
    read_checkpoints();
    ONCELOG_TRY_ASSIGN(auto segments, inspect::list_partition(vfs_, directory));
    offsets_.first_segment = segments.front().base;
    BatchStream batches(vfs_, std::move(segments));
    ONCELOG_TRY(inspect::walk_batches(batches, problems_,
                                      [this](const SegmentName&, const ScannedBatch& found) {
                                        add(found);
                                        return true;
                                      }));
    offsets_.log_end = batches.end_offset();
    offsets_.newest_timestamp = transactions_.newest_timestamp();
    set_ends();
    check_checkpoints();
    find_bound();
    offsets_.problems = std::move(problems_).take();
    return std::move(offsets_);
  }

 private:
  struct Checkpoint {
    std::string_view file{};
    std::optional<Offset> PartitionOffsets::* offset = nullptr;
  };
  static constexpr std::array<Checkpoint, 4> kCheckpoints{{
      {store::kLogStartFile, &PartitionOffsets::stored_log_start},
      {store::kHighWatermarkFile, &PartitionOffsets::stored_high_watermark},
      {store::kRecoveryPointFile, &PartitionOffsets::recovery_point},
      {store::kCleanerFile, &PartitionOffsets::cleaned_to},
  }};

  void read_checkpoints() {
    for (const Checkpoint& checkpoint : kCheckpoints) {
      const std::string path = inspect::join_path(place_.parent, checkpoint.file);
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

  void add(const ScannedBatch& found) {
    const auto ended = transactions_.add(*found.batch);
    if (!ended) problems_.add(found.file, found.position, ended.error().text());
    if (!ended || !*ended) return;
    const ListedTransaction& transaction = **ended;
    // Without a high watermark everything counts as replicated (7.3).
    if (!offsets_.stored_high_watermark || !transaction.first_offset) return;
    if (*transaction.marker_offset < *offsets_.stored_high_watermark) return;
    if (!unreplicated_ || transaction.first_offset < unreplicated_->first_offset) {
      unreplicated_ = transaction;
    }
  }

  void set_ends() {
    const Offset end = offsets_.log_end;
    offsets_.log_start = std::clamp(offsets_.stored_log_start.value_or(offsets_.first_segment),
                                    std::min(offsets_.first_segment, end), end);
    offsets_.high_watermark =
        std::clamp(offsets_.stored_high_watermark.value_or(end), offsets_.log_start, end);
  }

  /// The cleaner's may be anywhere: Kafka sets one that lies outside right by itself.
  void check_checkpoints() {
    for (const Checkpoint& checkpoint : kCheckpoints) {
      const std::optional<Offset> stored = offsets_.*checkpoint.offset;
      if (checkpoint.file == store::kCleanerFile || !stored || *stored <= offsets_.log_end)
        continue;
      problems_.add(inspect::join_path(place_.parent, checkpoint.file), 0,
                    "offset " + std::to_string(stored->value()) + " of " + place_.name +
                        " is behind the log end " + std::to_string(offsets_.log_end.value()));
    }
  }

  /// Semantics 7.1, 7.2.
  void find_bound() {
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

  Vfs& vfs_;
  const inspect::PartitionPlace place_;
  ProblemList problems_;
  inspect::TransactionList transactions_;
  std::optional<ListedTransaction> unreplicated_{};  ///< the earliest one
  PartitionOffsets offsets_;
};

}  // namespace

Result<PartitionOffsets> read_offsets(const std::string& directory, Vfs* vfs) {
  return OffsetsSurvey(vfs != nullptr ? *vfs : posix_vfs(), directory).run(directory);
}

}  // namespace oncelog
