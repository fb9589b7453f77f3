// watched_vfs.h: the machine's file systems, with every change written down and failing on request.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "oncelog/io.h"

namespace oncelog::test {

/// A call that changes something: "write", "truncate", "preallocate", "sync", "create" (a file
/// opened to be made), "remove", "rename" (by its new name), "create_directory", "sync_directory".
struct DiskCall {
  std::string verb{};
  std::string file{};  ///< the last part of the path
};

/// Thread-safe. `fail_if` decides before each call whether it fails instead; it then has no effect,
/// but for a write, of which the first half is written.
class WatchedVfs final : public Vfs {
 public:
  using Failure = std::function<Result<void>(const DiskCall&)>;

  void fail_if(Failure failure) {
    const std::scoped_lock lock(mutex_);
    failure_ = std::move(failure);
  }
  /// As fail_if, for all calls of one verb on files whose name ends so.
  void fail_verb(const std::string& verb, const std::string& name_end,
                 ErrorCode code = ErrorCode::KAFKA_STORAGE_ERROR) {
    fail_if([=](const DiskCall& call) -> Result<void> {
      if (call.verb == verb && call.file.ends_with(name_end)) return fail(code, "injected");
      return {};
    });
  }
  void heal() { fail_if({}); }

  [[nodiscard]] std::vector<std::string> calls() const {
    const std::scoped_lock lock(mutex_);
    return calls_;
  }
  void forget_calls() {
    const std::scoped_lock lock(mutex_);
    calls_.clear();
  }

  Result<void> note(const std::string& verb, const std::string& path) {
    const std::scoped_lock lock(mutex_);
    DiskCall call{verb, path.substr(path.rfind('/') + 1)};
    calls_.push_back(call.verb + " " + call.file);
    return failure_ ? failure_(call) : Result<void>{};
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::optional<FileStatus>> status(const std::string& path) override {
    return posix_vfs().status(path);
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return posix_vfs().list(directory);
  }
  Result<void> remove(const std::string& path) override {
    ONCELOG_TRY(note("remove", path));
    return posix_vfs().remove(path);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    ONCELOG_TRY(note("rename", to));
    return posix_vfs().rename(from, to);
  }
  Result<void> create_directory(const std::string& path) override {
    ONCELOG_TRY(note("create_directory", path));
    return posix_vfs().create_directory(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    ONCELOG_TRY(note("sync_directory", path));
    return posix_vfs().sync_directory(path);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return posix_vfs().lock(path);
  }

 private:
  mutable std::mutex mutex_;
  Failure failure_;
  std::vector<std::string> calls_;
};

class WatchedFile final : public File {
 public:
  WatchedFile(WatchedVfs& vfs, std::string path, std::unique_ptr<File> file)
      : vfs_(vfs), path_(std::move(path)), file_(std::move(file)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    return file_->read_at(buffer, position);
  }
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override {
    if (auto failed = vfs_.note("write", path_); !failed) {
      const Bytes half[] = {parts.front().first(parts.front().size() / 2)};
      ONCELOG_TRY(file_->write_at(half, position));
      return failed;
    }
    return file_->write_at(parts, position);
  }
  [[nodiscard]] Result<std::int64_t> size() const override { return file_->size(); }
  Result<void> truncate(std::int64_t bytes) override {
    ONCELOG_TRY(vfs_.note("truncate", path_));
    return file_->truncate(bytes);
  }
  Result<void> preallocate(std::int64_t bytes) override {
    ONCELOG_TRY(vfs_.note("preallocate", path_));
    return file_->preallocate(bytes);
  }
  Result<void> sync() override {
    ONCELOG_TRY(vfs_.note("sync", path_));
    return file_->sync();
  }
  Result<void> drop_cache(std::int64_t position) override { return file_->drop_cache(position); }
  [[nodiscard]] int native_handle() const override { return file_->native_handle(); }

 private:
  WatchedVfs& vfs_;
  const std::string path_;
  const std::unique_ptr<File> file_;
};

inline Result<std::unique_ptr<File>> WatchedVfs::open(const std::string& path, OpenMode mode) {
  if (mode == OpenMode::kCreate || mode == OpenMode::kCreateNew) {
    ONCELOG_TRY(note("create", path));
  }
  ONCELOG_TRY_ASSIGN(auto file, posix_vfs().open(path, mode));
  return std::make_unique<WatchedFile>(*this, path, std::move(file));
}

}  // namespace oncelog::test
