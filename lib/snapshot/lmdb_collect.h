// lmdb_collect.h: the end of rows that no checkpoint needs any more. A transaction drops those of a
// bounded number of producers, because LMDB keeps each page that it changes in memory.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "snapshot/lmdb_environment.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/state_rows.h"

namespace oncelog::snapshot {

/// Producers, or rows, that one transaction changes.
inline constexpr std::size_t kRowsPerTransaction = 8192;

enum class Collected { kAll, kSome };

/// The newest checkpoint at or below `keep_from`: it stays, with all above it. None: kNoOffset.
[[nodiscard]] Offset oldest_kept(std::span<const CheckpointInfo> newest_first, Offset keep_from);

/// Drops what a newer row shadows in every checkpoint that is kept, of producers that have not been
/// written since.
Result<Collected> collect_shadowed(LmdbTransaction& transaction, Incarnation life, Offset keep_from,
                                   std::size_t rows_max);
/// Drops the rows above `offset` of producers whose keys begin at `from`; answers where to go on.
Result<std::optional<Row>> drop_rows_above(LmdbTransaction& transaction, Incarnation life,
                                           Offset offset, const Row& from, std::size_t rows_max);
/// Drops rows of lives that no partition has any more.
Result<Collected> collect_unused_lives(LmdbTransaction& transaction, std::size_t rows_max);
/// Collects in as many transactions as that takes.
using Collector = std::function<Result<Collected>(LmdbTransaction&)>;
Result<void> collect_all(LmdbEnvironment& environment, const Collector& collector);
Result<void> collect_unused_lives(LmdbEnvironment& environment);

}  // namespace oncelog::snapshot
