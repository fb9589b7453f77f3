// log_file.h: a `.log` as its readers and its writer see it: the file, and behind it what the
// append ring still holds of it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/options.h"
#include "segment/append_ring.h"

namespace oncelog::segment {

/// The file of a `.log`, for those who hold a region of it while the log is cut in front of them:
/// what they read was there when they got it, or they read less.
class CutFile final : public File {
 public:
  explicit CutFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  /// Takes the place of an object over the same file, whose readers may be there still. Before it
  /// has any of its own.
  void succeed(const std::shared_ptr<CutFile>& before) {
    earlier_ = before->earlier_;
    earlier_.push_back(before);
    std::erase_if(earlier_, [](const auto& one) { return one.expired(); });
  }
  /// Before the file is cut at `position`, behind which other bytes will follow: reads end there.
  /// Under the log's writer lock.
  void end_reads_at(std::int64_t position) {
    end_own_reads_at(position);
    for (const auto& one : earlier_) {
      if (const auto reader = one.lock()) reader->end_own_reads_at(position);
    }
  }

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    ONCELOG_TRY_ASSIGN(const std::size_t count, file_->read_at(buffer, position));
    // Looked at behind the read: bytes of after the cut come with the end of before it.
    const std::int64_t end = readable_end_.load();
    if (position + static_cast<std::int64_t>(count) <= end) [[likely]]
      return count;
    return static_cast<std::size_t>(std::max<std::int64_t>(end - position, 0));
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
  void end_own_reads_at(std::int64_t position) {
    readable_end_.store(std::min(readable_end_.load(), position));
  }

  const std::unique_ptr<File> file_;
  std::vector<std::weak_ptr<CutFile>> earlier_{};  ///< objects over this file, of before its cuts
  std::atomic<std::int64_t> readable_end_{std::numeric_limits<std::int64_t>::max()};
};

/// Reads give the ring's bytes, too; sizes, syncs and cuts are the file's, for which the ring must
/// have been drained.
///
/// Invariant: the ring holds a run of whole batches that begins where the file's batches end.
/// Threads: reads from any thread; the rest under the log's writer lock, or while nothing is
/// appended; sync() beside appends, for what was drained before.
class LogFile final : public File {
 public:
  LogFile(std::unique_ptr<File> file, std::string path)
      : file_(std::make_shared<CutFile>(std::move(file))), path_(std::move(path)) {}

  /// Before any append and any reader: small appends go to this ring. `last` is the last batch.
  void use_ring(std::shared_ptr<AppendRing> ring, Offset segment_base,
                const std::optional<RingEntry>& last);

  /// Puts these batches at `position`, behind all others: where the level asks for a sync, into the
  /// file, because a drain that failed later would refuse what is there already. On an error the
  /// file is cut back to what was there; PARTITION_POISONED if that fails, too.
  Result<void> append(std::span<const record::BatchHeader> headers, std::span<const Bytes> parts,
                      std::int64_t position, Level level);
  /// Everything appended is in the file when this returns without an error; else all of it is as
  /// before. PARTITION_POISONED as append().
  Result<void> drain();
  [[nodiscard]] bool is_drained() const { return ring_begin_.load() == kNothing; }
  /// From which position on reads are copies out of the ring; none at all if it is the largest
  /// number.
  [[nodiscard]] std::int64_t ring_begin() const { return ring_begin_.load(); }
  /// The file alone.
  [[nodiscard]] std::shared_ptr<File> file() const { return file_; }
  /// Before the file is cut through another object: reads of this one, and of file(), end there.
  void end_reads_at(std::int64_t position) { file_->end_reads_at(position); }
  /// This object is to cut the file, which `before` has open, too.
  void succeed(const LogFile& before) { file_->succeed(before.file_); }

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override;
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override;
  [[nodiscard]] Result<std::int64_t> size() const override { return file_->size(); }
  Result<void> truncate(std::int64_t bytes) override;
  Result<void> preallocate(std::int64_t bytes) override { return file_->preallocate(bytes); }
  Result<void> reserve(std::int64_t bytes) override { return file_->reserve(bytes); }
  /// Whether space was set aside behind the first `bytes`, which truncate() would give back.
  [[nodiscard]] bool has_reserve_behind(std::int64_t bytes) const { return reserved_ > bytes; }
  Result<void> sync() override { return file_->sync(); }
  Result<void> drop_cache(std::int64_t position) override { return file_->drop_cache(position); }
  /// None: part of the bytes may be in the ring. file() has one.
  [[nodiscard]] int native_handle() const override { return -1; }

 private:
  static constexpr std::int64_t kNothing = std::numeric_limits<std::int64_t>::max();

  /// Whether a fill has begun that has room for these batches, and whose drain will find space.
  Result<bool> begin_fill(std::int64_t bytes, std::size_t batches, std::int64_t position);
  Result<void> write_file(std::span<const Bytes> parts, std::int64_t position);

  const std::shared_ptr<CutFile> file_;
  const std::string path_;
  // ---- set before any reader
  std::shared_ptr<AppendRing> ring_;
  Offset segment_base_{};
  // ---- writer lock, read by anyone
  std::atomic<std::int64_t> ring_begin_{kNothing};  ///< position of the first byte in the ring
  std::atomic<std::int64_t> ring_end_{0};
  // ---- writer lock, or while nothing is appended
  std::optional<RingEntry> last_;
  std::int64_t reserved_ = 0;  ///< a drain up to here finds its space
};

}  // namespace oncelog::segment
