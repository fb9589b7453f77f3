#include "inspect/segment_list.h"

#include <algorithm>

#include "log/checkpoint.h"
#include "oncelog/inspect.h"
#include "segment/segment_names.h"

namespace oncelog::inspect {

std::string join_path(const std::string& directory, std::string_view name) {
  std::string path = directory.empty() ? "." : directory;
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

std::string sibling_path(const SegmentName& segment, std::string_view suffix) {
  return segment.path.substr(0, segment.path.size() - segment::kLogSuffix.size()).append(suffix);
}

PartitionPlace place_of(std::string directory) {
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  const std::size_t slash = directory.rfind('/');
  std::string name = directory.substr(slash == std::string::npos ? 0 : slash + 1);
  if (name == "." || name == "..") name.clear();
  if (slash == std::string::npos) return {".", name};
  return {directory.substr(0, slash + 1), name};
}

std::optional<Offset> checkpoint_entry(Vfs& vfs, const PartitionPlace& place,
                                       std::string_view file_name) {
  const auto entries = log::read_offset_checkpoint(vfs, join_path(place.parent, file_name));
  if (!entries) return std::nullopt;
  for (const log::OffsetCheckpointEntry& entry : *entries) {
    if (segment::partition_directory_name(entry.name) == place.name) return entry.offset;
  }
  return std::nullopt;
}

Result<std::vector<SegmentName>> list_segments(Vfs& vfs, const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs.list(directory));
  std::vector<SegmentName> segments;
  // Names have as many digits as any offset: ascending names are ascending offsets.
  for (const std::string& name : names) {
    const auto base = segment::offset_of_file_name(name, segment::kLogSuffix);
    if (base) segments.push_back({*base, join_path(directory, name)});
  }
  return segments;
}

Result<std::vector<SegmentName>> list_partition(Vfs& vfs, const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(directory));
  std::vector<SegmentName> segments;
  if (status && status->is_directory) {
    ONCELOG_TRY_ASSIGN(segments, list_segments(vfs, directory));
  }
  if (segments.empty()) {
    return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, directory, " holds no segment");
  }
  return segments;
}

}  // namespace oncelog::inspect

namespace oncelog {

Result<std::vector<TopicPartition>> list_partitions(const std::string& directory, Vfs* vfs) {
  return segment::list_partition_directories(vfs != nullptr ? *vfs : posix_vfs(), directory);
}

}  // namespace oncelog
