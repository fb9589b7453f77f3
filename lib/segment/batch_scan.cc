#include "segment/batch_scan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <span>

#include "base/assert.h"
#include "record/batch_header.h"

namespace oncelog::segment {

namespace {
using record::BatchHeader;
using record::kHeaderBytes;

constexpr std::size_t kMagicPosition = 16;
constexpr std::uint8_t kCodecBitsMax = 4;

// Costs of a search, see find_next_batch.
constexpr std::int64_t kSearchChunkBytesMin = 1 << 14;  // a single damaged batch ends soon
constexpr std::int64_t kSearchChunkBytesMax = 1 << 20;
constexpr std::int64_t kSearchBytesFree = 16 << 20;
constexpr std::int64_t kSearchFactor = 4;

BatchHeader decode(Bytes bytes) { return record::decode_batch_header(bytes.first<kHeaderBytes>()); }

/// The header that the first kFrameBytes show, the rest at its defaults.
BatchHeader decode_frame(Bytes frame) {
  std::array<std::byte, kHeaderBytes> padded{};
  std::ranges::copy(frame.first(static_cast<std::size_t>(kFrameBytes)), padded.begin());
  return record::decode_batch_header(padded);
}

std::string hex(std::uint32_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[(number >> shift) & 0xF];
  return text;
}

/// What is wrong with the length and the magic.
std::string frame_damage(const BatchHeader& frame, std::int64_t bytes_left) {
  const auto batch = [&] { return "batch of " + std::to_string(frame.size_bytes()) + " bytes"; };
  if (frame.batch_length < record::kBatchLengthMin) {
    return "batch length " + std::to_string(frame.batch_length) + " is below " +
           std::to_string(record::kBatchLengthMin);
  }
  if (frame.size_bytes() > bytes_left) {
    return batch() + " reaches beyond the end, " + std::to_string(bytes_left) + " bytes are left";
  }
  if (frame.magic == 0 || frame.magic == 1) {
    return "magic " + std::to_string(frame.magic) +
           ": a legacy message set, which is not supported";
  }
  if (frame.magic != record::kMagic) {
    return "magic " + std::to_string(frame.magic) + " is not supported";
  }
  if (frame.size_bytes() < kBatchHeaderBytes) {
    return batch() + " is too small, a header has " + std::to_string(kBatchHeaderBytes);
  }
  return {};
}

/// What is wrong with numbers that nobody could have written, whatever the CRC says.
std::string header_damage(const BatchHeader& header) {
  if (header.last_offset_delta < 0) {
    return "last offset delta " + std::to_string(header.last_offset_delta) + " is negative";
  }
  if (header.record_count < 0) {
    return "record count " + std::to_string(header.record_count) + " is negative";
  }
  const std::int64_t base = header.base_offset.value();
  if (base < 0) return "base offset " + std::to_string(base) + " is negative";
  // The offset behind the batch must be a number, too.
  if (base >= std::numeric_limits<std::int64_t>::max() - header.last_offset_delta) {
    return "base offset " + std::to_string(base) + " leaves no room for the batch's offsets";
  }
  return {};
}
}  // namespace

std::expected<std::int64_t, std::string> framed_bytes(Bytes frame_bytes, std::int64_t bytes_left) {
  const BatchHeader frame = decode_frame(frame_bytes);
  std::string damage = frame_damage(frame, bytes_left);
  if (!damage.empty()) return std::unexpected(std::move(damage));
  return frame.size_bytes();
}

std::expected<RecordBatchView, std::string> check_batch(Bytes bytes, bool check_crc) {
  const BatchHeader header = decode(bytes);
  std::string damage = header_damage(header);
  if (!damage.empty()) return std::unexpected(std::move(damage));
  const Result<RecordBatchView> batch = RecordBatchView::parse(bytes);
  if (!batch) return std::unexpected(batch.error().context);
  if (check_crc && !batch->check_crc()) {
    return std::unexpected("CRC is " + hex(header.crc) + ", bytes give " +
                           hex(record::batch_crc(header, batch->record_bytes())));
  }
  return *batch;
}

BatchScan::BatchScan(const File& file, Options options)
    : file_(file), options_(options), position_(options.begin) {}

void BatchScan::resume_at(std::int64_t position) {
  ONCELOG_ASSERT(position >= position_, position, position_);
  ONCELOG_ASSERT(position <= options_.end, position, options_.end);
  position_ = position;
  damage_.clear();
}

Result<Bytes> BatchScan::load(std::int64_t bytes) {
  const std::int64_t skipped_bytes = position_ - buffer_begin_;
  const std::int64_t present_bytes = std::max<std::int64_t>(buffered_bytes_ - skipped_bytes, 0);
  if (present_bytes < bytes) {
    // What is there of the next batch moves to the front; the rest is read behind it.
    if (present_bytes > 0 && skipped_bytes > 0) {
      std::memmove(buffer_.data(), buffer_.data() + skipped_bytes,
                   static_cast<std::size_t>(present_bytes));
    }
    const std::int64_t wanted_bytes =
        std::min(std::max(bytes, options_.read_bytes), options_.end - position_);
    if (std::ssize(buffer_) < wanted_bytes) buffer_.resize(static_cast<std::size_t>(wanted_bytes));
    buffer_begin_ = position_;
    buffered_bytes_ = present_bytes;
    const auto missing =
        std::span(buffer_).subspan(static_cast<std::size_t>(present_bytes),
                                   static_cast<std::size_t>(wanted_bytes - present_bytes));
    ONCELOG_TRY_ASSIGN(const std::size_t count, file_.read_at(missing, position_ + present_bytes));
    buffered_bytes_ += static_cast<std::int64_t>(count);
  }
  const std::int64_t given_bytes = std::min(bytes, buffered_bytes_ - (position_ - buffer_begin_));
  return Bytes(buffer_).subspan(static_cast<std::size_t>(position_ - buffer_begin_),
                                static_cast<std::size_t>(given_bytes));
}

Result<std::optional<RecordBatchView>> BatchScan::next() {
  const std::int64_t bytes_left = options_.end - position_;
  if (bytes_left <= 0 || !damage_.empty()) return std::nullopt;
  const auto damaged = [&](std::string damage) -> std::optional<RecordBatchView> {
    damage_ = std::move(damage);
    return std::nullopt;
  };
  if (bytes_left < kFrameBytes) {
    return damaged("torn: " + std::to_string(bytes_left) + " bytes are no batch header");
  }
  ONCELOG_TRY_ASSIGN(Bytes bytes, load(kFrameBytes));
  if (std::ssize(bytes) == kFrameBytes) {
    auto batch_bytes = framed_bytes(bytes, bytes_left);
    if (!batch_bytes) return damaged(std::move(batch_bytes).error());
    ONCELOG_TRY_ASSIGN(bytes, load(*batch_bytes));
    if (std::ssize(bytes) == *batch_bytes) {
      auto batch = check_batch(bytes, options_.check_crc);
      if (!batch) return damaged(std::move(batch).error());
      batch_position_ = position_;
      position_ += *batch_bytes;
      return *batch;
    }
  }
  return damaged("torn: the file ends at " + std::to_string(position_ + std::ssize(bytes)) +
                 ", expected " + std::to_string(options_.end) + " bytes");
}

namespace {
/// Looks for whole batches in bytes that may be anything.
class BatchSearch {
 public:
  BatchSearch(const File& file, std::int64_t begin, std::int64_t end)
      : file_(file), begin_(begin), end_(end) {}

  Result<std::optional<std::int64_t>> run() {
    std::vector<std::byte> chunk;
    std::int64_t chunk_bytes = kSearchChunkBytesMin;
    for (std::int64_t from = begin_; from + kBatchHeaderBytes <= end_;) {
      const std::int64_t wanted_bytes = std::min(chunk_bytes, end_ - from);
      chunk_bytes = std::min(2 * chunk_bytes, kSearchChunkBytesMax);
      chunk.resize(static_cast<std::size_t>(wanted_bytes));
      ONCELOG_TRY_ASSIGN(const std::size_t count, file_.read_at(chunk, from));
      const Bytes bytes = Bytes(chunk).first(count);
      ONCELOG_TRY_ASSIGN(const std::optional<std::int64_t> found, search(bytes, from));
      if (found || std::ssize(bytes) < wanted_bytes) return found;
      // The last header that might begin in the chunk has all but one byte in it.
      from += wanted_bytes - kBatchHeaderBytes + 1;
    }
    return std::nullopt;
  }

 private:
  Result<std::optional<std::int64_t>> search(Bytes bytes, std::int64_t from) {
    for (std::size_t at = 0; at + kHeaderBytes <= bytes.size(); ++at) {
      // The C library finds the one byte that all batches share much faster than a loop.
      const std::size_t behind = bytes.size() - kHeaderBytes + 1 - at;
      const void* magic = std::memchr(bytes.data() + at + kMagicPosition, record::kMagic, behind);
      if (magic == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const std::byte*>(magic) - bytes.data()) -
           kMagicPosition;
      const std::int64_t position = from + static_cast<std::int64_t>(at);
      if (!is_plausible(bytes.subspan(at), position)) continue;
      ONCELOG_TRY_ASSIGN(const std::optional<std::int64_t> found,
                         try_batch(decode(bytes.subspan(at)), position));
      if (found) return found;
    }
    return std::nullopt;
  }

  /// Whether a writer could have written these header bytes at `position`.
  [[nodiscard]] bool is_plausible(Bytes bytes, std::int64_t position) const {
    const BatchHeader header = decode(bytes);
    return header.magic == record::kMagic && header.size_bytes() >= kBatchHeaderBytes &&
           header.size_bytes() <= end_ - position && header.codec_bits() <= kCodecBitsMax &&
           std::int64_t{header.record_count} - 1 <= header.last_offset_delta &&
           header.leader_epoch >= kNoLeaderEpoch && header.producer_id >= kNoProducerId &&
           header.base_sequence >= kNoSequence && header_damage(header).empty();
  }

  /// Answers `position` if the batch has a right CRC, as far as the costs allow to know.
  Result<std::optional<std::int64_t>> try_batch(const BatchHeader& header, std::int64_t position) {
    const std::int64_t bytes = header.size_bytes();
    ONCELOG_TRY_ASSIGN(const bool has_follower, is_followed(position + bytes));
    const bool is_affordable = (has_follower && spend(spent_followed_bytes_, bytes, end_)) ||
                               spend(spent_bytes_, bytes, position);
    if (!is_affordable) return std::nullopt;

    const std::int64_t end = position + header.size_bytes();
    BatchScan scan(file_, {.begin = position, .end = end, .read_bytes = header.size_bytes()});
    ONCELOG_TRY_ASSIGN(const auto batch, scan.next());
    return batch ? std::optional(position) : std::nullopt;
  }

  /// Takes the cost of a CRC out of what `[begin, until)` allows, if that much is left.
  [[nodiscard]] bool spend(std::int64_t& spent_bytes, std::int64_t bytes,
                           std::int64_t until) const {
    const std::int64_t allowed_bytes = kSearchBytesFree + kSearchFactor * (until - begin_);
    if (spent_bytes + bytes > allowed_bytes) return false;
    spent_bytes += bytes;
    return true;
  }

  /// Whether the next batch, or the end, stands where a candidate says that it ends.
  Result<bool> is_followed(std::int64_t position) const {
    if (position == end_) return true;
    if (position + kBatchHeaderBytes > end_) return false;
    std::array<std::byte, kHeaderBytes> bytes;
    ONCELOG_TRY_ASSIGN(const std::size_t count, file_.read_at(bytes, position));
    return count == bytes.size() && is_plausible(bytes, position);
  }

  const File& file_;
  std::int64_t begin_;
  std::int64_t end_;
  std::int64_t spent_followed_bytes_ = 0;
  std::int64_t spent_bytes_ = 0;
};
}  // namespace

Result<std::optional<std::int64_t>> find_next_batch(const File& file, std::int64_t begin,
                                                    std::int64_t end) {
  return BatchSearch(file, begin, end).run();
}

}  // namespace oncelog::segment
