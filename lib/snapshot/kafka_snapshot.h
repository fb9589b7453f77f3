// kafka_snapshot.h: Kafka's `<offset>.snapshot`: all producers, one batch each. Format: FORMAT.md,
// producer snapshot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "snapshot/snapshot_store.h"

namespace oncelog::snapshot {

inline constexpr std::int64_t kKafkaSnapshotHeaderBytes = 10;
inline constexpr std::int64_t kKafkaSnapshotEntryBytes = 46;
inline constexpr std::int16_t kKafkaSnapshotVersion = 1;

/// Writes a version-1 snapshot piece by piece; of each producer's window the last batch only, as
/// Kafka has it. The file is empty before.
class KafkaSnapshotWriter {
 public:
  explicit KafkaSnapshotWriter(File& file) : file_(file) {}

  Result<void> add(ProducerId id, const producer::ProducerEntry& entry);
  /// Writes what is left and the header. INVALID_REQUEST if there are more producers than the
  /// format can count. Nothing is synced.
  Result<void> finish();

 private:
  Result<void> drain();

  File& file_;
  std::vector<std::byte> buffer_;  ///< entries not yet written
  std::int64_t count_ = 0;
  std::int64_t position_ = kKafkaSnapshotHeaderBytes;
};

/// The same in memory, for few producers.
[[nodiscard]] std::vector<std::byte> encode_kafka_snapshot(const ProducerEntries& entries);

/// CORRUPT_MESSAGE with what was seen for a wrong length or CRC, UNSUPPORTED_VERSION for another
/// version.
Result<ProducerEntries> decode_kafka_snapshot(Bytes file);

/// What stands in front of the entries, whatever it is.
struct KafkaSnapshotHeader {
  std::int16_t version = 0;
  std::uint32_t crc = 0;  ///< of all that is behind it
  std::int32_t count = 0;
};
[[nodiscard]] KafkaSnapshotHeader decode_kafka_snapshot_header(
    std::span<const std::byte, kKafkaSnapshotHeaderBytes> bytes);
inline constexpr std::int64_t kKafkaSnapshotCrcBegin = 6;
/// One entry, whatever it says.
[[nodiscard]] std::pair<ProducerId, producer::ProducerEntry> decode_kafka_snapshot_entry(
    std::span<const std::byte, kKafkaSnapshotEntryBytes> in);

}  // namespace oncelog::snapshot
