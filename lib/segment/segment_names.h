// segment_names.h: file name <-> base offset; every suffix in one place (formats 5.2).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog::segment {

inline constexpr std::string_view kLogSuffix = ".log";
inline constexpr std::string_view kOffsetIndexSuffix = ".index";
inline constexpr std::string_view kTimeIndexSuffix = ".timeindex";
inline constexpr std::string_view kTxnIndexSuffix = ".txnindex";
inline constexpr std::array kIndexSuffixes{kOffsetIndexSuffix, kTimeIndexSuffix, kTxnIndexSuffix};
inline constexpr std::string_view kSnapshotSuffix = ".snapshot";
inline constexpr std::string_view kSealSuffix = ".seal";
// Behind one of the above, while a segment is on its way in or out:
inline constexpr std::string_view kDeletedSuffix = ".deleted";
inline constexpr std::string_view kCleanedSuffix = ".cleaned";
inline constexpr std::string_view kSwapSuffix = ".swap";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

inline constexpr std::string_view kLeaderEpochFile = "leader-epoch-checkpoint";
inline constexpr std::string_view kPartitionMetadataFile = "partition.metadata";

/// "00000000000000000031.log" for (31, ".log").
[[nodiscard]] std::string segment_file_name(Offset base, std::string_view suffix);

/// The offset in front of the first dot, if it is 20 digits of a non-negative int64.
[[nodiscard]] std::optional<Offset> offset_of_file_name(std::string_view name);

/// The offset of a name that is exactly 20 digits and `suffix`.
[[nodiscard]] std::optional<Offset> offset_of_file_name(std::string_view name,
                                                        std::string_view suffix);

/// `<topic>-<partition>`, or nothing if the name is no partition directory (formats 5.1).
[[nodiscard]] std::optional<TopicPartition> parse_partition_directory(std::string_view name);
[[nodiscard]] std::string partition_directory_name(const TopicPartition& name);
/// Partitions whose directories lie in this one, ascending.
Result<std::vector<TopicPartition>> list_partition_directories(Vfs& vfs,
                                                               const std::string& directory);

}  // namespace oncelog::segment
