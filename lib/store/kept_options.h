// kept_options.h: `.options` of a partition: what the store keeps of its options. Format:
// FORMAT.md, partition options.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/io.h"
#include "oncelog/store.h"

namespace oncelog::store {

/// Beside the segments of its partition.
inline constexpr std::string_view kOptionsFile = ".options";

[[nodiscard]] std::string encode_kept_options(const KeptOptions& kept);
/// KAFKA_STORAGE_ERROR, with the line, for what encode_kept_options does not write;
/// UNSUPPORTED_VERSION for another version.
Result<KeptOptions> decode_kept_options(std::string_view text);

/// The file of a partition's directory; nothing if there is none.
Result<std::optional<KeptOptions>> read_kept_options(Vfs& vfs, const std::string& directory);
/// Replaces it: on stable storage on return; after an error the old one or this.
Result<void> write_kept_options(Vfs& vfs, const std::string& directory, const KeptOptions& kept);

/// What is to be kept of options that were given.
[[nodiscard]] KeptOptions describe_options(const PartitionOptions& options,
                                           const TopicConfig& defaults);
/// The options that these are of. INVALID_CONFIG if the defaults contradict them.
Result<PartitionOptions> apply_kept_options(const KeptOptions& kept, const TopicConfig& defaults);
/// All changes, or the first reason against one: INVALID_CONFIG.
Result<KeptOptions> change_config(KeptOptions kept, const std::vector<ConfigChange>& changes);

}  // namespace oncelog::store
