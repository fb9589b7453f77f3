// codec_gzip.cc: RFC 1952 members as Java writes them (formats 4.1). The header and the trailer are
// ours: zlib would write another operating system byte.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <memory>

#include "base/bytes.h"
#include "record/compression.h"

namespace oncelog::record {

namespace {

constexpr std::size_t kStepBytes = std::size_t{16} << 10;
constexpr int kRawDeflate = -15;       // window bits, no wrapper
constexpr int kGzipWrapper = 15 + 16;  // window bits, with header and trailer
constexpr int kMemoryLevel = 8;
constexpr auto kHeader = std::to_array<std::uint8_t>({0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff});
// Header, an empty deflate block, trailer.
constexpr std::size_t kMemberBytesMin = 20;

struct EndInflate {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};
struct EndDeflate {
  void operator()(z_stream* stream) const { deflateEnd(stream); }
};

Bytef* as_zlib(const std::byte* bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes));  // read only, but not const
}

uInt clamp_to_uint(std::size_t count) {
  return static_cast<uInt>(std::min<std::size_t>(count, std::numeric_limits<uInt>::max()));
}

void append_le32(std::uint32_t value, std::vector<std::byte>& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(value >> shift));
}

std::uint32_t crc32_of(Bytes bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, as_zlib(bytes.data()), bytes.size()));
}

bool looks_like_member(Bytes bytes) {
  if (bytes.size() < kMemberBytesMin) return false;
  return std::equal(kHeader.begin(), kHeader.begin() + 3, bytes.begin(),
                    [](std::uint8_t a, std::byte b) { return std::byte{a} == b; });
}

std::unexpected<Error> fail_inflate(const z_stream& stream, int status) {
  const char* words = stream.msg != nullptr ? stream.msg : zError(status);
  return fail(ErrorCode::CORRUPT_MESSAGE, "gzip: ", std::string_view(words));
}

/// One member from the front of `compressed`, which moves behind it.
Result<void> inflate_member(z_stream& stream, Bytes& compressed, PlainBytes& plain) {
  for (;;) {
    const std::span<std::byte> room = plain.room(kStepBytes);
    const uInt given_bytes = clamp_to_uint(compressed.size());
    const uInt room_bytes = clamp_to_uint(room.size());
    stream.next_in = as_zlib(compressed.data());
    stream.avail_in = given_bytes;
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = room_bytes;
    const int status = inflate(&stream, Z_NO_FLUSH);
    compressed = compressed.subspan(given_bytes - stream.avail_in);
    ONCELOG_TRY(plain.commit(room_bytes - stream.avail_out));
    if (status == Z_STREAM_END) return {};
    if (status != Z_OK) {
      if (status == Z_BUF_ERROR) return fail(ErrorCode::CORRUPT_MESSAGE, "gzip: broken off");
      return fail_inflate(stream, status);
    }
  }
}

}  // namespace

Result<void> compress_gzip(Bytes plain, int level, std::vector<std::byte>& out) {
  z_stream stream{};
  const int status =
      deflateInit2(&stream, level, Z_DEFLATED, kRawDeflate, kMemoryLevel, Z_DEFAULT_STRATEGY);
  if (status != Z_OK) return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "gzip: no memory");
  const std::unique_ptr<z_stream, EndDeflate> end(&stream);

  for (const std::uint8_t byte : kHeader) out.push_back(std::byte{byte});
  Bytes rest = plain;
  int step = Z_OK;
  while (step != Z_STREAM_END) {
    const std::size_t out_begin = out.size();
    out.resize(out_begin + kStepBytes);
    const uInt given_bytes = clamp_to_uint(rest.size());
    stream.next_in = as_zlib(rest.data());
    stream.avail_in = given_bytes;
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + out_begin);
    stream.avail_out = static_cast<uInt>(kStepBytes);
    step = deflate(&stream, given_bytes == rest.size() ? Z_FINISH : Z_NO_FLUSH);
    if (step == Z_STREAM_ERROR) return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "gzip: deflate");
    rest = rest.subspan(given_bytes - stream.avail_in);
    out.resize(out_begin + (kStepBytes - stream.avail_out));
  }
  append_le32(crc32_of(plain), out);
  append_le32(static_cast<std::uint32_t>(plain.size()), out);
  return {};
}

Result<void> decompress_gzip(Bytes compressed, PlainBytes& plain) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWrapper) != Z_OK) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "gzip: no memory");
  }
  const std::unique_ptr<z_stream, EndInflate> end(&stream);

  // Members may follow each other; bytes that do not look like one are ignored.
  ONCELOG_TRY(inflate_member(stream, compressed, plain));
  while (looks_like_member(compressed)) {
    inflateReset(&stream);
    ONCELOG_TRY(inflate_member(stream, compressed, plain));
  }
  return {};
}

}  // namespace oncelog::record
