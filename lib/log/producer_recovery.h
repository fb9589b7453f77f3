// producer_recovery.h: the producers at open: from the newest checkpoint that is one of this log,
// or from what Kafka's snapshots and the log itself say.
#pragma once

#include <optional>
#include <vector>

#include "log/log_state.h"
#include "log/recovery.h"

namespace oncelog::log {

/// Before the scan: chooses the newest checkpoint that holds and puts its open transactions into
/// memory; `saved_at` is set if there is one. Those passed over are named in a warning; they are
/// dropped by drop_stale_checkpoints only, once the open is sure.
Result<void> restore_checkpoint(LogState& state, const std::vector<Offset>& bases);

/// Before anything is saved, and at the end of an open: checkpoints that do not hold go.
Result<void> drop_stale_checkpoints(LogState& state);

/// Saves what has changed as a checkpoint behind `last`, which has been read from the disk; at
/// `base`, that of the first segment, if there is no batch.
Result<void> save_recovered(LogState& state, const std::optional<LastBatch>& last, Offset base,
                            Offset keep_from);

/// During the scan: where the changes have become too many, they are saved as a checkpoint behind
/// the last batch, which has been read from the disk.
Result<void> save_if_full(LogState& state, const LastBatch& last, Offset keep_from);

}  // namespace oncelog::log
