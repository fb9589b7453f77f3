// checkpoint_keeper.h: what a log lets its store remember for it, in files that all partitions of a
// directory share.
#pragma once

#include <cstdint>
#include <optional>

#include "oncelog/error.h"
#include "oncelog/types.h"

namespace oncelog::log {

/// What the checkpoint files say of one partition; nothing where they have no readable entry.
struct PartitionCheckpoint {
  std::optional<Offset> recovery_point{};
  std::optional<Offset> log_start{};
  std::optional<Offset> high_watermark{};
  std::optional<Offset> cleaner{};  ///< first dirty offset: where the next compaction begins
  /// To be saved: what was saved before would do after a crash, too, it would take longer only. So
  /// it may be written together with that of other partitions.
  bool can_wait = false;
};

/// What our own record of a clean close says of one partition.
struct CleanEnd {
  Offset next_offset{};              ///< of the last stored batch, or the base of the only segment
  std::int64_t active_bytes = 0;     ///< of the last segment's `.log`
  std::uint32_t last_batch_crc = 0;  ///< 0 if the last segment is empty
  std::int32_t segment_count = 1;
  std::int64_t log_bytes = 0;  ///< of all `.log` files together

  friend bool operator==(const CleanEnd&, const CleanEnd&) = default;
};

/// Implemented by the store. Thread-safe. What has been saved is on stable storage when a call
/// returns, but for what can wait.
class CheckpointKeeper {
 public:
  virtual ~CheckpointKeeper() = default;
  /// Without any value: what still waits is written.
  virtual Result<void> save(const TopicPartition& name, const PartitionCheckpoint& checkpoint) = 0;
};

}  // namespace oncelog::log
