// progress_vfs.h: the machine's files, and on the way how much of them has been read: long looks
// say so at a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "oncelog/oncelog.h"
#include "terminal.h"

namespace oncelog::cli {

/// Passes everything on. Where standard error is no terminal, it counts in vain.
class ProgressVfs final : public Vfs {
 public:
  explicit ProgressVfs(std::string verb) : verb_(std::move(verb)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<LinkOutcome> link(const std::string& from, const std::string& to) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<std::unique_ptr<MappedFile>> map_new(const std::string& path, std::int64_t bytes) override;
  [[nodiscard]] std::optional<std::string> native_path(const std::string& path) const override;

  /// So many bytes more have been read of this file.
  void count(std::int64_t bytes, const std::string& path);
  /// So that other lines may follow.
  void clear();

 private:
  const std::string verb_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::int64_t bytes_read_ = 0;
  ProgressLine line_{};
};

}  // namespace oncelog::cli
