// segment_list.h: which segments a directory holds, by the names of their `.log` files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog::inspect {

struct SegmentName {
  Offset base{};
  std::string path{};  ///< of the `.log`
};

/// Ascending by base offset; segments on their way in or out (`.cleaned`, `.swap`, `.deleted`) are
/// none.
Result<std::vector<SegmentName>> list_segments(Vfs& vfs, const std::string& directory);
/// As above, but UNKNOWN_TOPIC_OR_PARTITION if there is no segment.
Result<std::vector<SegmentName>> list_partition(Vfs& vfs, const std::string& directory);

[[nodiscard]] std::string join_path(const std::string& directory, std::string_view name);
/// The path of another file of the segment.
[[nodiscard]] std::string sibling_path(const SegmentName& segment, std::string_view suffix);

/// A partition directory as its parent knows it.
struct PartitionPlace {
  std::string parent{};
  std::string name{};  ///< empty if the path does not tell it
};
[[nodiscard]] PartitionPlace place_of(std::string directory);
/// What a checkpoint file of the data directory says of a partition; nothing if it cannot be read.
[[nodiscard]] std::optional<Offset> checkpoint_entry(Vfs& vfs, const PartitionPlace& place,
                                                     std::string_view file_name);

}  // namespace oncelog::inspect
