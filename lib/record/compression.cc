#include "record/compression.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

namespace oncelog::record {

namespace {

constexpr std::size_t kFirstRoomBytes = std::size_t{4} << 10;
// Batches that small may be of any ratio.
constexpr std::int64_t kAlwaysAllowedBytes = std::int64_t{1} << 20;

struct CodecEntry {
  std::string_view name{};
  int level_min = 0;
  int level_max = 0;
  int level_default = 0;
  Result<void> (*compress)(Bytes, int, std::vector<std::byte>&) = nullptr;
  Result<void> (*decompress)(Bytes, PlainBytes&) = nullptr;

  [[nodiscard]] bool has_level(int level) const {
    return level == level_default || (level >= level_min && level <= level_max);
  }
};

// By codec bits. Snappy and none have no levels: any is taken and ignored.
constexpr int kAnyMin = std::numeric_limits<int>::min();
constexpr int kAnyMax = std::numeric_limits<int>::max();
constexpr std::array<CodecEntry, 5> kCodecs = {{
    {"none", kAnyMin, kAnyMax, 0, nullptr, nullptr},
    {"gzip", 1, 9, -1, compress_gzip, decompress_gzip},
    {"snappy", kAnyMin, kAnyMax, 0, compress_snappy, decompress_snappy},
    {"lz4", 1, 17, 9, compress_lz4, decompress_lz4},
    {"zstd", -131072, 22, 3, compress_zstd, decompress_zstd},
}};

std::int64_t plain_bytes_max(Bytes compressed, const DecompressionLimits& limits) {
  const auto compressed_bytes = static_cast<std::int64_t>(compressed.size());
  std::int64_t by_ratio = 0;
  if (__builtin_mul_overflow(compressed_bytes, limits.ratio_max, &by_ratio)) {
    by_ratio = std::numeric_limits<std::int64_t>::max();
  }
  return std::min(limits.bytes_max, std::max(by_ratio, kAlwaysAllowedBytes));
}

}  // namespace

std::span<std::byte> PlainBytes::room(std::size_t bytes_min) {
  if (capacity_ - size_ < bytes_min) {
    const std::size_t capacity = std::max({kFirstRoomBytes, capacity_ * 2, size_ + bytes_min});
    auto data = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }
  return {data_.get() + size_, capacity_ - size_};
}

Result<void> PlainBytes::commit(std::size_t count) {
  size_ += count;
  if (static_cast<std::int64_t>(size_) <= bytes_max_) return {};
  return fail(ErrorCode::CORRUPT_MESSAGE, "decompress: more than ", bytes_max_,
              " plain bytes, the limit for this batch");
}

std::string_view codec_name(Codec codec) { return kCodecs[std::to_underlying(codec)].name; }

Result<std::vector<std::byte>> compress(Codec codec, std::optional<int> level, Bytes plain) {
  const CodecEntry& entry = kCodecs[std::to_underlying(codec)];
  const int wanted = level.value_or(entry.level_default);
  if (!entry.has_level(wanted)) {
    return fail(ErrorCode::INVALID_CONFIG, "compress: codec ", entry.name, " has no level ",
                wanted);
  }
  std::vector<std::byte> out;
  if (entry.compress == nullptr) {
    out.assign(plain.begin(), plain.end());
  } else {
    ONCELOG_TRY(entry.compress(plain, wanted, out));
  }
  return out;
}

Result<PlainBytes> decompress(std::uint8_t codec_bits, Bytes compressed,
                              const DecompressionLimits& limits) {
  if (codec_bits >= kCodecs.size()) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "decompress: codec ", codec_bits, " is unknown");
  }
  const CodecEntry& entry = kCodecs[codec_bits];
  PlainBytes plain(plain_bytes_max(compressed, limits));
  if (entry.decompress == nullptr) {
    std::ranges::copy(compressed, plain.room(compressed.size()).begin());
    ONCELOG_TRY(plain.commit(compressed.size()));
  } else {
    ONCELOG_TRY(entry.decompress(compressed, plain));
  }
  return plain;
}

}  // namespace oncelog::record
