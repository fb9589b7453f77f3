#include "io/store_lock.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>

#include "io/os_error.h"

namespace oncelog::io {

namespace {
/// An owner may leave between our attempt and the question who it is: then we try again.
constexpr int kAttempts = 8;

struct flock whole_file() {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

/// The pid that the owner noted in the file.
std::optional<pid_t> noted_pid(const Descriptor& descriptor) {
  std::array<char, 24> text{};
  const ssize_t count = ::pread(descriptor.get(), text.data(), text.size(), 0);
  pid_t pid = 0;
  if (count <= 0) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, pid);
  return error == std::errc{} && pid > 0 ? std::optional(pid) : std::nullopt;
}

std::string owner_text(const Descriptor& descriptor, const struct flock& conflict) {
  // The system knows the pid behind a plain fcntl lock, which oncelog never takes; it answers −1
  // for a lock like ours, and then the owner's note holds.
  if (conflict.l_pid > 0) {
    return "process " + std::to_string(conflict.l_pid) + ", perhaps a Kafka broker";
  }
  const std::optional<pid_t> pid = noted_pid(descriptor);
  if (!pid) return "another process, perhaps a Kafka broker";
  return "process " + std::to_string(*pid) + (*pid == ::getpid() ? " (this process)" : "");
}

/// The note is for messages only: a full disk must not keep a store from being opened.
void note_pid(const Descriptor& descriptor) {
  const std::string text = std::to_string(::getpid());
  if (::ftruncate(descriptor.get(), 0) != 0) return;
  [[maybe_unused]] const ssize_t count = ::pwrite(descriptor.get(), text.data(), text.size(), 0);
}
}  // namespace

Result<std::unique_ptr<FileLock>> StoreLock::take(Descriptor descriptor, const std::string& path) {
  std::string owner = "another process";
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    struct flock range = whole_file();
    if (::fcntl(descriptor.get(), F_OFD_SETLK, &range) == 0) {
      note_pid(descriptor);
      return std::make_unique<StoreLock>(std::move(descriptor));
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EACCES) return os_failure(errno, "lock", path);

    struct flock conflict = whole_file();
    if (::fcntl(descriptor.get(), F_OFD_GETLK, &conflict) != 0) {
      return os_failure(errno, "query the lock of", path);
    }
    if (conflict.l_type == F_UNLCK) continue;
    owner = owner_text(descriptor, conflict);
    break;
  }
  return fail(ErrorCode::STORE_IN_USE, path, " is owned by ", owner);
}

Result<void> StoreLock::check_free(const std::string& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) {
    if (errno == ENOENT) return {};
    return os_failure(errno, "open", path);
  }
  struct flock conflict = whole_file();
  if (::fcntl(descriptor.get(), F_OFD_GETLK, &conflict) != 0) {
    return os_failure(errno, "query the lock of", path);
  }
  if (conflict.l_type == F_UNLCK) return {};
  return fail(ErrorCode::STORE_IN_USE, path, " is owned by ", owner_text(descriptor, conflict));
}

}  // namespace oncelog::io
