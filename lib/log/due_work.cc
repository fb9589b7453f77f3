// due_work.cc: each kind of work: when it is due, why, and who does it.
//
// Invariant: what is found due here is due for the verb that does it, at the same time.
#include "log/due_work.h"

#include <algorithm>
#include <mutex>

#include "log/compaction_plan.h"
#include "log/producer_checkpoint.h"
#include "log/retention_plan.h"
#include "log/scrub.h"
#include "log/seals.h"
#include "oncelog/clock.h"

namespace oncelog::log {

namespace {

using Found = std::optional<DueWork>;

std::string with_bytes(std::int64_t bytes, std::string_view text) {
  return std::to_string(bytes) + " bytes " + std::string(text);
}

std::string counted(std::size_t count, std::string_view thing) {
  return std::to_string(count) + " " + std::string(thing) + (count == 1 ? "" : "s");
}

Found find_flush(const LogState& state, Timestamp now) {
  std::size_t unsynced = 0;
  {
    const std::scoped_lock lock(state.writer_mutex);
    unsynced = state.closed_unsynced.size();
  }
  if (unsynced == 0 && !is_flush_due(state, false, now)) return std::nullopt;
  const std::int64_t bytes = state.appended_bytes.load() - state.flushed_bytes.load();
  DueWork due{MaintenanceKind::kFlush,
              with_bytes(bytes, "lie behind the recovery point"),
              static_cast<double>(bytes),
              {}};
  if (unsynced > 0) due.reason += ", " + counted(unsynced, "finished segment") + " among them";
  const std::int64_t flush_ms = state.config.read().flush_ms;
  const bool is_by_time = flush_ms <= now.value() - state.last_flush_ms.load();
  if (is_by_time) due.since = Timestamp(state.last_flush_ms.load() + flush_ms);
  return due;
}

/// Whether a segment was finished behind the newest checkpoint. Requires maintenance and writer
/// mutexes.
bool is_segment_unsaved(const LogState& state) {
  const Offset wanted = std::min(state.active()->base_offset(), state.checkpoint_end());
  return state.saved_at.value_or(state.segments.front()->base_offset()) < wanted;
}

/// Requires maintenance_mutex.
Found find_checkpoint(const LogState& state) {
  if (!state.keeps_checkpoints) return std::nullopt;
  bool is_behind_segment = false;
  {
    const std::scoped_lock lock(state.writer_mutex);
    is_behind_segment = is_segment_unsaved(state);
  }
  if (!is_behind_segment && !is_checkpoint_due(state, false)) return std::nullopt;
  const std::int64_t bytes = state.appended_bytes.load() - state.saved_bytes.load();
  DueWork due{MaintenanceKind::kCheckpoint,
              with_bytes(bytes, "and ") + std::to_string(state.changed_producer_bytes.load()) +
                  " of changed producers came behind the newest checkpoint",
              static_cast<double>(bytes),
              {}};
  if (is_behind_segment) due.reason += ", and a segment was finished";
  return due;
}

std::string name_passes(const RetentionPlan& plan) {
  std::string text;
  const auto add = [&](std::size_t count, std::string_view why) {
    if (count == 0) return;
    if (!text.empty()) text += ", ";
    text += counted(count, "segment") + " " + std::string(why);
  };
  add(plan.below_log_start, "below the log start");
  add(plan.by_size, "by retention.bytes");
  add(plan.by_time, "by retention.ms");
  return text;
}

Result<Found> find_retention(const LogState& state, Timestamp now) {
  const Sight sight = look_at(state);
  ONCELOG_TRY_ASSIGN(const RetentionPlan plan,
                     plan_retention(state, sight.view->segments, sight.now.ends, now));
  if (plan.count() == 0) return std::nullopt;
  // Of the other passes the log does not know since when.
  const bool is_by_time = plan.count() == plan.by_time;
  return DueWork{MaintenanceKind::kRetention, name_passes(plan), static_cast<double>(plan.bytes),
                 is_by_time ? plan.due_since : std::nullopt};
}

/// Requires maintenance_mutex.
Result<Found> find_expiry(const LogState& state, Timestamp now) {
  ONCELOG_TRY_ASSIGN(const std::int64_t count, count_expired(state, now));
  if (count == 0) return std::nullopt;
  return DueWork{MaintenanceKind::kProducerExpiry,
                 counted(static_cast<std::size_t>(count), "producer") + " silent for " +
                     std::to_string(state.config.read().producer_id_expiration_ms) + " ms",
                 static_cast<double>(count),
                 {}};
}

Found find_roll(const LogState& state, Timestamp now) {
  const std::scoped_lock lock(state.writer_mutex);
  const auto aged_at = state.active()->aged_at();
  if (!aged_at || now < *aged_at) return std::nullopt;
  const std::int64_t bytes = state.active()->bytes();
  return DueWork{MaintenanceKind::kRoll,
                 with_bytes(bytes, "in the active segment are older than segment.ms"),
                 static_cast<double>(bytes), aged_at};
}

Found find_seal(const LogState& state) {
  const std::scoped_lock lock(state.writer_mutex);
  const auto unsealed = closed_unsealed(state);
  if (unsealed.empty()) return std::nullopt;
  std::int64_t bytes = 0;
  for (const auto& one : unsealed) bytes += one->bytes();
  return DueWork{MaintenanceKind::kSeal,
                 counted(unsealed.size(), "finished segment") + " without a seal",
                 static_cast<double>(bytes),
                 {}};
}

/// Requires maintenance_mutex.
Result<Found> find_compaction(const LogState& state, Timestamp now) {
  if (!state.config.read().cleanup_compact) return std::nullopt;
  CompactionSubject subject;
  {
    const std::scoped_lock lock(state.writer_mutex);
    subject.segments = state.segments;
    subject.ends = state.published.read().ends;
  }
  subject.cleaner_offset = state.cleaner_offset.value_or(subject.ends.log_start);
  ONCELOG_TRY_ASSIGN(const CompactionPlan plan, plan_compaction(state, subject, now));
  if (!plan.is_due) return std::nullopt;
  return DueWork{MaintenanceKind::kCompaction,
                 with_bytes(plan.dirty_bytes, "behind offset ") +
                     std::to_string(plan.first_dirty.value()) + " are dirty, of each 1000 bytes " +
                     std::to_string(static_cast<std::int64_t>(plan.dirty_ratio * 1000)) +
                     (plan.overdue_since ? "; older than max.compaction.lag.ms" : ""),
                 plan.dirty_ratio, plan.overdue_since};
}

bool is_scrub_due(const LogState& state, Timestamp now) {
  const std::int64_t interval = state.environment.store.scrub_interval_ms;
  return interval != kUnlimited && now.value() - state.last_scrub_ms.load() >= interval;
}

Found find_scrub(const LogState& state, Timestamp now) {
  if (!is_scrub_due(state, now)) return std::nullopt;
  const auto view = state.view.get();
  std::int64_t bytes = 0;
  for (const auto& one : view->segments) bytes += one->bytes();
  const std::int64_t last = state.last_scrub_ms.load();
  return DueWork{MaintenanceKind::kScrub,
                 with_bytes(bytes, "were not looked through for ") +
                     std::to_string(now.value() - last) + " ms",
                 static_cast<double>(bytes),
                 Timestamp(last + state.environment.store.scrub_interval_ms)};
}

void add(std::vector<DueWork>& all, Found found) {
  if (found) all.push_back(*std::move(found));
}

/// What only behind the lock of maintenance can be told.
Result<void> find_locked(const LogState& state, const DueWorkOptions& options,
                         std::vector<DueWork>& all) {
  const std::unique_lock maintenance(state.maintenance_mutex, std::try_to_lock);
  if (!maintenance.owns_lock()) return {};
  add(all, find_checkpoint(state));
  if (options.looks_at_producers) {
    ONCELOG_TRY_ASSIGN(Found expiry, find_expiry(state, options.now));
    add(all, std::move(expiry));
  }
  add(all, find_seal(state));
  ONCELOG_TRY_ASSIGN(Found compaction, find_compaction(state, options.now));
  add(all, std::move(compaction));
  return {};
}

}  // namespace

Result<std::vector<DueWork>> find_due_work(const LogState& state, const DueWorkOptions& options) {
  std::vector<DueWork> all;
  {
    const std::scoped_lock lock(state.writer_mutex);
    if (!check_writable(state)) return all;
  }
  add(all, find_flush(state, options.now));
  ONCELOG_TRY(find_locked(state, options, all));
  ONCELOG_TRY_ASSIGN(Found retention, find_retention(state, options.now));
  add(all, std::move(retention));
  add(all, find_roll(state, options.now));
  add(all, find_scrub(state, options.now));
  std::ranges::sort(all, {}, &DueWork::kind);
  return all;
}

namespace {

/// What was done, or that nothing was to be.
MaintenanceReport done(std::int64_t count, std::string outcome) {
  MaintenanceReport report;
  report.was_due = true;
  report.count = count;
  report.outcome = std::move(outcome);
  return report;
}

MaintenanceReport not_due() {
  MaintenanceReport report;
  report.outcome = "not due any more";
  return report;
}

Result<MaintenanceReport> run_flush(LogState& state) {
  if (!find_flush(state, state.environment.clock.now())) return not_due();
  ONCELOG_TRY(sync_log(state, SyncScope::kRecoveryPoint, Offset(0)));
  return done(1, "the recovery point is " + std::to_string(state.recovery_point.load()));
}

Result<MaintenanceReport> run_checkpoint(LogState& state) {
  const std::scoped_lock maintenance(state.maintenance_mutex);
  if (!find_checkpoint(state)) return not_due();
  const std::optional<Offset> before = state.saved_at;
  const bool has_changes = state.changed_producer_bytes.load() > 0;
  ONCELOG_TRY_ASSIGN(const Offset at, checkpoint_producers(state));
  return done(has_changes || before != at ? 1 : 0,
              "the checkpoint is at offset " + std::to_string(at.value()));
}

Result<MaintenanceReport> run_retention(PartitionLog& log) {
  ONCELOG_TRY_ASSIGN(const std::vector<Offset> removed, log.apply_retention());
  if (removed.empty()) return not_due();
  return done(std::ssize(removed), counted(removed.size(), "segment") + " removed");
}

Result<MaintenanceReport> run_expiry(PartitionLog& log) {
  ONCELOG_TRY_ASSIGN(const std::vector<ProducerId> expired, log.expire_producers());
  if (expired.empty()) return not_due();
  return done(std::ssize(expired), counted(expired.size(), "producer") + " forgotten");
}

Result<MaintenanceReport> run_roll(LogState& state) {
  ONCELOG_TRY_ASSIGN(const bool has_rolled, roll_if_aged(state, state.environment.clock.now()));
  return has_rolled ? done(1, "a segment was finished") : not_due();
}

Result<MaintenanceReport> run_seal(LogState& state) {
  const std::scoped_lock maintenance(state.maintenance_mutex);
  const auto unsealed = [&] {
    const std::scoped_lock lock(state.writer_mutex);
    return closed_unsealed(state);
  };
  const auto due = unsealed();
  if (due.empty()) return not_due();
  ONCELOG_TRY(seal_closed_segments(state));
  const auto count = std::ranges::count_if(due, [](const auto& one) { return one->is_sealed(); });
  return done(count, counted(static_cast<std::size_t>(count), "segment") + " sealed");
}

Result<MaintenanceReport> run_compaction(const LogState& state, PartitionLog& log,
                                         const RunOptions& run) {
  CompactionOptions options;
  options.key_map_bytes_max = state.environment.store.compaction_key_map_bytes_max;
  options.bytes_per_second_max = state.environment.store.compaction_bytes_per_second_max;
  if (run.is_to_end != nullptr) {
    options.on_progress = [&](const CompactionProgress&) { return !run.is_to_end->load(); };
  }
  ONCELOG_TRY_ASSIGN(const CompactionReport round, log.compact(options));
  if (!round.was_due) return not_due();
  MaintenanceReport report = done(round.was_interrupted ? 0 : 1,
                                  std::to_string(round.records_before) + " records became " +
                                      std::to_string(round.records_after));
  if (round.was_interrupted) report.outcome += ", and the round was interrupted";
  report.compaction = round;
  return report;
}

Result<MaintenanceReport> run_scrub(LogState& state, const RunOptions& run) {
  if (!is_scrub_due(state, state.environment.clock.now())) return not_due();
  ONCELOG_TRY_ASSIGN(ScrubReport scrub, scrub_log(state, run.is_to_end));
  MaintenanceReport report = done(1, counted(scrub.findings.size(), "finding") + " in " +
                                         std::to_string(scrub.bytes) + " bytes");
  report.scrub = std::move(scrub);
  return report;
}

}  // namespace

Result<MaintenanceReport> run_due_work(LogState& state, PartitionLog& log, MaintenanceKind kind,
                                       const RunOptions& options) {
  const TellsEnds tells(state);
  switch (kind) {
    case MaintenanceKind::kFlush:
      return run_flush(state);
    case MaintenanceKind::kCheckpoint:
      return run_checkpoint(state);
    case MaintenanceKind::kRetention:
      return run_retention(log);
    case MaintenanceKind::kProducerExpiry:
      return run_expiry(log);
    case MaintenanceKind::kRoll:
      return run_roll(state);
    case MaintenanceKind::kSeal:
      return run_seal(state);
    case MaintenanceKind::kCompaction:
      return run_compaction(state, log, options);
    case MaintenanceKind::kScrub:
      return run_scrub(state, options);
    case MaintenanceKind::kDeletion:
      break;
  }
  return fail(ErrorCode::MISUSE, state.directory, ": no work of a log is kind ",
              static_cast<int>(kind));
}

}  // namespace oncelog::log
