// snapshot_entries.cc: the producers of Kafka's `.snapshot`, also where its CRC is wrong.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "inspect/entry_lists.h"
#include "inspect/producer_fields.h"
#include "snapshot/kafka_snapshot.h"

namespace oncelog::inspect {

namespace {

using snapshot::kKafkaSnapshotEntryBytes;
using snapshot::kKafkaSnapshotHeaderBytes;

/// Of everything behind the header's CRC, as far as the file goes.
Result<std::uint32_t> crc_of(const EntrySource& source) {
  constexpr std::int64_t kBlockBytes = 1 << 18;
  std::vector<std::byte> block(kBlockBytes);
  std::uint32_t crc = 0;
  for (std::int64_t at = snapshot::kKafkaSnapshotCrcBegin; at < source.bytes();) {
    const auto wanted = static_cast<std::size_t>(std::min(kBlockBytes, source.bytes() - at));
    ONCELOG_TRY_ASSIGN(const std::size_t count,
                       source.file().read_at(std::span(block).first(wanted), at));
    if (count == 0) break;
    crc = base::crc32c_extend(crc, Bytes(block).first(count));
    at += static_cast<std::int64_t>(count);
  }
  return crc;
}

std::string problem_of(const producer::ProducerEntry& entry, ProducerId id) {
  if (id < ProducerId(0)) return "its producer id is negative";
  if (entry.epoch < kNoProducerEpoch) return "its epoch is negative";
  const producer::RememberedBatch* last = entry.last_batch();
  if (last != nullptr && (last->offset_delta < 0 || last->first_offset() < Offset(0))) {
    return "its last batch begins outside of the log";
  }
  return {};
}

FileEntry read_producer(std::int64_t position, Bytes bytes) {
  const auto [id, entry] =
      snapshot::decode_kafka_snapshot_entry(bytes.first<kKafkaSnapshotEntryBytes>());
  return {"producer", position, kKafkaSnapshotEntryBytes, fields_of(id, entry),
          problem_of(entry, id)};
}

}  // namespace

Result<void> list_producer_snapshot(const EntrySource& source, const FileEntryVisitor& visit) {
  std::array<std::byte, kKafkaSnapshotHeaderBytes> head{};
  ONCELOG_TRY_ASSIGN(const std::size_t count, source.file().read_at(head, 0));
  if (count < head.size()) {
    visit({"header",
           0,
           source.bytes(),
           {},
           "a snapshot has at least " + std::to_string(head.size()) + " bytes"});
    return {};
  }
  const auto header = snapshot::decode_kafka_snapshot_header(head);
  FileEntry shown{"header", 0, kKafkaSnapshotHeaderBytes, {{"version", header.version}}, {}};
  if (header.version != snapshot::kKafkaSnapshotVersion) {
    shown.bytes = source.bytes();
    shown.damage = "its version is not " + std::to_string(snapshot::kKafkaSnapshotVersion);
    visit(shown);
    return {};
  }
  shown.fields.push_back({"crc", header.crc});
  shown.fields.push_back({"count", header.count});
  ONCELOG_TRY_ASSIGN(const std::uint32_t crc, crc_of(source));
  if (crc != header.crc) {
    shown.damage = "the CRC is " + std::to_string(header.crc) + ", the bytes give " +
                   std::to_string(crc) + ": any of the entries may be wrong";
  }
  const std::int64_t whole =
      (source.bytes() - kKafkaSnapshotHeaderBytes) / kKafkaSnapshotEntryBytes;
  if (header.count != whole) {
    if (!shown.damage.empty()) shown.damage += "; ";
    shown.damage += "there are " + std::to_string(whole) + " whole entries";
  }
  if (!visit(shown)) return {};
  ONCELOG_TRY(visit_array(
      source, {kKafkaSnapshotHeaderBytes, source.bytes(), kKafkaSnapshotEntryBytes, false},
      read_producer, visit));
  return {};
}

}  // namespace oncelog::inspect
