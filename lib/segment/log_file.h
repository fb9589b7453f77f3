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
#include "segment/open_files.h"

namespace oncelog::segment {

/// Where the readers of a `.log` end that is cut in front of them, with other bytes to follow: what
/// they read was there when they got it, or they read less. Thread-safe, but for succeed().
class ReadEnd {
 public:
  /// Takes the place of another one over the same file, whose readers may be there still. Before it
  /// has any of its own.
  void succeed(const std::shared_ptr<ReadEnd>& before) {
    earlier_ = before->earlier_;
    earlier_.push_back(before);
    std::erase_if(earlier_, [](const auto& one) { return one.expired(); });
  }
  /// Before the file is cut at `position`. Under the log's writer lock.
  void lower(std::int64_t position) {
    lower_own(position);
    for (const auto& one : earlier_) {
      if (const auto reader = one.lock()) reader->lower_own(position);
    }
  }
  /// How many of the bytes that were just read at `position` count. To be asked behind the read:
  /// bytes of after a cut come with the end of before it.
  [[nodiscard]] std::size_t limit(std::size_t count, std::int64_t position) const {
    const std::int64_t end = end_.load();
    if (position + static_cast<std::int64_t>(count) <= end) [[likely]]
      return count;
    return static_cast<std::size_t>(std::max<std::int64_t>(end - position, 0));
  }

 private:
  void lower_own(std::int64_t position) { end_.store(std::min(end_.load(), position)); }

  std::vector<std::weak_ptr<ReadEnd>> earlier_{};
  std::atomic<std::int64_t> end_{std::numeric_limits<std::int64_t>::max()};
};

/// Reads give the ring's bytes, too; sizes, syncs and cuts are the file's, for which the ring must
/// have been drained.
///
/// Invariant: the ring holds a run of whole batches that begins where the file's batches end.
/// Threads: reads from any thread; the rest under the log's writer lock, or while nothing is
/// appended; sync() beside appends, for what was drained before.
class LogFile final : public File {
 public:
  /// Of a pool, which may close the file where nobody uses it.
  LogFile(std::shared_ptr<PooledFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  LogFile(std::unique_ptr<File> file, const std::string& path)
      : LogFile(std::make_shared<PooledFile>(nullptr, path, std::move(file), nullptr), path) {}

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
  /// The file alone, with its descriptor, for a reader.
  [[nodiscard]] Result<std::shared_ptr<File>> file() const;
  [[nodiscard]] PooledFile& pooled_file() const { return *file_; }
  /// Before the file is cut through another object: reads of this one, and of file(), end there.
  void end_reads_at(std::int64_t position) { read_end_->lower(position); }
  /// This object is to cut the file, which `before` has open, too.
  void succeed(const LogFile& before) { read_end_->succeed(before.read_end_); }

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

  const std::shared_ptr<PooledFile> file_;
  const std::shared_ptr<ReadEnd> read_end_ = std::make_shared<ReadEnd>();
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
