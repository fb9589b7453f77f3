// file_entries.cc: what a file is, and the listing of its kind.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "inspect/entry_lists.h"
#include "inspect/entry_source.h"
#include "log/checkpoint.h"
#include "oncelog/inspect_file.h"
#include "segment/append_ring.h"
#include "segment/segment_names.h"
#include "snapshot/lmdb_snapshot_store.h"
#include "store/checkpoint_files.h"
#include "store/clean_record.h"

namespace oncelog {

namespace {

using List = Result<void> (*)(const inspect::EntrySource&, const FileEntryVisitor&);

struct Kind {
  std::string_view name{};
  List list = nullptr;
};

constexpr std::array kKinds{Kind{"log"},
                            Kind{"offset-index", inspect::list_offset_index},
                            Kind{"time-index", inspect::list_time_index},
                            Kind{"txn-index", inspect::list_txn_index},
                            Kind{"snapshot", inspect::list_producer_snapshot},
                            Kind{"leader-epochs", inspect::list_leader_epochs},
                            Kind{"checkpoint", inspect::list_offset_checkpoint},
                            Kind{"metadata", inspect::list_partition_metadata},
                            Kind{"seal", inspect::list_seal},
                            Kind{"tail", inspect::list_append_ring},
                            Kind{"state", inspect::list_producer_state},
                            Kind{"clean", inspect::list_clean_record}};

constexpr std::array<std::pair<std::string_view, FileKind>, 10> kNames{{
    {segment::kLeaderEpochFile, FileKind::kLeaderEpochs},
    {segment::kPartitionMetadataFile, FileKind::kPartitionMetadata},
    {store::kRecoveryPointFile, FileKind::kOffsetCheckpoint},
    {store::kLogStartFile, FileKind::kOffsetCheckpoint},
    {store::kHighWatermarkFile, FileKind::kOffsetCheckpoint},
    {store::kCleanerFile, FileKind::kOffsetCheckpoint},
    {segment::kRingFile, FileKind::kAppendRing},
    {snapshot::kStateFile, FileKind::kProducerState},
    {".state.damaged", FileKind::kProducerState},  // as an open has set it aside
    {store::kCleanRecordFile, FileKind::kCleanRecord},
}};

constexpr std::array<std::pair<std::string_view, FileKind>, 6> kSuffixes{{
    {segment::kLogSuffix, FileKind::kLog},
    {segment::kOffsetIndexSuffix, FileKind::kOffsetIndex},
    {segment::kTimeIndexSuffix, FileKind::kTimeIndex},
    {segment::kTxnIndexSuffix, FileKind::kTxnIndex},
    {segment::kSnapshotSuffix, FileKind::kProducerSnapshot},
    {segment::kSealSuffix, FileKind::kSeal},
}};

/// A file on its way in or out is what it was or will be.
std::string_view without_passing_ending(std::string_view name) {
  for (const std::string_view ending : {segment::kDeletedSuffix, segment::kCleanedSuffix,
                                        segment::kSwapSuffix, segment::kTemporarySuffix}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

}  // namespace

std::optional<FileKind> file_kind_of(std::string_view path) {
  const std::string_view name = without_passing_ending(path.substr(path.rfind('/') + 1));
  for (const auto& [known, kind] : kNames) {
    if (name == known) return kind;
  }
  for (const auto& [suffix, kind] : kSuffixes) {
    if (name.ends_with(suffix)) return kind;
  }
  return std::nullopt;
}

std::string_view name_of(FileKind kind) { return kKinds[static_cast<std::size_t>(kind)].name; }

std::optional<FileKind> parse_file_kind(std::string_view name) {
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    if (kKinds[i].name == name) return static_cast<FileKind>(i);
  }
  return std::nullopt;
}

Result<void> list_file_entries(const std::string& path, FileKind kind,
                               const FileEntryVisitor& visit, Vfs* vfs) {
  const List list = kKinds[static_cast<std::size_t>(kind)].list;
  if (list == nullptr) {
    return fail(ErrorCode::INVALID_REQUEST, path, ": batches are visited by scan_batches");
  }
  ONCELOG_TRY_ASSIGN(const inspect::EntrySource source,
                     inspect::EntrySource::open(vfs != nullptr ? *vfs : posix_vfs(), path));
  return list(source, visit);
}

}  // namespace oncelog
