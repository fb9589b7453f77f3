// io.h: the seam to the disk. Everything the library reads or writes goes through these classes, so
// that a simulated disk can stand behind them.
//
// What survives a crash of the machine: bytes of a file that were followed by a successful sync()
// of it; a created, renamed or removed name after sync_directory() of its directory. Everything
// else may or may not survive, in any order, torn at 512 bytes. What survives the end of the
// process: every call that has returned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"

namespace oncelog {

/// One open file. All calls are thread-safe; positions and sizes are bytes.
class File {
 public:
  virtual ~File() = default;

  /// Reads from `position` until `buffer` is full or the file ends; answers the bytes read.
  virtual Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const = 0;
  /// Writes the parts one behind the other from `position`; on an error any part may have been
  /// written.
  virtual Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) = 0;
  [[nodiscard]] virtual Result<std::int64_t> size() const = 0;
  virtual Result<void> truncate(std::int64_t bytes) = 0;
  /// Grows the file to at least `bytes`, the new part reading as zeros, with space set aside where
  /// the system can.
  virtual Result<void> preallocate(std::int64_t bytes) = 0;
  /// Sets space aside for the first `bytes` and leaves the size as it is; truncate() gives back
  /// what lies behind its end. Does nothing where the system cannot.
  virtual Result<void> reserve(std::int64_t /*bytes*/) { return {}; }
  /// Data and size are on stable storage when this returns without an error. Never retried after a
  /// failure.
  virtual Result<void> sync() = 0;
  /// Sets the time that FileStatus::modified_ms answers, as of the next sync(). Where a file system
  /// keeps none, nothing: only retention of records without timestamps looks at it.
  virtual Result<void> set_modified(std::int64_t /*modified_ms*/) { return {}; }
  /// Drops clean cached pages from `position` on, so that the next read comes from the device.
  virtual Result<void> drop_cache(std::int64_t position) = 0;
  /// The descriptor, for sendfile and the like; −1 where there is none.
  [[nodiscard]] virtual int native_handle() const = 0;
};

/// A file of a fixed size, mapped into memory. A store survives the end of the process without any
/// further call, in the order of the stores and as far as it had got. A loss of power leaves any
/// part of what was not synced, in blocks of 512 bytes and in no order with other files.
class MappedFile {
 public:
  virtual ~MappedFile() = default;

  /// What has been stored, from the first byte on; valid as long as the object. Any thread may read
  /// what was stored before something told it so; nobody may while it is stored again.
  [[nodiscard]] virtual Bytes bytes() const = 0;
  /// Copies `bytes` to `position`, all within the file, behind every store before. One thread at a
  /// time. Fails on a simulated disk only, having stored any part.
  virtual Result<void> store(std::int64_t position, Bytes bytes) = 0;
  /// Everything stored is on stable storage when this returns without an error.
  virtual Result<void> sync() = 0;
};

enum class OpenMode : std::uint8_t {
  kRead,       ///< must exist
  kWrite,      ///< must exist; reads and writes
  kCreate,     ///< made if missing; reads and writes
  kCreateNew,  ///< must not exist; reads and writes
};

/// What a name in a directory stands for.
struct FileStatus {
  bool is_directory = false;
  std::int64_t bytes = 0;
  std::int64_t modified_ms = 0;
  std::uint64_t inode = 0;
  std::uint64_t link_count = 1;  ///< names that the file has, in all directories
};

enum class LinkOutcome : std::uint8_t {
  kLinked,
  kUnsupported,  ///< by the file system, or not between these two directories
};

/// Held as long as the object lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// Names, directories and locks. All calls are thread-safe. Paths are UTF-8; errors name the path.
class Vfs {
 public:
  virtual ~Vfs() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  /// What the name stands for, or nothing if it is not there.
  virtual Result<std::optional<FileStatus>> status(const std::string& path) = 0;
  /// Names in a directory, ascending, without `.` and `..`.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  /// Removes a file; a missing one is no error.
  virtual Result<void> remove(const std::string& path) = 0;
  /// Replaces `to` in one step, within one file system.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Gives a file another name, in a directory of the same file system; the name must be free. The
  /// file goes with its last name. Nothing has happened where it is not supported.
  virtual Result<LinkOutcome> link(const std::string& /*from*/, const std::string& /*to*/) {
    return LinkOutcome::kUnsupported;
  }
  /// Makes a directory; one that exists is no error. Parents must exist.
  virtual Result<void> create_directory(const std::string& path) = 0;
  /// Removes an empty directory; a missing one is no error.
  virtual Result<void> remove_directory(const std::string& path) = 0;
  virtual Result<void> sync_directory(const std::string& path) = 0;
  /// Takes the one write lock of a file (made if missing) or answers STORE_IN_USE with the owner's
  /// process.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  /// Makes a file of `bytes` zeros, with its space set aside, and maps it; one of that name is
  /// replaced. Null where space cannot be set aside: a store would end the process on a full disk.
  virtual Result<std::unique_ptr<MappedFile>> map_new(const std::string& /*path*/,
                                                      std::int64_t /*bytes*/) {
    return nullptr;
  }
  /// The path under which the machine's own calls find the file, for libraries that make their own;
  /// nothing if there is none.
  [[nodiscard]] virtual std::optional<std::string> native_path(const std::string&) const {
    return std::nullopt;
  }
};

/// The file systems of this machine.
[[nodiscard]] Vfs& posix_vfs();

}  // namespace oncelog
