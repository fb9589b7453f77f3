// open_files.h: how many files of segments a store has open: those that were used least recently
// are closed, and opened again when they are needed.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "oncelog/error.h"
#include "oncelog/io.h"

namespace oncelog::segment {

class PooledFile;

/// Thread-safe. Outlives its files.
class OpenFiles {
 public:
  explicit OpenFiles(std::int64_t count_max) : count_max_(count_max) {}

  /// More are open than should be: none of them could be closed, because what they hold is not on
  /// stable storage yet.
  [[nodiscard]] bool is_over() const { return count_.load(std::memory_order_relaxed) > count_max_; }
  [[nodiscard]] std::int64_t count() const { return count_.load(); }

  // ---- for the files; with no lock of theirs
  /// One has been opened: others are closed for it.
  void add(PooledFile& file);
  void forget(PooledFile& file);
  /// If this is the error of a system that has no descriptor left: whatever can be closed is, and
  /// it is worth another try.
  bool frees_descriptors(const Error& error);

 private:
  /// Closes files, idle ones first, until no more than `count` are open. Requires mutex_.
  void close_down_to(std::int64_t count);

  const std::int64_t count_max_;
  std::atomic<std::int64_t> count_{0};
  std::mutex mutex_;
  // ---- mutex_
  std::list<PooledFile*> open_;  ///< looked at from the front on; each knows its place
};

/// A file of a segment, open or not.
///
/// Invariant: it is closed only while all that was written through it is on stable storage: the
///   error of a write-back that nobody has seen could be lost with the last descriptor. What it
///   handed out stays open as long as it is held.
/// Threads: all from any thread. A reader takes no lock, unless the file must be opened again.
class PooledFile final : public File {
 public:
  /// A file that was opened or made under `path`, or will have that name before it may be closed.
  /// Without a pool it stays open.
  PooledFile(Vfs* vfs, std::string path, std::unique_ptr<File> file,
             std::shared_ptr<OpenFiles> pool);
  ~PooledFile() override;
  PooledFile(const PooledFile&) = delete;
  PooledFile& operator=(const PooledFile&) = delete;

  /// The file while it is changed: it is not taken for stored, and so not closed, meanwhile. Not
  /// longer than the PooledFile.
  class Change {
   public:
    explicit Change(PooledFile& pooled) : pooled_(&pooled) { pooled.changes_begun_.fetch_add(1); }
    ~Change() {
      if (pooled_ != nullptr) pooled_->changes_ended_.fetch_add(1);
    }
    Change(Change&& other) noexcept
        : pooled_(std::exchange(other.pooled_, nullptr)), file_(std::move(other.file_)) {}
    Change& operator=(Change&&) = delete;
    File* operator->() const { return file_.get(); }

   private:
    friend class PooledFile;
    PooledFile* pooled_;
    std::shared_ptr<File> file_{};
  };

  /// The file with its descriptor, opened again if need be.
  Result<std::shared_ptr<File>> acquire() const;
  /// An error has changed nothing.
  Result<Change> begin_change();
  /// All that it holds is on stable storage, and its path leads to it: it may be closed from now
  /// on.
  void note_stored();
  /// Its path is about to be another file's, or no file's: it is not opened again. `is_held`:
  /// somebody was handed what reads through it, and keeps it open.
  void retire(bool is_held);
  [[nodiscard]] bool is_retired() const { return is_retired_.load(); }

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override;
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override;
  [[nodiscard]] Result<std::int64_t> size() const override;
  Result<void> truncate(std::int64_t bytes) override;
  Result<void> preallocate(std::int64_t bytes) override;
  Result<void> reserve(std::int64_t bytes) override;
  /// Nothing to do for one that is closed.
  Result<void> sync() override;
  Result<void> drop_cache(std::int64_t position) override;
  /// None that lasts: acquire().
  [[nodiscard]] int native_handle() const override { return -1; }

  // ---- for the pool, under its lock
  std::optional<std::list<PooledFile*>::iterator> place{};  ///< in its list, if it is there
  /// Whether it was used since this was asked last.
  [[nodiscard]] bool was_used() { return was_used_.exchange(false, std::memory_order_relaxed); }
  /// Closes it, if all is stored and nobody is opening it.
  [[nodiscard]] bool close_if_stored();

 private:
  [[nodiscard]] std::shared_ptr<File> present() const;
  Result<std::shared_ptr<File>> open_again() const;
  [[nodiscard]] bool is_all_stored() const;

  Vfs* const vfs_;  ///< where it is opened again
  const std::string path_;
  const std::shared_ptr<OpenFiles> pool_;
  // stored <= ended <= begun
  std::atomic<std::uint64_t> changes_begun_{1};  ///< what made it is one
  std::atomic<std::uint64_t> changes_ended_{1};
  std::atomic<std::uint64_t> stored_changes_{0};
  std::atomic<bool> is_retired_{false};
  mutable std::atomic<bool> was_used_{true};

  mutable std::atomic<bool> is_open_{true};
  mutable std::atomic<int> readers_{0};  ///< in the middle of copying file_
  mutable std::mutex mutex_;
  mutable std::shared_ptr<File> file_;  ///< moved under mutex_, while nobody copies it
};

}  // namespace oncelog::segment
