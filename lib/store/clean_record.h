// clean_record.h: `.clean`, our own record of a clean end. Format: FORMAT.md, clean record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/checkpoint_keeper.h"
#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/types.h"

namespace oncelog::store {

inline constexpr std::string_view kLockFile = ".lock";  ///< held by the store's one owner
inline constexpr std::string_view kCleanRecordFile = ".clean";
inline constexpr std::string_view kKafkaCleanMarkerFile = ".kafka_cleanshutdown";

/// One of the files that Kafka replaces when it has been here: every writer makes a new inode.
struct WitnessFile {
  std::string name{};
  std::uint64_t inode = 0;  ///< 0: the file is not there
  std::uint64_t hash = 0;   ///< XXH3-64 of its bytes
  friend bool operator==(const WitnessFile&, const WitnessFile&) = default;
};

struct CleanRecord {
  std::vector<WitnessFile> witnesses{};
  std::map<TopicPartition, log::CleanEnd> partitions{};
  std::uint64_t state_close_record = 0;  ///< of `.state`; 0: there is none
  friend bool operator==(const CleanRecord&, const CleanRecord&) = default;
};

[[nodiscard]] std::vector<std::byte> encode_clean_record(const CleanRecord& record);
/// CORRUPT_MESSAGE for a wrong hash or length, UNSUPPORTED_VERSION for another version.
Result<CleanRecord> decode_clean_record(Bytes file);

/// Writes `.clean` for a directory in which these partitions have ended cleanly; everything else
/// in it is on stable storage. `also`: a witness that is still to get its name.
Result<void> write_clean_record(Vfs& vfs, const std::string& directory,
                                const std::map<TopicPartition, log::CleanEnd>& partitions,
                                const std::optional<WitnessFile>& also = {});

/// The file as it is now; `path` may be a name that it will be renamed from.
Result<WitnessFile> look_at_witness(Vfs& vfs, const std::string& path, std::string_view name);

}  // namespace oncelog::store
