#include "store/maintenance_thread.h"

#include <algorithm>
#include <system_error>

namespace oncelog::store {

Result<void> MaintenanceThread::start() {
  const std::scoped_lock lock(thread_mutex_);
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error& failure) {
    return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, failure.code().value(),
                                 "maintenance: no thread can be started"});
  }
  return {};
}

void MaintenanceThread::stop() {
  {
    const std::scoped_lock lock(mutex_);
    is_to_end_.store(true);
  }
  changed_.notify_all();
  const std::scoped_lock lock(thread_mutex_);
  if (thread_.joinable()) thread_.join();
}

void MaintenanceThread::wake(const TopicPartition& name) {
  {
    const std::scoped_lock lock(mutex_);
    woken_.insert(name);
  }
  changed_.notify_all();
}

void MaintenanceThread::loop() {
  SteadyClock::time_point next_look{};
  std::unique_lock lock(mutex_);
  while (!is_to_end_.load()) {
    const std::set<TopicPartition> woken = std::exchange(woken_, {});
    const bool looks_at_all = SteadyClock::now() >= next_look;
    lock.unlock();
    std::set<TopicPartition> done = run_all(looks_at_all ? work_.find_all() : work_.find_in(woken));
    if (looks_at_all) next_look = SteadyClock::now() + interval_;
    lock.lock();
    woken_.merge(done);  // one job may make another one due
    changed_.wait_until(lock, next_look, [&] { return is_to_end_.load() || !woken_.empty(); });
  }
}

std::set<TopicPartition> MaintenanceThread::run_all(const MaintenancePlan& plan) {
  std::set<TopicPartition> done;
  for (const MaintenanceJob& job : plan.jobs) {
    if (is_to_end_.load()) break;
    if (is_delayed(job)) continue;
    const auto result = work_.run(job, is_to_end_);
    const bool has_achieved = result && result->was_due && result->count > 0;
    if (has_achieved) done.insert(job.partition);
    if (!result || result->was_due) note(job, has_achieved);
    work_.tell(job, result);
  }
  return done;
}

bool MaintenanceThread::is_delayed(const MaintenanceJob& job) const {
  const auto delay = delays_.find({job.partition, job.kind});
  return delay != delays_.end() && SteadyClock::now() < delay->second.until;
}

void MaintenanceThread::note(const MaintenanceJob& job, bool has_achieved) {
  const JobKey key{job.partition, job.kind};
  if (has_achieved) {
    delays_.erase(key);
    return;
  }
  constexpr std::chrono::milliseconds kDelayMax = std::chrono::minutes(10);
  Delay& delay = delays_.try_emplace(key, Delay{{}, interval_}).first->second;
  delay.until = SteadyClock::now() + delay.next;
  delay.next = std::min(delay.next * 2, kDelayMax);
}

}  // namespace oncelog::store
