// fault_vfs.h: a Vfs that passes every call on to another one, counts them, and fails those that a
// test chose.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/io.h"

namespace oncelog::test {

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
};

/// What happens instead of the call. A failing write of several bytes leaves the first half of them
/// behind.
struct Fault {
  std::optional<IoCall> call{};     ///< only calls of this kind count; all if none
  std::string path_part{};          ///< only calls on paths that contain this count
  std::int64_t nth = 1;             ///< the n-th counted call fails, from 1
  bool is_lasting = false;          ///< all counted calls behind it fail, too
  int os_errno = 5;                 ///< EIO; ENOSPC (28) gives STORAGE_FULL as the real disk does
  bool leaves_half_a_write = true;  ///< else a failing write leaves nothing
};

/// The state that the Vfs and its open files share. Thread-safe.
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
  /// While held, a sync of a file does not end.
  void hold_syncs(bool is_held);
  /// Waits until so many syncs of files have begun, held or not, since the start.
  void await_syncs(std::int64_t count);
  [[nodiscard]] std::int64_t sync_count() const;
  void pass_sync();

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
  bool is_holding_syncs_ = false;
  std::int64_t syncs_ = 0;
  std::condition_variable syncs_moved_;
};

class FaultVfs final : public Vfs {
 public:
  explicit FaultVfs(Vfs& under) : under_(under), plan_(std::make_shared<FaultPlan>()) {}

  [[nodiscard]] FaultPlan& plan() { return *plan_; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  /// What other libraries do with the file is neither counted nor failed.
  [[nodiscard]] std::optional<std::string> native_path(const std::string& path) const override {
    return under_.native_path(path);
  }

 private:
  Vfs& under_;
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace oncelog::test
