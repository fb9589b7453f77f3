#include "support/fault_vfs.h"

#include <cerrno>
#include <utility>

namespace oncelog::test {

namespace {

std::unexpected<Error> failure(const Fault& fault, std::string_view verb, const std::string& path) {
  const ErrorCode code =
      fault.os_errno == ENOSPC ? ErrorCode::STORAGE_FULL : ErrorCode::KAFKA_STORAGE_ERROR;
  return std::unexpected(
      Error{code, fault.os_errno, std::string(verb) + " " + path + ": fault of the test"});
}

class FaultFile final : public File {
 public:
  FaultFile(std::unique_ptr<File> under, std::string path, std::shared_ptr<FaultPlan> plan)
      : under_(std::move(under)), path_(std::move(path)), plan_(std::move(plan)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    if (const auto fault = plan_->strike(IoCall::kRead, path_))
      return failure(*fault, "read", path_);
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
    return failure(*fault, "write", path_);
  }

  [[nodiscard]] Result<std::int64_t> size() const override {
    if (const auto fault = plan_->strike(IoCall::kSize, path_))
      return failure(*fault, "size", path_);
    return under_->size();
  }

  Result<void> truncate(std::int64_t bytes) override {
    if (const auto fault = plan_->strike(IoCall::kTruncate, path_)) {
      return failure(*fault, "truncate", path_);
    }
    return under_->truncate(bytes);
  }

  Result<void> preallocate(std::int64_t bytes) override {
    if (const auto fault = plan_->strike(IoCall::kPreallocate, path_)) {
      return failure(*fault, "preallocate", path_);
    }
    return under_->preallocate(bytes);
  }

  Result<void> sync() override {
    if (const auto fault = plan_->strike(IoCall::kSync, path_))
      return failure(*fault, "sync", path_);
    plan_->pass_sync();
    if (plan_->skips_syncs()) return {};
    return under_->sync();
  }

  Result<void> drop_cache(std::int64_t position) override {
    if (const auto fault = plan_->strike(IoCall::kDropCache, path_)) {
      return failure(*fault, "drop cache of", path_);
    }
    if (plan_->skips_syncs()) return {};
    return under_->drop_cache(position);
  }

  [[nodiscard]] int native_handle() const override { return under_->native_handle(); }

 private:
  std::unique_ptr<File> under_;
  std::string path_;
  std::shared_ptr<FaultPlan> plan_;
};

}  // namespace

void FaultPlan::add(const Fault& fault) {
  const std::scoped_lock lock(mutex_);
  pending_.push_back({fault, 0});
}

void FaultPlan::clear() {
  const std::scoped_lock lock(mutex_);
  pending_.clear();
}

std::int64_t FaultPlan::call_count() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

void FaultPlan::reset_count() {
  const std::scoped_lock lock(mutex_);
  calls_ = 0;
}

std::int64_t FaultPlan::struck_count() const {
  const std::scoped_lock lock(mutex_);
  return struck_;
}

void FaultPlan::set_paused(bool is_paused) {
  const std::scoped_lock lock(mutex_);
  is_paused_ = is_paused;
}

void FaultPlan::set_skips_syncs(bool is_skipped) {
  const std::scoped_lock lock(mutex_);
  skips_syncs_ = is_skipped;
}

void FaultPlan::hold_syncs(bool is_held) {
  const std::scoped_lock lock(mutex_);
  is_holding_syncs_ = is_held;
  syncs_moved_.notify_all();
}

void FaultPlan::await_syncs(std::int64_t count) {
  std::unique_lock lock(mutex_);
  syncs_moved_.wait(lock, [&] { return syncs_ >= count; });
}

std::int64_t FaultPlan::sync_count() const {
  const std::scoped_lock lock(mutex_);
  return syncs_;
}

void FaultPlan::pass_sync() {
  std::unique_lock lock(mutex_);
  ++syncs_;
  syncs_moved_.notify_all();
  syncs_moved_.wait(lock, [&] { return !is_holding_syncs_; });
}

bool FaultPlan::skips_syncs() const {
  const std::scoped_lock lock(mutex_);
  return skips_syncs_;
}

std::optional<Fault> FaultPlan::strike(IoCall call, const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (is_paused_) return std::nullopt;
  ++calls_;
  std::optional<Fault> struck;
  for (Pending& pending : pending_) {
    const Fault& fault = pending.fault;
    if (fault.call && *fault.call != call) continue;
    if (!path.contains(fault.path_part)) continue;
    ++pending.counted;
    const bool is_due =
        fault.is_lasting ? pending.counted >= fault.nth : pending.counted == fault.nth;
    if (is_due && !struck) struck = fault;
  }
  if (struck) ++struck_;
  return struck;
}

Result<std::unique_ptr<File>> FaultVfs::open(const std::string& path, OpenMode mode) {
  if (const auto fault = plan_->strike(IoCall::kOpen, path)) return failure(*fault, "open", path);
  ONCELOG_TRY_ASSIGN(std::unique_ptr<File> file, under_.open(path, mode));
  return std::make_unique<FaultFile>(std::move(file), path, plan_);
}

Result<std::optional<FileStatus>> FaultVfs::status(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kStatus, path))
    return failure(*fault, "status", path);
  return under_.status(path);
}

Result<std::vector<std::string>> FaultVfs::list(const std::string& directory) {
  if (const auto fault = plan_->strike(IoCall::kList, directory)) {
    return failure(*fault, "list", directory);
  }
  return under_.list(directory);
}

Result<void> FaultVfs::remove(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kRemove, path))
    return failure(*fault, "remove", path);
  return under_.remove(path);
}

Result<void> FaultVfs::rename(const std::string& from, const std::string& to) {
  if (const auto fault = plan_->strike(IoCall::kRename, to)) return failure(*fault, "rename", to);
  return under_.rename(from, to);
}

Result<void> FaultVfs::create_directory(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kCreateDirectory, path)) {
    return failure(*fault, "create directory", path);
  }
  return under_.create_directory(path);
}

Result<void> FaultVfs::remove_directory(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kRemoveDirectory, path)) {
    return failure(*fault, "remove directory", path);
  }
  return under_.remove_directory(path);
}

Result<void> FaultVfs::sync_directory(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kSyncDirectory, path)) {
    return failure(*fault, "sync directory", path);
  }
  if (plan_->skips_syncs()) return {};
  return under_.sync_directory(path);
}

Result<std::unique_ptr<FileLock>> FaultVfs::lock(const std::string& path) {
  if (const auto fault = plan_->strike(IoCall::kLock, path)) return failure(*fault, "lock", path);
  return under_.lock(path);
}

}  // namespace oncelog::test
