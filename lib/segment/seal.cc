#include "segment/seal.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"

namespace oncelog::segment {

namespace {

constexpr std::uint32_t kMagic = 0x4F4E534C;  // "ONSL"
constexpr std::int16_t kVersion = 1;
constexpr std::size_t kVersionEnd = 6;
constexpr std::size_t kHashBytes = 8;
constexpr std::size_t kOpenTransactionBytes = 16;
/// Of a file that may be anything: 16 million open transactions.
constexpr std::int64_t kSealBytesMax = std::int64_t{256} << 20;

class Writer {
 public:
  template <std::integral T>
  void put(T value) {
    std::array<std::byte, sizeof(T)> bytes;
    base::store_be(std::span(bytes), 0, value);
    for (const std::byte byte : bytes) bytes_.push_back(byte);
  }
  void put(const SealedFile& file) {
    put(file.bytes);
    put(file.hash.high);
    put(file.hash.low);
  }
  [[nodiscard]] std::vector<std::byte> finish() {
    put(base::hash64(bytes_));
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

/// Reads fields one behind the other; zeros behind the end, which is noted.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  template <std::integral T>
  T take() {
    if (bytes_.size() - position_ < sizeof(T)) {
      is_short_ = true;
      return {};
    }
    const T value = base::load_be<T>(bytes_, position_);
    position_ += sizeof(T);
    return value;
  }
  SealedFile take_file() {
    SealedFile file;
    file.bytes = take<std::int64_t>();
    file.hash.high = take<std::uint64_t>();
    file.hash.low = take<std::uint64_t>();
    return file;
  }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - position_; }
  [[nodiscard]] bool is_short() const { return is_short_; }

 private:
  Bytes bytes_;
  std::size_t position_ = 0;
  bool is_short_ = false;
};

std::unexpected<Error> corrupt(std::string_view what, Bytes bytes) {
  return fail(ErrorCode::CORRUPT_MESSAGE, "seal of ", bytes.size(), " bytes: ", what);
}

Result<std::vector<std::byte>> read_whole(Vfs& vfs, const std::string& path, std::int64_t bytes) {
  ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, vfs.open(path, OpenMode::kRead));
  std::vector<std::byte> content(static_cast<std::size_t>(bytes));
  ONCELOG_TRY_ASSIGN(const std::size_t read, file->read_at(content, 0));
  content.resize(read);
  return content;
}

std::string path_of(const std::string& directory, Offset base, std::string_view suffix) {
  return directory + "/" + segment_file_name(base, suffix);
}

/// The bytes of an index file that are as the seal has them, or nothing.
Result<std::optional<std::vector<std::byte>>> read_sealed(Vfs& vfs, const std::string& path,
                                                          const SealedFile& sealed) {
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  const std::int64_t bytes = status && !status->is_directory ? status->bytes : 0;
  if (bytes != sealed.bytes) return std::nullopt;
  if (bytes == 0) return std::vector<std::byte>{};
  ONCELOG_TRY_ASSIGN(auto content, read_whole(vfs, path, bytes));
  if (base::hash128(content) != sealed.hash) return std::nullopt;
  return content;
}

}  // namespace

std::vector<std::byte> encode(const Seal& seal) {
  Writer writer;
  writer.put(kMagic);
  writer.put(kVersion);
  writer.put(seal.base_offset.value());
  writer.put(seal.next_offset.value());
  writer.put(seal.inode);
  writer.put(seal.modified_ms);
  writer.put(seal.log);
  writer.put(seal.header_chain);
  writer.put(seal.offset_index);
  writer.put(seal.time_index);
  writer.put(seal.txn_index);
  const SealedBatch last = seal.last_batch.value_or(SealedBatch{kNoOffset});
  writer.put(last.base_offset.value());
  writer.put(last.leader_epoch.value());
  writer.put(last.crc);
  writer.put(seal.max_timestamp.value());
  writer.put(seal.offset_of_max_timestamp.value());
  writer.put(static_cast<std::uint8_t>(seal.first_batch_timestamp.has_value()));
  writer.put(seal.first_batch_timestamp.value_or(kNoTimestamp).value());
  writer.put(seal.bytes_since_index_entry);
  writer.put(static_cast<std::int32_t>(seal.open_transactions.size()));
  for (const OpenTransaction& open : seal.open_transactions) {
    writer.put(open.producer_id.value());
    writer.put(open.first_offset.value());
  }
  return writer.finish();
}

Result<Seal> decode_seal(Bytes bytes) {
  // The version comes first: what follows may have any form in another one.
  if (bytes.size() < kVersionEnd + kHashBytes || base::load_be<std::uint32_t>(bytes, 0) != kMagic) {
    return corrupt("does not begin as one", bytes);
  }
  if (const auto version = base::load_be<std::int16_t>(bytes, 4); version != kVersion) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, "seal: version ", version, ", expected ", kVersion);
  }
  const Bytes body = bytes.first(bytes.size() - kHashBytes);
  if (base::load_be<std::uint64_t>(bytes, body.size()) != base::hash64(body)) {
    return corrupt("does not have its hash", bytes);
  }
  Reader reader(body.subspan(kVersionEnd));
  Seal seal;
  seal.base_offset = Offset(reader.take<std::int64_t>());
  seal.next_offset = Offset(reader.take<std::int64_t>());
  seal.inode = reader.take<std::uint64_t>();
  seal.modified_ms = reader.take<std::int64_t>();
  seal.log = reader.take_file();
  seal.header_chain = reader.take<std::uint64_t>();
  seal.offset_index = reader.take_file();
  seal.time_index = reader.take_file();
  seal.txn_index = reader.take_file();
  SealedBatch last;
  last.base_offset = Offset(reader.take<std::int64_t>());
  last.leader_epoch = LeaderEpoch(reader.take<std::int32_t>());
  last.crc = reader.take<std::uint32_t>();
  if (last.base_offset != kNoOffset) seal.last_batch = last;
  seal.max_timestamp = Timestamp(reader.take<std::int64_t>());
  seal.offset_of_max_timestamp = Offset(reader.take<std::int64_t>());
  const bool has_first_timestamp = reader.take<std::uint8_t>() != 0;
  const Timestamp first_timestamp(reader.take<std::int64_t>());
  if (has_first_timestamp) seal.first_batch_timestamp = first_timestamp;
  seal.bytes_since_index_entry = reader.take<std::int64_t>();
  const auto open_count = reader.take<std::int32_t>();
  if (reader.is_short() || open_count < 0 ||
      reader.left() != static_cast<std::size_t>(open_count) * kOpenTransactionBytes) {
    return corrupt("has another length", bytes);
  }
  for (std::int32_t i = 0; i < open_count; ++i) {
    const ProducerId id(reader.take<std::int64_t>());
    seal.open_transactions.push_back({id, Offset(reader.take<std::int64_t>())});
  }
  return seal;
}

Result<std::optional<Seal>> read_seal(Vfs& vfs, const std::string& directory, Offset base) {
  const std::string path = path_of(directory, base, kSealSuffix);
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status || status->is_directory) return std::nullopt;
  if (status->bytes > kSealBytesMax) {
    return fail(ErrorCode::CORRUPT_MESSAGE, path, ": ", status->bytes, " bytes are no seal");
  }
  ONCELOG_TRY_ASSIGN(const auto bytes, read_whole(vfs, path, status->bytes));
  auto seal = decode_seal(bytes);
  if (!seal) {
    seal.error().context = path + ": " + seal.error().context;
    return std::unexpected(std::move(seal).error());
  }
  if (seal->base_offset == base) return *std::move(seal);
  return fail(ErrorCode::CORRUPT_MESSAGE, path, ": is the seal of the segment with base ",
              seal->base_offset);
}

Result<void> write_seal(Vfs& vfs, const std::string& directory, const Seal& seal) {
  const std::string path = path_of(directory, seal.base_offset, kSealSuffix);
  ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, vfs.open(path, OpenMode::kCreate));
  const std::vector<std::byte> bytes = encode(seal);
  const Bytes parts[] = {bytes};
  ONCELOG_TRY(file->truncate(0));
  ONCELOG_TRY(file->write_at(parts, 0));
  return file->sync();
}

Result<Unsealed> open_sealed(Vfs& vfs, const std::string& directory, const Seal& seal) {
  const auto path = [&](std::string_view suffix) {
    return path_of(directory, seal.base_offset, suffix);
  };
  ONCELOG_TRY_ASSIGN(const auto log, vfs.status(path(kLogSuffix)));
  if (!log || log->bytes != seal.log.bytes || log->inode != seal.inode ||
      log->modified_ms != seal.modified_ms) {
    return Unsealed{{}, "the .log is another file, or was written to, since"};
  }
  ONCELOG_TRY_ASSIGN(const auto offsets,
                     read_sealed(vfs, path(kOffsetIndexSuffix), seal.offset_index));
  ONCELOG_TRY_ASSIGN(const auto times, read_sealed(vfs, path(kTimeIndexSuffix), seal.time_index));
  ONCELOG_TRY_ASSIGN(const auto aborted, read_sealed(vfs, path(kTxnIndexSuffix), seal.txn_index));
  if (!offsets || !times || !aborted) return Unsealed{{}, "an index file is not as it was"};
  auto aborted_entries = decode_txn_index(*aborted);
  if (!aborted_entries) return Unsealed{{}, aborted_entries.error().text()};

  SegmentContents contents;
  contents.bytes = seal.log.bytes;
  contents.log_hash = seal.log.hash;
  contents.header_chain = seal.header_chain;
  contents.max_timestamp = seal.max_timestamp;
  contents.offset_of_max_timestamp = seal.offset_of_max_timestamp;
  contents.first_batch_timestamp = seal.first_batch_timestamp;
  contents.bytes_since_index_entry = seal.bytes_since_index_entry;
  contents.offset_index.entries = decode_offset_index(*offsets, seal.base_offset);
  contents.time_index.entries = decode_time_index(*times, seal.base_offset);
  contents.txn_index.entries = *std::move(aborted_entries);
  contents.open_transactions = seal.open_transactions;
  contents.is_sealed = true;
  return Unsealed{std::move(contents), {}};
}

Result<LogDigest> digest_log(const File& log, std::int64_t bytes, Offset base, Offset end) {
  LogDigest digest;
  digest.next_offset = base;
  base::Hasher128 hasher;
  BatchScan batches(log, {.begin = 0, .end = bytes});
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, batches.next());
    if (!batch) {
      digest.damage = batches.damage();
      break;
    }
    const record::BatchHeader header = record::header_of(*batch);
    if (header.base_offset < digest.next_offset || header.last_offset() >= end) {
      digest.damage = "offsets " + std::to_string(header.base_offset.value()) + " to " +
                      std::to_string(header.last_offset().value()) + ", expected from " +
                      std::to_string(digest.next_offset.value()) + " on and below " +
                      std::to_string(end.value());
      break;
    }
    hasher.add(batch->bytes());
    digest.header_chain = extend_header_chain(digest.header_chain, header);
    digest.position = batches.position();
    digest.next_offset = header.next_offset();
  }
  digest.hash = hasher.digest();
  return digest;
}

Result<SealedFile> hash_index_file(Vfs& vfs, const std::string& path) {
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
  if (!status || status->is_directory || status->bytes == 0) {
    return SealedFile{0, base::hash128({})};
  }
  ONCELOG_TRY_ASSIGN(const auto content, read_whole(vfs, path, status->bytes));
  return SealedFile{std::ssize(content), base::hash128(content)};
}

}  // namespace oncelog::segment
