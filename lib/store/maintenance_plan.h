// maintenance_plan.h: the order of a plan, and since when its jobs are due.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "oncelog/maintenance.h"

namespace oncelog::store {

/// When each job was seen first, for those of which the log cannot tell. Thread-safe.
class FirstSights {
 public:
  /// Dates the jobs that have no date yet, with `now` if none of their kind was there before. Those
  /// that are not in the plan are forgotten.
  void date(MaintenancePlan& plan, Timestamp now);

 private:
  using Key = std::pair<TopicPartition, MaintenanceKind>;
  std::mutex mutex_;
  std::map<Key, Timestamp> first_;  ///< mutex_
};

/// As MaintenancePlan::jobs says.
void sort_plan(MaintenancePlan& plan);

}  // namespace oncelog::store
