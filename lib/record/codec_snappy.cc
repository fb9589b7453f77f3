// codec_snappy.cc: raw snappy blocks in the stream framing of Xerial's Java library (formats 4.2).
#include <snappy.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"
#include "record/compression.h"

namespace oncelog::record {

namespace {

constexpr auto kMagic = std::to_array<std::uint8_t>({0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0});
constexpr std::size_t kMagicBytes = kMagic.size();
constexpr std::size_t kStreamHeaderBytes = 16;
constexpr std::size_t kLengthBytes = 4;
constexpr std::int32_t kVersion = 1;
constexpr std::size_t kBlockPlainBytes = std::size_t{32} << 10;
// No element of a block makes more than 64 plain bytes, and those take 3: a larger claim is a lie.
constexpr std::size_t kRatioMax = 22;

bool begins_with_magic(Bytes bytes) {
  return bytes.size() >= kMagicBytes &&
         std::ranges::equal(kMagic, bytes.first(kMagicBytes),
                            [](std::uint8_t a, std::byte b) { return std::byte{a} == b; });
}

void append_be32(std::int32_t value, std::vector<std::byte>& out) {
  out.resize(out.size() + sizeof value);
  base::store_be(out, out.size() - sizeof value, value);
}

const char* as_chars(Bytes bytes) { return reinterpret_cast<const char*>(bytes.data()); }

Result<void> decompress_block(Bytes block, PlainBytes& plain) {
  std::size_t plain_bytes = 0;
  if (!snappy::GetUncompressedLength(as_chars(block), block.size(), &plain_bytes)) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: block without a length");
  }
  if (plain_bytes > block.size() * kRatioMax) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: block of ", block.size(), " bytes claims ",
                plain_bytes, " plain bytes");
  }
  const std::span<std::byte> room = plain.room(plain_bytes);
  if (!snappy::RawUncompress(as_chars(block), block.size(), reinterpret_cast<char*>(room.data()))) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: malformed block");
  }
  return plain.commit(plain_bytes);
}

/// Takes a stream header from the front of `rest`.
Result<void> take_stream_header(Bytes& rest) {
  if (rest.size() < kStreamHeaderBytes || !begins_with_magic(rest)) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: stream header malformed or broken off");
  }
  const auto version = base::load_be<std::int32_t>(rest, kMagicBytes);
  if (version < kVersion) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: stream of version ", version);
  }
  rest = rest.subspan(kStreamHeaderBytes);
  return {};
}

}  // namespace

Result<void> compress_snappy(Bytes plain, int /*level*/, std::vector<std::byte>& out) {
  for (const std::uint8_t byte : kMagic) out.push_back(std::byte{byte});
  append_be32(kVersion, out);
  append_be32(kVersion, out);
  std::string block;
  while (!plain.empty()) {
    const Bytes part = plain.first(std::min(plain.size(), kBlockPlainBytes));
    snappy::Compress(as_chars(part), part.size(), &block);
    append_be32(static_cast<std::int32_t>(block.size()), out);
    const Bytes block_bytes = as_bytes(block);
    out.insert(out.end(), block_bytes.begin(), block_bytes.end());
    plain = plain.subspan(part.size());
  }
  return {};
}

Result<void> decompress_snappy(Bytes compressed, PlainBytes& plain) {
  // Some clients write one bare block.
  if (!begins_with_magic(compressed)) return decompress_block(compressed, plain);

  Bytes rest = compressed;
  ONCELOG_TRY(take_stream_header(rest));
  while (!rest.empty()) {
    // Streams may follow each other; the magic cannot be a length, as it is negative.
    if (begins_with_magic(rest)) {
      ONCELOG_TRY(take_stream_header(rest));
      continue;
    }
    if (rest.size() < kLengthBytes) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: broken off in a block length");
    }
    const auto block_bytes = base::load_be<std::int32_t>(rest, 0);
    rest = rest.subspan(kLengthBytes);
    if (block_bytes < 0 || static_cast<std::size_t>(block_bytes) > rest.size()) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "snappy: block of ", block_bytes, " bytes where ",
                  rest.size(), " are left");
    }
    ONCELOG_TRY(decompress_block(rest.first(static_cast<std::size_t>(block_bytes)), plain));
    rest = rest.subspan(static_cast<std::size_t>(block_bytes));
  }
  return {};
}

}  // namespace oncelog::record
