#include "segment/open_files.h"

#include <cerrno>
#include <thread>
#include <utility>

namespace oncelog::segment {

void OpenFiles::add(PooledFile& file) {
  const std::scoped_lock lock(mutex_);
  file.place = open_.insert(open_.end(), &file);
  close_down_to(count_max_);
}

void OpenFiles::forget(PooledFile& file) {
  const std::scoped_lock lock(mutex_);
  if (file.place) open_.erase(*file.place);
  file.place.reset();
  count_.store(std::ssize(open_));
}

bool OpenFiles::frees_descriptors(const Error& error) {
  if (error.os_errno != EMFILE && error.os_errno != ENFILE) return false;
  const std::scoped_lock lock(mutex_);
  close_down_to(0);
  return true;
}

void OpenFiles::close_down_to(std::int64_t count) {
  // Twice round: what was used since the last look is passed over once.
  for (std::size_t left = 2 * open_.size(); left > 0 && std::ssize(open_) > count; --left) {
    PooledFile& next = *open_.front();
    if (!next.was_used() && next.close_if_stored()) {
      open_.pop_front();
      next.place.reset();
    } else {
      open_.splice(open_.end(), open_, open_.begin());  // its place stays true
    }
  }
  count_.store(std::ssize(open_));
}

PooledFile::PooledFile(Vfs* vfs, std::string path, std::unique_ptr<File> file,
                       std::shared_ptr<OpenFiles> pool)
    : vfs_(vfs), path_(std::move(path)), pool_(std::move(pool)), file_(std::move(file)) {
  if (pool_) pool_->add(*this);
}

PooledFile::~PooledFile() {
  if (pool_) pool_->forget(*this);
}

/// Either this sees that the file is being closed, or the one who closes it sees this.
std::shared_ptr<File> PooledFile::present() const {
  std::shared_ptr<File> file;
  readers_.fetch_add(1);
  if (is_open_.load()) file = file_;
  readers_.fetch_sub(1);
  if (!was_used_.load(std::memory_order_relaxed)) was_used_.store(true, std::memory_order_relaxed);
  return file;
}

Result<std::shared_ptr<File>> PooledFile::acquire() const {
  if (auto file = present()) return file;
  return open_again();
}

Result<std::shared_ptr<File>> PooledFile::open_again() const {
  const auto open = [&]() -> Result<std::shared_ptr<File>> {
    const std::scoped_lock lock(mutex_);
    if (file_) return file_;
    if (is_retired_.load()) {
      return fail(ErrorCode::KAFKA_STORAGE_ERROR, path_, ": the segment is gone");
    }
    ONCELOG_TRY_ASSIGN(file_, vfs_->open(path_, OpenMode::kWrite));
    is_open_.store(true);
    return std::shared_ptr<File>();  // it is new: the pool is to know
  };
  auto opened = open();
  if (!opened && pool_ && pool_->frees_descriptors(opened.error())) opened = open();
  ONCELOG_TRY_ASSIGN(std::shared_ptr<File> file, std::move(opened));
  if (file) return file;
  {
    const std::scoped_lock lock(mutex_);
    file = file_;
  }
  pool_->add(const_cast<PooledFile&>(*this));
  return file;
}

Result<PooledFile::Change> PooledFile::begin_change() {
  Change change(*this);  // first: whoever closes it looks behind
  ONCELOG_TRY_ASSIGN(change.file_, acquire());
  return change;
}

void PooledFile::note_stored() { stored_changes_.store(changes_ended_.load()); }

bool PooledFile::is_all_stored() const {
  const std::uint64_t stored = stored_changes_.load();
  return changes_ended_.load() == stored && changes_begun_.load() == stored;
}

/// Opened again and retired at once: in between the pool could close it.
void PooledFile::retire(bool is_held) {
  const auto retire_now = [&]() -> Result<void> {
    const std::scoped_lock lock(mutex_);
    if (is_held && !file_) {
      ONCELOG_TRY_ASSIGN(file_, vfs_->open(path_, OpenMode::kWrite));
      is_open_.store(true);
    }
    is_retired_.store(true);
    return {};
  };
  auto retired = retire_now();
  if (!retired && pool_ && pool_->frees_descriptors(retired.error())) retired = retire_now();
  is_retired_.store(true);  // also if it cannot be had: who holds it learns that it is gone
}

bool PooledFile::close_if_stored() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || is_retired_.load()) return false;
  if (!is_all_stored()) return false;  // and is never seen closed
  is_open_.store(false);
  while (readers_.load() != 0) std::this_thread::yield();
  if (!is_all_stored()) {
    is_open_.store(true);
    return false;
  }
  file_.reset();
  return true;
}

Result<std::size_t> PooledFile::read_at(std::span<std::byte> buffer, std::int64_t position) const {
  ONCELOG_TRY_ASSIGN(const auto file, acquire());
  return file->read_at(buffer, position);
}

Result<void> PooledFile::write_at(std::span<const Bytes> parts, std::int64_t position) {
  ONCELOG_TRY_ASSIGN(const Change change, begin_change());
  return change->write_at(parts, position);
}

Result<std::int64_t> PooledFile::size() const {
  ONCELOG_TRY_ASSIGN(const auto file, acquire());
  return file->size();
}

Result<void> PooledFile::truncate(std::int64_t bytes) {
  ONCELOG_TRY_ASSIGN(const Change change, begin_change());
  return change->truncate(bytes);
}

Result<void> PooledFile::preallocate(std::int64_t bytes) {
  ONCELOG_TRY_ASSIGN(const Change change, begin_change());
  return change->preallocate(bytes);
}

Result<void> PooledFile::reserve(std::int64_t bytes) {
  ONCELOG_TRY_ASSIGN(const Change change, begin_change());
  return change->reserve(bytes);
}

Result<void> PooledFile::sync() {
  const std::uint64_t ended = changes_ended_.load();
  auto file = present();
  if (!file) {
    // Who is about to close it may think better of it.
    const std::scoped_lock lock(mutex_);
    file = file_;
  }
  if (!file) return {};
  ONCELOG_TRY(file->sync());
  std::uint64_t stored = stored_changes_.load();
  while (stored < ended && !stored_changes_.compare_exchange_weak(stored, ended)) {
  }
  return {};
}

Result<void> PooledFile::drop_cache(std::int64_t position) {
  ONCELOG_TRY_ASSIGN(const auto file, acquire());
  return file->drop_cache(position);
}

}  // namespace oncelog::segment
