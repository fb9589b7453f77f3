#include "segment/log_file.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace oncelog::segment {

namespace {

std::int64_t size_of(std::span<const Bytes> parts) {
  std::int64_t bytes = 0;
  for (const Bytes part : parts) bytes += std::ssize(part);
  return bytes;
}

}  // namespace

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
  if (!may_ring || !ring_->fits(bytes, headers.size(), is_new)) {
    ONCELOG_TRY(write_file(parts, position));
  } else {
    if (is_new) ONCELOG_TRY(ring_->begin_fill(segment_base_, last_));
    ONCELOG_TRY(ring_->add(headers, parts, position));
    ring_end_.store(position + bytes, std::memory_order_release);
    if (is_new) ring_begin_.store(position);
  }
  last_ = ring_entry_of(headers.back(), position + bytes - headers.back().size_bytes());
  return {};
}

Result<void> LogFile::write_file(std::span<const Bytes> parts, std::int64_t position) {
  const auto written = file_->write_at(parts, position);
  if (written) return {};
  if (const auto cut = file_->truncate(position); !cut) {
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
      ONCELOG_TRY_ASSIGN(const std::size_t count, file_->read_at(rest.first(wanted), from));
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
  return file_->truncate(bytes);
}

}  // namespace oncelog::segment
