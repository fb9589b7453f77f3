#include "io/posix_vfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "io/descriptor.h"
#include "io/os_error.h"
#include "io/posix_file.h"
#include "io/posix_mapped_file.h"
#include "io/store_lock.h"

namespace oncelog::io {

namespace {
struct OpenManner {
  int flags;
  std::string_view verb;  // for messages
};

OpenManner manner_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return {O_RDONLY, "open for reading"};
    case OpenMode::kWrite:
      return {O_RDWR, "open for writing"};
    case OpenMode::kCreate:
      return {O_RDWR | O_CREAT, "open or create"};
    case OpenMode::kCreateNew:
      return {O_RDWR | O_CREAT | O_EXCL, "create"};
  }
  std::unreachable();
}

Descriptor open_descriptor(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}
}  // namespace

Result<std::unique_ptr<File>> PosixVfs::open(const std::string& path, OpenMode mode) {
  const OpenManner manner = manner_of(mode);
  Descriptor descriptor = open_descriptor(path, manner.flags);
  if (!descriptor.is_open()) return os_failure(errno, manner.verb, path);
  return std::make_unique<PosixFile>(std::move(descriptor), path);
}

Result<std::optional<FileStatus>> PosixVfs::status(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    return os_failure(errno, "stat", path);
  }
  FileStatus status;
  status.is_directory = S_ISDIR(found.st_mode);
  status.bytes = found.st_size;
  status.modified_ms = std::int64_t{found.st_mtim.tv_sec} * 1000 + found.st_mtim.tv_nsec / 1000000;
  status.inode = found.st_ino;
  status.link_count = found.st_nlink;
  return status;
}

Result<std::vector<std::string>> PosixVfs::list(const std::string& directory) {
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  const std::unique_ptr<DIR, Close> stream(::opendir(directory.c_str()));
  if (!stream) return os_failure(errno, "list", directory);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return os_failure(errno, "list", directory);
  std::ranges::sort(names);
  return names;
}

Result<void> PosixVfs::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_failure(errno, "remove", path);
  return {};
}

Result<void> PosixVfs::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return os_failure(errno, "rename", from, " to ", to);
  return {};
}

Result<LinkOutcome> PosixVfs::link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return LinkOutcome::kLinked;
  switch (errno) {
    case EXDEV:
    case EMLINK:
    case EPERM:  // a file system without links, or a file that may get none
    case EOPNOTSUPP:
    case ENOSYS:
      return LinkOutcome::kUnsupported;
    default:
      return os_failure(errno, "link", from, " to ", to);
  }
}

Result<void> PosixVfs::create_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) return {};
  const int error = errno;
  if (error == EEXIST) {
    ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> found, status(path));
    if (found && found->is_directory) return {};
  }
  return os_failure(error, "create directory", path);
}

Result<void> PosixVfs::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) {
    return os_failure(errno, "remove directory", path);
  }
  return {};
}

Result<void> PosixVfs::sync_directory(const std::string& path) {
  const Descriptor directory = open_descriptor(path, O_RDONLY | O_DIRECTORY);
  if (!directory.is_open()) return os_failure(errno, "open directory", path);
  if (::fsync(directory.get()) != 0) return os_failure(errno, "sync directory", path);
  return {};
}

Result<std::unique_ptr<FileLock>> PosixVfs::lock(const std::string& path) {
  Descriptor descriptor = open_descriptor(path, O_RDWR | O_CREAT);
  if (!descriptor.is_open()) return os_failure(errno, "open lock file", path);
  return StoreLock::take(std::move(descriptor), path);
}

Result<std::unique_ptr<MappedFile>> PosixVfs::map_new(const std::string& path, std::int64_t bytes) {
  ONCELOG_TRY(remove(path));
  const Descriptor descriptor = open_descriptor(path, O_RDWR | O_CREAT | O_EXCL);
  if (!descriptor.is_open()) return os_failure(errno, "create", path);
  const auto has_space = set_space_aside(descriptor, bytes, true, path);
  if (has_space && *has_space) return map_file(path, bytes);
  ONCELOG_TRY(remove(path));
  if (!has_space) return std::unexpected(has_space.error());
  return nullptr;
}

}  // namespace oncelog::io

namespace oncelog {

Vfs& posix_vfs() {
  static io::PosixVfs vfs;
  return vfs;
}

}  // namespace oncelog
