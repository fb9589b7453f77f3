// lmdb_snapshot_store.h: checkpoints of producer state as rows in one LMDB environment per store
// (design section 5). A checkpoint writes only what has changed since the one before.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "oncelog/io.h"
#include "snapshot/lmdb_environment.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/state_rows.h"

namespace oncelog::snapshot {

inline constexpr std::string_view kStateFile = ".state";
inline constexpr std::string_view kStateLockFile = ".state-lock";

struct LmdbStoreOptions {
  std::string directory{};  ///< of the store
  std::int64_t map_bytes = std::int64_t{64} << 30;
  std::int64_t walk_bytes_max = 64 << 20;
  /// What close_record() was at the last clean end; then a larger file need not be walked.
  std::optional<std::uint64_t> close_record{};
};

/// Thread-safe. Only for the owner of the store.
class LmdbSnapshotStore final : public SnapshotStore {
 public:
  /// Opens `.state`, after LMDB may do so, or makes it. One that is damaged is set aside as
  /// `.state.damaged`; a stranger's (no LMDB file of this machine's kind, no rows of ours, or of
  /// another version) as `.state.foreign-1`, -2 and so on, which nothing ever overwrites.
  /// warnings() says so. INVALID_CONFIG where `vfs` has no files of the machine's.
  static Result<std::unique_ptr<LmdbSnapshotStore>> open(Vfs& vfs, const LmdbStoreOptions& options);

  Result<std::unique_ptr<PartitionSnapshots>> open(const TopicPartition& name,
                                                   const std::string& topic_id) override;
  Result<void> drop(const TopicPartition& name) override;

  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// What the meta pages and the length of a closed `.state` are, in one number; 0 if it is
  /// missing.
  static Result<std::uint64_t> close_record(Vfs& vfs, const std::string& directory);

 private:
  explicit LmdbSnapshotStore(std::unique_ptr<LmdbEnvironment> environment)
      : environment_(std::move(environment)) {}

  /// Our identity in a new file, or a check of it in one that has rows.
  Result<void> identify();
  Result<void> check_rows();

  std::unique_ptr<LmdbEnvironment> environment_;
  std::vector<std::string> warnings_;
};

}  // namespace oncelog::snapshot
