// codec_lz4.cc: the LZ4 frames that Kafka's Java clients write and read (formats 4.4). The frame is
// ours, only blocks are the library's: its frame reader verifies the content checksum and goes on
// behind the end mark, and its writer does not choose compressors by level as Kafka does.
#include <lz4.h>
#include <lz4hc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/hash.h"
#include "record/compression.h"

namespace oncelog::record {

namespace {

constexpr std::uint32_t kMagic = 0x184D2204;
constexpr std::uint8_t kWrittenFlags = 0x60;
constexpr std::uint8_t kWrittenBlockSize = 0x40;
constexpr std::size_t kWrittenBlockBytes = std::size_t{64} << 10;
constexpr int kFastLevel = 9;  // Kafka's default means the fast compressor
constexpr std::uint32_t kStoredBit = 0x8000'0000;

constexpr std::uint8_t kVersionMask = 0xc0;
constexpr std::uint8_t kVersion = 0x40;
constexpr std::uint8_t kIndependentBit = 0x20;
constexpr std::uint8_t kBlockChecksumBit = 0x10;
constexpr std::uint8_t kContentSizeBit = 0x08;
constexpr std::uint8_t kContentChecksumBit = 0x04;
constexpr std::uint8_t kUnsupportedBits = 0x03;  // reserved, dictionary id
constexpr std::uint8_t kBlockSizeCodeMin = 4;
constexpr std::size_t kContentSizeBytes = 8;
// One byte of a block stands for at most 255 plain ones; a few more for its first and last tokens.
constexpr std::size_t kRatioMax = 255;
constexpr std::size_t kRatioSlackBytes = 64;

std::uint32_t load_le32(const std::byte* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return std::endian::native == std::endian::little ? value : std::byteswap(value);
}

void append_le32(std::uint32_t value, std::vector<std::byte>& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(value >> shift));
}

std::byte descriptor_checksum(Bytes descriptor) {
  return static_cast<std::byte>(base::hash32(descriptor) >> 8);
}

std::unexpected<Error> fail_broken_off() {
  return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: frame broken off");
}

struct Frame {
  std::uint8_t flags = 0;
  std::size_t block_bytes_max = 0;
  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

/// Takes the frame's header from the front of `rest`.
Result<Frame> take_frame_header(Bytes& rest) {
  constexpr std::size_t kDescriptorAt = sizeof kMagic;
  if (rest.size() < kDescriptorAt + 3) return fail_broken_off();
  if (load_le32(rest.data()) != kMagic) return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: no frame");
  Frame frame{.flags = std::to_integer<std::uint8_t>(rest[kDescriptorAt])};
  const auto block_size = std::to_integer<std::uint8_t>(rest[kDescriptorAt + 1]);
  if ((frame.flags & kVersionMask) != kVersion || !frame.has(kIndependentBit) ||
      frame.has(kUnsupportedBits)) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: flags ", frame.flags, " are not supported");
  }
  const auto block_size_code = static_cast<std::uint8_t>(block_size >> 4);
  if ((block_size & 0x8f) != 0 || block_size_code < kBlockSizeCodeMin) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: block size byte ", block_size);
  }
  frame.block_bytes_max = std::size_t{1} << (8 + 2 * block_size_code);

  const std::size_t descriptor_bytes = 2 + (frame.has(kContentSizeBit) ? kContentSizeBytes : 0);
  if (rest.size() < kDescriptorAt + descriptor_bytes + 1) return fail_broken_off();
  const Bytes descriptor = rest.subspan(kDescriptorAt, descriptor_bytes);
  if (rest[kDescriptorAt + descriptor_bytes] != descriptor_checksum(descriptor)) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: checksum of the frame header differs");
  }
  rest = rest.subspan(kDescriptorAt + descriptor_bytes + 1);
  return frame;
}

Result<void> decompress_block(Bytes block, bool is_stored, const Frame& frame, PlainBytes& plain) {
  if (is_stored) {
    std::ranges::copy(block, plain.room(block.size()).begin());
    return plain.commit(block.size());
  }
  const std::size_t plain_bytes_max =
      std::min(frame.block_bytes_max, block.size() * kRatioMax + kRatioSlackBytes);
  const std::span<std::byte> room = plain.room(plain_bytes_max);
  const int plain_bytes = LZ4_decompress_safe(
      reinterpret_cast<const char*>(block.data()), reinterpret_cast<char*>(room.data()),
      static_cast<int>(block.size()), static_cast<int>(plain_bytes_max));
  if (plain_bytes < 0) return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: malformed block");
  return plain.commit(static_cast<std::size_t>(plain_bytes));
}

}  // namespace

Result<void> compress_lz4(Bytes plain, int level, std::vector<std::byte>& out) {
  append_le32(kMagic, out);
  constexpr std::array descriptor = {std::byte{kWrittenFlags}, std::byte{kWrittenBlockSize}};
  out.insert(out.end(), descriptor.begin(), descriptor.end());
  out.push_back(descriptor_checksum(descriptor));

  std::array<char, LZ4_COMPRESSBOUND(kWrittenBlockBytes)> block;
  while (!plain.empty()) {
    const Bytes part = plain.first(std::min(plain.size(), kWrittenBlockBytes));
    const auto* source = reinterpret_cast<const char*>(part.data());
    const auto part_bytes = static_cast<int>(part.size());
    const auto block_bytes_max = static_cast<int>(block.size());
    const int block_bytes =
        level == kFastLevel
            ? LZ4_compress_default(source, block.data(), part_bytes, block_bytes_max)
            : LZ4_compress_HC(source, block.data(), part_bytes, block_bytes_max, level);
    if (block_bytes <= 0) return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "lz4: compression failed");
    const bool is_stored = block_bytes >= part_bytes;
    const Bytes written =
        is_stored ? part : std::as_bytes(std::span(block.data(), std::size_t(block_bytes)));
    append_le32(static_cast<std::uint32_t>(written.size()) | (is_stored ? kStoredBit : 0), out);
    out.insert(out.end(), written.begin(), written.end());
    plain = plain.subspan(part.size());
  }
  append_le32(0, out);
  return {};
}

Result<void> decompress_lz4(Bytes compressed, PlainBytes& plain) {
  Bytes rest = compressed;
  ONCELOG_TRY_ASSIGN(const Frame frame, take_frame_header(rest));
  for (;;) {
    if (rest.size() < sizeof(std::uint32_t)) return fail_broken_off();
    const std::uint32_t word = load_le32(rest.data());
    rest = rest.subspan(sizeof word);
    const std::size_t block_bytes = word & ~kStoredBit;
    if (block_bytes == 0) break;
    if (block_bytes > frame.block_bytes_max) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: block of ", block_bytes, " bytes");
    }
    const std::size_t checksum_bytes = frame.has(kBlockChecksumBit) ? sizeof(std::uint32_t) : 0;
    if (rest.size() < block_bytes + checksum_bytes) return fail_broken_off();
    const Bytes block = rest.first(block_bytes);
    if (checksum_bytes != 0 && load_le32(rest.data() + block_bytes) != base::hash32(block)) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "lz4: checksum of a block differs");
    }
    ONCELOG_TRY(decompress_block(block, (word & kStoredBit) != 0, frame, plain));
    rest = rest.subspan(block_bytes + checksum_bytes);
  }
  // The content checksum must be there but is not verified; what follows is ignored: both as Kafka.
  if (frame.has(kContentChecksumBit) && rest.size() < sizeof(std::uint32_t)) {
    return fail_broken_off();
  }
  return {};
}

}  // namespace oncelog::record
