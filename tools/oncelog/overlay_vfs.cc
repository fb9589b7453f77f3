#include "overlay_vfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

namespace oncelog::cli {

namespace {

constexpr std::int64_t kPageBytes = 4096;

std::unexpected<Error> missing(const std::string& verb, const std::string& path) {
  return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, ENOENT, verb + " " + path});
}

class OverlayFile final : public File {
 public:
  explicit OverlayFile(std::shared_ptr<OverlayContent> content) : content_(std::move(content)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    return content_->read_at(buffer, position);
  }
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override {
    return content_->write_at(parts, position);
  }
  [[nodiscard]] Result<std::int64_t> size() const override { return content_->status().bytes; }
  Result<void> truncate(std::int64_t bytes) override {
    content_->resize(bytes);
    return {};
  }
  Result<void> preallocate(std::int64_t bytes) override {
    content_->grow(bytes);
    return {};
  }
  Result<void> sync() override { return {}; }
  Result<void> drop_cache(std::int64_t /*position*/) override { return {}; }
  [[nodiscard]] int native_handle() const override { return -1; }

 private:
  std::shared_ptr<OverlayContent> content_;
};

class NoLock final : public FileLock {};

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

OverlayContent::OverlayContent(std::string path, std::optional<FileStatus> status,
                               std::uint64_t inode)
    : real_path_(std::move(path)), real_bytes_(status ? status->bytes : 0) {
  status_ = status.value_or(FileStatus{.inode = inode});
}

FileStatus OverlayContent::status() const {
  const std::scoped_lock lock(mutex_);
  return status_;
}

Result<std::size_t> OverlayContent::read_at(std::span<std::byte> buffer,
                                            std::int64_t position) const {
  const std::scoped_lock lock(mutex_);
  const std::int64_t there = std::max<std::int64_t>(status_.bytes - position, 0);
  const auto wanted = std::min(buffer.size(), static_cast<std::size_t>(there));
  const std::span<std::byte> part = buffer.first(wanted);
  ONCELOG_TRY(read_below(part, position));
  const std::int64_t end = position + static_cast<std::int64_t>(wanted);
  for (auto page = pages_.lower_bound(position / kPageBytes);
       page != pages_.end() && page->first * kPageBytes < end; ++page) {
    const std::int64_t page_begin = page->first * kPageBytes;
    const std::int64_t begin = std::max(position, page_begin);
    const std::int64_t count = std::min(end, page_begin + kPageBytes) - begin;
    std::copy_n(page->second.begin() + (begin - page_begin), count,
                part.begin() + (begin - position));
  }
  return wanted;
}

/// The real file's bytes; zeros where it has none. It is opened for each read: a partition may have
/// more files than a process may have open.
Result<void> OverlayContent::read_below(std::span<std::byte> buffer, std::int64_t position) const {
  std::ranges::fill(buffer, std::byte{0});
  const std::int64_t there = std::max<std::int64_t>(real_bytes_ - position, 0);
  const auto count = std::min(buffer.size(), static_cast<std::size_t>(there));
  if (count == 0) return {};
  ONCELOG_TRY_ASSIGN(const auto file, posix_vfs().open(real_path_, OpenMode::kRead));
  ONCELOG_TRY(file->read_at(buffer.first(count), position));
  return {};
}

Result<void> OverlayContent::write_at(std::span<const Bytes> parts, std::int64_t position) {
  const std::scoped_lock lock(mutex_);
  for (const Bytes part : parts) {
    ONCELOG_TRY(write_part(part, position));
    position += static_cast<std::int64_t>(part.size());
  }
  status_.bytes = std::max(status_.bytes, position);
  return {};
}

Result<void> OverlayContent::write_part(Bytes part, std::int64_t position) {
  while (!part.empty()) {
    const std::int64_t number = position / kPageBytes;
    const std::int64_t inside = position % kPageBytes;
    auto found = pages_.find(number);
    if (found == pages_.end()) {
      Page page(static_cast<std::size_t>(kPageBytes));
      ONCELOG_TRY(read_below(page, number * kPageBytes));
      found = pages_.emplace(number, std::move(page)).first;
    }
    const auto count = std::min(part.size(), static_cast<std::size_t>(kPageBytes - inside));
    std::ranges::copy(part.first(count), found->second.begin() + inside);
    part = part.subspan(count);
    position += static_cast<std::int64_t>(count);
  }
  return {};
}

void OverlayContent::resize(std::int64_t bytes) {
  const std::scoped_lock lock(mutex_);
  resize_locked(bytes);
}

void OverlayContent::grow(std::int64_t bytes) {
  const std::scoped_lock lock(mutex_);
  if (bytes > status_.bytes) resize_locked(bytes);
}

/// What is cut reads as zeros when the file grows again.
void OverlayContent::resize_locked(std::int64_t bytes) {
  status_.bytes = bytes;
  real_bytes_ = std::min(real_bytes_, bytes);
  pages_.erase(pages_.lower_bound((bytes + kPageBytes - 1) / kPageBytes), pages_.end());
  const auto last = pages_.find(bytes / kPageBytes);
  if (last == pages_.end()) return;
  std::fill(last->second.begin() + bytes % kPageBytes, last->second.end(), std::byte{0});
}

Result<std::optional<FileStatus>> OverlayVfs::status_locked(const std::string& path) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return posix_vfs().status(path);
  if (found->second.file) return found->second.file->status();
  if (found->second.is_directory) return FileStatus{.is_directory = true};
  return std::nullopt;
}

/// The file of this name, or null if there is none.
Result<std::shared_ptr<OverlayContent>> OverlayVfs::find_locked(const std::string& path) {
  if (const auto found = entries_.find(path); found != entries_.end()) return found->second.file;
  ONCELOG_TRY_ASSIGN(const auto status, posix_vfs().status(path));
  if (!status || status->is_directory) return nullptr;
  auto content = std::make_shared<OverlayContent>(path, status, status->inode);
  entries_[path].file = content;
  return content;
}

Result<std::unique_ptr<File>> OverlayVfs::open(const std::string& path, OpenMode mode) {
  const std::scoped_lock lock(mutex_);
  ONCELOG_TRY_ASSIGN(auto content, find_locked(path));
  if (content && mode == OpenMode::kCreateNew) {
    return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, EEXIST, "open " + path});
  }
  if (!content) {
    ONCELOG_TRY_ASSIGN(const auto parent, status_locked(parent_of(path)));
    const bool may_create = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
    if (!may_create || !parent || !parent->is_directory) return missing("open", path);
    content = std::make_shared<OverlayContent>(path, std::nullopt, next_inode_++);
    entries_[path] = {content, false};
  }
  return std::make_unique<OverlayFile>(std::move(content));
}

Result<std::optional<FileStatus>> OverlayVfs::status(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  return status_locked(path);
}

Result<std::vector<std::string>> OverlayVfs::list(const std::string& directory) {
  const std::scoped_lock lock(mutex_);
  ONCELOG_TRY_ASSIGN(const auto status, status_locked(directory));
  if (!status || !status->is_directory) return missing("list", directory);
  std::set<std::string> names;
  ONCELOG_TRY_ASSIGN(const auto real, posix_vfs().status(directory));
  if (real && real->is_directory) {
    ONCELOG_TRY_ASSIGN(const auto listed, posix_vfs().list(directory));
    names.insert(listed.begin(), listed.end());
  }
  for (const auto& [path, entry] : entries_) {
    if (parent_of(path) != directory) continue;
    const std::string name = path.substr(path.rfind('/') + 1);
    if (entry.file || entry.is_directory) {
      names.insert(name);
    } else {
      names.erase(name);
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<void> OverlayVfs::remove(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  entries_[path] = {};
  return {};
}

Result<void> OverlayVfs::rename(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  ONCELOG_TRY_ASSIGN(auto content, find_locked(from));
  if (!content) return missing("rename", from);
  entries_[to] = {std::move(content), false};
  entries_[from] = {};
  return {};
}

Result<void> OverlayVfs::create_directory(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  entries_[path] = {nullptr, true};
  return {};
}

Result<void> OverlayVfs::remove_directory(const std::string& path) { return remove(path); }

Result<void> OverlayVfs::sync_directory(const std::string& /*path*/) { return {}; }

Result<std::unique_ptr<FileLock>> OverlayVfs::lock(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return std::make_unique<NoLock>();
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  const bool is_known = descriptor >= 0 && ::fcntl(descriptor, F_OFD_GETLK, &range) == 0;
  const int os_errno = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!is_known) {
    return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, os_errno, "look at " + path});
  }
  if (range.l_type == F_UNLCK) return std::make_unique<NoLock>();
  return fail(ErrorCode::STORE_IN_USE, path, " is owned by another process, perhaps a broker");
}

}  // namespace oncelog::cli
