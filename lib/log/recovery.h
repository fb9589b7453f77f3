// recovery.h: pieces of opening a log, each of one purpose: leftovers, one pass over the batches,
// the cut.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/log_state.h"
#include "log/open_progress.h"
#include "segment/index_builder.h"

namespace oncelog::log {

/// What lies in a partition directory once interrupted swaps are completed.
struct DirectoryContent {
  std::vector<Offset> bases{};            ///< of the `.log` files, ascending
  std::vector<std::string> orphans{};     ///< index files without a `.log`
  std::vector<Offset> kafka_snapshots{};  ///< of the `.snapshot` files, ascending
  std::vector<Offset> seals{};            ///< of the `.seal` files
};

/// Finishes or undoes what a compaction or deletion had begun (semantics 21.2-21.4), then lists the
/// directory. Can be interrupted anywhere and done again.
Result<DirectoryContent> settle_directory(LogState& state);

/// Where the batches of a log cease to be believable.
struct Damage {
  std::size_t segment_index = 0;
  std::int64_t position = 0;
  std::string reason{};
  std::int64_t end_position = 0;  ///< behind the last byte that is not of a preallocated zero tail
  bool is_zero_tail = false;      ///< only zeros, of a preallocated segment
  bool has_batches_behind = false;
  bool is_segment_misplaced = false;  ///< the whole segment does not follow the one before
  bool is_legacy = false;             ///< magic 0 or 1: not damaged, but not for us
};

/// What one pass over all segments found. Nothing has been changed by it but the producer table
/// and, where that became too large, its checkpoints.
struct LogScan {
  std::vector<segment::SegmentContents> segments{};
  std::vector<std::int64_t> file_bytes{};
  Offset end{};  ///< next offset of the last batch, or the last segment's base
  std::optional<LastBatch> last_batch{};
  std::optional<Damage> damage{};  ///< the last entry of `segments` ends where it begins
};

/// What a clean close of the log that was found would have noted.
[[nodiscard]] CleanEnd end_found_by(const LogScan& scan);

struct ScanOptions {
  Offset epochs_from{};     ///< batches from here on may begin leader epochs that the file has not
  Offset recovery_point{};  ///< below it gaps between segments are legal
  Offset replay_from{};     ///< the producer table is right up to here; 0: it is empty
  Offset keep_from{};       ///< checkpoints of producers are kept from the newest below this on
  bool is_clean_end = false;    ///< the files are as a clean close left them
  bool believes_seals = false;  ///< nobody else has written to the log since they were made
  OpenProgress* progress = nullptr;
};
/// Reads every batch of the segments up to the first damage: CRC, order, producers, leader epochs,
/// indexes. Changes nothing but the producers and the epochs in memory.
Result<LogScan> scan_log(LogState& state, const std::vector<Offset>& bases,
                         const ScanOptions& options);

/// After a failed sync the cache may look right and the disk not be: what recovery believes must
/// come from the disk. An index that looks right is not written again, so that goes for indexes,
/// too, and below the recovery point where there is no seal: an open that died may have made them.
Result<void> read_from_disk_only(const LogState& state, const DirectoryContent& content,
                                 Offset recovery_point);

}  // namespace oncelog::log
