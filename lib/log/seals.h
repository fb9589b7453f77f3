// seals.h: which segments get a seal, and which seals an open believes (design section 3).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "log/log_state.h"
#include "log/recovery.h"
#include "segment/seal.h"

namespace oncelog::log {

/// Segments that are appended to no more, lie below the recovery point and are worth a seal that
/// they have not. Requires writer_mutex.
[[nodiscard]] std::vector<std::shared_ptr<segment::Segment>> closed_unsealed(const LogState& state);
/// Seals them. A shortcut: one that cannot be written now is written later. Requires
/// maintenance_mutex.
Result<void> seal_closed_segments(LogState& state);
/// The same for all of them, at a clean close. Requires maintenance and writer mutexes.
Result<void> seal_all_segments(LogState& state);
/// Transactions that are open at the log end. Requires writer_mutex.
[[nodiscard]] std::vector<segment::OpenTransaction> open_transactions_at_end(const LogState& state);

/// What a believed seal says of a segment, in place of its batches.
struct SealedSegment {
  segment::Seal seal{};
  segment::SegmentContents contents{};
};
/// A segment need not be read if its seal is one of its files, and nothing behind the offsets in
/// `options` can be learnt from its batches. A seal that is damaged is reported.
Result<std::optional<SealedSegment>> read_sealed_segment(LogState& state, Offset base,
                                                         const ScanOptions& options);
/// Before an open changes a log: seals that were not believed go, and that of the active segment.
/// Durable on return.
Result<void> remove_seals(LogState& state, const DirectoryContent& content, const LogScan& scan);

}  // namespace oncelog::log
