// state_rows.h: keys and values of `.state`. Format: FORMAT.md, producer state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"
#include "producer/producer_entry.h"
#include "snapshot/snapshot_store.h"

namespace oncelog::snapshot {

/// A number never used again: one life of a partition, from its creation or full truncation on.
using Incarnation = Number<struct IncarnationTag, std::uint64_t>;

/// First byte of a key: what the row is.
enum class RowKind : std::uint8_t {
  kStore = 'M',            ///< one row: version, next incarnation
  kPartition = 'P',        ///< name -> incarnation
  kCheckpoint = 'C',       ///< incarnation, offset -> descriptor
  kProducer = 'R',         ///< incarnation, producer id, offset -> producer
  kOpenTransaction = 'O',  ///< incarnation, producer id, offset -> whether one is open
  kTime = 'T',             ///< incarnation, hour of a last timestamp, producer id
  kGarbage = 'G',          ///< incarnation, offset, producer id: to be collected
  kUnfinished = 'U',       ///< incarnation: rows above its newest checkpoint are of none
};

/// Hours since 1970-01-01 00:00 UTC, rounded down: the time index is no finer, so that a producer
/// that goes on writing seldom moves in it.
using Hour = Number<struct HourTag, std::int64_t>;
[[nodiscard]] Hour hour_of(Timestamp time);

using Row = std::vector<std::byte>;

// Keys sort as bytes. Offsets stand complemented, so that newer rows come first and a look-up by
// "at or below" is one seek.
[[nodiscard]] Row store_key();
[[nodiscard]] Row partition_key(const TopicPartition& name);
[[nodiscard]] Row checkpoint_key(Incarnation life, Offset at);
[[nodiscard]] Row producer_key(Incarnation life, ProducerId id, Offset at);
[[nodiscard]] Row open_transaction_key(Incarnation life, ProducerId id, Offset at);
[[nodiscard]] Row time_key(Incarnation life, Hour hour, ProducerId id);
/// Sorts upwards: rows of a producer that go once a checkpoint at `at` or above is the oldest kept.
[[nodiscard]] Row garbage_key(Incarnation life, Offset at, ProducerId id);
[[nodiscard]] Row unfinished_key(Incarnation life);
/// What the keys of one kind and one life begin with.
[[nodiscard]] Row key_prefix(RowKind kind, Incarnation life);

/// The parts of a key with a producer; nothing if it has another form.
struct ProducerKey {
  RowKind kind = RowKind::kProducer;
  Incarnation life{};
  ProducerId id = kNoProducerId;
  Offset at = kNoOffset;  ///< all but kTime
  Hour hour{};            ///< kTime only
};
[[nodiscard]] std::optional<ProducerKey> parse_producer_key(Bytes key);
[[nodiscard]] std::optional<Incarnation> life_of_key(Bytes key);

/// Identity of the environment.
struct StoreRow {
  Incarnation next_life{};
};
struct PartitionRow {
  Incarnation life{};
  std::string topic_id{};
};

// Values end with the XXH3-64 of their key and of what stands before. decode answers
// CORRUPT_MESSAGE if that or the form is wrong, UNSUPPORTED_VERSION for a store row of another
// version.
[[nodiscard]] Row encode(Bytes key, const StoreRow& row);
[[nodiscard]] Row encode(Bytes key, const PartitionRow& row);
[[nodiscard]] Row encode(Bytes key, const CheckpointInfo& info);
/// Null: the producer has been forgotten.
[[nodiscard]] Row encode(Bytes key, const producer::ProducerEntry* entry);
[[nodiscard]] Row encode_open_transaction(Bytes key, bool is_open);
/// A row that is all key: kTime, kGarbage, kUnfinished.
[[nodiscard]] Row encode_bare(Bytes key);

Result<StoreRow> decode_store(Bytes key, Bytes value);
Result<PartitionRow> decode_partition(Bytes key, Bytes value);
Result<CheckpointInfo> decode_checkpoint(Bytes key, Bytes value);
Result<std::optional<producer::ProducerEntry>> decode_producer(Bytes key, Bytes value);
Result<bool> decode_open_transaction(Bytes key, Bytes value);
/// Any row, whatever it is: its form and its hash.
Result<void> check_row(Bytes key, Bytes value);

}  // namespace oncelog::snapshot
