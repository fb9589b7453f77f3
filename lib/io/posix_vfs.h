// posix_vfs.h: names, directories and locks of this machine's file systems.
#pragma once

#include "oncelog/io.h"

namespace oncelog::io {

/// Stateless; all calls are thread-safe because those of the system are.
class PosixVfs final : public Vfs {
 public:
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
  [[nodiscard]] std::optional<std::string> native_path(const std::string& path) const override {
    return path;
  }
};

}  // namespace oncelog::io
