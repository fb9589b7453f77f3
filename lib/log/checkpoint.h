// checkpoint.h: Kafka's text checkpoints and partition.metadata: read, and written aside, synced,
// renamed, directory synced. Format: FORMAT.md, text checkpoints (formats 11).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

/// The entry in a line of such a file, without the line's end; nothing if it is malformed.
[[nodiscard]] std::optional<OffsetCheckpointEntry> parse_offset_entry(std::string_view line);
[[nodiscard]] std::optional<LeaderEpochStart> parse_epoch_entry(std::string_view line);
inline constexpr int kCheckpointVersion = 0;
/// Far above what a directory of a hundred thousand partitions needs; a larger file is none of
/// ours.
inline constexpr std::int64_t kCheckpointBytesMax = std::int64_t{64} << 20;

/// A topic id as `partition.metadata` has it: 22 characters of URL-safe base64.
[[nodiscard]] std::string random_topic_id();
/// What `partition.metadata` says; nothing if it is malformed.
struct TopicIdFile {
  int version = 0;
  std::string topic_id{};
};
[[nodiscard]] std::optional<TopicIdFile> parse_topic_id(std::string_view text);
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
