// inspect_partition.h: what lies in the files of a partition, ours or Kafka's, damaged, or being
// written at this moment: leader epochs, sizes, records by their contents, and in what two copies
// differ. Nothing here takes a lock or changes a byte. Damage is passed over and named. All
// functions answer UNKNOWN_TOPIC_OR_PARTITION if a directory holds no segment.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/inspect.h"
#include "oncelog/io.h"
#include "oncelog/record.h"
#include "oncelog/types.h"

namespace oncelog {

/// A leader epoch as `leader-epoch-checkpoint` has it, as the batches have it, or both.
struct ListedEpoch {
  LeaderEpoch epoch = kNoLeaderEpoch;
  std::optional<Offset> start{};         ///< in the file
  std::optional<Offset> first_offset{};  ///< of its batches
  std::optional<Offset> last_offset{};
  std::int64_t batch_count = 0;
};

struct EpochListing {
  std::vector<ListedEpoch> epochs{};  ///< ascending
  /// Damage, a file that cannot be read, and batches whose epoch the file denies. What it lacks
  /// behind the recovery point is no problem: it may not be written yet.
  std::vector<Problem> problems{};
};

/// Compares the leader epochs of the file with those of the batches; reads the whole partition.
Result<EpochListing> list_epochs(const std::string& directory, Vfs* vfs = nullptr);

/// Counts of one segment, or of a partition.
struct SegmentStats {
  std::string file{};  ///< empty for the sums of a partition
  Offset base{};
  std::int64_t bytes = 0;  ///< of all its batches
  std::int64_t damaged_bytes = 0;
  std::int64_t batch_count = 0;
  std::int64_t record_count = 0;  ///< of data batches
  std::int64_t control_batch_count = 0;
  std::int64_t transactional_batch_count = 0;        ///< of data
  std::int64_t producer_count = 0;                   ///< different ids
  std::array<std::int64_t, 8> codec_batch_counts{};  ///< by codec bits
  std::optional<Offset> last_offset{};
  Timestamp first_timestamp = kNoTimestamp;  ///< the smallest of its batches' first timestamps
  Timestamp last_timestamp = kNoTimestamp;
  std::int64_t stored_record_bytes = 0;  ///< as they are, compressed or not; headers are not in it
  std::int64_t plain_record_bytes = 0;   ///< uncompressed
  /// Records that a compaction of everything would remove: a later one has their key, or their
  /// transaction was aborted. Where they are compressed their bytes are estimated by the batch's
  /// ratio. 0 if not asked for.
  std::int64_t superseded_record_count = 0;
  std::int64_t superseded_bytes = 0;
};

struct StatsOptions {
  bool with_keys = false;  ///< count superseded records, too: reads everything three times
  /// Memory for hashes of keys. Where they do not fit, keys that come later are not looked at.
  std::int64_t key_map_bytes_max = 128 << 20;
};

/// Return false to end the listing.
using SegmentStatsVisitor = std::function<bool(const SegmentStats&)>;

struct PartitionStats {
  SegmentStats total{};
  std::int64_t key_count = 0;
  bool has_covered_all_keys = true;
  std::vector<Problem> problems{};
};

/// Visits the segments of a partition in order, then answers their sums. Memory grows with
/// producers only, and with aborted transactions where keys are asked for.
Result<PartitionStats> collect_stats(const std::string& directory, const StatsOptions& options,
                                     const SegmentStatsVisitor& visit, Vfs* vfs = nullptr);

/// Which records are wanted; all conditions must hold. Ranges are half open.
struct RecordQuery {
  Offset offset_begin{};
  Offset offset_end{std::numeric_limits<std::int64_t>::max()};
  std::optional<Timestamp> timestamp_begin{};
  std::optional<Timestamp> timestamp_end{};
  std::optional<ProducerId> producer_id{};
  std::optional<std::string> key{};
  std::optional<std::string> header_key{};
  std::optional<std::string> header_value{};  ///< of a header named `header_key`
};

/// A record and where it lies. Valid during the visit.
struct LocatedRecord {
  std::string file{};
  std::int64_t position = 0;  ///< of its batch
  const RecordBatchView& batch;
  const RecordView& record;
};

/// Return false to end the search.
using RecordVisitor = std::function<bool(const LocatedRecord&)>;

/// Visits the data records that match, committed or not, in order. Segments out of the range of
/// offsets are not read, batches whose header excludes a match are not decompressed. Answers the
/// damage that was met.
Result<std::vector<Problem>> find_records(const std::string& directory, const RecordQuery& query,
                                          const RecordVisitor& visit, Vfs* vfs = nullptr);

/// Visits the last `count` data records, committed or not; more of them where others are appended
/// meanwhile. Reads the last segments only, as many as hold them.
Result<std::vector<Problem>> find_last_records(const std::string& directory, std::int64_t count,
                                               const RecordVisitor& visit, Vfs* vfs = nullptr);

/// A file that is not the same in two directories.
struct FileDifference {
  std::string name{};
  std::optional<std::int64_t> first_bytes{};  ///< its size; none: it is missing there
  std::optional<std::int64_t> second_bytes{};
  std::optional<std::int64_t> position{};  ///< of the first byte that differs, if both are there
};

/// The first batch that is not the same in two logs.
struct LogDifference {
  std::string first_file{};  ///< empty where the log has ended
  std::string second_file{};
  std::int64_t first_position = 0;
  std::int64_t second_position = 0;
  std::optional<Offset> batch{};   ///< base offset, the smaller one
  std::optional<Offset> record{};  ///< the first record that differs; none: the batches' headers do
  std::string what{};              ///< the field, and its two values
};

struct PartitionDifference {
  std::vector<FileDifference> files{};  ///< by name
  /// Batch by batch, wherever segments begin.
  std::optional<LogDifference> log{};
  [[nodiscard]] bool is_none() const { return files.empty() && !log; }
};

/// Compares two partition directories, byte by byte and batch by batch. Damage that is the same in
/// both is no difference.
Result<PartitionDifference> compare_partitions(const std::string& first, const std::string& second,
                                               Vfs* vfs = nullptr);

}  // namespace oncelog
