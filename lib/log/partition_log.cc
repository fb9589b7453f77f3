// partition_log.cc: ends, epochs and listings of a log.
#include "oncelog/partition_log.h"

#include <algorithm>

#include "log/check_invariants.h"
#include "log/checkpoint.h"
#include "log/log_state.h"
#include "segment/segment_names.h"

namespace oncelog {

PartitionLog::PartitionLog(std::unique_ptr<log::LogState> state) : state_(std::move(state)) {}
PartitionLog::~PartitionLog() = default;

const TopicPartition& PartitionLog::topic_partition() const { return state_->name; }
const RecoveryReport& PartitionLog::recovery_report() const { return state_->report; }

LogEnds PartitionLog::ends() const { return log::read_ends(*state_); }

std::vector<Offset> PartitionLog::segments() const {
  std::vector<Offset> bases;
  const auto view = state_->view.get();  // held: a range-for does not keep what its range came from
  for (const auto& segment : view->segments) bases.push_back(segment->base_offset());
  return bases;
}

Result<Offset> PartitionLog::set_high_watermark(Offset to) {
  const log::TellsEnds tells(*state_);
  const std::scoped_lock lock(state_->writer_mutex);
  ONCELOG_TRY(log::check_writable(*state_));
  // Under policy durable nobody moves it beyond the durable end.
  if (state_->high_watermark_policy == HighWatermarkPolicy::kDurable) {
    to = std::min(to, Offset(state_->durable_end.load()));
  }
  log::move_high_watermark(*state_, to);
  return state_->offsets.high_watermark();
}

std::vector<LeaderEpochStart> PartitionLog::leader_epochs() const {
  return state_->view.get()->epochs;
}

LeaderEpochEnd PartitionLog::epoch_end(LeaderEpoch epoch) const {
  const log::Sight sight = log::look_at(*state_);
  return log::end_of_epoch(sight.view->epochs, epoch, sight.now.ends.log_end);
}

// An epoch without a batch is in no log bytes: its file must be on stable storage before anything
// is appended under it. So this rare verb, unlike all others, writes under the append lock.
Result<void> PartitionLog::assign_leader_epoch(LeaderEpoch epoch) {
  if (epoch < LeaderEpoch(0)) {
    return fail(ErrorCode::INVALID_REQUEST, "assign_leader_epoch: ", epoch, " is negative");
  }
  log::LogState& state = *state_;
  const std::scoped_lock files(state.file_mutex);
  const std::scoped_lock lock(state.writer_mutex);
  ONCELOG_TRY(log::check_writable(state));
  log::LeaderEpochs epochs = state.epochs;
  epochs.assign(epoch, state.offsets.log_end());
  auto view = log::make_view(state, nullptr, epochs.entries());

  ONCELOG_TRY(log::poison_unless_full(
      state, log::write_leader_epochs(state.environment.vfs, state.path(segment::kLeaderEpochFile),
                                      epochs.entries())));

  state.epochs = std::move(epochs);
  state.leader_epoch = epoch;
  state.are_epochs_unwritten = false;
  state.view.publish(std::move(view));
  return {};
}

std::vector<AbortedTransactionEntry> PartitionLog::aborted_transactions() const {
  std::vector<AbortedTransactionEntry> all;
  const auto view = state_->view.get();
  for (const auto& segment : view->segments) {
    const segment::TxnIndex& entries = segment->txn_index();
    const std::size_t count = entries.size();
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back({segment->base_offset(), entries[i].producer_id, entries[i].first_offset,
                     entries[i].last_offset, entries[i].last_stable_offset});
    }
  }
  return all;
}

std::vector<std::string> PartitionLog::check_invariants() const {
  return log::check_invariants(*state_);
}

}  // namespace oncelog
