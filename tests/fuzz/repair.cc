#include "fuzz/repair.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "record/batch_header.h"
#include "record/compression.h"
#include "record/record_codec.h"
#include "segment/append_ring.h"

namespace oncelog::fuzz {

namespace {

using record::BatchHeader;
using record::kHeaderBytes;

// Plain records of a mutated batch: more would only be slower.
constexpr DecompressionLimits kLimits{.bytes_max = 1 << 14, .ratio_max = 1024};

BatchHeader header_of(Bytes batch) {
  return record::decode_batch_header(batch.first<kHeaderBytes>());
}

void set_header(std::span<std::byte> batch, const BatchHeader& header) {
  record::encode_batch_header(header, batch.first<kHeaderBytes>());
}

std::int32_t count_records(Bytes plain) {
  base::ByteCursor cursor(plain);
  record::StoredRecord stored;
  std::int32_t count = 0;
  while (record::decode_record(cursor, stored) == record::RecordFault::kNone) ++count;
  return count;
}

std::optional<Buffer> plain_records(const BatchHeader& header, Bytes batch) {
  const auto plain = record::decompress(header.codec_bits(), batch.subspan(kHeaderBytes), kLimits);
  if (!plain) return std::nullopt;
  return Buffer(plain->bytes().begin(), plain->bytes().end());
}

}  // namespace

void repair_batch(std::span<std::byte> batch) {
  if (batch.size() < kHeaderBytes) return;
  BatchHeader header = header_of(batch);
  header.magic = record::kMagic;
  header.batch_length = static_cast<std::int32_t>(std::ssize(batch) - kBatchPrefixBytes);
  set_header(batch, header);
  header.crc = base::crc32c(Bytes(batch).subspan(record::kCrcBegin));
  set_header(batch, header);
}

void repair_batches(std::span<std::byte> bytes) {
  while (bytes.size() >= kHeaderBytes) {
    const std::int64_t claimed = header_of(bytes).size_bytes();
    const bool fits = claimed >= kBatchHeaderBytes && claimed <= std::ssize(bytes);
    const std::size_t taken = fits ? static_cast<std::size_t>(claimed) : bytes.size();
    repair_batch(bytes.first(taken));
    bytes = bytes.subspan(taken);
  }
}

void repair_kafka_snapshot(std::span<std::byte> file, bool with_count) {
  constexpr std::size_t kBegin = 10;
  constexpr std::size_t kEntryBytes = 46;
  if (file.size() < kBegin) return;
  base::store_be(file, 0, std::int16_t{1});
  if (with_count) {
    base::store_be(file, 6, static_cast<std::int32_t>((file.size() - kBegin) / kEntryBytes));
  }
  base::store_be(file, 2, base::crc32c(Bytes(file).subspan(6)));
}

void repair_clean_record(std::span<std::byte> file) {
  constexpr std::size_t kBodyBegin = 14;
  if (file.size() < kBodyBegin) return;
  base::store_be(file, 6, base::hash64(Bytes(file).subspan(kBodyBegin)));
}

void repair_kept_options(std::span<std::byte> file) {
  constexpr std::size_t kLineBytes = 22;  // hash=, 16 digits, a newline
  if (file.size() < kLineBytes) return;
  const std::size_t at = file.size() - kLineBytes;
  const std::uint64_t hash = base::hash64(Bytes(file).first(at));
  std::string line = "hash=";
  for (int shift = 60; shift >= 0; shift -= 4) line += "0123456789abcdef"[(hash >> shift) & 0xF];
  std::ranges::copy(as_bytes(line + "\n"), file.subspan(at).begin());
}

void repair_ring(std::span<std::byte> file, std::size_t entries) {
  constexpr std::size_t kBodyAt = 512;
  constexpr std::size_t kEntryBytes = 40;
  constexpr std::size_t kHashAt = 64;
  if (std::ssize(file) < segment::kRingBytesMin) return;
  std::ranges::copy(as_bytes("oncetail"), file.begin());
  base::store_be(file, 8, std::uint32_t{1});
  std::uint64_t chain = base::hash64(Bytes(file).first(kHashAt));
  base::store_be(file, kHashAt, chain);
  const auto fill = segment::decode_ring_fill(file);
  std::int64_t position = fill && fill->anchor ? fill->anchor->position + fill->anchor->bytes : 0;
  std::size_t body_at = kBodyAt;
  std::size_t at = file.size() - kEntryBytes;
  for (; entries > 0 && at > body_at + kHeaderBytes; --entries, at -= kEntryBytes) {
    const std::int64_t claimed = header_of(file.subspan(body_at)).size_bytes();
    if (claimed < kBatchHeaderBytes || std::cmp_greater(claimed, at - body_at)) break;
    const auto batch = file.subspan(body_at, static_cast<std::size_t>(claimed));
    repair_batch(batch);
    const BatchHeader header = header_of(batch);
    base::store_be(file, at, position);
    base::store_be(file, at + 8, header.base_offset.value());
    base::store_be(file, at + 16, header.leader_epoch.value());
    base::store_be(file, at + 20, static_cast<std::int32_t>(claimed));
    base::store_be(file, at + 24, header.crc);
    base::store_be(file, at + 28, std::uint32_t{0});
    chain = base::hash64(Bytes(file).subspan(at, 32), chain);
    base::store_be(file, at + 32, chain);
    position = static_cast<std::int64_t>(static_cast<std::uint64_t>(position) +
                                         static_cast<std::uint64_t>(claimed));
    body_at += batch.size();
  }
}

void repair_file(std::string_view name, std::span<std::byte> file) {
  if (name.ends_with(".log")) repair_batches(file);
  if (name.ends_with(".snapshot")) repair_kafka_snapshot(file, true);
  if (name.ends_with(".clean")) repair_clean_record(file);
  if (name.ends_with(".tail")) repair_ring(file, 2);
}

std::optional<Buffer> mutate_records(Bytes batch, unsigned seed) {
  if (batch.size() < kHeaderBytes) return std::nullopt;
  BatchHeader header = header_of(batch);
  auto plain = plain_records(header, batch);
  if (!plain) return std::nullopt;
  const std::size_t plain_bytes = plain->size();
  plain->resize(plain_bytes + 256);
  plain->resize(
      LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(plain->data()), plain_bytes, plain->size()));

  const bool keeps_codec = seed % 4 != 0 && header.codec_bits() <= 4;
  const auto codec = keeps_codec ? header.codec_bits() : static_cast<std::uint8_t>(seed / 4 % 5);
  const auto stored = record::compress(static_cast<Codec>(codec), std::nullopt, *plain);
  if (!stored) return std::nullopt;
  header.attributes = static_cast<std::int16_t>((header.attributes & ~record::kCodecMask) | codec);
  header.record_count = count_records(*plain);
  header.last_offset_delta = header.record_count - 1;
  Buffer mutated(kHeaderBytes);
  set_header(mutated, header);
  mutated.insert(mutated.end(), stored->begin(), stored->end());
  repair_batch(mutated);
  return mutated;
}

void mutate_batch(Stretch& batch, unsigned seed) {
  const unsigned way = seed % 8;
  if (way == 0) return batch.mutate();  // as damage is: nothing fits afterwards
  if (way <= 3) {
    if (const auto mutated = mutate_records(batch.bytes(), seed / 8)) {
      return batch.assign(*mutated);
    }
  }
  if (way == 4 && batch.size >= kHeaderBytes) {
    Stretch header{batch.data, kHeaderBytes, kHeaderBytes};
    header.mutate();
  } else {
    batch.mutate();
  }
  if (way >= 6 && batch.size >= kHeaderBytes) {
    BatchHeader header = header_of(batch.bytes());
    if (const auto plain = plain_records(header, batch.bytes())) {
      header.record_count = count_records(*plain);
      header.last_offset_delta = header.record_count - 1;
      header.base_offset = Offset(0);
      set_header(batch.bytes(), header);
    }
  }
  repair_batch(batch.bytes());
}

}  // namespace oncelog::fuzz
