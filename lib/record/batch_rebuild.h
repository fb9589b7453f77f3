// batch_rebuild.h: what a compaction makes of a batch that it does not keep as it is (formats 1.5).
#pragma once

#include <optional>
#include <span>

#include "record/batch_convert.h"

namespace oncelog::record {

/// The batch with only these of its records, at least one. Offsets, sequences and timestamps of the
/// records, and the bounds of the batch, stay; so does the codec, with its default level. With a
/// delete horizon that takes the place of the base timestamp. MESSAGE_TOO_LARGE if the stored bytes
/// pass 2^31−1.
Result<NewBatch> rebuild_batch(const BatchHeader& header, std::span<const RecordView> kept,
                               std::optional<Timestamp> delete_horizon);

/// The header that stands for a batch without records: it keeps offsets, sequences, producer and
/// largest timestamp.
[[nodiscard]] NewBatch empty_batch(const BatchHeader& header);

}  // namespace oncelog::record
