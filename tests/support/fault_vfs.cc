#include "support/fault_vfs.h"

#include <utility>

namespace oncelog::test {

namespace {

class FaultFile final : public File {
 public:
  FaultFile(std::unique_ptr<File> under, std::string path, std::shared_ptr<FaultPlan> plan,
            std::shared_ptr<SyncGate> syncs)
      : under_(std::move(under)),
        path_(std::move(path)),
        plan_(std::move(plan)),
        syncs_(std::move(syncs)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    if (const auto fault = plan_->strike(IoCall::kRead, path_))
      return sim::fault_error(*fault, IoCall::kRead, path_);
    return under_->read_at(buffer, position);
  }

  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override {
    const auto fault = plan_->strike(IoCall::kWrite, path_);
    if (!fault) return under_->write_at(parts, position);
    if (fault->leaves_half_a_write) {
      std::vector<std::byte> all;
      for (const Bytes part : parts) all.insert(all.end(), part.begin(), part.end());
      const Bytes half[] = {Bytes(all).first(all.size() / 2)};
      if (!half[0].empty()) ONCELOG_TRY(under_->write_at(half, position));
    }
    return sim::fault_error(*fault, IoCall::kWrite, path_);
  }

  [[nodiscard]] Result<std::int64_t> size() const override {
    if (const auto fault = plan_->strike(IoCall::kSize, path_))
      return sim::fault_error(*fault, IoCall::kSize, path_);
    return under_->size();
  }

  Result<void> truncate(std::int64_t bytes) override {
    if (const auto fault = plan_->strike(IoCall::kTruncate, path_)) {
      return sim::fault_error(*fault, IoCall::kTruncate, path_);
    }
    return under_->truncate(bytes);
  }

  Result<void> reserve(std::int64_t bytes) override {
    if (const auto fault = plan_->strike(IoCall::kPreallocate, path_)) {
      return sim::fault_error(*fault, IoCall::kPreallocate, path_);
    }
    return under_->reserve(bytes);
  }
  Result<void> preallocate(std::int64_t bytes) override {
    if (const auto fault = plan_->strike(IoCall::kPreallocate, path_)) {
      return sim::fault_error(*fault, IoCall::kPreallocate, path_);
    }
    return under_->preallocate(bytes);
  }

  Result<void> sync() override {
    if (const auto fault = plan_->strike(IoCall::kSync, path_))
      return sim::fault_error(*fault, IoCall::kSync, path_);
    syncs_->pass();
    if (plan_->skips_syncs()) return {};
    return under_->sync();
  }

  Result<void> drop_cache(std::int64_t position) override {
    if (const auto fault = plan_->strike(IoCall::kDropCache, path_)) {
      return sim::fault_error(*fault, IoCall::kDropCache, path_);
    }
    if (plan_->skips_syncs()) return {};
    return under_->drop_cache(position);
  }

  Result<void> set_modified(std::int64_t modified_ms) override {
    return under_->set_modified(modified_ms);
  }
  [[nodiscard]] int native_handle() const override { return under_->native_handle(); }

 private:
  std::unique_ptr<File> under_;
  std::string path_;
  std::shared_ptr<FaultPlan> plan_;
  std::shared_ptr<SyncGate> syncs_;
};

class FaultMappedFile final : public MappedFile {
 public:
  FaultMappedFile(std::unique_ptr<MappedFile> under, std::string path,
                  std::shared_ptr<FaultPlan> plan)
      : under_(std::move(under)), path_(std::move(path)), plan_(std::move(plan)) {}

  [[nodiscard]] Bytes bytes() const override { return under_->bytes(); }
  Result<void> store(std::int64_t position, Bytes bytes) override {
    return under_->store(position, bytes);
  }
  Result<void> sync() override {
    if (const auto fault = plan_->strike(IoCall::kSync, path_))
      return sim::fault_error(*fault, IoCall::kSync, path_);
    return plan_->skips_syncs() ? Result<void>{} : under_->sync();
  }

 private:
  std::unique_ptr<MappedFile> under_;
  std::string path_;
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace

Result<std::unique_ptr<File>> FaultVfs::open(const std::string& path, OpenMode mode) {
  if (const auto fault = plan_->strike(IoCall::kOpen, path))
    return sim::fault_error(*fault, IoCall::kOpen, path);
  ONCELOG_TRY_ASSIGN(std::unique_ptr<File> file, under_.open(path, mode));
  return std::make_unique<FaultFile>(std::move(file), path, plan_, syncs_);
}

Result<std::optional<FileStatus>> FaultVfs::status(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kStatus, path))
    return sim::fault_error(*fault, IoCall::kStatus, path);
  return under_.status(path);
}

Result<std::vector<std::string>> FaultVfs::list(const std::string& directory) {
  if (const auto fault = plan_->strike(IoCall::kList, directory)) {
    return sim::fault_error(*fault, IoCall::kList, directory);
  }
  return under_.list(directory);
}

Result<void> FaultVfs::remove(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kRemove, path))
    return sim::fault_error(*fault, IoCall::kRemove, path);
  return under_.remove(path);
}

Result<void> FaultVfs::rename(const std::string& from, const std::string& to) {
  if (const auto fault = plan_->strike(IoCall::kRename, to))
    return sim::fault_error(*fault, IoCall::kRename, to);
  return under_.rename(from, to);
}

Result<LinkOutcome> FaultVfs::link(const std::string& from, const std::string& to) {
  if (const auto fault = plan_->strike(IoCall::kLink, to)) {
    return sim::fault_error(*fault, IoCall::kLink, to);
  }
  return under_.link(from, to);
}

Result<void> FaultVfs::create_directory(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kCreateDirectory, path)) {
    return sim::fault_error(*fault, IoCall::kCreateDirectory, path);
  }
  return under_.create_directory(path);
}

Result<void> FaultVfs::remove_directory(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kRemoveDirectory, path)) {
    return sim::fault_error(*fault, IoCall::kRemoveDirectory, path);
  }
  return under_.remove_directory(path);
}

Result<void> FaultVfs::sync_directory(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kSyncDirectory, path)) {
    return sim::fault_error(*fault, IoCall::kSyncDirectory, path);
  }
  if (plan_->skips_syncs()) return {};
  return under_.sync_directory(path);
}

Result<std::unique_ptr<FileLock>> FaultVfs::lock(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kLock, path))
    return sim::fault_error(*fault, IoCall::kLock, path);
  return under_.lock(path);
}

Result<std::unique_ptr<MappedFile>> FaultVfs::map_new(const std::string& path, std::int64_t bytes) {
  if (const auto fault = plan_->strike(IoCall::kOpen, path))
    return sim::fault_error(*fault, IoCall::kOpen, path);
  ONCELOG_TRY_ASSIGN(auto file, under_.map_new(path, bytes));
  if (!file) return nullptr;
  return std::make_unique<FaultMappedFile>(std::move(file), path, plan_);
}

}  // namespace oncelog::test
