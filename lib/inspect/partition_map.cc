// partition_map.cc: one pass over the batches of a partition, kept as few numbers as a picture of
// it needs.
#include <algorithm>
#include <utility>
#include <vector>

#include "inspect/batch_stream.h"
#include "inspect/map_cells.h"
#include "inspect/partition_offsets.h"
#include "oncelog/inspect_map.h"

namespace oncelog {

namespace {

using inspect::BatchStream;
using inspect::LongestTransactions;
using inspect::MergedRuns;
using inspect::SegmentName;

void merge_segments(MapSegment& into, MapSegment&& next) {
  into.segment_count += next.segment_count;
  into.damaged_bytes += next.damaged_bytes;
  inspect::merge(into.total, next.total);
}

class MapSurvey {
 public:
  MapSurvey(Vfs& vfs, const std::string& directory, const MapOptions& options)
      : options_(options), offsets_(vfs, directory) {}

  Result<PartitionMap> run(Vfs& vfs, std::vector<SegmentName> segments) {
    for (const SegmentName& name : segments) bases_.push_back(name.base);
    map_.segment_count = std::ssize(bases_);
    segment_.base = bases_.front();
    BatchStream batches(vfs, std::move(segments));
    Offset end = batches.end_offset();
    while (true) {
      ONCELOG_TRY_ASSIGN(const ScannedBatch* const found, batches.next());
      if (found == nullptr) break;
      go_to_segment(batches.segment().base);
      add(*found, end);
      end = batches.end_offset();
    }
    close_segments();
    return finish(end);
  }

 private:
  void add(const ScannedBatch& found, Offset end) {
    if (!found.damage.empty()) add_damage(found, end);
    if (found.batch) add_transaction(found);
    if (!found.batch || !found.damage.empty()) return;
    end_damages_at(found.batch->base_offset());
    const inspect::BatchPlace place{segment_.base, found.position};
    cells_.add(*found.batch, place);
    inspect::merge(segment_.total, inspect::cell_of(*found.batch, place));
  }

  void add_damage(const ScannedBatch& found, Offset end) {
    offsets_.problems().add(found.file, found.position, inspect::damage_text(found));
    ++map_.damage_count;
    map_.damaged_bytes += found.bytes;
    segment_.damaged_bytes += found.bytes;
    if (std::ssize(map_.damages) == options_.damages_max) return;
    map_.damages.push_back({.file = found.file,
                            .position = found.position,
                            .bytes = found.bytes,
                            .begin = end,
                            .end = end,
                            .what = found.damage});
  }

  /// Where the log goes on is known with the next whole batch.
  void end_damages_at(Offset next) {
    for (; ended_damages_ < map_.damages.size(); ++ended_damages_) {
      map_.damages[ended_damages_].end = next;
    }
  }

  void add_transaction(const ScannedBatch& found) {
    const auto ended = offsets_.add(found);
    if (!ended || !ended->first_offset) return;
    (ended->state == TransactionState::kAborted ? aborted_ : committed_).add(*ended);
  }

  /// Segments without a batch are on the map, too.
  void go_to_segment(Offset base) {
    while (segment_.base != base) close_segment();
  }

  void close_segments() {
    while (segment_index_ < bases_.size()) close_segment();
  }

  void close_segment() {
    segments_.add(std::move(segment_));
    ++segment_index_;
    segment_ = {};
    if (segment_index_ < bases_.size()) segment_.base = bases_[segment_index_];
  }

  PartitionMap finish(Offset log_end) {
    std::vector<ListedTransaction> open = offsets_.open();
    cells_.fill(map_, open, options_.lanes_max);
    map_.segments = std::move(segments_).take();
    map_.committed_count = committed_.added_count();
    map_.aborted_count = aborted_.added_count();
    const std::ptrdiff_t open_count =
        std::min(std::ssize(open), static_cast<std::ptrdiff_t>(options_.transactions_max));
    map_.transactions.assign(open.begin(), open.begin() + open_count);
    std::ranges::copy(std::move(committed_).take(), std::back_inserter(map_.transactions));
    std::ranges::copy(std::move(aborted_).take(), std::back_inserter(map_.transactions));
    std::ranges::sort(map_.transactions, {}, [](const ListedTransaction& one) {
      return std::pair(one.first_offset, one.producer_id);
    });
    map_.offsets =
        std::move(offsets_).finish({.first_segment = bases_.front(), .log_end = log_end});
    return std::move(map_);
  }

  const MapOptions options_;
  std::vector<Offset> bases_{};
  std::size_t segment_index_ = 0;
  MapSegment segment_{};  ///< the one at the index, so far
  inspect::OffsetsSurvey offsets_;
  inspect::MapCells cells_{options_.cells_max};
  MergedRuns<MapSegment, merge_segments> segments_{options_.segments_max};
  LongestTransactions committed_{options_.transactions_max};
  LongestTransactions aborted_{options_.transactions_max};
  std::size_t ended_damages_ = 0;
  PartitionMap map_{};
};

Result<void> check_options(const MapOptions& options) {
  for (const std::int64_t count_max : {options.cells_max, options.lanes_max, options.segments_max,
                                       options.transactions_max, options.damages_max}) {
    if (count_max < 1) return fail(ErrorCode::INVALID_CONFIG, "map: a bound is ", count_max);
  }
  return {};
}

}  // namespace

Result<PartitionMap> map_partition(const std::string& directory, const MapOptions& options,
                                   Vfs* vfs) {
  ONCELOG_TRY(check_options(options));
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  // In front of the segments: what is appended meanwhile lies behind what the checkpoints say.
  MapSurvey survey(disk, directory, options);
  ONCELOG_TRY_ASSIGN(auto segments, inspect::list_partition(disk, directory));
  return survey.run(disk, std::move(segments));
}

}  // namespace oncelog
