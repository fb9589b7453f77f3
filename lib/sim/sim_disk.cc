#include "sim/sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "sim/sim_file.h"

namespace oncelog::sim {

namespace {

class SimLock final : public FileLock {
 public:
  SimLock(std::shared_ptr<SimDisk::Core> core, InodeNumber file)
      : core_(std::move(core)), file_(file) {}
  ~SimLock() override {
    const std::scoped_lock lock(core_->mutex);
    core_->locked.erase(file_);
  }

 private:
  std::shared_ptr<SimDisk::Core> core_;
  InodeNumber file_;
};

/// A file's number; made if the mode makes one. Requires the core's mutex.
Result<InodeNumber> find_or_create(SimDisk::Core& core, const std::string& path, bool may_create) {
  if (const auto found = core.state.find(path)) {
    if (core.state.at(*found).is_directory) return system_error(EISDIR, IoCall::kOpen, path);
    return *found;
  }
  const auto parent = core.state.find_parent(path);
  if (!parent || !may_create) return system_error(ENOENT, IoCall::kOpen, path);
  const InodeNumber file = core.create(false);
  core.change(LinkChange{parent->first, parent->second, file, {}});
  return file;
}

}  // namespace

bool is_stopped(const Error& error) {
  return error.os_errno == kStoppedErrno || error.context.contains(kStoppedText);
}

SimDisk::SimDisk(const SimDiskOptions& options) : SimDisk(options, DiskState()) {}
SimDisk::SimDisk(const SimDiskOptions& options, DiskState state)
    : core_(std::make_shared<Core>(options, std::move(state))) {}
SimDisk::~SimDisk() = default;

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, OpenMode mode) {
  const bool may_create = mode == OpenMode::kCreate || mode == OpenMode::kCreateNew;
  const bool is_there = core_->exists(path);
  if (may_create && !is_there) {
    ONCELOG_TRY_ASSIGN(const auto verdict, core_->admit_change(IoCall::kOpen, path));
    if (verdict.is_skipped) return system_error(ENOENT, IoCall::kOpen, path);
  } else {
    ONCELOG_TRY(core_->admit_read(IoCall::kOpen, path));
  }
  const std::scoped_lock lock(core_->mutex);
  if (is_there && mode == OpenMode::kCreateNew) return system_error(EEXIST, IoCall::kOpen, path);
  ONCELOG_TRY_ASSIGN(const InodeNumber file, find_or_create(*core_, path, may_create));
  return std::make_unique<SimFile>(core_, file, path, mode != OpenMode::kRead);
}

Result<std::optional<FileStatus>> SimDisk::status(const std::string& path) {
  ONCELOG_TRY(core_->admit_read(IoCall::kStatus, path));
  const std::scoped_lock lock(core_->mutex);
  const auto found = core_->state.find(path);
  if (!found) return std::nullopt;
  const Inode& inode = core_->state.at(*found);
  return FileStatus{inode.is_directory, std::ssize(inode.cached), inode.modified_ms, inode.number,
                    core_->state.count_links(*found)};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
  ONCELOG_TRY(core_->admit_read(IoCall::kList, directory));
  const std::scoped_lock lock(core_->mutex);
  const auto found = core_->state.find(directory);
  if (!found) return system_error(ENOENT, IoCall::kList, directory);
  const Inode& inode = core_->state.at(*found);
  if (!inode.is_directory) return system_error(ENOTDIR, IoCall::kList, directory);
  std::vector<std::string> names;
  for (const auto& [name, target] : inode.cached_names) names.push_back(name);
  return names;
}

Result<void> SimDisk::remove(const std::string& path) {
  ONCELOG_TRY_ASSIGN(const auto verdict, core_->admit_change(IoCall::kRemove, path));
  const std::scoped_lock lock(core_->mutex);
  const auto found = core_->state.find(path);
  const auto parent = core_->state.find_parent(path);
  if (!found || !parent || verdict.is_skipped) return {};
  if (core_->state.at(*found).is_directory) return system_error(EISDIR, IoCall::kRemove, path);
  core_->change(UnlinkChange{parent->first, parent->second});
  return {};
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  ONCELOG_TRY_ASSIGN(const auto verdict, core_->admit_change(IoCall::kRename, to));
  const std::scoped_lock lock(core_->mutex);
  const auto found = core_->state.find(from);
  const auto old_name = core_->state.find_parent(from);
  const auto new_name = core_->state.find_parent(to);
  if (!found || !old_name || !new_name) return system_error(ENOENT, IoCall::kRename, from);
  if (const auto replaced = core_->state.find(to)) {
    const Inode& inode = core_->state.at(*replaced);
    if (inode.is_directory != core_->state.at(*found).is_directory) {
      return system_error(inode.is_directory ? EISDIR : ENOTDIR, IoCall::kRename, to);
    }
    if (!inode.cached_names.empty()) return system_error(ENOTEMPTY, IoCall::kRename, to);
    if (*replaced == *found) return {};
  }
  if (verdict.is_skipped) return {};
  core_->change(LinkChange{new_name->first, new_name->second, *found, *old_name});
  return {};
}

Result<LinkOutcome> SimDisk::link(const std::string& from, const std::string& to) {
  if (!core_->options.has_links) return LinkOutcome::kUnsupported;
  ONCELOG_TRY_ASSIGN(const auto verdict, core_->admit_change(IoCall::kLink, to));
  const std::scoped_lock lock(core_->mutex);
  const auto found = core_->state.find(from);
  const auto new_name = core_->state.find_parent(to);
  if (!found || !new_name) return system_error(ENOENT, IoCall::kLink, from);
  if (core_->state.find(to)) return system_error(EEXIST, IoCall::kLink, to);
  if (core_->state.at(*found).is_directory) return system_error(EPERM, IoCall::kLink, from);
  if (verdict.is_skipped) return LinkOutcome::kLinked;
  core_->change(LinkChange{new_name->first, new_name->second, *found, {}});
  return LinkOutcome::kLinked;
}

Result<void> SimDisk::create_directory(const std::string& path) {
  ONCELOG_TRY_ASSIGN(const auto verdict, core_->admit_change(IoCall::kCreateDirectory, path));
  const std::scoped_lock lock(core_->mutex);
  if (const auto found = core_->state.find(path)) {
    if (core_->state.at(*found).is_directory) return {};
    return system_error(EEXIST, IoCall::kCreateDirectory, path);
  }
  const auto parent = core_->state.find_parent(path);
  if (!parent) return system_error(ENOENT, IoCall::kCreateDirectory, path);
  if (verdict.is_skipped) return {};
  const InodeNumber made = core_->create(true);
  core_->change(LinkChange{parent->first, parent->second, made, {}});
  return {};
}

Result<void> SimDisk::remove_directory(const std::string& path) {
  ONCELOG_TRY_ASSIGN(const auto verdict, core_->admit_change(IoCall::kRemoveDirectory, path));
  const std::scoped_lock lock(core_->mutex);
  const auto found = core_->state.find(path);
  const auto parent = core_->state.find_parent(path);
  if (!found || !parent || verdict.is_skipped) return {};
  const Inode& inode = core_->state.at(*found);
  if (!inode.is_directory) return system_error(ENOTDIR, IoCall::kRemoveDirectory, path);
  if (!inode.cached_names.empty()) return system_error(ENOTEMPTY, IoCall::kRemoveDirectory, path);
  core_->change(UnlinkChange{parent->first, parent->second});
  return {};
}

Result<void> SimDisk::sync_directory(const std::string& path) {
  const auto is_directory = [&] {
    const auto found = core_->state.find(path);
    return found && core_->state.at(*found).is_directory ? found : std::nullopt;
  };
  return core_->sync(IoCall::kSyncDirectory, path, is_directory);
}

Result<std::unique_ptr<MappedFile>> SimDisk::map_new(const std::string& path, std::int64_t bytes) {
  ONCELOG_TRY(remove(path));
  ONCELOG_TRY_ASSIGN(auto file, open(path, OpenMode::kCreateNew));
  ONCELOG_TRY(file->preallocate(bytes));
  return std::make_unique<SimMappedFile>(std::move(file), bytes);
}

Result<std::unique_ptr<FileLock>> SimDisk::lock(const std::string& path) {
  if (core_->exists(path)) {
    ONCELOG_TRY(core_->admit_read(IoCall::kLock, path));
  } else {
    ONCELOG_TRY(core_->admit_change(IoCall::kLock, path));
  }
  const std::scoped_lock lock(core_->mutex);
  ONCELOG_TRY_ASSIGN(const InodeNumber file, find_or_create(*core_, path, true));
  if (!core_->locked.insert(file).second) {
    return fail(ErrorCode::STORE_IN_USE, "lock ", path, ": is held in this simulation");
  }
  return std::make_unique<SimLock>(core_, file);
}

// ---- crash points

std::int64_t SimDisk::change_count() const { return core_->changes.load(); }
std::int64_t SimDisk::read_count() const { return core_->reads.load(); }

void SimDisk::stop_at(std::int64_t number, StopKind kind) {
  core_->stops_half_way = kind == StopKind::kHalfWay;
  core_->stop_number.store(number);
}

bool SimDisk::has_stopped() const { return core_->is_stopped(); }

void SimDisk::set_observer(std::function<void(const SimCall&)> observer) {
  core_->observer = std::move(observer);
}

void SimDisk::set_clock(const Clock* clock) { core_->options.clock = clock; }

Result<void> SimDisk::note_commit(const std::string& path) {
  ONCELOG_TRY(core_->admit_change(IoCall::kCommit, path));
  return {};
}

FaultPlan& SimDisk::faults() { return core_->faults; }

// ---- images

std::unique_ptr<SimDisk> SimDisk::after_process_death() const {
  const std::scoped_lock lock(core_->mutex);
  DiskState left = core_->state;
  left.forget_nameless();
  return std::unique_ptr<SimDisk>(new SimDisk(core_->options, std::move(left)));
}

std::unique_ptr<SimDisk> SimDisk::after_power_loss(const CrashChoice& choice) const {
  const std::scoped_lock lock(core_->mutex);
  return std::unique_ptr<SimDisk>(
      new SimDisk(core_->options, lose_power(core_->state, choice, core_->options.device)));
}

std::vector<CrashChoice> SimDisk::images(const ImageOptions& options) const {
  const std::scoped_lock lock(core_->mutex);
  return choose_images(core_->state, options);
}

std::vector<std::string> SimDisk::unsynced() const {
  const std::scoped_lock lock(core_->mutex);
  std::vector<std::string> texts;
  for (const Change& one : core_->state.unsynced()) texts.push_back(core_->state.text_of(one));
  return texts;
}

std::uint64_t SimDisk::fingerprint() const {
  const std::scoped_lock lock(core_->mutex);
  return core_->state.fingerprint();
}

}  // namespace oncelog::sim
