#include "progress_vfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "partitions.h"

namespace oncelog::cli {

namespace {

class CountedFile final : public File {
 public:
  CountedFile(ProgressVfs& progress, std::string path, std::unique_ptr<File> file)
      : progress_(progress), path_(std::move(path)), file_(std::move(file)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    auto count = file_->read_at(buffer, position);
    if (count) progress_.count(static_cast<std::int64_t>(*count), path_);
    return count;
  }
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override {
    return file_->write_at(parts, position);
  }
  [[nodiscard]] Result<std::int64_t> size() const override { return file_->size(); }
  Result<void> truncate(std::int64_t bytes) override { return file_->truncate(bytes); }
  Result<void> preallocate(std::int64_t bytes) override { return file_->preallocate(bytes); }
  Result<void> reserve(std::int64_t bytes) override { return file_->reserve(bytes); }
  Result<void> sync() override { return file_->sync(); }
  Result<void> set_modified(std::int64_t modified_ms) override {
    return file_->set_modified(modified_ms);
  }
  Result<void> drop_cache(std::int64_t position) override { return file_->drop_cache(position); }
  [[nodiscard]] int native_handle() const override { return file_->native_handle(); }

 private:
  ProgressVfs& progress_;
  const std::string path_;
  const std::unique_ptr<File> file_;
};

}  // namespace

Result<std::unique_ptr<File>> ProgressVfs::open(const std::string& path, OpenMode mode) {
  ONCELOG_TRY_ASSIGN(auto file, posix_vfs().open(path, mode));
  return std::make_unique<CountedFile>(*this, path, std::move(file));
}

Result<std::optional<FileStatus>> ProgressVfs::status(const std::string& path) {
  return posix_vfs().status(path);
}

Result<std::vector<std::string>> ProgressVfs::list(const std::string& directory) {
  return posix_vfs().list(directory);
}

Result<void> ProgressVfs::remove(const std::string& path) { return posix_vfs().remove(path); }

Result<void> ProgressVfs::rename(const std::string& from, const std::string& to) {
  return posix_vfs().rename(from, to);
}

Result<LinkOutcome> ProgressVfs::link(const std::string& from, const std::string& to) {
  return posix_vfs().link(from, to);
}

Result<void> ProgressVfs::create_directory(const std::string& path) {
  return posix_vfs().create_directory(path);
}

Result<void> ProgressVfs::remove_directory(const std::string& path) {
  return posix_vfs().remove_directory(path);
}

Result<void> ProgressVfs::sync_directory(const std::string& path) {
  return posix_vfs().sync_directory(path);
}

Result<std::unique_ptr<FileLock>> ProgressVfs::lock(const std::string& path) {
  return posix_vfs().lock(path);
}

Result<std::unique_ptr<MappedFile>> ProgressVfs::map_new(const std::string& path,
                                                         std::int64_t bytes) {
  return posix_vfs().map_new(path, bytes);
}

std::optional<std::string> ProgressVfs::native_path(const std::string& path) const {
  return posix_vfs().native_path(path);
}

void ProgressVfs::count(std::int64_t bytes, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  bytes_read_ += bytes;
  if (!line_.is_due()) return;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
  const double rate = static_cast<double>(bytes_read_) / std::max(seconds.count(), 1e-3);
  line_.show(fmt::format("{}: {} read, {}/s, {}", verb_, bytes_text(bytes_read_),
                         bytes_text(static_cast<std::int64_t>(rate)), last_name(path)));
}

void ProgressVfs::clear() {
  const std::scoped_lock lock(mutex_);
  line_.clear();
}

}  // namespace oncelog::cli
