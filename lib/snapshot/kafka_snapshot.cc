#include "snapshot/kafka_snapshot.h"

#include <array>
#include <limits>

#include "base/bytes.h"
#include "base/crc32c.h"

namespace oncelog::snapshot {

namespace {

constexpr std::int16_t kVersion = kKafkaSnapshotVersion;
constexpr std::size_t kCrcPosition = 2;
constexpr std::size_t kCountPosition = kKafkaSnapshotCrcBegin;
constexpr std::size_t kEntriesPosition = kKafkaSnapshotHeaderBytes;
constexpr std::size_t kEntryBytes = kKafkaSnapshotEntryBytes;

void encode_entry(std::span<std::byte> out, ProducerId id, const producer::ProducerEntry& entry) {
  const producer::RememberedBatch* last = entry.last_batch();
  const producer::RememberedBatch none;
  if (last == nullptr) last = &none;
  base::store_be(out, 0, id.value());
  base::store_be(out, 8, entry.epoch.value());
  base::store_be(out, 10, last->last_sequence.value());
  base::store_be(out, 14, last->last_offset.value());
  base::store_be(out, 22, last->offset_delta);
  base::store_be(out, 26, entry.last_timestamp.value());
  base::store_be(out, 34, entry.coordinator_epoch.value());
  base::store_be(out, 38, entry.transaction_first_offset.value_or(kNoOffset).value());
}

}  // namespace

KafkaSnapshotHeader decode_kafka_snapshot_header(
    std::span<const std::byte, kKafkaSnapshotHeaderBytes> bytes) {
  return {base::load_be<std::int16_t>(bytes, 0), base::load_be<std::uint32_t>(bytes, kCrcPosition),
          base::load_be<std::int32_t>(bytes, kCountPosition)};
}

std::pair<ProducerId, producer::ProducerEntry> decode_kafka_snapshot_entry(
    std::span<const std::byte, kKafkaSnapshotEntryBytes> in) {
  producer::ProducerEntry entry;
  entry.epoch = ProducerEpoch(base::load_be<std::int16_t>(in, 8));
  entry.last_timestamp = Timestamp(base::load_be<std::int64_t>(in, 26));
  entry.coordinator_epoch = CoordinatorEpoch(base::load_be<std::int32_t>(in, 34));
  const Offset last_offset(base::load_be<std::int64_t>(in, 14));
  if (last_offset >= Offset(0)) {
    entry.remember({Sequence(base::load_be<std::int32_t>(in, 10)), last_offset,
                    base::load_be<std::int32_t>(in, 22), entry.last_timestamp});
  }
  const Offset transaction(base::load_be<std::int64_t>(in, 38));
  if (transaction >= Offset(0)) entry.transaction_first_offset = transaction;
  return {ProducerId(base::load_be<std::int64_t>(in, 0)), entry};
}

Result<void> KafkaSnapshotWriter::add(ProducerId id, const producer::ProducerEntry& entry) {
  constexpr std::size_t kDrainBytes = 1 << 18;
  const std::size_t begin = buffer_.size();
  buffer_.resize(begin + kEntryBytes);
  encode_entry(std::span(buffer_).subspan(begin), id, entry);
  ++count_;
  return buffer_.size() < kDrainBytes ? Result<void>{} : drain();
}

Result<void> KafkaSnapshotWriter::drain() {
  const Bytes parts[] = {buffer_};
  ONCELOG_TRY(file_.write_at(parts, position_));
  position_ += std::ssize(buffer_);
  buffer_.clear();
  return {};
}

Result<void> KafkaSnapshotWriter::finish() {
  ONCELOG_TRY(drain());
  if (count_ > std::numeric_limits<std::int32_t>::max()) {
    return fail(ErrorCode::INVALID_REQUEST, "producer snapshot: ", count_,
                " producers are more than the format can count");
  }
  std::array<std::byte, kEntriesPosition> header{};
  base::store_be(std::span(header), 0, kVersion);
  base::store_be(std::span(header), kCountPosition, static_cast<std::int32_t>(count_));
  // The CRC begins with the count, which was not known before the end: so it is taken now.
  std::uint32_t crc = base::crc32c(Bytes(header).subspan(kCountPosition));
  buffer_.resize(1 << 18);
  for (std::int64_t position = kKafkaSnapshotHeaderBytes; position < position_;) {
    ONCELOG_TRY_ASSIGN(const std::size_t read, file_.read_at(buffer_, position));
    if (read == 0) return fail(ErrorCode::KAFKA_STORAGE_ERROR, "producer snapshot: cut meanwhile");
    crc = base::crc32c_extend(crc, Bytes(buffer_).first(read));
    position += static_cast<std::int64_t>(read);
  }
  base::store_be(std::span(header), kCrcPosition, crc);
  const Bytes parts[] = {Bytes(header)};
  return file_.write_at(parts, 0);
}

std::vector<std::byte> encode_kafka_snapshot(const ProducerEntries& entries) {
  std::vector<std::byte> file(kEntriesPosition + entries.size() * kEntryBytes);
  const std::span bytes(file);
  base::store_be(bytes, 0, kVersion);
  base::store_be(bytes, kCountPosition, static_cast<std::int32_t>(entries.size()));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    encode_entry(bytes.subspan(kEntriesPosition + i * kEntryBytes, kEntryBytes), entries[i].first,
                 entries[i].second);
  }
  base::store_be(bytes, kCrcPosition, base::crc32c(bytes.subspan(kCountPosition)));
  return file;
}

Result<ProducerEntries> decode_kafka_snapshot(Bytes file) {
  if (file.size() < kEntriesPosition) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "producer snapshot: ", file.size(),
                " bytes, expected at least ", kEntriesPosition);
  }
  if (const auto version = base::load_be<std::int16_t>(file, 0); version != kVersion) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, "producer snapshot: version ", version,
                ", expected ", kVersion);
  }
  const auto stored_crc = base::load_be<std::uint32_t>(file, kCrcPosition);
  const std::uint32_t crc = base::crc32c(file.subspan(kCountPosition));
  if (stored_crc != crc) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "producer snapshot: CRC is ", stored_crc,
                ", bytes give ", crc);
  }
  const auto count = base::load_be<std::int32_t>(file, kCountPosition);
  const std::size_t body_bytes = file.size() - kEntriesPosition;
  if (count < 0 || static_cast<std::size_t>(count) * kEntryBytes != body_bytes) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "producer snapshot: ", count, " entries in ",
                body_bytes, " bytes");
  }
  ProducerEntries entries;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    entries.push_back(decode_kafka_snapshot_entry(
        file.subspan(kEntriesPosition + i * kEntryBytes).first<kEntryBytes>()));
  }
  return entries;
}

}  // namespace oncelog::snapshot
