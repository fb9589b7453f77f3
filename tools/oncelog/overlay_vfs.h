// overlay_vfs.h: a dry run is the real run on this: the machine's files as they are, with every
// change kept in memory and none on the disk.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/oncelog.h"

namespace oncelog::cli {

/// What a file holds: bytes of a real one, and over them what has been written. Thread-safe.
class OverlayContent {
 public:
  /// The real file at `path`, or an empty one where there is none.
  OverlayContent(std::string path, std::optional<FileStatus> status, std::uint64_t inode);

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const;
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position);
  void resize(std::int64_t bytes);
  void grow(std::int64_t bytes);
  [[nodiscard]] FileStatus status() const;

 private:
  using Page = std::vector<std::byte>;

  Result<void> read_below(std::span<std::byte> buffer, std::int64_t position) const;
  Result<void> write_part(Bytes part, std::int64_t position);
  void resize_locked(std::int64_t bytes);

  const std::string real_path_;
  mutable std::mutex mutex_;
  std::int64_t real_bytes_ = 0;  ///< of the real file, as far as they show still
  FileStatus status_{};
  std::map<std::int64_t, Page> pages_{};  ///< by number; they hide what lies below them
};

/// Files and directories of the machine, changed in memory only. Locks are not taken, but a file
/// that somebody has locked is refused as by a store. There are no mappings and no native paths: no
/// append ring is made, and the producer state is read out of the log.
class OverlayVfs final : public Vfs {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  /// Of files only.
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

 private:
  /// What a name stands for here: a file, a directory, or, where both are missing, nothing.
  struct Entry {
    std::shared_ptr<OverlayContent> file{};
    bool is_directory = false;
  };

  Result<std::shared_ptr<OverlayContent>> find_locked(const std::string& path);
  Result<std::optional<FileStatus>> status_locked(const std::string& path);

  std::mutex mutex_;
  std::map<std::string, Entry> entries_{};  ///< names that have been opened or changed
  std::uint64_t next_inode_ = std::uint64_t{1} << 63;
};

}  // namespace oncelog::cli
