// log_machine_verbs.cc: epochs, ends, reads, and retries of everything.
#include <algorithm>

#include "support/log_machine.h"

namespace oncelog::test {

void LogMachine::run_assign_epoch() {
  const auto epochs = model_.leader_epochs();
  LeaderEpoch epoch = epochs.empty() ? LeaderEpoch(0) : epochs.back().epoch + choice(0) % 3;
  if (is_rare(1, 8)) epoch = epoch - 2;
  const Result<void> seen = log_->assign_leader_epoch(epoch);
  if (epoch < LeaderEpoch(0)) {
    require(!seen && seen.error().code == ErrorCode::INVALID_REQUEST, "a negative leader epoch");
    return;
  }
  require_value(seen, "assign_leader_epoch");
  model_.assign_epoch(epoch);
}

void LogMachine::run_set_high_watermark() {
  if (options_.high_watermark == HighWatermarkPolicy::kDurable) return;
  Offset to = model_.log_end();
  if (choice(0) % 3 == 1) to = model_.log_start() + choice(1) - 1;
  if (choice(0) % 3 == 2) to = to + 2 - choice(1) % 12;
  const Offset seen = require_value(log_->set_high_watermark(to), "set_high_watermark");
  require_equal(seen, model_.set_high_watermark(to), "high watermark");
}

void LogMachine::run_raise_log_start() {
  const Offset start = model_.log_start();
  const std::int64_t room = model_.high_watermark() - start;
  FollowerAppendOptions options;
  options.leader_log_start =
      start + (is_rare(1, 16) ? room + 1 + choice(0) : choice(0) % (room / 3 + 2));
  const ModelAnswer expected = model_.append_as_follower({}, {}, options.leader_log_start);
  check_answer(log_->append_as_follower({}, options), expected);
}

void LogMachine::run_flush() {
  // Behind a truncation inside of a batch it lies below the log end.
  require_equal(require_value(log_->flush(), "flush"), model_.end_in_files(log_->segments()),
                "recovery point");
  note_durable(model_.log_end());
}

void LogMachine::run_read() {
  const LogEnds ends = log_->ends();
  const std::int64_t length = ends.log_end - ends.log_start;
  Offset from = ends.log_start + (length == 0 ? 0 : choice(0) * length / 256);
  if (is_rare(1, 16)) from = ends.log_end;
  const std::int64_t bytes_max = is_rare(2, 3) ? choice(3) * 4 : 1 << 20;
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    comparison().check_read(from, isolation, bytes_max);
    comparison().check_budget(from, isolation, choice(3));
    for (const Offset outside : {ends.log_start - 1, ends.log_end + 1}) {  // 11.2
      const auto fetched = log_->fetch(outside, {.isolation = isolation});
      require(!fetched && fetched.error().code == ErrorCode::OFFSET_OUT_OF_RANGE,
              "a fetch outside of the log");
    }
  }
}

/// The batches of each producer, newest first, are duplicates as far as its window goes, and
/// refused beyond.
void LogMachine::run_probe_windows() {
  const std::vector<ModelBatch> batches = model_.accepted();
  for (const auto& [id, producer] : model_.producers()) {
    int probed = 0;
    for (auto batch = batches.rbegin(); batch != batches.rend() && probed < 7; ++batch) {
      if (batch->producer_id != id || batch->marker || batch->base_sequence == kNoSequence)
        continue;
      ++probed;
      ModelBatch again = *batch;
      again.timestamp_type = TimestampType::kCreateTime;
      append(again, AppendOrigin::kClient);
    }
  }
}

}  // namespace oncelog::test
