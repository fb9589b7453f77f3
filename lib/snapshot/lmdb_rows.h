// lmdb_rows.h: look-ups of our rows that reading, writing and collecting share.
#pragma once

#include <optional>
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
/// Drops a row and what was written with it.
Result<void> erase_producer(LmdbTransaction& transaction, Incarnation life, ProducerId id,
                            const ProducerRow& row);

}  // namespace oncelog::snapshot
