// checkpoint.h: Kafka's text checkpoints and partition.metadata: read, and written aside, synced,
// renamed, directory synced. Format: FORMAT.md, text checkpoints (formats 11).
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog::log {

/// A line of an offset checkpoint.
struct OffsetCheckpointEntry {
  TopicPartition name{};
  Offset offset{};
};

/// A missing or empty file has no entries. KAFKA_STORAGE_ERROR naming file and line if it is
/// malformed.
Result<std::vector<OffsetCheckpointEntry>> read_offset_checkpoint(Vfs& vfs,
                                                                  const std::string& path);
Result<void> write_offset_checkpoint(Vfs& vfs, const std::string& path,
                                     const std::vector<OffsetCheckpointEntry>& entries);

/// As above, for `leader-epoch-checkpoint`.
Result<std::vector<LeaderEpochStart>> read_leader_epochs(Vfs& vfs, const std::string& path);
Result<void> write_leader_epochs(Vfs& vfs, const std::string& path,
                                 const std::vector<LeaderEpochStart>& epochs);

/// A topic id as `partition.metadata` has it: 22 characters of URL-safe base64.
[[nodiscard]] std::string random_topic_id();
/// The id, empty if the file is missing. KAFKA_STORAGE_ERROR if it is malformed.
Result<std::string> read_topic_id(Vfs& vfs, const std::string& path);
Result<void> write_topic_id(Vfs& vfs, const std::string& path, const std::string& topic_id);

/// A file that takes another's place whole, or not at all: written as `<path>.tmp`. One that is not
/// committed leaves that behind, for the next to overwrite.
class FileReplacement {
 public:
  static Result<FileReplacement> begin(Vfs& vfs, const std::string& path);
  /// Empty at first.
  [[nodiscard]] File& file() { return *file_; }
  /// Syncs it, renames it to `path` and syncs the directory: all of it survives, or the old file
  /// does.
  Result<void> commit();

 private:
  FileReplacement(Vfs& vfs, std::string path, std::unique_ptr<File> file)
      : vfs_(&vfs), path_(std::move(path)), file_(std::move(file)) {}

  Vfs* vfs_;
  std::string path_;
  std::unique_ptr<File> file_;
};

/// Writes `<path>.tmp`, syncs it, renames it to `path` and syncs the directory: all of it survives,
/// or the old file does.
Result<void> replace_file(Vfs& vfs, const std::string& path, Bytes content);
/// The whole file; nothing if it is missing. Refuses one of more than `bytes_max`.
Result<std::optional<std::string>> read_small_file(Vfs& vfs, const std::string& path,
                                                   std::int64_t bytes_max);

}  // namespace oncelog::log
