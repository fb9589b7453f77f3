// maintenance.h: work that is due in a store, as a list that whoever wants to goes through.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/error.h"
#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog {

/// In the order in which a plan lists them.
enum class MaintenanceKind : std::uint8_t {
  kDeletion,        ///< a deletion that failed half way is finished
  kFlush,           ///< the recovery point follows: flush.ms, flush.messages, so many bytes, a roll
  kCheckpoint,      ///< producers that have changed are saved
  kRetention,       ///< segments below the log start, by retention.bytes or retention.ms go
  kProducerExpiry,  ///< producers silent for producer.id.expiration.ms are forgotten
  kRoll,            ///< the active segment is older than segment.ms, and nothing is appended
  kSeal,            ///< finished segments get their seals
  kCompaction,      ///< one round, by cleanup.policy compact
  kScrub,           ///< every stored byte is read and compared
};

/// E.g. "retention".
[[nodiscard]] std::string_view name_of(MaintenanceKind kind);

/// Work that is due. A value: it says what was seen, and may be out of date when it is run.
struct MaintenanceJob {
  TopicPartition partition{};
  MaintenanceKind kind{};
  std::string reason{};  ///< one line, with the figures
  /// How much there is: of a compaction the dirty ratio, of an expiry producers, of a deletion and
  /// a roll 1 and bytes of the segment, of all others bytes.
  double figure = 0;
  /// Since when it is due, by the store's clock: as the log tells, else when a plan of this store
  /// saw it first.
  Timestamp due_since = kNoTimestamp;
};

/// A partition whose work could not be found out.
struct MaintenanceFailure {
  TopicPartition partition{};
  Error error{};
};

struct MaintenancePlan {
  /// By kind; compactions with the highest ratio first, all else longest due first.
  std::vector<MaintenanceJob> jobs{};
  std::vector<MaintenanceFailure> failures{};
};

/// What the run of one job did.
struct MaintenanceReport {
  MaintenanceJob job{};
  bool was_due = false;   ///< else nothing has been changed, and `outcome` says why
  std::string outcome{};  ///< one line
  /// Segments removed or sealed, producers forgotten; 1 for what is done once.
  std::int64_t count = 0;
  std::optional<CompactionReport> compaction{};
  std::optional<ScrubReport> scrub{};  ///< findings are no error
};

}  // namespace oncelog
