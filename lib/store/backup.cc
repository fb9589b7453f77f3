// backup.cc: a copy of the store while it is in use.
//
// Invariant: a directory under the target's name is a whole backup, on stable storage.
//
// 1 check: the target is free and lies elsewhere, every partition is open. Refused here: nothing
//   has happened.
//
// 2 write: everything goes to `<target>.backup-partial`, which is locked like a store. Die here: it
//   stays, and the next backup of that name removes it. Whatever fails removes it, too.
//
// 3 rename: with all of it synced, the directory gets its name.
#include <algorithm>
#include <ranges>

#include "log/backup_partition.h"
#include "log/checkpoint.h"
#include "log/file_copy.h"
#include "segment/segment_names.h"
#include "snapshot/lmdb_snapshot_store.h"
#include "store/kept_options.h"
#include "store/store_state.h"

namespace oncelog::store {

namespace {

constexpr std::string_view kPartialSuffix = ".backup-partial";
/// The path without slashes at its end, so that something can be put behind it.
std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Removes a directory with all that is in it, but for one name.
Result<void> remove_content(Vfs& vfs, const std::string& directory, std::string_view but_for) {
  ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs.list(directory));
  for (const std::string& name : names) {
    if (name == but_for) continue;
    const std::string path = directory + "/" + name;
    ONCELOG_TRY_ASSIGN(const auto status, vfs.status(path));
    if (!status) continue;
    if (!status->is_directory) {
      ONCELOG_TRY(vfs.remove(path));
      continue;
    }
    ONCELOG_TRY(remove_content(vfs, path, {}));
    ONCELOG_TRY(vfs.remove_directory(path));
  }
  return {};
}

/// A partition of the store, as it was when the backup began.
struct Source {
  TopicPartition name{};
  std::shared_ptr<PartitionLog> handle{};
  log::LogState* state = nullptr;
};

}  // namespace

/// One backup, from its begin to its end.
class StoreBackup {
 public:
  StoreBackup(StoreState& store, std::string target, const BackupOptions& options)
      : store_(store),
        vfs_(store.vfs_),
        target_(without_slashes(std::move(target))),
        partial_(target_ + std::string(kPartialSuffix)),
        options_(options) {}

  Result<BackupReport> run() {
    ONCELOG_TRY(check_target());
    ONCELOG_TRY_ASSIGN(const std::vector<Source> sources, find_sources());
    ONCELOG_TRY(begin_partial());

    auto written = write(sources);
    if (!written) return end_without(std::move(written).error());
    return report_;
  }

 private:
  // ---- check

  Result<void> check_target() const {
    if (target_.empty()) return fail(ErrorCode::MISUSE, "backup: no directory is named");
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(target_));
    if (status && !status->is_directory) {
      return fail(ErrorCode::MISUSE, "backup: ", target_, ": is there, and no directory");
    }
    if (status) {
      ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs_.list(target_));
      if (!names.empty()) {
        return fail(ErrorCode::MISUSE, "backup: ", target_, ": is not empty, it holds ",
                    names.front());
      }
    }
    return check_is_outside();
  }

  /// Whether a directory above the target is the store: it has our lock file in it.
  Result<void> check_is_outside() const {
    constexpr int kLevelsMax = 256;
    ONCELOG_TRY_ASSIGN(const auto own, vfs_.status(store_.path(kLockFile)));
    std::string above = parent_of(target_);
    for (int level = 0; level < kLevelsMax; ++level) {
      ONCELOG_TRY_ASSIGN(const auto directory, vfs_.status(above));
      if (!directory) {
        return fail(ErrorCode::MISUSE, "backup: ", above, ": no such directory");
      }
      ONCELOG_TRY_ASSIGN(const auto lock, vfs_.status(above + "/" + std::string(kLockFile)));
      if (own && lock && lock->inode == own->inode) {
        return fail(ErrorCode::MISUSE, "backup: ", target_, ": lies inside the store ",
                    store_.directory_);
      }
      ONCELOG_TRY_ASSIGN(const auto next, vfs_.status(above + "/.."));
      if (!next || next->inode == directory->inode) return {};  // the root is its own parent
      above += "/..";
    }
    return fail(ErrorCode::MISUSE, "backup: ", target_, ": lies too deep");
  }

  Result<std::vector<Source>> find_sources() const {
    StoreState::Lock lock(store_.mutex_);
    if (store_.is_closed_) {
      return fail(ErrorCode::MISUSE, store_.directory_, ": the store is closed");
    }
    ONCELOG_TRY_ASSIGN(const std::vector<TopicPartition> present, store_.partitions());
    std::vector<Source> sources;
    for (const TopicPartition& name : present) {
      store_.await_opening(lock, name);
      ONCELOG_TRY_ASSIGN(auto source, find_source_if_there(name));
      if (source) sources.push_back(*std::move(source));
    }
    return sources;
  }

  /// Requires the store's mutex.
  Result<Source> find_source(const TopicPartition& name) const {
    const auto open = store_.open_.find(name);
    if (open == store_.open_.end()) {
      return fail(ErrorCode::MISUSE, "backup: ", segment::partition_directory_name(name),
                  ": is not open, and only an open partition can be copied");
    }
    return Source{name, open->second.handle, open->second.state};
  }

  /// Nothing for one that was deleted since it was seen. Requires the store's mutex.
  Result<std::optional<Source>> find_source_if_there(const TopicPartition& name) const {
    ONCELOG_TRY_ASSIGN(const auto status,
                       vfs_.status(store_.path(segment::partition_directory_name(name))));
    if (!status) return std::nullopt;
    ONCELOG_TRY_ASSIGN(Source source, find_source(name));
    return source;
  }

  // ---- write

  Result<void> begin_partial() {
    ONCELOG_TRY(vfs_.create_directory(partial_));
    ONCELOG_TRY_ASSIGN(lock_, vfs_.lock(partial_ + "/" + std::string(kLockFile)));
    return {};
  }

  Result<void> write(const std::vector<Source>& sources) {
    ONCELOG_TRY(remove_content(vfs_, partial_, kLockFile));  // what a crash has left
    progress_.partitions_total = std::ssize(sources);
    ONCELOG_TRY(tell_progress());
    ONCELOG_TRY(open_snapshots());
    for (const Source& source : sources) {
      ONCELOG_TRY(write_partition(source));
      progress_.partitions_done += 1;
      ONCELOG_TRY(tell_progress());
    }
    own_snapshots_.reset();  // nothing writes `.state` any more
    ONCELOG_TRY(write_store_files());
    ONCELOG_TRY(vfs_.sync_directory(partial_));
    return take_name();
  }

  Result<void> open_snapshots() {
    if (options_.snapshots != nullptr) {
      snapshots_ = options_.snapshots;
      return {};
    }
    const bool keeps_state = store_.options_.producer_state == ProducerStateStore::kLmdb &&
                             vfs_.native_path(partial_).has_value();
    if (!keeps_state) return {};
    snapshot::LmdbStoreOptions options;
    options.directory = partial_;
    options.map_bytes = store_.options_.state_map_bytes;
    options.walk_bytes_max = store_.options_.state_walk_bytes_max;
    ONCELOG_TRY_ASSIGN(own_snapshots_, snapshot::LmdbSnapshotStore::open(vfs_, options));
    snapshots_ = own_snapshots_.get();
    return {};
  }

  Result<void> write_partition(Source source) {
    const std::string name = segment::partition_directory_name(source.name);
    log::BackupTarget target;
    target.directory = partial_ + "/" + name;
    target.hard_links = options_.hard_links;
    target.for_kafka = store_.options_.kafka_handover;
    target.snapshots = snapshots_;
    const BackupProgress before = progress_;
    target.on_bytes = [&](std::int64_t bytes, bool are_linked) {
      progress_.bytes_done += bytes;
      if (are_linked) progress_.bytes_linked += bytes;
      return tell_progress();
    };
    while (true) {
      progress_ = before;
      const auto copied = log::back_up_partition(*source.state, target);
      if (copied) {
        add(source.name, *copied);
        return copy_options(name);
      }
      ONCELOG_TRY_ASSIGN(const auto another, find_again(source, copied.error()));
      ONCELOG_TRY(remove_partition(target.directory));
      if (!another) return snapshots_ != nullptr ? snapshots_->drop(source.name) : Result<void>{};
      source = *another;
    }
  }

  Result<void> copy_options(const std::string& partition) {
    ONCELOG_TRY_ASSIGN(const auto kept, read_kept_options(vfs_, store_.path(partition)));
    if (!kept) return {};
    return write_kept_options(vfs_, partial_ + "/" + partition, *kept);
  }

  /// The partition may have been reopened meanwhile, and be another object; or it was deleted: then
  /// the backup is one without it. Else the error stands.
  Result<std::optional<Source>> find_again(const Source& source, const Error& error) const {
    if (error.code != ErrorCode::MISUSE) return std::unexpected(error);
    StoreState::Lock lock(store_.mutex_);
    store_.await_opening(lock, source.name);
    ONCELOG_TRY_ASSIGN(auto now, find_source_if_there(source.name));
    if (now && now->state == source.state) return std::unexpected(error);
    return now;
  }

  Result<void> remove_partition(const std::string& directory) {
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(directory));
    if (!status) return {};
    ONCELOG_TRY(remove_content(vfs_, directory, {}));
    return vfs_.remove_directory(directory);
  }

  void add(const TopicPartition& name, const log::PartitionBackup& copied) {
    ends_[name] = copied.end;
    checkpoints_.emplace_back(name, copied.checkpoint);
    report_.partitions += 1;
    report_.segments += copied.segments;
    report_.segments_linked += copied.segments_linked;
    report_.bytes += copied.bytes;
    report_.bytes_linked += copied.bytes_linked;
  }

  Result<void> write_store_files() {
    ONCELOG_TRY(write_offsets(kRecoveryPointFile, &log::PartitionCheckpoint::recovery_point));
    ONCELOG_TRY(write_offsets(kLogStartFile, &log::PartitionCheckpoint::log_start));
    ONCELOG_TRY(write_offsets(kHighWatermarkFile, &log::PartitionCheckpoint::high_watermark));
    ONCELOG_TRY(write_offsets(kCleanerFile, &log::PartitionCheckpoint::cleaner));
    return write_clean_record(vfs_, partial_, ends_);
  }

  Result<void> write_offsets(std::string_view file,
                             std::optional<Offset> log::PartitionCheckpoint::* offset) {
    std::vector<log::OffsetCheckpointEntry> entries;
    for (const auto& [name, checkpoint] : checkpoints_) {
      if (checkpoint.*offset) entries.push_back({name, *(checkpoint.*offset)});
    }
    if (entries.empty()) return {};
    return log::write_offset_checkpoint(vfs_, partial_ + "/" + std::string(file), entries);
  }

  /// A name whose sync fails may be there after a crash, or not: it is taken away again.
  Result<void> take_name() {
    ONCELOG_TRY(vfs_.remove_directory(target_));  // an empty one
    ONCELOG_TRY(vfs_.rename(partial_, target_));
    has_name_ = true;
    return vfs_.sync_directory(parent_of(target_));
  }

  // ---- end

  Result<void> tell_progress() {
    if (!options_.on_progress || options_.on_progress(progress_)) return {};
    has_cancelled_ = true;
    return fail(ErrorCode::REQUEST_TIMED_OUT, "backup: ", target_, ": was cancelled");
  }

  /// Nothing is left; what cannot be removed now is a leftover for the next backup.
  Result<BackupReport> end_without(Error error) {
    own_snapshots_.reset();
    const std::string& directory = has_name_ ? target_ : partial_;
    // From a directory that has its name first: without its checkpoints it is no backup, and under
    // the partial name it may be found.
    if (has_name_) std::ignore = vfs_.rename(target_, partial_);
    std::ignore = remove_content(vfs_, partial_, {});
    lock_.reset();
    std::ignore = vfs_.remove_directory(partial_);
    std::ignore = vfs_.sync_directory(parent_of(directory));
    if (!has_cancelled_) return std::unexpected(std::move(error));
    BackupReport cancelled;
    cancelled.was_cancelled = true;
    return cancelled;
  }

  StoreState& store_;
  Vfs& vfs_;
  const std::string target_;
  const std::string partial_;
  const BackupOptions& options_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<snapshot::LmdbSnapshotStore> own_snapshots_;
  snapshot::SnapshotStore* snapshots_ = nullptr;
  std::map<TopicPartition, log::CleanEnd> ends_;
  std::vector<std::pair<TopicPartition, log::PartitionCheckpoint>> checkpoints_;
  BackupProgress progress_;
  BackupReport report_;
  bool has_cancelled_ = false;
  bool has_name_ = false;
};

Result<BackupReport> StoreState::backup(const std::string& target, const BackupOptions& options) {
  return StoreBackup(*this, target, options).run();
}

}  // namespace oncelog::store

namespace oncelog {

Result<BackupReport> Store::backup(const std::string& directory, const BackupOptions& options) {
  return state_->backup(directory, options);
}

}  // namespace oncelog
