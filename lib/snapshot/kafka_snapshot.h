// kafka_snapshot.h: Kafka's `<offset>.snapshot`: all producers, one batch each. Format: FORMAT.md,
// producer snapshot.
#pragma once

#include <cstddef>
#include <vector>

#include "oncelog/error.h"
#include "snapshot/snapshot_store.h"

namespace oncelog::snapshot {

/// The bytes of a version-1 snapshot; of each producer's window the last batch only, as Kafka has
/// it.
[[nodiscard]] std::vector<std::byte> encode_kafka_snapshot(const ProducerEntries& entries);

/// CORRUPT_MESSAGE with what was seen for a wrong length or CRC, UNSUPPORTED_VERSION for another
/// version.
Result<ProducerEntries> decode_kafka_snapshot(Bytes file);

}  // namespace oncelog::snapshot
