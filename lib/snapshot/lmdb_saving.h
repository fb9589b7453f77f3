// lmdb_saving.h: what one transaction of the environment adds to a checkpoint.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "snapshot/lmdb_environment.h"
#include "snapshot/lmdb_rows.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/state_rows.h"

namespace oncelog::snapshot {

/// A checkpoint on its way into the environment, of which one transaction sees a part: resume(),
/// write() for each change and suspend() in all but the last; begin(), write() and finish() in
/// that. Until then it is no checkpoint, and those before it are whole.
class Saving {
 public:
  /// `info` counts the producers of the parts before.
  Saving(LmdbTransaction& transaction, Incarnation life, const CheckpointInfo& info)
      : transaction_(transaction), life_(life), info_(info) {}

  /// For the last part: checkpoints below the oldest that is kept (lmdb_collect.h) are dropped.
  Result<void> begin(Offset keep_from, bool is_first_part);
  Result<void> resume(bool is_first_part);
  Result<void> write(const ProducerChange& change);
  Result<void> finish();
  Result<void> suspend();
  [[nodiscard]] std::int64_t producer_count() const { return info_.producer_count; }

 private:
  Result<std::vector<CheckpointInfo>> look_around(bool is_first_part);
  Result<void> write_row(const ProducerChange& change, std::span<const ProducerRow> rows);
  Result<void> write_transaction(const ProducerChange& change, std::span<const ProducerRow> rows,
                                 const ProducerRow* older);
  Result<std::vector<ProducerRow>> drop_shadowed(ProducerId id, std::span<const ProducerRow> rows);

  LmdbTransaction& transaction_;
  const Incarnation life_;
  CheckpointInfo info_;
  std::optional<CheckpointInfo> replaced_{};  ///< the one of the same offset
  Offset oldest_kept_ = kNoOffset;
};

}  // namespace oncelog::snapshot
