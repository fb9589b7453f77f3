// sim_disk.h: a Vfs in memory that can lose power at every call. Marked unstable: may change with
// every version.
//
// It keeps what has been written and not synced as an ordered list, so that a test can take every
// image that a crash may leave. Every call that may change the disk is a crash point; calls that
// only read are counted apart.
//
//   sim::SimDisk disk;
//   store_options.vfs = &disk;
//   disk.stop_at(17);                                 // the 17th change does not happen any more
//   ...                                               // verbs, until one fails
//   const auto after = disk.after_power_loss(choice)  // opened again by another Store
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "oncelog/clock.h"
#include "oncelog/io.h"
#include "sim/crash_image.h"
#include "sim/fault_plan.h"

namespace oncelog::sim {

/// os_errno of every call behind the one where a disk was stopped: no system has it.
inline constexpr int kStoppedErrno = 1 << 20;

/// Whether the error is one of a disk that was stopped, or comes from one.
[[nodiscard]] bool is_stopped(const Error& error);

struct SimDiskOptions {
  DevicePromises device{};
  const Clock* clock = nullptr;  ///< for modification times; all are 0 without one; not owned
  /// As most file systems do: a file has the inode number of one that was removed before.
  bool reuses_inode_numbers = false;
  bool has_links = true;  ///< else link() is not supported
};

/// A call that may change the disk.
struct SimCall {
  std::int64_t number = 0;  ///< from 1
  IoCall call = IoCall::kWrite;
  std::string path{};
};

/// Thread-safe, but for stop_at, set_observer, set_clock and faults(), which are for quiet moments.
/// Files that are open keep what they need, and may outlive the disk.
class SimDisk final : public Vfs {
 public:
  explicit SimDisk(const SimDiskOptions& options = {});
  ~SimDisk() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  /// One crash point, as rename.
  Result<LinkOutcome> link(const std::string& from, const std::string& to) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  /// Each store is a crash point, as a write is, and waits for a sync like one.
  Result<std::unique_ptr<MappedFile>> map_new(const std::string& path, std::int64_t bytes) override;

  // ---- crash points

  /// Calls so far that may have changed the disk, those that failed too.
  [[nodiscard]] std::int64_t change_count() const;
  /// Calls so far that only read.
  [[nodiscard]] std::int64_t read_count() const;
  enum class StopKind : std::uint8_t {
    kBefore,   ///< the call changes nothing
    kHalfWay,  ///< of a write the first half is left; else as kBefore
  };
  /// The process dies at the change with this number, counted from the start: it and all calls
  /// behind it, reads too, fail with kStoppedErrno.
  void stop_at(std::int64_t number, StopKind kind = StopKind::kBefore);
  [[nodiscard]] bool has_stopped() const;
  /// Called before each change that is made, and before a fault or stop is looked for.
  void set_observer(std::function<void(const SimCall&)> observer);
  /// For what is made durable beside the disk but in order with it: counted, stopped and failed as
  /// a call of the disk is.
  Result<void> note_commit(const std::string& path);
  /// Another clock than the options gave; a disk that a crash left keeps that of the one before.
  void set_clock(const Clock* clock);
  /// Faults to come; none at first.
  [[nodiscard]] FaultPlan& faults();

  // ---- what a crash leaves: a disk of its own, without faults, stop, locks and observer

  /// After the end of the process: all calls that were made, synced or not.
  [[nodiscard]] std::unique_ptr<SimDisk> after_process_death() const;
  /// After the loss of power: what was synced, and what the choice keeps.
  [[nodiscard]] std::unique_ptr<SimDisk> after_power_loss(const CrashChoice& choice) const;
  /// Choices for after_power_loss.
  [[nodiscard]] std::vector<CrashChoice> images(const ImageOptions& options = {}) const;
  /// The changes that wait for a sync, in words, in the order of the fates of a choice.
  [[nodiscard]] std::vector<std::string> unsynced() const;
  /// Equal for disks that read alike and have the same to lose.
  [[nodiscard]] std::uint64_t fingerprint() const;

  struct Core;  ///< shared with open files

 private:
  SimDisk(const SimDiskOptions& options, DiskState state);

  std::shared_ptr<Core> core_;
};

}  // namespace oncelog::sim
