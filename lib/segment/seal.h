// seal.h: the side file of a finished segment: what its files are, so that an open need not read
// them and a scrub can. A shortcut: without one a segment is read batch by batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/types.h"
#include "segment/index_builder.h"

namespace oncelog::segment {

struct SealedFile {
  std::int64_t bytes = 0;  ///< 0 also where there is no file
  base::Hash128 hash{};
  friend bool operator==(const SealedFile&, const SealedFile&) = default;
};

/// The last batch of a segment.
struct SealedBatch {
  Offset base_offset{};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::uint32_t crc = 0;
  friend bool operator==(const SealedBatch&, const SealedBatch&) = default;
};

/// Format: FORMAT.md, seals.
struct Seal {
  Offset base_offset{};
  Offset next_offset{};  ///< of the last batch; the base of a segment without one
  // Of the `.log`: it is another file, or has been written to, where these differ.
  std::uint64_t inode = 0;
  std::int64_t modified_ms = 0;
  SealedFile log{};
  std::uint64_t header_chain = 0;  ///< SegmentContents::header_chain
  SealedFile offset_index{};
  SealedFile time_index{};
  SealedFile txn_index{};
  std::optional<SealedBatch> last_batch{};
  Timestamp max_timestamp = kNoTimestamp;
  Offset offset_of_max_timestamp{};
  std::optional<Timestamp> first_batch_timestamp{};
  std::int64_t bytes_since_index_entry = 0;
  std::vector<OpenTransaction> open_transactions{};  ///< behind the last batch, by first offset
  friend bool operator==(const Seal&, const Seal&) = default;
};

[[nodiscard]] std::vector<std::byte> encode(const Seal& seal);
/// CORRUPT_MESSAGE if its hash or form is wrong, UNSUPPORTED_VERSION for another version.
Result<Seal> decode_seal(Bytes bytes);

/// The seal of a segment, nothing if it has none. CORRUPT_MESSAGE as decode_seal.
Result<std::optional<Seal>> read_seal(Vfs& vfs, const std::string& directory, Offset base);
/// Writes it beside its segment, whose files must be on stable storage. Synced, but for its name.
Result<void> write_seal(Vfs& vfs, const std::string& directory, const Seal& seal);

/// What a sealed segment holds, with its index files read and the `.log` not; or why the seal is
/// not believed.
struct Unsealed {
  std::optional<SegmentContents> contents{};
  std::string why_not{};
};
Result<Unsealed> open_sealed(Vfs& vfs, const std::string& directory, const Seal& seal);

/// What the batches of a `.log` are, read one by one.
struct LogDigest {
  base::Hash128 hash{};            ///< of the bytes up to `position`
  std::uint64_t header_chain = 0;  ///< SegmentContents::header_chain
  std::int64_t position = 0;       ///< behind the last batch that is sound
  Offset next_offset{};            ///< of that batch; `base` if there is none
  std::string damage{};            ///< why the next one is not; empty: sound to the end
};
/// Reads `[0, bytes)`, whose batches must lie one behind the other in the offsets `[base, end)`.
Result<LogDigest> digest_log(const File& log, std::int64_t bytes, Offset base, Offset end);

/// An index file as it is on the disk.
Result<SealedFile> hash_index_file(Vfs& vfs, const std::string& path);

}  // namespace oncelog::segment
