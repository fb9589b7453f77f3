// decided_transactions.h: which batches belong to aborted transactions, and which markers have
// outlived their data (semantics 23.4).
#pragma once

#include <map>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <vector>

#include "oncelog/record.h"
#include "record/batch_header.h"
#include "segment/txn_index.h"

namespace oncelog::compaction {

/// Fed the batches of a log in order, all of whose transactions are decided, and before them the
/// entries of transaction indexes that begin among them. Carried over from segment to segment. Not
/// thread-safe.
class DecidedTransactions {
 public:
  /// What a marker is there for.
  struct MarkerVerdict {
    bool is_removable = false;  ///< no batch of its transaction is left
    /// Of an abort of which batches were seen: readers still need it.
    std::optional<segment::TxnIndexEntry> aborted{};
  };

  /// Before the first batch that they may concern. The same entry may come again as long as its
  /// marker has not been read.
  void add_aborted(std::span<const segment::TxnIndexEntry> entries);

  /// Whether the records of a data batch were aborted.
  [[nodiscard]] bool read_data(const record::BatchHeader& header);
  /// `control` is the first record of the control batch, if it has one.
  [[nodiscard]] MarkerVerdict read_marker(const record::BatchHeader& header,
                                          const std::optional<ControlRecord>& control);

 private:
  struct Aborted {
    segment::TxnIndexEntry entry{};
    bool has_data = false;
  };
  struct BeginsLater {
    bool operator()(const segment::TxnIndexEntry& a, const segment::TxnIndexEntry& b) const {
      return a.first_offset > b.first_offset;
    }
  };
  void begin_up_to(Offset offset);

  std::priority_queue<segment::TxnIndexEntry, std::vector<segment::TxnIndexEntry>, BeginsLater>
      later_;                              ///< those that begin behind what has been read
  std::map<ProducerId, Aborted> aborted_;  ///< under way
  std::set<ProducerId> committed_;         ///< under way, with data
};

}  // namespace oncelog::compaction
