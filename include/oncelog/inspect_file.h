// inspect_file.h: the entries of single files of a partition or of a data directory, Kafka's or
// ours: indexes, snapshots, checkpoints, seals, rings, producer state. The files may be damaged, or
// be written at this moment. Nothing here takes a lock or changes a byte.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "oncelog/error.h"
#include "oncelog/inspect_fields.h"
#include "oncelog/io.h"

namespace oncelog {

enum class FileKind : std::uint8_t {
  kLog,               ///< `.log`: batches, which scan_batches() visits
  kOffsetIndex,       ///< `.index`
  kTimeIndex,         ///< `.timeindex`
  kTxnIndex,          ///< `.txnindex`
  kProducerSnapshot,  ///< `.snapshot`, Kafka's
  kLeaderEpochs,      ///< `leader-epoch-checkpoint`
  kOffsetCheckpoint,  ///< recovery points, log starts, high watermarks, cleaned offsets
  kPartitionMetadata,
  kSeal,           ///< `.seal`
  kAppendRing,     ///< `.tail`
  kProducerState,  ///< `.state`
  kCleanRecord,    ///< `.clean`
};

/// What a file is by the last part of its path; endings of files on their way in or out (`.deleted`
/// and the like) do not count. Nothing for a name that no such file has.
[[nodiscard]] std::optional<FileKind> file_kind_of(std::string_view path);
/// "offset-index", and back.
[[nodiscard]] std::string_view name_of(FileKind kind);
[[nodiscard]] std::optional<FileKind> parse_file_kind(std::string_view name);

/// An entry, or a stretch of bytes that is none, at a place in a file.
struct FileEntry {
  std::string_view what{};  ///< "entry", "header", "producer"...: entries alike have fields alike
  std::int64_t position = 0;
  std::int64_t bytes = 0;
  Fields fields{};       ///< none: the bytes are unused, or say nothing that could be read
  std::string damage{};  ///< what is wrong, empty if nothing is; reading goes on behind the bytes
};

/// Return false to end the listing.
using FileEntryVisitor = std::function<bool(const FileEntry&)>;

/// Visits the entries of a file in its order, wrong ones, too. Each is compared with those before
/// it and with the base offset in the file's name, not with other files: verify_partition() does
/// that. Memory does not grow with the file, but with one of lines or of a single value; one of
/// these that is far too large is CORRUPT_MESSAGE. KAFKA_STORAGE_ERROR if it cannot be read.
/// STORE_IN_USE if the owner of a `.state` wrote to it meanwhile, so that what was read may not fit
/// together. INVALID_REQUEST for kLog.
Result<void> list_file_entries(const std::string& path, FileKind kind,
                               const FileEntryVisitor& visit, Vfs* vfs = nullptr);

}  // namespace oncelog
