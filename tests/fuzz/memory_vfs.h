// memory_vfs.h: a file system in memory, for targets that open a store in every execution. Copies
// of one are quick, so a target makes its files once. For one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "oncelog/io.h"

namespace oncelog::fuzz {

/// Nothing survives or is lost: syncs do nothing. No file grows beyond kFileBytesMax: the disk is
/// full then.
class MemoryVfs final : public Vfs {
 public:
  static constexpr std::int64_t kFileBytesMax = 16 << 20;

  using Content = std::vector<std::byte>;
  /// A copy of everything, inodes as well.
  [[nodiscard]] std::unique_ptr<MemoryVfs> clone() const;
  /// Files can be mapped from now on; copies cannot.
  void allow_maps() { can_map_ = true; }
  /// Makes or replaces a file, and the directories above it.
  void put(const std::string& path, Content content);
  /// The content of a file, to be read or changed; null if there is none.
  [[nodiscard]] Content* find(const std::string& path);
  /// Paths of all files, ascending.
  [[nodiscard]] std::vector<std::string> files() const;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<std::unique_ptr<MappedFile>> map_new(const std::string& path, std::int64_t bytes) override;

 private:
  struct Node {
    std::shared_ptr<Content> content{};  ///< none: a directory
    std::uint64_t inode = 0;
  };
  Node& make(const std::string& path, std::shared_ptr<Content> content);

  std::map<std::string, Node> nodes_;
  std::uint64_t last_inode_ = 0;
  bool can_map_ = false;
  std::shared_ptr<std::set<std::string>> locked_ = std::make_shared<std::set<std::string>>();
};

}  // namespace oncelog::fuzz
