// maintenance_thread.h: the one thread of a store that the user asked for: a loop over the plan.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "log/maintenance_waker.h"
#include "oncelog/maintenance.h"

namespace oncelog::store {

/// What the thread looks at and does: the store's part.
class MaintenanceWork {
 public:
  virtual ~MaintenanceWork() = default;
  /// All that is due, or what appends have made due in these partitions.
  virtual MaintenancePlan find_all() = 0;
  virtual MaintenancePlan find_in(const std::set<TopicPartition>& names) = 0;
  /// `is_to_end`: once it is true somebody waits for the end.
  virtual Result<MaintenanceReport> run(const MaintenanceJob& job,
                                        const std::atomic<bool>& is_to_end) = 0;
  virtual void tell(const MaintenanceJob& job, const Result<MaintenanceReport>& result) = 0;
};

/// Invariant: between two looks it sleeps, until an append wakes it or the interval has passed; a
///   job that fails, or achieves nothing, waits longer each time, up to ten minutes.
/// Thread-safe. start() once; stop() any number of times.
class MaintenanceThread final : public log::MaintenanceWaker {
 public:
  MaintenanceThread(MaintenanceWork& work, std::chrono::milliseconds interval)
      : work_(work), interval_(interval) {}
  ~MaintenanceThread() override { stop(); }
  MaintenanceThread(const MaintenanceThread&) = delete;
  MaintenanceThread& operator=(const MaintenanceThread&) = delete;

  /// KAFKA_STORAGE_ERROR if the system gives no thread.
  Result<void> start();
  /// The job that is under way is told to end; the thread has ended when this returns.
  void stop();
  void wake(const TopicPartition& name) override;

 private:
  using SteadyClock = std::chrono::steady_clock;
  using JobKey = std::pair<TopicPartition, MaintenanceKind>;
  /// A job that is not tried before its time.
  struct Delay {
    SteadyClock::time_point until{};
    std::chrono::milliseconds next{};
  };

  void loop();
  /// Goes through a plan; answers the partitions in which something was done.
  std::set<TopicPartition> run_all(const MaintenancePlan& plan);
  [[nodiscard]] bool is_delayed(const MaintenanceJob& job) const;
  void note(const MaintenanceJob& job, bool has_achieved);

  MaintenanceWork& work_;
  const std::chrono::milliseconds interval_;
  std::atomic<bool> is_to_end_{false};

  // ---- the thread's own
  std::map<JobKey, Delay> delays_;

  std::mutex mutex_;
  // ---- mutex_
  std::set<TopicPartition> woken_;
  std::condition_variable changed_;

  std::mutex thread_mutex_;  ///< start and stop
  std::thread thread_;
};

}  // namespace oncelog::store
