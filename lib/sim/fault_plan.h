// fault_plan.h: which I/O calls fail, and how: one line of text. Marked unstable: may change with
// every version.
//
// Format: faults joined by "; ", each
//
//   <call> <path> #<n> <what> [half] [lasting]
//
//   call     open read write size truncate preallocate sync drop_cache status list remove rename
//            create_directory remove_directory sync_directory lock commit, or any
//   path     a part of the path, in which `*` stands for any characters; `*` alone: every path
//   #<n>     the n-th such call, from 1; left out: the first
//   what     an errno by name (EIO, ENOSPC, EDQUOT, EACCES, ENOENT), or `skipped`: the call is
//            answered with success and not made, as by a disk that lies
//   half     the first half of the work is left behind: bytes of a write, changes before a sync
//   lasting  all such calls behind the n-th fail, too
//
// For example `sync .log #3 EIO; write *.index #2 ENOSPC half lasting`.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/error.h"

namespace oncelog::sim {

enum class IoCall : std::uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSize,
  kTruncate,
  kPreallocate,
  kSync,
  kDropCache,
  kStatus,
  kList,
  kRemove,
  kRename,
  kCreateDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kLock,
  kCommit,  ///< of a MemSnapshotStore
  kLink,
};
inline constexpr std::uint8_t kIoCalls = 18;

/// The call's name in a plan, and in messages.
[[nodiscard]] std::string_view name_of(IoCall call);

/// What happens instead of the call.
struct Fault {
  std::optional<IoCall> call{};     ///< only calls of this kind count; all if none
  std::string path_part{};          ///< only calls on paths that contain this count; may hold `*`
  std::int64_t nth = 1;             ///< the n-th counted call fails, from 1
  bool is_lasting = false;          ///< all counted calls behind it fail, too
  int os_errno = 5;                 ///< EIO; no space and no quota give STORAGE_FULL
  bool leaves_half_a_write = true;  ///< else a failing write or sync leaves nothing
  bool is_skipped = false;          ///< success is answered, nothing is done

  friend bool operator==(const Fault&, const Fault&) = default;
};

/// Whether a call on this path counts for a fault with this path_part.
[[nodiscard]] bool is_path_meant(std::string_view path_part, std::string_view path);

/// The error of a call that a fault has struck.
[[nodiscard]] std::unexpected<Error> fault_error(const Fault& fault, IoCall call,
                                                 std::string_view path);

/// INVALID_CONFIG, naming the word, for anything but a line in the format above.
Result<std::vector<Fault>> parse_faults(std::string_view text);
/// The line that parse_faults reads as these faults.
[[nodiscard]] std::string print_faults(const std::vector<Fault>& faults);
/// One to three faults, the same for the same seed.
[[nodiscard]] std::vector<Fault> random_faults(std::uint64_t seed);

/// The faults to come, and what has been counted of them. Thread-safe.
class FaultPlan {
 public:
  void add(const Fault& fault);
  void clear();
  /// Calls of any kind since the start or the last reset.
  [[nodiscard]] std::int64_t call_count() const;
  void reset_count();
  /// How often a fault has struck.
  [[nodiscard]] std::int64_t struck_count() const;
  /// While paused, calls are not counted and do not fail: for a test that looks for itself.
  void set_paused(bool is_paused);
  /// Syncs that succeed without being done, for tests that do not lose power and want to be fast.
  void set_skips_syncs(bool is_skipped);
  [[nodiscard]] bool skips_syncs() const;

  /// Counts a call; answers the fault that strikes it.
  std::optional<Fault> strike(IoCall call, const std::string& path);

 private:
  struct Pending {
    Fault fault{};
    std::int64_t counted = 0;
  };
  mutable std::mutex mutex_;
  std::vector<Pending> pending_;
  std::int64_t calls_ = 0;
  std::int64_t struck_ = 0;
  bool skips_syncs_ = false;
  bool is_paused_ = false;
};

}  // namespace oncelog::sim
