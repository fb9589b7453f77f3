// lmdb_rows.h: look-ups of our rows that reading, writing and collecting share.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "snapshot/lmdb_environment.h"
#include "snapshot/state_rows.h"

namespace oncelog::snapshot {

/// A producer's row; no entry: forgotten.
struct ProducerRow {
  Offset at{};
  std::optional<producer::ProducerEntry> entry{};
};

/// The parts of the key under the cursor; CORRUPT_MESSAGE if it has none.
Result<ProducerKey> producer_key_of(const LmdbCursor& cursor);
/// The newest row of a producer at or below `at`.
Result<std::optional<ProducerRow>> find_producer(LmdbCursor& cursor, Incarnation life,
                                                 ProducerId id, Offset at);
/// Newest first.
Result<std::vector<CheckpointInfo>> list_checkpoints(LmdbTransaction& transaction,
                                                     Incarnation life);
/// All rows of a producer, newest first.
Result<std::vector<ProducerRow>> rows_of(LmdbTransaction& transaction, Incarnation life,
                                         ProducerId id);
/// Puts a producer's hours right in the time index, where it had the rows `before` and has `now`.
Result<void> change_hours(LmdbTransaction& transaction, Incarnation life, ProducerId id,
                          std::span<const ProducerRow> before, std::span<const ProducerRow> now);
/// Drops a producer's row, and whether a transaction was open in it; not its hour.
Result<void> erase_row(LmdbTransaction& transaction, Incarnation life, ProducerId id, Offset at);

}  // namespace oncelog::snapshot
