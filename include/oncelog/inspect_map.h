// inspect_map.h: a partition seen from so far away that it fits a picture: its batches by producer,
// its transactions, its segments and what is damaged, each merged or left out until there are few
// enough. For files that are ours or Kafka's, damaged, or being written at this moment. Nothing
// here takes a lock or changes a byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/inspect_transactions.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog {

/// How much a map may hold; all are counts, and at least 1.
struct MapOptions {
  std::int64_t cells_max = 1000;  ///< of a lane
  /// Producers that have a lane of their own: those with an open transaction, earliest first, up to
  /// half of the lanes, then those with the most batches. The rest share one.
  std::int64_t lanes_max = 12;
  std::int64_t segments_max = 500;
  std::int64_t transactions_max = 500;  ///< of each state
  std::int64_t damages_max = 200;
};

/// One batch, or several that follow each other in the log.
struct MapCell {
  Offset begin{};             ///< base offset of the first batch
  Offset end{};               ///< behind the last one
  Offset segment{};           ///< base offset of the one in which the first batch lies
  std::int64_t position = 0;  ///< of the first batch in the segment's `.log`
  std::int64_t batch_count = 0;
  std::int64_t bytes = 0;
  std::int64_t record_count = 0;               ///< of data batches
  std::int64_t transactional_batch_count = 0;  ///< of data
  std::int64_t commit_count = 0;               ///< markers
  std::int64_t abort_count = 0;
  ProducerEpoch producer_epoch = kNoProducerEpoch;  ///< of the last batch
  Timestamp first_timestamp = kNoTimestamp;         ///< the smallest of the batches' first ones
  Timestamp last_timestamp = kNoTimestamp;          ///< the greatest
};

/// The batches of one producer. Cells of different lanes may span the same offsets: a cell says
/// between which offsets its batches lie, not that there are no others.
struct MapLane {
  ProducerId producer_id = kNoProducerId;  ///< none: batches without one
  MapCell total{};
  std::vector<MapCell> cells{};  ///< ascending
};

/// One segment, or several that follow each other.
struct MapSegment {
  Offset base{};  ///< of the first one
  std::int64_t segment_count = 1;
  std::int64_t damaged_bytes = 0;  ///< which the cell does not count
  MapCell total{};                 ///< without offsets where no whole batch is there
};

/// A stretch of bytes that is no batch, or a batch that cannot be where it is.
struct MapDamage {
  std::string file{};
  std::int64_t position = 0;
  std::int64_t bytes = 0;
  Offset begin{};  ///< where the log had ended before it
  Offset end{};    ///< where it goes on; `begin` if nothing is missing, or nothing follows
  std::string what{};
};

struct PartitionMap {
  /// The ends, what holds the last stable offset, and all problems in words: read_offsets().
  PartitionOffsets offsets{};
  MapCell total{};
  std::vector<MapCell> cells{};  ///< of all producers, ascending; they do not overlap
  std::vector<MapLane> lanes{};  ///< those with an open transaction by its offset, then by batches
  /// All other producers. Where more than 32 of them wrote to one cell, batches of a producer that
  /// has a lane may be counted here.
  MapLane others{};
  std::int64_t producer_count = 0;  ///< batches without a producer are of none
  std::vector<MapSegment> segments{};
  std::int64_t segment_count = 0;
  /// By first offset: the open ones that began first, and the longest of the completed ones, in
  /// offsets. Those without data here have no place and are left out.
  std::vector<ListedTransaction> transactions{};
  std::int64_t committed_count = 0;  ///< with data here, listed or not
  std::int64_t aborted_count = 0;
  std::vector<MapDamage> damages{};  ///< the first ones
  std::int64_t damage_count = 0;
  std::int64_t damaged_bytes = 0;
};

/// Reads the whole partition once. Memory grows with producers and open transactions only.
/// UNKNOWN_TOPIC_OR_PARTITION if the directory holds no segment.
Result<PartitionMap> map_partition(const std::string& directory, const MapOptions& options = {},
                                   Vfs* vfs = nullptr);

}  // namespace oncelog
