// due_work.h: what is due in one log, and the doing of it (the store's plan lists that of all).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "log/log_state.h"
#include "oncelog/maintenance.h"

namespace oncelog::log {

/// One kind of work.
struct DueWork {
  MaintenanceKind kind{};
  std::string reason{};
  double figure = 0;                 ///< as MaintenanceJob::figure
  std::optional<Timestamp> since{};  ///< as far as the log can tell
};

struct DueWorkOptions {
  Timestamp now{};
  bool looks_at_producers = true;  ///< for those that have expired: one pass over the changed ones
};
/// Nothing in a log that is closed or poisoned. Waits for no verb: while another one of maintenance
/// is under way, what needs its lock is left out. Takes the writer lock for short moments.
Result<std::vector<DueWork>> find_due_work(const LogState& state, const DueWorkOptions& options);

struct RunOptions {
  const std::atomic<bool>* is_to_end = nullptr;  ///< if there is one, whether somebody waits
};
/// Does one kind of work, if it is due by the log's clock. The report's job is the caller's.
/// Requires none of the locks.
Result<MaintenanceReport> run_due_work(LogState& state, PartitionLog& log, MaintenanceKind kind,
                                       const RunOptions& options);

}  // namespace oncelog::log
