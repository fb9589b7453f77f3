// log_machine.cc: configuration, and what is done around each operation.
//
// The operations: log_machine_appends.cc, log_machine_cuts.cc (what takes something away),
// log_machine_reopen.cc, log_machine_verbs.cc (the others).
#include "support/log_machine.h"

#include <algorithm>

namespace oncelog::test {

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

template <class T, std::size_t kCount>
T pick(const std::array<T, kCount>& values, std::uint8_t by) {
  return values[by % kCount];
}

PartitionOptions choose_options(const ConfigurationChoices& by) {
  using Policy = HighWatermarkPolicy;
  PartitionOptions options;
  TopicConfig& config = options.config;
  options.high_watermark =
      pick(std::array{Policy::kManual, Policy::kLogEnd, Policy::kDurable}, by[0]);
  options.level = options.high_watermark == Policy::kDurable ? Level::kDurable : Level::kWritten;
  config.segment_bytes = pick(std::array{1 << 20, 700, 1500, 4000, 400}, by[1]);
  config.index_interval_bytes = pick(std::array{4096, 1, 100, 300}, by[2]);
  config.segment_index_bytes = pick(std::array{10 << 20, 12, 24, 48, 120}, by[3]);
  if (by[4] % 4 == 3 && config.segment_bytes > 1000) {
    config.compression_type = static_cast<Codec>(by[4] / 4 % 5);
  }
  if (by[5] % 4 == 3) config.message_timestamp_type = TimestampType::kLogAppendTime;
  if (by[6] % 4 == 3) config.message_timestamp_before_max_ms = 1000;
  if (by[7] % 4 == 3) config.message_timestamp_after_max_ms = 1000;
  config.preallocate = by[8] % 8 == 7 && config.segment_bytes < 1 << 20;
  config.segment_ms = pick(std::array<std::int64_t, 2>{604'800'000, 5000}, by[9]);
  if (by[10] % 4 == 3) config.flush_messages = 10;
  options.leader_epoch = LeaderEpoch(by[11] % 3);
  config.producer_id_expiration_ms =
      pick(std::array<std::int64_t, 4>{86'400'000, 500, 3000, 8'000'000}, by[14]);
  config.retention_bytes = pick(std::array<std::int64_t, 5>{-1, 0, 300, 1000, 3000}, by[15]);
  config.retention_ms =
      pick(std::array<std::int64_t, 5>{604'800'000, -1, 0, 1500, 8'000'000}, by[15] / 5);
  return options;
}

StoreOptions choose_store_options(const ConfigurationChoices& by) {
  StoreOptions options;
  options.kafka_handover = by[0] < 128;
  options.producer_cache_bytes =
      pick(std::array<std::int64_t, 4>{64 << 20, 1, 600, 4096}, by[12] / 4);
  options.checkpoint_interval_records = pick(std::array<std::int64_t, 3>{1'000'000, 1, 7}, by[13]);
  options.checkpoint_interval_bytes = pick(std::array<std::int64_t, 2>{64 << 20, 500}, by[13] / 3);
  options.state_map_bytes =
      pick(std::array<std::int64_t, 2>{std::int64_t{64} << 30, 1 << 18}, by[13] / 6);
  options.state_walk_bytes_max = pick(std::array<std::int64_t, 2>{64 << 20, 0}, by[13] / 12);
  options.sealed_segment_bytes_min = pick(std::array<std::int64_t, 2>{128 << 10, 0}, by[13] / 24);
  return options;
}

}  // namespace

std::string Operation::text() const {
  static constexpr std::array<std::string_view, kOperationKinds> kNames = {
      "append", "retry",     "malformed", "coordinator", "marker",    "follower",
      "epoch",  "watermark", "start",     "roll",        "flush",     "durable",
      "clock",  "read",      "probe",     "reopen",      "crash",     "truncate",
      "fully",  "delete",    "retention", "expire",      "checkpoint"};
  std::string text(kNames[static_cast<std::size_t>(kind)]);
  for (const std::uint8_t by : choices) text += " " + std::to_string(by);
  return text;
}

StateMode LogMachine::choose_state_mode(const ConfigurationChoices& choices) {
  return pick(std::array{StateMode::kKept, StateMode::kKept, StateMode::kNone, StateMode::kDeleted},
              choices[12]);
}

LogMachine::LogMachine(const ConfigurationChoices& choices, StateMode state_mode)
    : vfs_(posix_vfs()),
      clock_(Timestamp(kNow)),
      state_mode_(state_mode),
      store_options_(choose_store_options(choices)),
      options_(choose_options(choices)),
      model_(options_) {
  vfs_.plan().set_skips_syncs(true);  // no power is lost here, and a disk would be slow
  producer_count_ = pick(std::array{4u, 4u, 40u}, choices[12] / 16);
  store_options_.vfs = &vfs_;
  store_options_.clock = &clock_;
  store_options_.producer_state =
      has_state_store() ? ProducerStateStore::kLmdb : ProducerStateStore::kNone;
  open_store();
  open_partition();
}

void LogMachine::open_store() {
  store_ = require_value(Store::open(directory_.file("store"), store_options_), "open store");
}

void LogMachine::open_partition() {
  log_ = require_value(store_->open_partition(name_, options_), "open partition");
}

void LogMachine::run(const Operation& operation) {
  operation_ = operation;
  const std::vector<Offset> bases = log_->segments();
  run_kind();
  // A checkpoint is due after a roll, for an offset between the roll and the end.
  const bool is_append = operation.kind <= OperationKind::kFollower;
  const bool may_have_rolled = is_append || operation.kind == OperationKind::kRoll ||
                               operation.kind == OperationKind::kProbeWindows;
  if (may_have_rolled && log_->segments().back() > bases.back()) {
    model_.note_checkpoint(Offset(0), model_.log_end());
  }
  note_durable(durable_end_);
  check_everything();
  ++tally_["steps " + configuration_text()];
}

std::string LogMachine::configuration_text() const {
  using Policy = HighWatermarkPolicy;
  std::string text = "with the state kept";
  if (state_mode_ == StateMode::kDeleted) text = "with the state deleted";
  if (state_mode_ == StateMode::kNone) text = "without a state";
  const Policy policy = options_.high_watermark;
  return text + (policy == Policy::kManual   ? ", watermark manual"
                 : policy == Policy::kLogEnd ? ", watermark the end"
                                             : ", watermark durable");
}

void LogMachine::run_kind() {
  switch (operation_.kind) {
    case OperationKind::kAppend:
      run_append();
      break;
    case OperationKind::kRetry:
      run_retry();
      break;
    case OperationKind::kAppendMalformed:
      run_malformed();
      break;
    case OperationKind::kAppendCoordinator:
      run_coordinator();
      break;
    case OperationKind::kMarker:
      run_marker();
      break;
    case OperationKind::kFollower:
      run_follower();
      break;
    case OperationKind::kAssignEpoch:
      run_assign_epoch();
      break;
    case OperationKind::kSetHighWatermark:
      run_set_high_watermark();
      break;
    case OperationKind::kRaiseLogStart:
      run_raise_log_start();
      break;
    case OperationKind::kRoll:
      require_value(log_->roll(), "roll");
      break;
    case OperationKind::kFlush:
      run_flush();
      break;
    case OperationKind::kWaitDurable:
      require_value(log_->wait_durable(model_.log_end()), "wait_durable");
      note_durable(model_.log_end());
      break;
    case OperationKind::kAdvanceClock:
      clock_.set(Timestamp(clock_.now().value() + choice(0) * 10));
      break;
    case OperationKind::kRead:
      run_read();
      break;
    case OperationKind::kProbeWindows:
      run_probe_windows();
      break;
    case OperationKind::kReopen:
      run_reopen(true);
      break;
    case OperationKind::kCrash:
      run_reopen(false);
      break;
    case OperationKind::kTruncate:
      run_truncate();
      break;
    case OperationKind::kTruncateFully:
      run_truncate_fully();
      break;
    case OperationKind::kDeleteRecords:
      run_delete_records();
      break;
    case OperationKind::kApplyRetention:
      run_apply_retention();
      break;
    case OperationKind::kExpireProducers:
      run_expire_producers();
      break;
    case OperationKind::kCheckpoint:
      run_checkpoint();
      break;
  }
}

void LogMachine::check_everything() {
  const std::int64_t now = clock_.now().value();
  comparison().check_state({kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp,
                            choose_timestamp(choice(6)), Timestamp(now), Timestamp(0),
                            Timestamp(now + 2001)});
}

std::string LogMachine::answers() const {
  const LogEnds ends = log_->ends();
  std::string text = "log start " + show(ends.log_start) + ", LSO " +
                     show(ends.last_stable_offset) + ", high watermark " +
                     show(ends.high_watermark) + ", log end " + show(ends.log_end);
  // An older epoch drops newer ones, whose batches an open finds again behind the recovery point
  // (14.2): where that is, checkpoints decide.
  if (!model_.has_epochs_gone_back()) {
    for (const LeaderEpochStart& entry : log_->leader_epochs()) {
      text += "\nepoch " + show(entry.epoch) + " from " + show(entry.start);
    }
  }
  for (const std::string& producer : texts_of(require_value(log_->producers(), "producers"))) {
    text += "\n" + producer;
  }
  for (const AbortedTransactionEntry& entry : log_->aborted_transactions()) {
    text += "\naborted by " + show(entry.producer_id) + " from " + show(entry.first_offset) +
            " to " + show(entry.last_offset);
  }
  return text;
}

/// The durable end goes back by truncation only; a watermark of policy durable goes with it.
void LogMachine::note_durable(Offset at_least) {
  const Offset seen = log_->ends().durable_end;
  require(seen >= at_least && seen >= durable_end_ && seen <= model_.log_end(),
          "durable end is " + show(seen) + ", was " + show(durable_end_));
  if (seen > durable_end_) model_.note_synced();
  durable_end_ = seen;
}

}  // namespace oncelog::test
