#include "segment/log_file.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace oncelog::segment {

namespace {

/// So much space is set aside at a time: each time costs a system call.
constexpr std::int64_t kReserveStepBytes = 1 << 20;

std::int64_t size_of(std::span<const Bytes> parts) {
  std::int64_t bytes = 0;
  for (const Bytes part : parts) bytes += std::ssize(part);
  return bytes;
}

/// The file as a reader holds it, for as long as he does.
class HeldFile final : public File {
 public:
  HeldFile(std::shared_ptr<File> file, std::shared_ptr<const ReadEnd> read_end)
      : file_(std::move(file)), read_end_(std::move(read_end)) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    ONCELOG_TRY_ASSIGN(const std::size_t count, file_->read_at(buffer, position));
    return read_end_->limit(count, position);
  }
  Result<void> write_at(std::span<const Bytes> parts, std::int64_t position) override {
    return file_->write_at(parts, position);
  }
  [[nodiscard]] Result<std::int64_t> size() const override { return file_->size(); }
  Result<void> truncate(std::int64_t bytes) override { return file_->truncate(bytes); }
  Result<void> preallocate(std::int64_t bytes) override { return file_->preallocate(bytes); }
  Result<void> sync() override { return file_->sync(); }
  Result<void> drop_cache(std::int64_t position) override { return file_->drop_cache(position); }
  [[nodiscard]] int native_handle() const override { return file_->native_handle(); }

 private:
  const std::shared_ptr<File> file_;
  const std::shared_ptr<const ReadEnd> read_end_;
};

}  // namespace

Result<std::shared_ptr<File>> LogFile::file() const {
  ONCELOG_TRY_ASSIGN(auto file, file_->acquire());
  return std::make_shared<HeldFile>(std::move(file), read_end_);
}

void LogFile::use_ring(std::shared_ptr<AppendRing> ring, Offset segment_base,
                       const std::optional<RingEntry>& last) {
  ring_ = std::move(ring);
  segment_base_ = segment_base;
  last_ = last;
}

Result<void> LogFile::append(std::span<const record::BatchHeader> headers,
                             std::span<const Bytes> parts, std::int64_t position, Level level) {
  const std::int64_t bytes = size_of(parts);
  const bool may_ring = ring_ && ring_->is_ready() && level == Level::kWritten;
  if (!is_drained() && !(may_ring && ring_->fits(bytes, headers.size(), false))) {
    ONCELOG_TRY(drain());
  }
  const bool is_new = is_drained();
  bool has_room = may_ring;
  if (may_ring && is_new) {
    ONCELOG_TRY_ASSIGN(has_room, begin_fill(bytes, headers.size(), position));
  }
  if (!has_room) {
    ONCELOG_TRY(write_file(parts, position));
  } else {
    ONCELOG_TRY(ring_->add(headers, parts, position));
    ring_end_.store(position + bytes, std::memory_order_release);
    if (is_new) ring_begin_.store(position);
  }
  last_ = ring_entry_of(headers.back(), position + bytes - headers.back().size_bytes());
  return {};
}

Result<bool> LogFile::begin_fill(std::int64_t bytes, std::size_t batches, std::int64_t position) {
  if (!ring_->fits(bytes, batches, true)) return false;
  if (position + ring_->size_bytes() > reserved_) {
    const std::int64_t wanted = position + std::max(kReserveStepBytes, ring_->size_bytes());
    // What is in the way of it, the write past the ring meets, too, or does without.
    if (!file_->reserve(wanted)) return false;
    reserved_ = wanted;
  }
  ONCELOG_TRY(ring_->begin_fill(segment_base_, last_));
  return true;
}

Result<void> LogFile::write_file(std::span<const Bytes> parts, std::int64_t position) {
  ONCELOG_TRY_ASSIGN(const PooledFile::Change change, file_->begin_change());
  const auto written = change->write_at(parts, position);
  if (written) return {};
  reserved_ = 0;
  if (const auto cut = change->truncate(position); !cut) {
    Error error{ErrorCode::PARTITION_POISONED, cut.error().os_errno, {}};
    error.context = "write failed (" + written.error().text() + ") and cutting back failed, too (" +
                    cut.error().text() + ")";
    return std::unexpected(std::move(error));
  }
  return written;
}

Result<void> LogFile::drain() {
  if (is_drained()) return {};
  const Bytes pending = ring_->pending();
  ONCELOG_TRY(write_file({&pending, 1}, ring_begin_.load()));
  ring_begin_.store(kNothing);
  ring_->count_drain();
  return {};
}

Result<std::size_t> LogFile::read_at(std::span<std::byte> buffer, std::int64_t position) const {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const std::int64_t from = position + static_cast<std::int64_t>(done);
    const std::span<std::byte> rest = buffer.subspan(done);
    const std::int64_t begin = ring_begin_.load();
    if (from < begin) {
      const auto wanted = static_cast<std::size_t>(std::min(std::ssize(rest), begin - from));
      ONCELOG_TRY_ASSIGN(const std::size_t read, file_->read_at(rest.first(wanted), from));
      const std::size_t count = read_end_->limit(read, from);
      done += count;
      if (count < wanted) return done;
      continue;
    }
    const AppendRing::Reading reading(*ring_);
    if (ring_begin_.load() != begin) continue;  // drained meanwhile
    const std::int64_t left = ring_end_.load(std::memory_order_acquire) - from;
    if (left <= 0) return done;
    const auto count = static_cast<std::size_t>(std::min(std::ssize(rest), left));
    std::memcpy(rest.data(), reading.bytes() + (from - begin), count);
    return done + count;
  }
  return done;
}

Result<void> LogFile::write_at(std::span<const Bytes> parts, std::int64_t position) {
  ONCELOG_ASSERT(is_drained(), path_);
  return file_->write_at(parts, position);
}

Result<void> LogFile::truncate(std::int64_t bytes) {
  ONCELOG_ASSERT(is_drained(), path_);
  ONCELOG_TRY(file_->truncate(bytes));
  reserved_ = 0;
  return {};
}

}  // namespace oncelog::segment
