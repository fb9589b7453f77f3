// merged_runs.h: a list of bounded length, whose neighbours are merged when it gets too long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace oncelog::inspect {

/// Items come in order, each alone; `Merge` makes one of two neighbours.
/// How many will come is not known: where there is no room for one more, each two are merged, and
/// from then on each run takes twice as many. So all runs but the last stand for equally many
/// items, and at least half of the room is in use.
template <class Item, void (*Merge)(Item& into, Item&& next)>
class MergedRuns {
 public:
  explicit MergedRuns(std::int64_t runs_max) : runs_max_(static_cast<std::size_t>(runs_max)) {
    ONCELOG_ASSERT(runs_max > 0, runs_max);
  }

  void add(Item item) {
    if (!is_last_open() && runs_.size() == runs_max_) merge_neighbours();
    if (is_last_open()) {
      Merge(runs_.back(), std::move(item));
      ++last_count_;
      return;
    }
    runs_.push_back(std::move(item));
    last_count_ = 1;
  }

  [[nodiscard]] const std::vector<Item>& runs() const { return runs_; }
  [[nodiscard]] std::vector<Item> take() && { return std::move(runs_); }

 private:
  [[nodiscard]] bool is_last_open() const { return !runs_.empty() && last_count_ < run_count_max_; }

  void merge_neighbours() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < runs_.size(); i += 2, ++kept) {
      if (kept != i) runs_[kept] = std::move(runs_[i]);
      if (i + 1 < runs_.size()) Merge(runs_[kept], std::move(runs_[i + 1]));
    }
    // The last run was full before: alone it is half of one now.
    last_count_ = runs_.size() % 2 == 0 ? 2 * run_count_max_ : run_count_max_;
    runs_.resize(kept);
    run_count_max_ *= 2;
  }

  const std::size_t runs_max_;
  std::vector<Item> runs_;
  std::int64_t run_count_max_ = 1;  ///< items that a run stands for
  std::int64_t last_count_ = 0;     ///< that the last one stands for
};

}  // namespace oncelog::inspect
