// inspect.h: looking at files without owning them: single segments, partition directories, ours or
// Kafka's, damaged, or being written at this moment. Nothing here takes a lock or changes a byte.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/partition_log.h"
#include "oncelog/record.h"
#include "oncelog/types.h"

namespace oncelog {

/// A batch, or a stretch of bytes that is none, at a place in a file.
struct ScannedBatch {
  std::string file{};
  std::int64_t position = 0;
  std::int64_t bytes = 0;
  std::optional<RecordBatchView>
      batch{};           ///< valid during the visit; none: these bytes are damaged or torn
  std::string damage{};  ///< what is wrong, empty if nothing is
};

/// Return false to end the scan.
using BatchVisitor = std::function<bool(const ScannedBatch&)>;

/// Visits every batch of a `.log` file, or of all `.log` files of a partition directory, in order.
/// Damaged stretches are visited, too, and the scan goes on at the next place where a whole batch
/// with a right CRC begins.
///
/// `thread_count`: so many threads read and check CRCs ahead of the visitor. The caller's is one of
/// them, and the only one that calls it; the others live no longer than the call. 0: as many as the
/// machine runs at once.
Result<void> scan_batches(const std::string& path, const BatchVisitor& visit, Vfs* vfs = nullptr,
                          int thread_count = 1);

struct Problem {
  std::string file{};
  std::int64_t position = 0;
  std::string problem{};
};

struct VerifyOptions {
  /// Whether the records of each batch are read, too; their bytes are behind the CRC in any case.
  bool check_records = true;
  int thread_count = 1;  ///< as in scan_batches
};

/// Compares the indexes, leader epochs and batches of a partition directory with each other. A
/// short index is no problem (its tail may not be written yet), a wrong entry is.
Result<std::vector<Problem>> verify_partition(const std::string& directory, Vfs* vfs = nullptr,
                                              VerifyOptions options = {});

/// Partitions whose directories lie in a store's, ascending; nobody need own it.
Result<std::vector<TopicPartition>> list_partitions(const std::string& directory,
                                                    Vfs* vfs = nullptr);

/// The read-only open: reads a partition that somebody else may be writing to, that was not closed,
/// or that is damaged, as far as it is sound. Takes no lock and changes no byte. The end of the
/// last valid batch is the high watermark; aborted transactions and the last stable offset come
/// from a scan of the batches. Not thread-safe.
class PartitionReader {
 public:
  /// UNKNOWN_TOPIC_OR_PARTITION if the directory holds no segment (yet).
  static Result<std::unique_ptr<PartitionReader>> open(const std::string& directory,
                                                       Vfs* vfs = nullptr);
  ~PartitionReader();

  /// Looks for what has come since: new batches, new segments, a shorter log. Torn bytes at the end
  /// are waited for.
  Result<void> refresh();
  [[nodiscard]] LogEnds ends() const;
  /// What the log ends at, as of the last refresh, if that is damage: sound batches or a segment
  /// lie behind it, within 64 MiB in the same file. A torn tail, which somebody may just be
  /// writing, is none, nor is what a truncation since the last refresh has left.
  [[nodiscard]] Result<std::optional<Problem>> damage_at_end() const;
  /// As PartitionLog::fetch, without waiting.
  Result<Fetched> fetch(Offset from, FetchOptions options = {}) const;
  Result<OffsetFound> list_offsets(Timestamp timestamp, Isolation isolation) const;
  [[nodiscard]] std::vector<ProducerInfo> producers() const;

 private:
  struct State;
  explicit PartitionReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace oncelog
