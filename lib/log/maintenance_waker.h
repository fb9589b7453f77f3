// maintenance_waker.h: whom a log tells that an append has made work due.
#pragma once

#include "oncelog/types.h"

namespace oncelog::log {

/// Implemented by a store with a thread for maintenance. Thread-safe; called with no lock of a log
/// held.
class MaintenanceWaker {
 public:
  virtual ~MaintenanceWaker() = default;
  virtual void wake(const TopicPartition& name) = 0;
};

}  // namespace oncelog::log
