#include "io/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "io/os_error.h"

namespace oncelog::io {

namespace {
/// Parts of one system call. Well below IOV_MAX, so that the array lies on the stack.
constexpr std::size_t kPartsMax = 64;
static_assert(kPartsMax <= IOV_MAX);

/// What is still to be written of a list of parts.
class PendingParts {
 public:
  explicit PendingParts(std::span<const Bytes> parts) : parts_(parts) { skip_empty(); }

  [[nodiscard]] bool is_empty() const { return index_ == parts_.size(); }

  /// Fills `vectors` from the front; answers how many.
  int fill(std::array<iovec, kPartsMax>& vectors) const {
    std::size_t count = 0;
    for (std::size_t i = index_; i < parts_.size() && count < kPartsMax; ++i) {
      const Bytes part = i == index_ ? parts_[i].subspan(written_) : parts_[i];
      if (part.empty()) continue;
      vectors[count++] = {const_cast<std::byte*>(part.data()), part.size()};
    }
    return static_cast<int>(count);
  }

  void advance(std::size_t bytes) {
    while (bytes > 0) {
      const std::size_t step = std::min(bytes, parts_[index_].size() - written_);
      written_ += step;
      bytes -= step;
      skip_empty();
    }
  }

 private:
  void skip_empty() {
    while (index_ < parts_.size() && written_ == parts_[index_].size()) {
      ++index_;
      written_ = 0;
    }
  }

  std::span<const Bytes> parts_;
  std::size_t index_ = 0;
  std::size_t written_ = 0;  // of parts_[index_]
};
}  // namespace

Result<std::size_t> PosixFile::read_at(std::span<std::byte> buffer, std::int64_t position) const {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const std::int64_t from = position + static_cast<std::int64_t>(done);
    const ssize_t count =
        ::pread(descriptor_.get(), buffer.data() + done, buffer.size() - done, from);
    if (count == 0) break;
    if (count < 0) {
      if (errno == EINTR) continue;
      return os_failure(errno, "read", path_, " at position ", from);
    }
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<void> PosixFile::write_at(std::span<const Bytes> parts, std::int64_t position) {
  PendingParts pending(parts);
  while (!pending.is_empty()) {
    std::array<iovec, kPartsMax> vectors;
    const int vector_count = pending.fill(vectors);
    const ssize_t count = ::pwritev(descriptor_.get(), vectors.data(), vector_count, position);
    if (count < 0 && errno == EINTR) continue;
    // A write of no byte without an error would be repeated for ever.
    if (count <= 0) {
      return os_failure(count < 0 ? errno : EIO, "write", path_, " at position ", position);
    }
    pending.advance(static_cast<std::size_t>(count));
    position += count;
  }
  return {};
}

Result<std::int64_t> PosixFile::size() const {
  struct stat found{};
  if (::fstat(descriptor_.get(), &found) != 0) return os_failure(errno, "stat", path_);
  return std::int64_t{found.st_size};
}

Result<void> PosixFile::truncate(std::int64_t bytes) {
  while (::ftruncate(descriptor_.get(), bytes) != 0) {
    if (errno == EINTR) continue;
    return os_failure(errno, "truncate", path_, " to ", bytes, " bytes");
  }
  return {};
}

Result<bool> set_space_aside(const Descriptor& descriptor, std::int64_t bytes, bool grows,
                             const std::string& path) {
  // Not posix_fallocate: where the system cannot, the C library would write every page instead.
  while (::fallocate(descriptor.get(), grows ? 0 : FALLOC_FL_KEEP_SIZE, 0, bytes) != 0) {
    if (errno == EINTR) continue;
    if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS) return false;
    return os_failure(errno, "preallocate", path, " to ", bytes, " bytes");
  }
  return true;
}

Result<void> PosixFile::preallocate(std::int64_t bytes) {
  if (bytes <= 0) return {};
  ONCELOG_TRY_ASSIGN(const bool has_space, set_space_aside(descriptor_, bytes, true, path_));
  if (has_space) return {};
  ONCELOG_TRY_ASSIGN(const std::int64_t present, size());
  return present < bytes ? truncate(bytes) : Result<void>{};
}

Result<void> PosixFile::reserve(std::int64_t bytes) {
  if (bytes <= 0) return {};
  ONCELOG_TRY(set_space_aside(descriptor_, bytes, false, path_));
  return {};
}

Result<void> PosixFile::sync() {
  // Not again after EINTR: the system may have marked pages clean that it did not write.
  if (::fdatasync(descriptor_.get()) != 0) return os_failure(errno, "sync", path_);
  return {};
}

Result<void> PosixFile::set_modified(std::int64_t modified_ms) {
  const std::int64_t seconds = modified_ms / 1000 - (modified_ms % 1000 < 0 ? 1 : 0);
  const std::int64_t rest_ms = modified_ms - seconds * 1000;
  const timespec modified{static_cast<time_t>(seconds), static_cast<long>(rest_ms * 1'000'000)};
  const timespec times[] = {{0, UTIME_OMIT}, modified};
  if (::futimens(descriptor_.get(), times) != 0) return os_failure(errno, "set time of", path_);
  return {};
}

Result<void> PosixFile::drop_cache(std::int64_t position) {
  const int error = ::posix_fadvise(descriptor_.get(), position, 0, POSIX_FADV_DONTNEED);
  if (error != 0) return os_failure(error, "drop cached pages of", path_);
  return {};
}

}  // namespace oncelog::io
