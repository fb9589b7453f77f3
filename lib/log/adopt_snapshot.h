// adopt_snapshot.h: what Kafka's `.snapshot` files know of producers and the log no longer says.
#pragma once

#include "log/log_state.h"
#include "log/recovery.h"

namespace oncelog::log {

/// Before the scan: puts the producers as of the newest snapshot at or below the first segment, so
/// that the scan goes on from there: their data has been deleted. One that cannot be read is passed
/// over with a warning.
Result<void> restore_snapshot_below(LogState& state, const DirectoryContent& content);

/// After the scan of a log whose last end was clean: adds from the snapshot of that end what the
/// scan cannot find, because the batches are gone. Where both know something, the log wins, and a
/// difference is a warning.
Result<void> merge_end_snapshot(LogState& state, const DirectoryContent& content, Offset end);

}  // namespace oncelog::log
