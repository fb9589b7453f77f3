// compression.h: the codecs of a batch's records (formats 4). Compressed bytes come from anywhere:
// the plain bytes are bounded, and room for them is taken in steps as they come.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "oncelog/record.h"
#include "oncelog/types.h"

namespace oncelog::record {

/// Plain bytes as they come out of a codec. Room is not zero-filled; it doubles when it is used up.
class PlainBytes {
 public:
  explicit PlainBytes(std::int64_t bytes_max) : bytes_max_(bytes_max) {}

  /// Room for at least `bytes_min` bytes more. May reach beyond the limit, so that a block can be
  /// finished before commit() refuses it: `bytes_min` must never be a figure out of the stream.
  [[nodiscard]] std::span<std::byte> room(std::size_t bytes_min);
  /// Takes over the first `count` bytes of the room. CORRUPT_MESSAGE beyond the limit.
  Result<void> commit(std::size_t count);

  [[nodiscard]] Bytes bytes() const { return {data_.get(), size_}; }

 private:
  std::int64_t bytes_max_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::unique_ptr<std::byte[]> data_{};
};

/// Compresses with the level, or the codec's default. INVALID_CONFIG for a level that the codec
/// does not have. Codec none copies.
Result<std::vector<std::byte>> compress(Codec codec, std::optional<int> level, Bytes plain);

/// The plain bytes of a stream, by its codec bits. CORRUPT_MESSAGE for bits 5 to 7, for what is no
/// whole stream of the codec, and for more plain bytes than the limits allow.
Result<PlainBytes> decompress(std::uint8_t codec_bits, Bytes compressed,
                              const DecompressionLimits& limits);

[[nodiscard]] std::string_view codec_name(Codec codec);

// One pair per codec_<name>.cc. Compressing appends.
Result<void> compress_gzip(Bytes plain, int level, std::vector<std::byte>& out);
Result<void> compress_snappy(Bytes plain, int level, std::vector<std::byte>& out);
Result<void> compress_lz4(Bytes plain, int level, std::vector<std::byte>& out);
Result<void> compress_zstd(Bytes plain, int level, std::vector<std::byte>& out);
Result<void> decompress_gzip(Bytes compressed, PlainBytes& plain);
Result<void> decompress_snappy(Bytes compressed, PlainBytes& plain);
Result<void> decompress_lz4(Bytes compressed, PlainBytes& plain);
Result<void> decompress_zstd(Bytes compressed, PlainBytes& plain);

}  // namespace oncelog::record
