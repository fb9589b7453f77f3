// log_view.h: an immutable list of segments and leader epochs; readers hold one, writers publish
// the next.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "oncelog/partition_log.h"
#include "segment/segment.h"

namespace oncelog::log {

struct LogView {
  std::vector<std::shared_ptr<segment::Segment>> segments{};  ///< ascending; at least one
  std::vector<LeaderEpochStart> epochs{};
};

/// Hands the current view to any thread. Readers never wait for the writer: they count themselves
/// into one of two slots and copy a shared_ptr; the writer fills the other slot, once the readers
/// that are still copying from it have left. (std::atomic<shared_ptr> of this standard library is a
/// spin lock, which a preempted appender would hold.)
class PublishedView {
 public:
  [[nodiscard]] std::shared_ptr<const LogView> get() const {
    while (true) {
      const std::size_t index = current_.load();
      Slot& slot = slots_[index];
      slot.readers.fetch_add(1);
      if (current_.load() == index) {
        std::shared_ptr<const LogView> view = slot.view;
        slot.readers.fetch_sub(1);
        return view;
      }
      slot.readers.fetch_sub(1);
    }
  }

  /// Under the writer lock.
  void publish(std::shared_ptr<const LogView> view) noexcept {
    const std::size_t next = 1 - current_.load();
    Slot& slot = slots_[next];
    while (slot.readers.load() != 0) std::this_thread::yield();
    slot.view = std::move(view);
    current_.store(next);
  }

 private:
  struct Slot {
    std::atomic<int> readers{0};
    std::shared_ptr<const LogView> view{};
  };
  mutable std::array<Slot, 2> slots_{};
  std::atomic<std::size_t> current_{0};
};

/// Tells a reader, who takes the ends and then the list of segments, whether the two belong
/// together: counts the changes of the list other than at its end, when they begin to show and when
/// the ends do, too. Changed under the writer lock.
class ReshapeCount {
 public:
  [[nodiscard]] std::int64_t begun() const { return begun_.load(); }
  [[nodiscard]] std::int64_t ended() const { return ended_.load(); }

 private:
  friend class Reshaping;
  std::atomic<std::int64_t> begun_{0};
  std::atomic<std::int64_t> ended_{0};
};

/// Such a change, for as long as list and ends may differ: no reader looks at the log meanwhile.
class Reshaping {
 public:
  explicit Reshaping(ReshapeCount& count) : count_(count) { count_.begun_.fetch_add(1); }
  ~Reshaping() { count_.ended_.fetch_add(1); }
  Reshaping(const Reshaping&) = delete;
  Reshaping& operator=(const Reshaping&) = delete;

 private:
  ReshapeCount& count_;
};

}  // namespace oncelog::log
