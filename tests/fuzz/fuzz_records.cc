// fuzz_records.cc: the records of a batch, in every codec. The rules:
// - no stream gives more plain bytes than the limit, whatever it claims;
// - what was compressed is decompressed to the same bytes;
// - a record that was decoded, encoded and decoded again is the same record, of the size foretold.
//
// The input: the stored bytes; behind them a byte with the codec's bits and whether to compress.
#include <algorithm>

#include "fuzz/target.h"
#include "record/compression.h"
#include "record/record_codec.h"

namespace oncelog::fuzz {

namespace {

using record::RecordFault;
using record::StoredRecord;

constexpr std::int64_t kPlainBytesMax = 1 << 14;
constexpr DecompressionLimits kLimits{.bytes_max = kPlainBytesMax, .ratio_max = 1024};

bool is_same(const std::optional<Bytes>& a, const std::optional<Bytes>& b) {
  return a.has_value() == b.has_value() && (!a || std::ranges::equal(*a, *b));
}

void check_encoding(const StoredRecord& stored) {
  Buffer encoded;
  record::encode_record(stored, encoded);
  ONCELOG_ASSERT(std::ssize(encoded) == record::record_size_bytes(stored), encoded.size());
  base::ByteCursor cursor{Bytes(encoded)};
  StoredRecord again;
  const RecordFault fault = record::decode_record(cursor, again);
  ONCELOG_ASSERT(fault == RecordFault::kNone && cursor.left() == 0, record::describe(fault));
  ONCELOG_ASSERT(again.timestamp_delta == stored.timestamp_delta);
  ONCELOG_ASSERT(again.offset_delta == stored.offset_delta);
  ONCELOG_ASSERT(again.header_count == stored.header_count);
  ONCELOG_ASSERT(is_same(again.key, stored.key) && is_same(again.value, stored.value));
  ONCELOG_ASSERT(std::ranges::equal(again.header_bytes, stored.header_bytes));
}

void check_records(Bytes plain) {
  base::ByteCursor cursor(plain);
  StoredRecord stored;
  while (record::decode_record(cursor, stored) == RecordFault::kNone) {
    check_encoding(stored);
    RecordView view;
    view.header_count = stored.header_count;
    view.header_bytes = stored.header_bytes;
    ONCELOG_ASSERT(std::ssize(view.headers()) == stored.header_count, stored.header_count);
  }
}

void check_round_trip(Codec codec, Bytes plain) {
  const auto compressed = record::compress(codec, std::nullopt, plain);
  ONCELOG_ASSERT(compressed.has_value());
  const auto again = record::decompress(static_cast<std::uint8_t>(codec), *compressed, kLimits);
  ONCELOG_ASSERT(again.has_value(), again ? "" : again.error().context);
  ONCELOG_ASSERT(std::ranges::equal(again->bytes(), plain));
}

/// Mutates what is in the stream, not the stream.
std::optional<Buffer> mutate_plain(std::uint8_t codec_bits, Bytes compressed) {
  const auto plain = record::decompress(codec_bits, compressed, kLimits);
  if (!plain) return std::nullopt;
  Buffer bytes(plain->bytes().begin(), plain->bytes().end());
  bytes.resize(bytes.size() + 256);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size() - 256,
                                bytes.size()));
  auto stored = record::compress(static_cast<Codec>(codec_bits), std::nullopt, bytes);
  return stored ? std::optional(std::move(*stored)) : std::nullopt;
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.choice();
  const auto codec_bits = static_cast<std::uint8_t>(choice & 7);
  const auto plain = record::decompress(codec_bits, input.bytes(), kLimits);
  if (!plain) return 0;
  ONCELOG_ASSERT(std::ssize(plain->bytes()) <= kPlainBytesMax, plain->bytes().size());
  check_records(plain->bytes());
  if ((choice & 8) != 0) check_round_trip(static_cast<Codec>(codec_bits), plain->bytes());
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  const auto codec_bits = static_cast<std::uint8_t>(size > 0 ? data[size - 1] & 7 : 0);
  return mutate_in_front(data, size, size_max, 1, seed, [&](Stretch& stored, unsigned way) {
    if (way % 2 == 0) {
      if (const auto mutated = mutate_plain(codec_bits, stored.bytes())) {
        return stored.assign(*mutated);
      }
    }
    stored.mutate();
  });
}
