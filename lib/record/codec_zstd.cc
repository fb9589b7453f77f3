// codec_zstd.cc: plain zstd frames from the streaming API (formats 4.3).
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "record/compression.h"

namespace oncelog::record {

namespace {

constexpr std::size_t kStepBytes = std::size_t{16} << 10;

struct FreeCompressor {
  void operator()(ZSTD_CStream* stream) const { ZSTD_freeCStream(stream); }
};
struct FreeDecompressor {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

/// Gives `input` to the compressor until the directive is fulfilled.
Result<void> compress_all(ZSTD_CStream* stream, ZSTD_inBuffer input, ZSTD_EndDirective directive,
                          std::vector<std::byte>& out) {
  std::size_t left = 0;
  do {
    const std::size_t out_begin = out.size();
    out.resize(out_begin + kStepBytes);
    ZSTD_outBuffer output{out.data() + out_begin, kStepBytes, 0};
    left = ZSTD_compressStream2(stream, &output, &input, directive);
    out.resize(out_begin + output.pos);
    if (ZSTD_isError(left) != 0) {
      return fail(ErrorCode::UNKNOWN_SERVER_ERROR,
                  "zstd: ", std::string_view(ZSTD_getErrorName(left)));
    }
  } while (directive == ZSTD_e_continue ? input.pos < input.size : left != 0);
  return {};
}

}  // namespace

Result<void> compress_zstd(Bytes plain, int level, std::vector<std::byte>& out) {
  const std::unique_ptr<ZSTD_CStream, FreeCompressor> stream(ZSTD_createCStream());
  if (!stream) return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "zstd: no memory");
  ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_contentSizeFlag, 0);

  // In three steps as Java's streams do it: an end together with the input would tell the
  // compressor the size, and it would choose another window.
  const ZSTD_inBuffer nothing{nullptr, 0, 0};
  ONCELOG_TRY(compress_all(stream.get(), {plain.data(), plain.size(), 0}, ZSTD_e_continue, out));
  ONCELOG_TRY(compress_all(stream.get(), nothing, ZSTD_e_flush, out));
  return compress_all(stream.get(), nothing, ZSTD_e_end, out);
}

Result<void> decompress_zstd(Bytes compressed, PlainBytes& plain) {
  const std::unique_ptr<ZSTD_DStream, FreeDecompressor> stream(ZSTD_createDStream());
  if (!stream) return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "zstd: no memory");

  ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
  bool is_frame_open = true;  // an empty payload is no stream
  bool is_room_used_up = false;
  while (input.pos < input.size || (is_frame_open && is_room_used_up)) {
    const std::span<std::byte> room = plain.room(kStepBytes);
    ZSTD_outBuffer output{room.data(), room.size(), 0};
    const std::size_t hint = ZSTD_decompressStream(stream.get(), &output, &input);
    if (ZSTD_isError(hint) != 0) {
      return fail(ErrorCode::CORRUPT_MESSAGE, "zstd: ", std::string_view(ZSTD_getErrorName(hint)));
    }
    ONCELOG_TRY(plain.commit(output.pos));
    is_frame_open = hint != 0;
    is_room_used_up = output.pos == output.size;
  }
  if (is_frame_open) return fail(ErrorCode::CORRUPT_MESSAGE, "zstd: broken off");
  return {};
}

}  // namespace oncelog::record
