// store_files.h: small stores as they lie on a disk, made once, for targets that damage them.
#pragma once

#include <memory>
#include <string>

#include "fuzz/memory_vfs.h"
#include "oncelog/store.h"

namespace oncelog::fuzz {

inline constexpr const char* kStoreDirectory = "s";
inline constexpr const char* kPartitionDirectory = "s/t-0";

/// How the store ended.
enum class Ending : std::uint8_t {
  kClosed,
  kCrashed,
  kClosedByKafka,  ///< closed, without what only we write
  kCrashedPreallocated,
  kCrashedWithRing,  ///< batches that only the append ring has
};
inline constexpr int kEndings = 5;

[[nodiscard]] StoreOptions store_options(MemoryVfs& vfs);
[[nodiscard]] PartitionOptions partition_options(Ending ending);

/// A store with one partition of several small segments: plain and compressed batches, a retry's
/// producer, committed, aborted and open transactions, two leader epochs. The same in every run.
[[nodiscard]] const MemoryVfs& store_files(Ending ending);

}  // namespace oncelog::fuzz
