// txn_index.h: the aborted transactions whose markers lie in a segment. Format: FORMAT.md,
// transaction index.
#pragma once

#include <cstdint>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/types.h"
#include "segment/growing_array.h"

namespace oncelog::segment {

inline constexpr std::int64_t kTxnIndexEntryBytes = 34;
inline constexpr std::int16_t kTxnIndexVersion = 0;

struct TxnIndexEntry {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset{};
  Offset last_offset{};         ///< of the abort marker
  Offset last_stable_offset{};  ///< first offset still undecided after this abort
  friend bool operator==(const TxnIndexEntry&, const TxnIndexEntry&) = default;
};

/// In memory; one appender, readers without a lock. In the order of the markers.
using TxnIndex = GrowingArray<TxnIndexEntry>;

/// Appends the stored form of an entry.
void encode(std::vector<std::byte>& out, const TxnIndexEntry& entry);

/// The whole entries in the bytes of an index file; a partial one at the end is left out.
/// UNSUPPORTED_VERSION for an entry of a later version.
Result<std::vector<TxnIndexEntry>> decode_txn_index(Bytes file);

}  // namespace oncelog::segment
