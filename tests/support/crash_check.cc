#include "support/crash_check.h"

#include <algorithm>
#include <optional>

#include "oncelog/inspect.h"
#include "support/log_comparison.h"
#include "support/log_machine.h"

namespace oncelog::test {

namespace {

/// No (producer, epoch, sequence) may be stored twice, whatever the oracle thinks.
void check_no_sequence_twice(const PartitionLog& log) {
  std::set<std::tuple<ProducerId, ProducerEpoch, Sequence>> seen;
  const LogEnds ends = log.ends();
  for (Offset from = ends.log_start; from < ends.log_end;) {
    const auto fetched =
        require_value(log.fetch(from, {.isolation = Isolation::kReplica}), "fetch");
    const auto bytes = require_value(fetched.read(), "read");
    if (bytes.empty()) return;
    BatchCursor cursor(bytes);
    while (const auto batch = require_value(cursor.next(), "batches")) {
      from = batch->next_offset();
      if (batch->base_sequence() == kNoSequence) continue;
      const bool is_new =
          seen.insert({batch->producer_id(), batch->producer_epoch(), batch->base_sequence()})
              .second;
      require(is_new, "producer " + show(batch->producer_id()) + " has its sequence " +
                          show(batch->base_sequence()) + " twice, again at offset " +
                          show(batch->base_offset()));
    }
  }
}

void check_state(const RecoveredLog& recovered, LogModel& model) {
  const PartitionLog& log = recovered.log;
  LogComparison comparison(log, model);
  comparison.check_state({kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp, recovered.now});
  for (const Isolation isolation :
       {Isolation::kReplica, Isolation::kReadUncommitted, Isolation::kReadCommitted}) {
    comparison.check_read(log.ends().log_start, isolation, 1000);
  }
}

/// One history after the other against the log.
class HistorySearch {
 public:
  HistorySearch(const RecoveredLog& recovered, const Expectation& expected, CrashKind kind)
      : log_(recovered.log), recovered_(recovered), expected_(expected), kind_(kind) {}

  LogModel find() {
    std::vector<ProducersFrom> sources{ProducersFrom::kHistory};
    if (kind_ == CrashKind::kOldProducers || expected_.may_forget_producers)
      sources.push_back(ProducersFrom::kLog);
    std::string reasons;
    for (const ProducersFrom from : sources) {
      // The verb was the more likely through, the more of it is there.
      for (std::size_t i = expected_.histories.size(); i-- > 0;) {
        LogModel model = expected_.histories[i];
        try {
          fit(model, from);
          check_files(model);
          check_no_sequence_twice(log_);
          return model;
        } catch (const Disagreement& disagreement) {
          reasons += "\n  history " + std::to_string(i) + ": " + disagreement.what();
        }
      }
    }
    throw Disagreement("no history fits" + reasons);
  }

 private:
  void fit(LogModel& model, ProducersFrom from) const;
  void fit_end(LogModel& model) const;
  void check_files(const LogModel& model) const;

  const PartitionLog& log_;
  const RecoveredLog& recovered_;
  const Expectation& expected_;
  const CrashKind kind_;
};

/// The end lies anywhere between what was acknowledged and what was submitted.
void HistorySearch::fit_end(LogModel& model) const {
  const Offset floor =
      kind_ == CrashKind::kProcessDeath ? expected_.written_end : expected_.durable_end;
  const Offset end = log_.ends().log_end;
  require(end >= floor, "the log ends at " + show(end) + ", acknowledged up to " + show(floor));
  require(end <= model.log_end(), "the log ends at " + show(end) +
                                      ", submitted were batches up to " + show(model.log_end()));
  if (end < model.log_end()) model.truncate_to(end);
}

void HistorySearch::fit(LogModel& model, ProducersFrom from) const {
  fit_end(model);
  const LogEnds ends = log_.ends();
  const std::vector<Offset> bases = log_.segments();
  require(bases.front() == model.first_base() || expected_.first_bases.contains(bases.front()),
          "the first segment is " + show(bases.front()) + ", the oracle says " +
              show(model.first_base()));
  require(model.ends_after_reopen(bases).contains({ends.log_start, ends.log_end}),
          "the log goes from " + show(ends.log_start) + " to " + show(ends.log_end) +
              ", the oracle says from " + show(model.ends_after_reopen(bases).begin()->first) +
              " to " + show(model.ends_after_reopen(bases).begin()->second));
  if (recovered_.options.high_watermark != HighWatermarkPolicy::kManual) {
    require_equal(ends.high_watermark, ends.log_end, "high watermark after opening");
  } else {
    require(model.has_had_high_watermark(ends.high_watermark, ends.log_start, ends.log_end),
            "high watermark is " + show(ends.high_watermark) + ", where it never was");
  }
  require_equal(ends.durable_end, ends.log_end, "durable end after opening");
  LogComparison comparison(log_, model);
  if (from == ProducersFrom::kHistory) comparison.settle_expiries();
  model.note_reopened({log_.recovery_report().was_clean, from, bases, ends});
  require(model.last_stable_offsets().contains(ends.last_stable_offset),
          "LSO after opening is " + show(ends.last_stable_offset) + ", the oracle says " +
              show(*model.last_stable_offsets().begin()));
  model.settle_last_stable_offset(ends.last_stable_offset);
  model.settle_leader_epochs(log_.leader_epochs());
  check_state(recovered_, model);
}

void HistorySearch::check_files(const LogModel& model) const {
  const auto problems =
      require_value(verify_partition(kCrashDirectory, &recovered_.files), "verify");
  for (const Problem& problem : problems) {
    // As in LogMachine: epochs that went back, or with the only one dropped (14.7).
    const bool is_expected = model.has_epochs_gone_back() || model.leader_epochs().empty();
    if (is_expected && problem.problem.contains("leader epoch is")) continue;
    throw Disagreement("verify: " + problem.file + ": " + problem.problem);
  }
}

}  // namespace

LogModel find_history(const RecoveredLog& recovered, const Expectation& expected, CrashKind kind) {
  return HistorySearch(recovered, expected, kind).find();
}

ReopenedLog::ReopenedLog(CrashedDisk disk, const CrashOptions& options, const Expectation& expected,
                         CrashKind kind)
    : disk_(std::move(disk)),
      options_(options),
      clock_(options.store.clock->now()),
      model_(options.partition) {
  disk_.files->set_clock(&clock_);
  options_.store.vfs = disk_.files.get();
  options_.store.clock = &clock_;
  options_.store.snapshots = disk_.producers->store();
  options_.partition.create_if_missing = false;
  store_ = require_value(Store::open(kCrashStore, options_.store), "open store");
  check_kept_options(expected);
  open();
  require(log_ || expected.may_be_absent, "the partition is not there");
  require(!log_ || !expected.histories.empty(), "a deleted partition is there");
  if (log_) choose_history(expected, kind);
}

ReopenedLog::~ReopenedLog() {
  log_.reset();
  store_.reset();
}

/// All of it, old or new, whatever the crash left of the file.
void ReopenedLog::check_kept_options(const Expectation& expected) const {
  if (expected.kept_retention_ms.empty()) return;
  const KeptOptions kept = require_value(store_->kept_options(kCrashPartition), "kept options");
  const auto found = kept.overrides.find("retention.ms");
  const std::string value = found == kept.overrides.end() ? "" : found->second;
  require(expected.kept_retention_ms.contains(value), "retention.ms is kept as '" + value + "'");
  require(kept.level == options_.partition.level &&
              kept.high_watermark == options_.partition.high_watermark,
          "level or watermark policy is not kept");
}

void ReopenedLog::open() {
  if (!store_) store_ = require_value(Store::open(kCrashStore, options_.store), "open store");
  auto log = store_->open_partition(kCrashPartition, options_.partition);
  const bool is_absent = !log && log.error().code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
  if (!is_absent) log_ = require_value(std::move(log), "open partition");
}

void ReopenedLog::choose_history(const Expectation& expected, CrashKind kind) {
  model_ = find_history(recovered(), expected, kind);
}

RecoveredLog ReopenedLog::recovered() const {
  return {*log_, options_.partition, *disk_.files, clock_.now()};
}

void ReopenedLog::append_next(ProducerId id, bool is_again) {
  const ModelProducers producers = model_.producers();
  const auto known = producers.find(id);
  const bool is_known = known != producers.end();
  ModelBatch batch;
  batch.producer_id = id;
  // Of a producer that was forgotten, the log may still hold sequences of its epochs.
  batch.producer_epoch = is_known ? known->second.epoch : ProducerEpoch(7);
  batch.is_transactional = is_known && known->second.transaction_first_offset;
  batch.base_sequence = Sequence(0);
  if (is_known && !known->second.window.empty()) {
    batch.base_sequence = Sequence(known->second.window.back().last_sequence.value() + 1);
  }
  batch.records = {{clock_.now(), "key", "behind the crash"}};
  if (is_again) {
    // What this producer was told last, from the history.
    const auto& stored = model_.batches();
    const auto last = std::ranges::find_if(stored.rbegin(), stored.rend(), [&](const auto& one) {
      return one.producer_id == id && !one.marker;
    });
    if (last == stored.rend()) return;
    batch = *last;
  }
  const std::vector<std::byte> bytes = encode(batch, false);
  const ModelAnswer right =
      model_.append_as_leader(batch, AppendOrigin::kClient, std::ssize(bytes), clock_.now());
  const auto seen = log_->append_as_leader(bytes, {.level = Level::kDurable});
  require_equal(seen ? ErrorCode::NONE : seen.error().code, right.code, "answer to an append");
  if (!seen) return;
  require_equal(seen->base_offset, right.base_offset, "offset of an append");
  require_equal(seen->is_duplicate, right.is_duplicate, "whether an append is a duplicate");
  model_.note_synced();
}

void ReopenedLog::create_anew() {
  log_ = require_value(store_->create_partition(kCrashPartition, options_.partition), "create");
  model_ = LogModel(options_.partition);
  check_state(recovered(), model_);
}

/// What an image left, and what the open made of it, must have reached the disk by then.
void ReopenedLog::close_and_lose_power() {
  require_value(store_->close(), "close");
  log_.reset();
  store_.reset();
  CrashedDisk left;
  left.files = disk_.files->after_power_loss({});
  left.producers = disk_.producers->after_crash(left.files.get());
  disk_ = std::move(left);
  options_.store.vfs = disk_.files.get();
  options_.store.snapshots = disk_.producers->store();
}

void ReopenedLog::check_goes_on() {
  if (!log_) create_anew();
  for (const auto& [id, producer] : model_.producers()) append_next(id, true);
  append_next(ProducerId(1), false);
  append_next(ProducerId(1), true);
  append_next(ProducerId(77), false);
  check_state(recovered(), model_);
  const LogEnds before = log_->ends();
  close_and_lose_power();
  open();
  require(log_ != nullptr, "the partition is not there after a clean close");
  require(log_->recovery_report().was_clean, "the second open is unclean");
  require(log_->recovery_report().files_rebuilt.empty(), "files were rebuilt after a clean close");
  Expectation same;
  same.histories = {model_};
  same.durable_end = before.log_end;
  choose_history(same, CrashKind::kPowerLoss);
}

}  // namespace oncelog::test
