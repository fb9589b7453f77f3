// maintenance_plan.cc: what is due in all open partitions, and one job of it.
#include "store/maintenance_plan.h"

#include <algorithm>
#include <tuple>

#include "oncelog/clock.h"
#include "segment/segment_names.h"
#include "store/store_state.h"

namespace oncelog {

std::string_view name_of(MaintenanceKind kind) {
  switch (kind) {
    case MaintenanceKind::kDeletion:
      return "deletion";
    case MaintenanceKind::kFlush:
      return "flush";
    case MaintenanceKind::kCheckpoint:
      return "checkpoint";
    case MaintenanceKind::kRetention:
      return "retention";
    case MaintenanceKind::kProducerExpiry:
      return "producer expiry";
    case MaintenanceKind::kRoll:
      return "roll";
    case MaintenanceKind::kSeal:
      return "seal";
    case MaintenanceKind::kCompaction:
      return "compaction";
    case MaintenanceKind::kScrub:
      return "scrub";
  }
  return "unknown";
}

namespace store {

void FirstSights::date(MaintenancePlan& plan, Timestamp now) {
  const std::scoped_lock lock(mutex_);
  std::map<Key, Timestamp> seen;
  for (MaintenanceJob& job : plan.jobs) {
    const Key key{job.partition, job.kind};
    const auto before = first_.find(key);
    const Timestamp first = before == first_.end() ? now : before->second;
    seen.emplace(key, first);
    if (job.due_since == kNoTimestamp) job.due_since = first;
  }
  first_ = std::move(seen);
}

void sort_plan(MaintenancePlan& plan) {
  std::ranges::sort(plan.jobs, [](const MaintenanceJob& a, const MaintenanceJob& b) {
    if (a.kind != b.kind) return a.kind < b.kind;
    const bool is_by_ratio = a.kind == MaintenanceKind::kCompaction && a.figure != b.figure;
    if (is_by_ratio) return a.figure > b.figure;
    return a.due_since != b.due_since ? a.due_since < b.due_since : a.partition < b.partition;
  });
}

std::vector<StoreState::Handle> StoreState::handles() const {
  std::vector<Handle> all;
  const std::scoped_lock lock(mutex_);
  all.reserve(open_.size());
  for (const auto& [name, partition] : open_) all.push_back({partition.handle, partition.state});
  return all;
}

void StoreState::add_due_work(MaintenancePlan& plan, const Handle& handle,
                              const log::DueWorkOptions& options) {
  const TopicPartition& name = handle.log->topic_partition();
  auto due = log::find_due_work(*handle.state, options);
  if (!due) {
    plan.failures.push_back({name, std::move(due).error()});
    return;
  }
  for (log::DueWork& one : *due) {
    plan.jobs.push_back(
        {name, one.kind, std::move(one.reason), one.figure, one.since.value_or(kNoTimestamp)});
  }
}

StoreState::Handle StoreState::find_handle(const TopicPartition& name) const {
  const std::scoped_lock lock(mutex_);
  const auto open = open_.find(name);
  return open == open_.end() ? Handle{} : Handle{open->second.handle, open->second.state};
}

MaintenancePlan StoreState::plan(std::optional<Timestamp> now) const {
  return make_plan({.now = now.value_or(clock_.now())}, !now);
}

MaintenancePlan StoreState::make_plan(const log::DueWorkOptions& options,
                                      bool is_of_the_present) const {
  MaintenancePlan plan;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, directory] : going_) {
      plan.jobs.push_back({name, MaintenanceKind::kDeletion, directory + " is still there", 1});
    }
  }
  for (const Handle& handle : handles()) add_due_work(plan, handle, options);
  // What would be due at another time was not seen to be.
  FirstSights none;
  (is_of_the_present ? first_sights_ : none).date(plan, options.now);
  sort_plan(plan);
  return plan;
}

Result<MaintenanceReport> StoreState::run(const MaintenanceJob& job) { return run_job(job, {}); }

Result<MaintenanceReport> StoreState::run_job(const MaintenanceJob& job,
                                              const log::RunOptions& options) {
  if (job.kind == MaintenanceKind::kDeletion) return run_deletion(job);
  {
    Lock lock(mutex_);
    await_opening(lock, job.partition);
    if (is_closed_) return fail(ErrorCode::MISUSE, directory_, ": the store is closed");
  }
  const Handle handle = find_handle(job.partition);
  MaintenanceReport report;
  report.outcome = "the partition is not open";
  if (handle.log) {
    auto done = log::run_due_work(*handle.state, *handle.log, job.kind, options);
    const bool was_closed = !done && done.error().code == ErrorCode::MISUSE &&
                            find_partition(job.partition) != handle.log;
    if (!was_closed) {
      ONCELOG_TRY_ASSIGN(report, std::move(done));
    }
  }
  report.job = job;
  return report;
}

Result<MaintenanceReport> StoreState::run_deletion(const MaintenanceJob& job) {
  MaintenanceReport report;
  report.job = job;
  Lock lock(mutex_);
  await_opening(lock, job.partition);
  if (is_closed_) return fail(ErrorCode::MISUSE, directory_, ": the store is closed");
  const auto going = going_.find(job.partition);
  if (going == going_.end()) {
    report.outcome = "no deletion is unfinished";
    return report;
  }
  ONCELOG_TRY(finish_deletion(job.partition, std::string(going->second)));
  report.was_due = true;
  report.count = 1;
  report.outcome = "the deletion is finished";
  return report;
}

// ---- for the store's thread

MaintenancePlan StoreState::find_all() {
  const Timestamp now = clock_.now();
  const std::int64_t waited_ms = now.value() - last_expiry_look_ms_.load();
  const bool looks_at_producers = waited_ms >= options_.producer_expiry_interval_ms;
  if (looks_at_producers) last_expiry_look_ms_.store(now.value());
  for (const Handle& handle : handles()) handle.state->has_woken.store(false);
  return make_plan({.now = now, .looks_at_producers = looks_at_producers}, true);
}

MaintenancePlan StoreState::find_in(const std::set<TopicPartition>& names) {
  MaintenancePlan plan;
  for (const TopicPartition& name : names) {
    const Handle handle = find_handle(name);
    if (!handle.log) continue;
    handle.state->has_woken.store(false);
    add_due_work(plan, handle, {.now = clock_.now(), .looks_at_producers = false});
  }
  FirstSights().date(plan, clock_.now());
  sort_plan(plan);
  return plan;
}

Result<MaintenanceReport> StoreState::run(const MaintenanceJob& job,
                                          const std::atomic<bool>& is_to_end) {
  return run_job(job, {.is_to_end = &is_to_end});
}

void StoreState::tell(const MaintenanceJob& job, const Result<MaintenanceReport>& result) {
  if (options_.on_maintenance) options_.on_maintenance(job, result);
}

Result<void> StoreState::start_maintenance() {
  if (options_.maintenance == MaintenanceBy::kCaller) return {};
  constexpr std::chrono::milliseconds kIntervalMax = std::chrono::years(1);  // the clock can add it
  const std::chrono::milliseconds interval(
      std::min(options_.maintenance_interval_ms, std::int64_t{kIntervalMax.count()}));
  thread_ = std::make_unique<MaintenanceThread>(*this, interval);
  return thread_->start();
}

}  // namespace store

MaintenancePlan Store::plan(std::optional<Timestamp> now) const { return state_->plan(now); }

Result<MaintenanceReport> Store::run(const MaintenanceJob& job) { return state_->run(job); }

}  // namespace oncelog
