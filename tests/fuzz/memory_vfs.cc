#include "fuzz/memory_vfs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/os_error.h"

namespace oncelog::fuzz {

namespace {

using io::os_failure;
using Content = MemoryVfs::Content;

class MemoryFile final : public File {
 public:
  MemoryFile(std::string path, std::shared_ptr<Content> content)
      : path_(std::move(path)), content_(std::move(content)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    const auto begin = std::min(static_cast<std::size_t>(position), content_->size());
    const std::size_t count = std::min(buffer.size(), content_->size() - begin);
    if (count > 0) std::memcpy(buffer.data(), content_->data() + begin, count);
    return count;
  }
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override {
    for (const Bytes part : parts) {
      const std::int64_t end = position + std::ssize(part);
      ONCELOG_TRY(preallocate(end));
      if (!part.empty()) std::memcpy(content_->data() + position, part.data(), part.size());
      position = end;
    }
    return {};
  }
  [[nodiscard]] Result<std::int64_t> size() const override { return std::ssize(*content_); }
  Result<void> truncate(std::int64_t bytes) override {
    if (bytes < 0) return os_failure(EINVAL, "truncate", path_);
    if (bytes > MemoryVfs::kFileBytesMax) return os_failure(ENOSPC, "truncate", path_);
    content_->resize(static_cast<std::size_t>(bytes));
    return {};
  }
  Result<void> preallocate(std::int64_t bytes) override {
    return bytes > std::ssize(*content_) ? truncate(bytes) : Result<void>{};
  }
  Result<void> sync() override { return {}; }
  Result<void> drop_cache(std::int64_t) override { return {}; }
  [[nodiscard]] int native_handle() const override { return -1; }

 private:
  std::string path_;
  std::shared_ptr<Content> content_;
};

class MemoryMap final : public MappedFile {
 public:
  explicit MemoryMap(std::shared_ptr<Content> content) : content_(std::move(content)) {}
  [[nodiscard]] Bytes bytes() const override { return *content_; }
  Result<void> store(std::int64_t position, Bytes bytes) override {
    std::ranges::copy(bytes, content_->begin() + position);
    return {};
  }
  Result<void> sync() override { return {}; }

 private:
  std::shared_ptr<Content> content_;
};

class MemoryLock final : public FileLock {
 public:
  MemoryLock(std::string path, std::shared_ptr<std::set<std::string>> locked)
      : path_(std::move(path)), locked_(std::move(locked)) {}
  ~MemoryLock() override { locked_->erase(path_); }

 private:
  std::string path_;
  std::shared_ptr<std::set<std::string>> locked_;
};

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

}  // namespace

std::unique_ptr<MemoryVfs> MemoryVfs::clone() const {
  auto copy = std::make_unique<MemoryVfs>();
  copy->nodes_ = nodes_;
  copy->last_inode_ = last_inode_;
  for (auto& [path, node] : copy->nodes_) {
    if (node.content) node.content = std::make_shared<Content>(*node.content);
  }
  return copy;
}

void MemoryVfs::put(const std::string& path, Content content) {
  for (std::string above = parent_of(path); !above.empty() && !nodes_.contains(above);) {
    make(above, nullptr);
    above = parent_of(above);
  }
  make(path, std::make_shared<Content>(std::move(content)));
}

MemoryVfs::Content* MemoryVfs::find(const std::string& path) {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : found->second.content.get();
}

std::vector<std::string> MemoryVfs::files() const {
  std::vector<std::string> paths;
  for (const auto& [path, node] : nodes_) {
    if (node.content) paths.push_back(path);
  }
  return paths;
}

MemoryVfs::Node& MemoryVfs::make(const std::string& path, std::shared_ptr<Content> content) {
  return nodes_.insert_or_assign(path, Node{std::move(content), ++last_inode_}).first->second;
}

Result<std::unique_ptr<File>> MemoryVfs::open(const std::string& path, OpenMode mode) {
  const auto found = nodes_.find(path);
  const bool exists = found != nodes_.end();
  if (exists && !found->second.content) return os_failure(EISDIR, "open", path);
  if (exists && mode == OpenMode::kCreateNew) return os_failure(EEXIST, "open", path);
  if (exists) return std::make_unique<MemoryFile>(path, found->second.content);
  if (mode == OpenMode::kRead || mode == OpenMode::kWrite) return os_failure(ENOENT, "open", path);
  if (!nodes_.contains(parent_of(path))) return os_failure(ENOENT, "open", path);
  return std::make_unique<MemoryFile>(path, make(path, std::make_shared<Content>()).content);
}

Result<std::optional<FileStatus>> MemoryVfs::status(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return std::nullopt;
  const Node& node = found->second;
  return FileStatus{.is_directory = node.content == nullptr,
                    .bytes = node.content ? std::ssize(*node.content) : 0,
                    .modified_ms = 1000,
                    .inode = node.inode};
}

Result<std::vector<std::string>> MemoryVfs::list(const std::string& directory) {
  const auto found = nodes_.find(directory);
  if (found == nodes_.end()) return os_failure(ENOENT, "list", directory);
  if (found->second.content) return os_failure(ENOTDIR, "list", directory);
  std::vector<std::string> names;
  const std::string prefix = directory + "/";
  for (auto it = nodes_.upper_bound(prefix); it != nodes_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    const std::string name = it->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

Result<void> MemoryVfs::remove(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return {};
  if (!found->second.content) return os_failure(EISDIR, "remove", path);
  nodes_.erase(found);
  return {};
}

Result<void> MemoryVfs::rename(const std::string& from, const std::string& to) {
  const auto found = nodes_.find(from);
  if (found == nodes_.end()) return os_failure(ENOENT, "rename", from);
  const auto target = nodes_.find(to);
  if (target != nodes_.end() && !target->second.content != !found->second.content) {
    return os_failure(found->second.content ? EISDIR : ENOTDIR, "rename", from);
  }
  std::vector<std::pair<std::string, Node>> moved = {{to, found->second}};
  nodes_.erase(found);
  const std::string prefix = from + "/";
  for (auto it = nodes_.lower_bound(prefix); it != nodes_.end() && it->first.starts_with(prefix);) {
    moved.emplace_back(to + "/" + it->first.substr(prefix.size()), it->second);
    it = nodes_.erase(it);
  }
  for (auto& [path, node] : moved) nodes_.insert_or_assign(path, node);
  return {};
}

Result<void> MemoryVfs::create_directory(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) {
    make(path, nullptr);
  } else if (found->second.content) {
    return os_failure(EEXIST, "create directory", path);
  }
  return {};
}

Result<void> MemoryVfs::remove_directory(const std::string& path) {
  const auto found = nodes_.find(path);
  if (found == nodes_.end()) return {};
  if (found->second.content) return os_failure(ENOTDIR, "remove directory", path);
  const auto below = nodes_.upper_bound(path + "/");
  if (below != nodes_.end() && below->first.starts_with(path + "/")) {
    return os_failure(ENOTEMPTY, "remove directory", path);
  }
  nodes_.erase(found);
  return {};
}

Result<void> MemoryVfs::sync_directory(const std::string&) { return {}; }

Result<std::unique_ptr<FileLock>> MemoryVfs::lock(const std::string& path) {
  if (!nodes_.contains(path)) make(path, std::make_shared<Content>());
  if (!locked_->insert(path).second) return fail(ErrorCode::STORE_IN_USE, path, ": is locked");
  return std::make_unique<MemoryLock>(path, locked_);
}

Result<std::unique_ptr<MappedFile>> MemoryVfs::map_new(const std::string& path,
                                                       std::int64_t bytes) {
  if (!can_map_) return nullptr;
  put(path, Content(static_cast<std::size_t>(bytes)));
  return std::make_unique<MemoryMap>(nodes_.at(path).content);
}

}  // namespace oncelog::fuzz
