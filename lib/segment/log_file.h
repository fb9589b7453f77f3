// log_file.h: a `.log` as its readers and its writer see it: the file, and behind it what the
// append ring still holds of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/options.h"
#include "segment/append_ring.h"
#include "segment/open_files.h"

namespace oncelog::segment {

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
  /// The file alone, with its descriptor.
  [[nodiscard]] Result<std::shared_ptr<File>> file() const { return file_->acquire(); }
  [[nodiscard]] PooledFile& pooled_file() const { return *file_; }

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
