#include "sim/sim_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace oncelog::sim {

namespace {

std::unexpected<Error> stopped_error(IoCall call, std::string_view path) {
  auto failure = fail(ErrorCode::KAFKA_STORAGE_ERROR, name_of(call), " ", path, ": ", kStoppedText);
  failure.error().os_errno = kStoppedErrno;
  return failure;
}

Content join(std::span<const Bytes> parts) {
  Content bytes;
  for (const Bytes part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

}  // namespace

std::unexpected<Error> system_error(int os_errno, IoCall call, std::string_view path) {
  auto failure = fail(ErrorCode::KAFKA_STORAGE_ERROR, name_of(call), " ", path);
  failure.error().os_errno = os_errno;
  return failure;
}

// ---- the core

bool SimDisk::Core::exists(const std::string& path) {
  const std::scoped_lock lock(mutex);
  return state.find(path).has_value();
}

Result<void> SimDisk::Core::admit_read(IoCall call, const std::string& path) {
  if (is_stopped()) return stopped_error(call, path);
  ++reads;
  const auto fault = faults.strike(call, path);
  if (fault && !fault->is_skipped) return fault_error(*fault, call, path);
  return {};
}

Result<Verdict> SimDisk::Core::admit_change(IoCall call, const std::string& path) {
  if (is_stopped()) return stopped_error(call, path);
  const std::int64_t number = changes.load() + 1;
  if (observer) observer({number, call, path});
  changes.store(number);
  const bool is_write = call == IoCall::kWrite;
  if (is_stopped()) {
    auto error = stopped_error(call, path);
    if (!is_write || !stops_half_way) return error;
    return Verdict{false, true, std::move(error).error()};
  }
  const bool is_sync = call == IoCall::kSync || call == IoCall::kSyncDirectory;
  const auto fault = faults.strike(call, path);
  if (!fault) return Verdict{is_sync && faults.skips_syncs(), false, {}};
  if (fault->is_skipped) return Verdict{true, false, {}};
  auto error = fault_error(*fault, call, path);
  // A sync that fails is made in every case: it loses what it did not store.
  const bool is_made = is_sync || (is_write && fault->leaves_half_a_write);
  if (!is_made) return error;
  return Verdict{false, fault->leaves_half_a_write, std::move(error).error()};
}

Result<void> SimDisk::Core::sync(IoCall call, const std::string& path,
                                 const std::function<std::optional<InodeNumber>()>& find) {
  ONCELOG_TRY_ASSIGN(const Verdict verdict, admit_change(call, path));
  const std::scoped_lock lock(mutex);
  const std::optional<InodeNumber> inode = find();
  if (!inode) return system_error(ENOENT, call, path);
  if (verdict.is_skipped) return {};
  if (!verdict.failure) {
    state.sync(*inode);
    return {};
  }
  state.fail_sync(*inode, verdict.stores_half ? state.count_unsynced(*inode) / 2 : 0);
  return std::unexpected(*verdict.failure);
}

// ---- files

Result<std::size_t> SimFile::read_at(std::span<std::byte> buffer, std::int64_t position) const {
  ONCELOG_TRY(core_->admit_read(IoCall::kRead, path_));
  const std::scoped_lock lock(core_->mutex);
  const Content& content = core_->state.at(file_).cached;
  if (position >= std::ssize(content)) return 0;
  const Bytes rest = Bytes(content).subspan(static_cast<std::size_t>(position));
  const std::size_t count = std::min(rest.size(), buffer.size());
  std::ranges::copy(rest.first(count), buffer.begin());
  return count;
}

Result<void> SimFile::write_at(std::span<const Bytes> parts, std::int64_t position) {
  if (!may_write_) return system_error(EBADF, IoCall::kWrite, path_);
  ONCELOG_TRY_ASSIGN(const Verdict verdict, core_->admit_change(IoCall::kWrite, path_));
  Content bytes = join(parts);
  if (verdict.failure) bytes.resize(bytes.size() / 2);
  const std::scoped_lock lock(core_->mutex);
  if (!bytes.empty() && !verdict.is_skipped) {
    core_->change(WriteChange{file_, position, std::move(bytes)});
  }
  if (verdict.failure) return std::unexpected(*verdict.failure);
  return {};
}

Result<std::int64_t> SimFile::size() const {
  ONCELOG_TRY(core_->admit_read(IoCall::kSize, path_));
  const std::scoped_lock lock(core_->mutex);
  return std::ssize(core_->state.at(file_).cached);
}

Result<void> SimFile::truncate(std::int64_t bytes) {
  if (!may_write_) return system_error(EBADF, IoCall::kTruncate, path_);
  ONCELOG_TRY_ASSIGN(const Verdict verdict, core_->admit_change(IoCall::kTruncate, path_));
  const std::scoped_lock lock(core_->mutex);
  const bool is_other = std::ssize(core_->state.at(file_).cached) != bytes;
  if (is_other && !verdict.is_skipped) core_->change(ResizeChange{file_, bytes});
  return {};
}

Result<void> SimFile::preallocate(std::int64_t bytes) {
  if (!may_write_) return system_error(EBADF, IoCall::kPreallocate, path_);
  ONCELOG_TRY_ASSIGN(const Verdict verdict, core_->admit_change(IoCall::kPreallocate, path_));
  const std::scoped_lock lock(core_->mutex);
  const bool is_more = std::ssize(core_->state.at(file_).cached) < bytes;
  if (is_more && !verdict.is_skipped) core_->change(ResizeChange{file_, bytes});
  return {};
}

Result<void> SimFile::reserve(std::int64_t) {
  if (!may_write_) return system_error(EBADF, IoCall::kPreallocate, path_);
  ONCELOG_TRY(core_->admit_change(IoCall::kPreallocate, path_));
  return {};
}

Result<void> SimFile::sync() {
  return core_->sync(IoCall::kSync, path_, [this] { return std::optional(file_); });
}

Result<void> SimFile::drop_cache(std::int64_t position) {
  ONCELOG_TRY(core_->admit_read(IoCall::kDropCache, path_));
  const std::scoped_lock lock(core_->mutex);
  core_->state.drop_cache(file_, position);
  return {};
}

// ---- mapped files

Result<void> SimMappedFile::store(std::int64_t position, Bytes bytes) {
  ONCELOG_TRY(file_->write_at({&bytes, 1}, position));
  std::ranges::copy(bytes, content_.begin() + static_cast<std::ptrdiff_t>(position));
  return {};
}

}  // namespace oncelog::sim
