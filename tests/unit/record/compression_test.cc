#include "record/compression.h"

#include <random>

#include "base/hash.h"
#include "unit/record/examples.h"

namespace oncelog::record {
namespace {

constexpr Codec kCodecs[] = {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

std::uint8_t bits(Codec codec) { return static_cast<std::uint8_t>(codec); }

ByteList compressed(Codec codec, Bytes plain, std::optional<int> level = {}) {
  Result<ByteList> bytes = compress(codec, level, plain);
  EXPECT_THAT(bytes, Succeeds());
  return bytes.value_or(ByteList());
}

/// The plain bytes as hex, or the name of the error.
std::string plain_hex(Codec codec, Bytes stream, DecompressionLimits limits = {}) {
  const Result<PlainBytes> plain = decompress(bits(codec), stream, limits);
  return plain ? to_hex(plain->bytes()) : std::string(kafka_name(plain.error().code));
}

ByteList text(std::size_t count) {
  std::mt19937 random(7);
  ByteList bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>('a' + random() % 5);
  return bytes;
}

ByteList noise(std::size_t count) {
  std::mt19937 random(8);
  ByteList bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

ByteList join(std::initializer_list<Bytes> parts) {
  ByteList bytes;
  for (const Bytes part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

// Section 4: the record section of E1 in each codec.
constexpr std::string_view kPlainHex = "10000000026b027600";
const ByteList kPlain = from_hex(kPlainHex);
const ByteList kGzipStream =
    from_hex("1f8b08000000000000ff 1360606060ca662a630000 a37fcfa6 09000000");
const ByteList kSnappyStream =
    from_hex("82534e4150505900 00000001 00000001 0000000b 0920 10000000026b027600");
const ByteList kLz4Stream = from_hex("04224d18 60 40 82 09000080 10000000026b027600 00000000");
const ByteList kZstdStream = from_hex("28b52ffd 0058 480000 10000000026b027600 010000");
constexpr std::string_view kCorrupt = "CORRUPT_MESSAGE";

TEST(Compression, WritesTheExamplesOfTheFormat) {
  EXPECT_EQ(to_hex(compressed(Codec::kGzip, kPlain)), to_hex(kGzipStream));
  EXPECT_EQ(to_hex(compressed(Codec::kSnappy, kPlain)), to_hex(kSnappyStream));
  EXPECT_EQ(to_hex(compressed(Codec::kLz4, kPlain)), to_hex(kLz4Stream));
  EXPECT_EQ(to_hex(compressed(Codec::kZstd, kPlain, 3)), to_hex(kZstdStream));
}

TEST(Compression, ReadsTheExamplesOfTheFormat) {
  EXPECT_EQ(plain_hex(Codec::kGzip, kGzipStream), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kSnappy, kSnappyStream), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kLz4, kLz4Stream), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kZstd, kZstdStream), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kNone, kPlain), kPlainHex);
}

TEST(Compression, ReadsWhatItWroteInEverySize) {
  for (const Codec codec : kCodecs) {
    for (const std::size_t count :
         {0UZ, 1UZ, 32767UZ, 32768UZ, 32769UZ, 65536UZ, 65537UZ, 1'000'000UZ}) {
      for (const ByteList& plain : {text(count), noise(count)}) {
        const Result<PlainBytes> back = decompress(bits(codec), compressed(codec, plain), {});
        ASSERT_THAT(back, Succeeds()) << codec_name(codec) << ' ' << count;
        EXPECT_TRUE(std::ranges::equal(back->bytes(), plain)) << codec_name(codec) << ' ' << count;
      }
    }
  }
}

TEST(Compression, TakesTheLevelsOfEachCodecOnly) {
  struct Range {
    Codec codec;
    int inside[3], outside[2];
  };
  const Range ranges[] = {{Codec::kGzip, {-1, 1, 9}, {0, 10}},
                          {Codec::kLz4, {1, 10, 17}, {0, 18}},
                          {Codec::kZstd, {-131072, 1, 22}, {-131073, 23}}};
  const ByteList plain = text(1000);
  for (const Range& range : ranges) {
    for (const int level : range.inside) {
      const ByteList stream = compressed(range.codec, plain, level);
      EXPECT_EQ(plain_hex(range.codec, stream), to_hex(plain)) << level;
    }
    for (const int level : range.outside) {
      EXPECT_THAT(compress(range.codec, level, plain), FailsWith(ErrorCode::INVALID_CONFIG));
    }
  }
  EXPECT_THAT(compress(Codec::kSnappy, 100, plain), Succeeds());
}

TEST(Compression, RefusesUnknownCodecs) {
  for (std::uint8_t codec = 5; codec < 8; ++codec) {
    EXPECT_THAT(decompress(codec, kPlain, {}), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  }
}

TEST(Compression, RefusesStreamsCutAnywhere) {
  for (const Codec codec : kCodecs) {
    for (const ByteList& plain : {text(300), ByteList(200'000, std::byte{'x'})}) {
      const ByteList stream = compressed(codec, plain);
      for (std::size_t count = 0; count < stream.size(); ++count) {
        // Only a snappy stream may end behind any of its blocks, even behind none.
        const std::string seen = plain_hex(codec, Bytes(stream).first(count));
        if (codec == Codec::kSnappy && seen != kCorrupt) {
          EXPECT_LT(seen.size(), plain.size() * 2) << count;
          continue;
        }
        EXPECT_EQ(seen, kCorrupt) << codec_name(codec) << " cut to " << count;
      }
    }
  }
}

TEST(Compression, SurvivesEveryFlippedBit) {
  const ByteList plain = text(500);
  for (const Codec codec : kCodecs) {
    const ByteList stream = compressed(codec, plain);
    for (std::size_t bit = 0; bit < stream.size() * 8; ++bit) {
      ByteList flipped = stream;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      const Result<PlainBytes> back = decompress(bits(codec), flipped, {});
      if (!back) {
        EXPECT_EQ(back.error().code, ErrorCode::CORRUPT_MESSAGE);
      }
    }
  }
}

TEST(Compression, SurvivesNoise) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    ByteList stream(random() % 200);
    for (std::byte& byte : stream) byte = static_cast<std::byte>(random());
    for (const Codec codec : kCodecs) {
      const Result<PlainBytes> back = decompress(bits(codec), stream, {});
      if (!back) {
        EXPECT_EQ(back.error().code, ErrorCode::CORRUPT_MESSAGE);
      }
    }
  }
}

TEST(Compression, RefusesBombsByRatio) {
  const ByteList plain(20 << 20, std::byte{0});
  for (const Codec codec : kCodecs) {
    const ByteList stream = compressed(codec, plain);
    EXPECT_EQ(plain_hex(codec, stream, {.ratio_max = 5}), kCorrupt) << codec_name(codec);
    EXPECT_THAT(decompress(bits(codec), stream, {.ratio_max = 1 << 30}), Succeeds());
  }
}

TEST(Compression, RefusesBombsBySize) {
  const ByteList plain(3 << 20, std::byte{0});
  for (const Codec codec : kCodecs) {
    const ByteList stream = compressed(codec, plain);
    constexpr std::int64_t kAnyRatio = 1 << 30;
    const DecompressionLimits exact{.bytes_max = 3 << 20, .ratio_max = kAnyRatio};
    const DecompressionLimits tight{.bytes_max = (3 << 20) - 1, .ratio_max = kAnyRatio};
    EXPECT_THAT(decompress(bits(codec), stream, exact), Succeeds()) << codec_name(codec);
    const auto refused = decompress(bits(codec), stream, tight);
    ASSERT_THAT(refused, FailsWith(ErrorCode::CORRUPT_MESSAGE)) << codec_name(codec);
    EXPECT_THAT(refused.error().context, testing::HasSubstr("limit"));
  }
}

TEST(Compression, SmallBatchesMayHaveAnyRatio) {
  const ByteList plain(1 << 20, std::byte{0});
  for (const Codec codec : kCodecs) {
    const ByteList stream = compressed(codec, plain);
    EXPECT_THAT(decompress(bits(codec), stream, {.ratio_max = 1}), Succeeds()) << codec_name(codec);
  }
}

// --- gzip ---

TEST(Gzip, ReadsConcatenatedMembers) {
  const ByteList stream = join({kGzipStream, kGzipStream});
  EXPECT_EQ(plain_hex(Codec::kGzip, stream), std::string(kPlainHex) + std::string(kPlainHex));
}

TEST(Gzip, IgnoresBytesThatAreNoMember) {
  EXPECT_EQ(plain_hex(Codec::kGzip, join({kGzipStream, from_hex("1f8b07")})), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kGzip, join({kGzipStream, noise(100)})), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kGzip, join({kGzipStream, Bytes(kGzipStream).first(9)})), kPlainHex);
}

TEST(Gzip, RefusesABrokenSecondMember) {
  const ByteList stream = join({kGzipStream, Bytes(kGzipStream).first(28)});
  EXPECT_EQ(plain_hex(Codec::kGzip, stream), kCorrupt);
}

TEST(Gzip, ReadsHeadersOfOtherWriters) {
  const ByteList stream = from_hex("1f8b08000000000002031360606060ca662a630000a37fcfa609000000");
  EXPECT_EQ(plain_hex(Codec::kGzip, stream), kPlainHex);
}

TEST(Gzip, RefusesAWrongTrailer) {
  ByteList stream = kGzipStream;
  stream[stream.size() - 1] = std::byte{1};
  EXPECT_EQ(plain_hex(Codec::kGzip, stream), kCorrupt);
  stream = kGzipStream;
  stream[stream.size() - 5] = std::byte{1};
  EXPECT_EQ(plain_hex(Codec::kGzip, stream), kCorrupt);
}

// --- snappy ---

TEST(Snappy, WritesBlocksOf32KiB) {
  const ByteList stream = compressed(Codec::kSnappy, noise(40'000));
  const auto first_bytes =
      (std::to_integer<std::size_t>(stream[18]) << 8) | std::to_integer<std::size_t>(stream[19]);
  ByteList one_block = copy_of(Bytes(stream).first(20 + first_bytes));
  EXPECT_EQ(plain_hex(Codec::kSnappy, one_block).size(), 2 * 32768u);
}

TEST(Snappy, AnEmptyStreamIsItsHeader) {
  EXPECT_EQ(to_hex(compressed(Codec::kSnappy, {})), "82534e41505059000000000100000001");
}

TEST(Snappy, ReadsOneBareBlock) {
  EXPECT_EQ(plain_hex(Codec::kSnappy, from_hex("0920 10000000026b027600")), kPlainHex);
}

TEST(Snappy, ReadsConcatenatedStreams) {
  const ByteList stream = join({kSnappyStream, kSnappyStream});
  EXPECT_EQ(plain_hex(Codec::kSnappy, stream), std::string(kPlainHex) + std::string(kPlainHex));
}

TEST(Snappy, RefusesImpossibleBlockLengths) {
  const Bytes header = Bytes(kSnappyStream).first(16);
  EXPECT_EQ(plain_hex(Codec::kSnappy, join({header, from_hex("ffffffff 0000")})), kCorrupt);
  EXPECT_EQ(plain_hex(Codec::kSnappy, join({header, from_hex("0000000c 0920 10")})), kCorrupt);
  EXPECT_EQ(plain_hex(Codec::kSnappy, join({header, from_hex("00000000")})), kCorrupt);
  EXPECT_EQ(plain_hex(Codec::kSnappy, join({header, from_hex("0000")})), kCorrupt);
}

TEST(Snappy, RefusesAClaimThatNoBlockCanKeep) {
  EXPECT_EQ(plain_hex(Codec::kSnappy, from_hex("ffffffff0f 00")), kCorrupt);
}

TEST(Snappy, RefusesAVersionBelowOne) {
  ByteList stream = kSnappyStream;
  stream[11] = std::byte{0};
  EXPECT_EQ(plain_hex(Codec::kSnappy, stream), kCorrupt);
}

TEST(Snappy, RefusesAnEmptyPayload) { EXPECT_EQ(plain_hex(Codec::kSnappy, {}), kCorrupt); }

// --- lz4 ---

/// A frame with these flags and parts, its header's checksum right.
ByteList lz4_frame(int flags, int block_size, Bytes content_size, Bytes rest) {
  const ByteList descriptor = join(
      {ByteList{static_cast<std::byte>(flags), static_cast<std::byte>(block_size)}, content_size});
  const auto checksum = static_cast<std::byte>(base::hash32(descriptor) >> 8);
  return join({from_hex("04224d18"), descriptor, ByteList{checksum}, rest});
}

const ByteList kLz4Block = from_hex("09000080 10000000026b027600");
const ByteList kLz4End = from_hex("00000000");

TEST(Lz4, WritesBlocksOf64KiBAndStoresWhatDoesNotShrink) {
  const ByteList stream = compressed(Codec::kLz4, noise(70'000));
  EXPECT_EQ(to_hex(Bytes(stream).subspan(7, 4)), "00000180");
  EXPECT_EQ(to_hex(Bytes(stream).subspan(11 + 65536, 4)), "70110080");
  EXPECT_EQ(stream.size(), 7 + 4 + 65536 + 4 + 4464 + 4u);
}

TEST(Lz4, IgnoresEverythingBehindTheEndMark) {
  EXPECT_EQ(plain_hex(Codec::kLz4, join({kLz4Stream, kLz4Stream})), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kLz4, join({kLz4Stream, noise(50)})), kPlainHex);
}

TEST(Lz4, AnEndMarkMayHaveItsStoredBit) {
  EXPECT_EQ(
      plain_hex(Codec::kLz4, lz4_frame(0x60, 0x40, {}, join({kLz4Block, from_hex("00000080")}))),
      kPlainHex);
}

TEST(Lz4, SkipsContentSizeAndContentChecksumUnseen) {
  const ByteList rest = join({kLz4Block, kLz4End, from_hex("deadbeef")});
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x6c, 0x40, noise(8), rest)), kPlainHex);
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x6c, 0x40, noise(8), join({kLz4Block, kLz4End}))),
            kCorrupt);
}

TEST(Lz4, VerifiesBlockChecksums) {
  const std::uint32_t hash = base::hash32(kPlain);
  ByteList checksum;
  for (int shift = 0; shift < 32; shift += 8) {
    checksum.push_back(static_cast<std::byte>(hash >> shift));
  }
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x70, 0x40, {}, join({kLz4Block, checksum, kLz4End}))),
            kPlainHex);
  checksum[0] ^= std::byte{1};
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x70, 0x40, {}, join({kLz4Block, checksum, kLz4End}))),
            kCorrupt);
}

TEST(Lz4, RefusesFlagsThatKafkaRefuses) {
  const ByteList rest = join({kLz4Block, kLz4End});
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x60, 0x40, {}, rest)), kPlainHex);
  // Versions 0 and 2, dependent blocks, dictionary id, reserved bit.
  for (const int flags : {0x20, 0xa0, 0x40, 0x61, 0x62}) {
    EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(flags, 0x40, {}, rest)), kCorrupt) << flags;
  }
}

TEST(Lz4, TakesBlockSizes4To7Only) {
  const ByteList rest = join({kLz4Block, kLz4End});
  for (const int block_size : {0x40, 0x50, 0x60, 0x70}) {
    EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x60, block_size, {}, rest)), kPlainHex);
  }
  for (const int block_size : {0x00, 0x30, 0x80, 0xc0, 0x41}) {
    EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x60, block_size, {}, rest)), kCorrupt);
  }
}

TEST(Lz4, RefusesAWrongHeaderChecksum) {
  ByteList stream = kLz4Stream;
  stream[6] = std::byte{0x83};
  EXPECT_EQ(plain_hex(Codec::kLz4, stream), kCorrupt);
}

TEST(Lz4, RefusesABlockAboveTheMaximum) {
  const ByteList block = join({from_hex("01000180"), noise(65537)});
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x60, 0x40, {}, join({block, kLz4End}))), kCorrupt);
  EXPECT_EQ(plain_hex(Codec::kLz4, lz4_frame(0x60, 0x50, {}, join({block, kLz4End}))).size(),
            2 * 65537u);
}

// --- zstd ---

TEST(Zstd, ReadsConcatenatedFrames) {
  const ByteList stream = join({kZstdStream, kZstdStream});
  EXPECT_EQ(plain_hex(Codec::kZstd, stream), std::string(kPlainHex) + std::string(kPlainHex));
}

TEST(Zstd, RefusesTrailingGarbage) {
  for (const std::size_t count : {1UZ, 3UZ, 4UZ, 40UZ}) {
    EXPECT_EQ(plain_hex(Codec::kZstd, join({kZstdStream, noise(count)})), kCorrupt) << count;
  }
}

TEST(Zstd, RefusesAnEmptyPayload) { EXPECT_EQ(plain_hex(Codec::kZstd, {}), kCorrupt); }

TEST(Zstd, WritesNeitherContentSizeNorChecksum) {
  const ByteList stream = compressed(Codec::kZstd, text(100'000));
  EXPECT_EQ(to_hex(Bytes(stream).first(6)), "28b52ffd0058");
}

}  // namespace
}  // namespace oncelog::record
