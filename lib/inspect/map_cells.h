// map_cells.h: the batches of a log as the cells of a map, of all producers and of each one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "inspect/merged_runs.h"
#include "oncelog/inspect_map.h"
#include "oncelog/record.h"

namespace oncelog::inspect {

/// Where a batch lies.
struct BatchPlace {
  Offset segment{};
  std::int64_t position = 0;
};

/// A cell of one batch.
[[nodiscard]] MapCell cell_of(const RecordBatchView& batch, const BatchPlace& place);
/// Makes one of two cells, of which none, one or both may be without a batch, in any order.
void merge(MapCell& into, const MapCell& other);

/// Which producers wrote the batches of a cell, and how much each. Where there are too many of
/// them those with the fewest batches become "the rest": which producers matter is known at the
/// end only, and memory must not grow with cells times producers.
class ProducerShares {
 public:
  static constexpr std::size_t kSharesMax = 32;

  struct Share {
    ProducerId producer_id = kNoProducerId;
    MapCell cell{};
  };

  void add(ProducerId producer_id, const MapCell& cell);
  void add(const ProducerShares& others);
  /// Ascending by producer.
  [[nodiscard]] const std::vector<Share>& shares() const { return shares_; }
  [[nodiscard]] const MapCell& rest() const { return rest_; }

 private:
  std::vector<Share> shares_;
  MapCell rest_{};
};

/// A cell of all producers, and their shares in it.
struct SharedCell {
  MapCell all{};
  ProducerShares producers{};
};
void merge_shared(SharedCell& into, SharedCell&& next);

/// Cells that get coarser while batches come. Not thread-safe.
class MapCells {
 public:
  explicit MapCells(std::int64_t cells_max) : runs_(cells_max) {}

  /// Requires: behind all batches before.
  void add(const RecordBatchView& batch, const BatchPlace& place);
  /// Sets total, cells, lanes, others and producer_count. `open` are the open transactions by
  /// first offset.
  void fill(PartitionMap& map, const std::vector<ListedTransaction>& open,
            std::int64_t lanes_max) const;

 private:
  [[nodiscard]] std::vector<ProducerId> choose_lanes(const std::vector<ListedTransaction>& open,
                                                     std::size_t lanes_max) const;

  MergedRuns<SharedCell, merge_shared> runs_;
  std::map<ProducerId, MapCell> totals_;
};

/// The longest completed transactions, in offsets. Keeps at most twice as many as it gives.
class LongestTransactions {
 public:
  explicit LongestTransactions(std::int64_t count_max)
      : count_max_(static_cast<std::size_t>(count_max)) {}

  /// Requires: a first offset and a marker.
  void add(const ListedTransaction& transaction);
  [[nodiscard]] std::vector<ListedTransaction> take() &&;
  [[nodiscard]] std::int64_t added_count() const { return added_count_; }

 private:
  void drop_shortest();

  const std::size_t count_max_;
  std::vector<ListedTransaction> kept_;
  std::int64_t added_count_ = 0;
};

}  // namespace oncelog::inspect
