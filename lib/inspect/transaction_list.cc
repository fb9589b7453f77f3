#include "inspect/transaction_list.h"

#include <algorithm>
#include <utility>

#include "inspect/batch_stream.h"

namespace oncelog::inspect {

Result<std::optional<ListedTransaction>> TransactionList::add(const RecordBatchView& batch) {
  newest_timestamp_ = std::max(newest_timestamp_, batch.max_timestamp());
  if (batch.producer_id() <= kNoProducerId || !batch.is_transactional()) return std::nullopt;
  if (!batch.is_control()) {
    add_data(batch);
    return std::nullopt;
  }
  // Without a record: compaction keeps the header of a marker whose data is gone.
  ONCELOG_TRY_ASSIGN(const std::optional<ControlRecord> control, batch.control_record());
  if (!control || !control->is_marker()) return std::nullopt;
  return end(batch, *control);
}

void TransactionList::add_data(const RecordBatchView& batch) {
  ListedTransaction& transaction = open_[batch.producer_id()];
  if (!transaction.first_offset) {
    transaction.producer_id = batch.producer_id();
    transaction.first_offset = batch.base_offset();
    // A batch that compaction has rewritten may have its delete horizon in that field.
    transaction.first_timestamp =
        batch.has_delete_horizon() ? batch.max_timestamp() : batch.base_timestamp();
    const auto known = coordinator_epochs_.find(batch.producer_id());
    if (known != coordinator_epochs_.end()) transaction.coordinator_epoch = known->second;
  }
  transaction.producer_epoch = batch.producer_epoch();
  transaction.last_offset = batch.last_offset();
  transaction.record_count += batch.record_count();
  ++transaction.batch_count;
  transaction.last_timestamp = std::max(transaction.last_timestamp, batch.max_timestamp());
}

ListedTransaction TransactionList::end(const RecordBatchView& batch, const ControlRecord& marker) {
  ListedTransaction transaction;
  if (auto begun = open_.extract(batch.producer_id()); !begun.empty()) {
    transaction = begun.mapped();
  } else {
    transaction.producer_id = batch.producer_id();
    transaction.producer_epoch = batch.producer_epoch();
    transaction.first_timestamp = batch.max_timestamp();
  }
  transaction.state = marker.is_abort() ? TransactionState::kAborted : TransactionState::kCommitted;
  transaction.marker_offset = batch.base_offset();
  transaction.coordinator_epoch = marker.coordinator_epoch;
  transaction.last_timestamp = std::max(transaction.last_timestamp, batch.max_timestamp());
  coordinator_epochs_[batch.producer_id()] = marker.coordinator_epoch;
  return transaction;
}

std::vector<ListedTransaction> TransactionList::open() const {
  std::vector<ListedTransaction> all;
  for (const auto& [id, transaction] : open_) all.push_back(transaction);
  std::ranges::sort(all, {}, &ListedTransaction::first_offset);
  return all;
}

}  // namespace oncelog::inspect

namespace oncelog {

Result<TransactionListing> list_transactions(const std::string& directory,
                                             const TransactionVisitor& visit, Vfs* vfs) {
  ONCELOG_TRY_ASSIGN(auto batches,
                     inspect::BatchStream::open(vfs != nullptr ? *vfs : posix_vfs(), directory));
  inspect::TransactionList transactions;
  inspect::ProblemList problems;
  bool goes_on = true;
  const auto add = [&](const inspect::SegmentName&, const ScannedBatch& found) {
    const auto ended = transactions.add(*found.batch);
    if (!ended) problems.add(found.file, found.position, ended.error().text());
    if (ended && *ended) goes_on = visit(**ended);
    return goes_on;
  };
  ONCELOG_TRY(inspect::walk_batches(batches, problems, add));
  for (const ListedTransaction& transaction : transactions.open()) {
    if (!goes_on) break;
    goes_on = visit(transaction);
  }
  return TransactionListing{transactions.newest_timestamp(), std::move(problems).take()};
}

}  // namespace oncelog
