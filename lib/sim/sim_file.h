// sim_file.h: what a SimDisk and its open files share. Not for users.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sim/sim_disk.h"

namespace oncelog::sim {

inline constexpr std::string_view kStoppedText = "the simulated process has died";

/// The error of a system call, as the disks of this machine answer it.
[[nodiscard]] std::unexpected<Error> system_error(int os_errno, IoCall call, std::string_view path);

/// What a call that may change the disk does instead.
struct Verdict {
  bool is_skipped = false;         ///< nothing, and answers success
  bool stores_half = false;        ///< half of it
  std::optional<Error> failure{};  ///< and answers this
};

struct SimDisk::Core {
  Core(const SimDiskOptions& opened_with, DiskState initial)
      : options(opened_with), state(std::move(initial)) {}

  SimDiskOptions options;
  FaultPlan faults;
  std::function<void(const SimCall&)> observer;  // set in quiet moments
  bool stops_half_way = false;                   // likewise
  std::atomic<std::int64_t> changes{0};
  std::atomic<std::int64_t> reads{0};
  std::atomic<std::int64_t> stop_number{std::numeric_limits<std::int64_t>::max()};

  std::mutex mutex;
  // ---- mutex
  DiskState state;
  std::set<InodeNumber> locked;

  [[nodiscard]] bool is_stopped() const { return changes.load() >= stop_number.load(); }
  [[nodiscard]] std::int64_t now_ms() const {
    return options.clock != nullptr ? options.clock->now().value() : 0;
  }
  [[nodiscard]] bool exists(const std::string& path);
  /// Counts the call; the error of a stop or fault. Takes the mutex of neither.
  Result<void> admit_read(IoCall call, const std::string& path);
  Result<Verdict> admit_change(IoCall call, const std::string& path);
  /// Requires mutex.
  void change(Change made) { state.change(std::move(made), now_ms()); }
  /// Requires mutex.
  InodeNumber create(bool is_directory) {
    using enum DiskState::OldNumbers;
    return state.create(is_directory, now_ms(), options.reuses_inode_numbers ? kReused : kRetired);
  }
  /// A sync of what `find` finds under the mutex.
  Result<void> sync(IoCall call, const std::string& path,
                    const std::function<std::optional<InodeNumber>()>& find);
};

class SimFile final : public File {
 public:
  SimFile(std::shared_ptr<SimDisk::Core> core, InodeNumber file, std::string path, bool may_write)
      : core_(std::move(core)), file_(file), path_(std::move(path)), may_write_(may_write) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override;
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override;
  [[nodiscard]] Result<std::int64_t> size() const override;
  Result<void> truncate(std::int64_t bytes) override;
  Result<void> preallocate(std::int64_t bytes) override;
  Result<void> reserve(std::int64_t bytes) override;
  Result<void> sync() override;
  Result<void> drop_cache(std::int64_t position) override;
  [[nodiscard]] int native_handle() const override { return -1; }

 private:
  std::shared_ptr<SimDisk::Core> core_;
  InodeNumber file_;
  std::string path_;
  bool may_write_;
};

/// Reads see a copy of its own, which stays where it is.
class SimMappedFile final : public MappedFile {
 public:
  SimMappedFile(std::unique_ptr<File> file, std::int64_t bytes)
      : file_(std::move(file)), content_(static_cast<std::size_t>(bytes)) {}

  [[nodiscard]] Bytes bytes() const override { return content_; }
  Result<void> store(std::int64_t position, Bytes bytes) override;
  Result<void> sync() override { return file_->sync(); }

 private:
  std::unique_ptr<File> file_;
  Content content_;
};

}  // namespace oncelog::sim
