#include "support/crash_world.h"

#include <algorithm>

#include "support/batches.h"
#include "support/log_comparison.h"
#include "support/log_machine.h"

namespace oncelog::test {

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

template <class T>
T answer_of(Result<T> result, const std::string& verb) {
  if (!result) throw Refusal(verb, std::move(result).error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// The test looks for itself: no fault strikes, no call counts.
class FaultsPaused {
 public:
  explicit FaultsPaused(sim::SimDisk& disk) : faults_(disk.faults()) { faults_.set_paused(true); }
  ~FaultsPaused() { faults_.set_paused(false); }

 private:
  sim::FaultPlan& faults_;
};

}  // namespace

CrashedDisk copy_of(const CrashedDisk& disk) {
  CrashedDisk copy;
  copy.files = disk.files->after_process_death();
  copy.producers = disk.producers->after_crash(copy.files.get());
  return copy;
}

CrashedDisk copy_of(const CrashedDisk& disk, const sim::CrashChoice& choice) {
  CrashedDisk copy;
  copy.files = disk.files->after_power_loss(choice);
  copy.producers = disk.producers->after_crash(copy.files.get());
  return copy;
}

CrashWorld::CrashWorld(const CrashOptions& options)
    : options_(options), clock_(Timestamp(kNow)), model_(options.partition) {
  disk_.files = std::make_unique<sim::SimDisk>(sim::SimDiskOptions{
      .device = {}, .clock = &clock_, .reuses_inode_numbers = options.reuses_inode_numbers});
  disk_.producers = std::make_unique<sim::MemSnapshotStore>(disk_.files.get());
  options_.store.vfs = disk_.files.get();
  options_.store.clock = &clock_;
  options_.store.snapshots = disk_.producers->store();
  expectation_.may_be_absent = true;
  expect({model_});
}

CrashWorld::CrashWorld(const CrashOptions& options, CrashedDisk left, const Expectation& expected,
                       CrashKind kind)
    : options_(options), clock_(Timestamp(kNow)), disk_(copy_of(left)), model_(options.partition) {
  disk_.files->set_clock(&clock_);
  options_.store.vfs = disk_.files.get();
  options_.store.clock = &clock_;
  options_.store.snapshots = disk_.producers->store();
  // Compared on a copy: a second open of the same disk must find the same.
  const LogModel found = ReopenedLog(std::move(left), options_, expected, kind).model();
  store_ = require_value(Store::open(kCrashStore, options_.store), "open store");
  log_ =
      require_value(store_->open_partition(kCrashPartition, options_.partition), "open partition");
  model_ = found;
  note_done();
}

CrashWorld::~CrashWorld() { end_process(); }

// ---- points

void CrashWorld::expect(std::vector<LogModel> histories) {
  expectation_.histories = std::move(histories);
  shared_expectation_ = std::make_shared<const Expectation>(expectation_);
}

void CrashWorld::add_point(std::string text) {
  points_.push_back({std::move(text), copy_of(disk_), shared_expectation_});
}

void CrashWorld::record_points() {
  disk_.files->set_observer([this](const sim::SimCall& call) {
    if (has_fault_struck()) note_fault();
    add_point("before call " + std::to_string(call.number) + ", " +
              std::string(sim::name_of(call.call)) + " " + call.path);
  });
}

void CrashWorld::record_points_behind_a_fault() {
  disk_.files->set_observer([this](const sim::SimCall& call) {
    if (!has_fault_struck()) return;
    note_fault();
    add_point("before call " + std::to_string(call.number) + ", " +
              std::string(sim::name_of(call.call)) + " " + call.path);
  });
}

std::vector<CrashPoint> CrashWorld::take_points() {
  disk_.files->set_observer({});
  add_point("at the end");
  return std::move(points_);
}

// ---- what is expected

template <class Verb>
auto CrashWorld::run(std::vector<LogModel> histories, const Verb& verb) {
  expect(std::move(histories));
  auto answer = answer_of(verb(), "verb");
  model_ = expectation_.histories.back();
  note_done();
  return answer;
}

template <class Verb>
auto CrashWorld::run(const LogModel& after, const Verb& verb) {
  return run(std::vector<LogModel>{model_, after}, verb);
}

/// A verb that cuts is under way.
void CrashWorld::lower_ends(Offset to) {
  expectation_.written_end = std::min(expectation_.written_end, to);
  expectation_.durable_end = std::min(expectation_.durable_end, to);
}

void CrashWorld::note_done() {
  const FaultsPaused paused(disk());
  const LogEnds ends = log_->ends();
  require_equal(ends.log_end, model_.log_end(), "log end");
  require(ends.durable_end >= expectation_.durable_end, "the durable end went back");
  if (ends.durable_end > durable_end_) model_.note_synced();
  durable_end_ = ends.durable_end;
  expectation_.written_end = model_.end_in_files(log_->segments());
  // Behind a truncation the end may lie above the last batch, which is all that an open finds.
  expectation_.durable_end = model_.first_base();
  for (const ModelBatch& batch : model_.batches()) {
    if (batch.next_offset() <= ends.durable_end) expectation_.durable_end = batch.next_offset();
  }
  expectation_.first_bases.clear();
  expectation_.may_forget_producers = false;
  expectation_.may_be_absent = false;
  LogComparison(*log_, model_).check_state({kMaxTimestamp});
  expect({model_});
}

// ---- faults

void CrashWorld::add_faults(const std::vector<sim::Fault>& faults) {
  for (const sim::Fault& fault : faults) disk().faults().add(fault);
}

bool CrashWorld::has_fault_struck() const {
  return disk_.files->faults().struck_count() > faults_behind_;
}

/// Pages whose sync has failed are the cache's only, and an open drops them: what was only written
/// may be lost with the process.
void CrashWorld::note_fault() {
  expectation_.written_end = std::min(expectation_.written_end, expectation_.durable_end);
  shared_expectation_ = std::make_shared<const Expectation>(expectation_);
}

void CrashWorld::check_refused(const Refusal& refusal) {
  const ErrorCode code = refusal.error().code;
  require(has_fault_struck(), std::string("refused by a sound disk: ") + refusal.what());
  require(code == ErrorCode::PARTITION_POISONED || code == ErrorCode::KAFKA_STORAGE_ERROR ||
              code == ErrorCode::STORAGE_FULL,
          std::string("not the error of a disk: ") + refusal.what());
  note_fault();
  if (!log_ || !store_->find_partition(kCrashPartition)) return;
  const FaultsPaused paused(disk());
  LogComparison(*log_, model_).check_records(log_->ends().log_start, expectation_.durable_end);
  for (const std::string& broken : log_->check_invariants()) {
    throw Disagreement(std::string(refusal.what()) + ", and then: " + broken);
  }
  if (code != ErrorCode::PARTITION_POISONED) return;
  const auto again = log_->append_as_leader(encode(next_batch(1, false, 1), false));
  require(!again && again.error().code == ErrorCode::PARTITION_POISONED,
          "a poisoned partition takes a batch");
}

bool CrashWorld::reopen() {
  disk().faults().clear();
  faults_behind_ = disk().faults().struck_count();
  if (!log_ || !store_->find_partition(kCrashPartition)) return false;
  note_fault();
  log_ = answer_of(store_->reopen_partition(kCrashPartition), "reopen_partition");
  PartitionOptions options = options_.partition;
  model_ = find_history({*log_, options, disk(), now()}, expectation_, CrashKind::kPowerLoss);
  durable_end_ = Offset(0);
  expectation_.durable_end = Offset(0);
  note_done();
  return true;
}

// ---- verbs

void CrashWorld::open() {
  expectation_.kept_retention_ms.clear();  // what is given is kept from now on
  store_ = answer_of(Store::open(kCrashStore, options_.store), "open store");
  log_ = answer_of(store_->open_partition(kCrashPartition, options_.partition), "open partition");
  if (log_->recovery_report().was_created) return note_done();
  const LogEnds ends = log_->ends();
  LogComparison(*log_, model_).settle_expiries();
  model_.note_reopened(
      {log_->recovery_report().was_clean, ProducersFrom::kHistory, log_->segments(), ends});
  model_.settle_last_stable_offset(ends.last_stable_offset);
  note_done();
}

void CrashWorld::close() {
  answer_of(store_->close(), "close");
  end_process();
}

void CrashWorld::end_process() {
  log_.reset();
  store_.reset();
}

ModelBatch CrashWorld::next_batch(int producer, bool is_transactional, int records) const {
  ModelBatch batch;
  batch.producer_id = ProducerId(producer);
  batch.producer_epoch = ProducerEpoch(0);
  batch.base_sequence = Sequence(0);
  batch.is_transactional = is_transactional;
  const ModelProducers producers = model_.producers();
  if (const auto known = producers.find(batch.producer_id); known != producers.end()) {
    const ModelProducer& now = known->second;
    batch.producer_epoch = now.epoch;
    batch.is_transactional = is_transactional || now.transaction_first_offset.has_value();
    if (!now.window.empty()) {
      batch.base_sequence = Sequence(now.window.back().last_sequence.value() + 1);
    }
  }
  for (int i = 0; i < records; ++i) {
    batch.records.push_back({clock_.now(), "key", std::string(20, static_cast<char>('a' + i))});
  }
  return batch;
}

void CrashWorld::append(int producer, bool is_transactional, std::optional<Level> level,
                        int records) {
  const ModelBatch batch = next_batch(producer, is_transactional, records);
  const std::vector<std::byte> bytes = encode(batch, false);
  LogModel after = model_;
  const ModelAnswer right =
      after.append_as_leader(batch, AppendOrigin::kClient, std::ssize(bytes), clock_.now());
  const std::size_t segments = log_->segments().size();
  const Appended seen = run(after, [&] { return log_->append_as_leader(bytes, {.level = level}); });
  require_equal(seen.base_offset, right.base_offset, "offset of an append");
  if (log_->segments().size() > segments) model_.note_checkpoint(Offset(0), model_.log_end());
}

void CrashWorld::marker(int producer, MarkerType type) {
  ModelBatch marker = next_batch(producer, true, 0);
  marker.base_sequence = kNoSequence;
  marker.marker = ModelMarker{type, CoordinatorEpoch(0)};
  marker.records = {{clock_.now(), {}, {}}};
  LogModel after = model_;
  after.append_as_leader(marker, AppendOrigin::kCoordinator, std::ssize(encode(marker, false)),
                         clock_.now());
  run(after, [&] {
    return log_->append_marker({{},
                                {},
                                type,
                                marker.producer_id,
                                marker.producer_epoch,
                                CoordinatorEpoch(0),
                                clock_.now()});
  });
}

void CrashWorld::append_received(int count, int epoch, int gap) {
  std::vector<ModelBatch> batches;
  std::vector<std::byte> bytes;
  Offset base = model_.log_end() + gap;
  ModelBatch next = next_batch(3, false, 2);
  for (int i = 0; i < count; ++i) {
    next.base_offset = base;
    next.leader_epoch = LeaderEpoch(epoch);
    batches.push_back(next);
    const auto encoded = encode(next, true);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    base = next.next_offset();
    next.base_sequence = Sequence(next.last_sequence().value() + 1);
  }
  LogModel after = model_;
  after.append_as_follower(batches, {}, {});
  run(after, [&] { return log_->append_as_follower(bytes); });
}

void CrashWorld::assign_epoch(int epoch) {
  LogModel after = model_;
  after.assign_epoch(LeaderEpoch(epoch));
  expect({model_, after});
  answer_of(log_->assign_leader_epoch(LeaderEpoch(epoch)), "assign_leader_epoch");
  model_ = after;
  note_done();
}

void CrashWorld::set_high_watermark(Offset to) {
  answer_of(log_->set_high_watermark(to), "set_high_watermark");
  model_.set_high_watermark(to);
  note_done();
}

void CrashWorld::roll() {
  answer_of(log_->roll(), "roll");
  model_.note_checkpoint(Offset(0), model_.log_end());
  note_done();
}

void CrashWorld::flush() {
  answer_of(log_->flush(), "flush");
  note_done();
}

void CrashWorld::checkpoint() {
  const Offset at = answer_of(log_->checkpoint(), "checkpoint");
  model_.note_checkpoint(at, at);
  note_done();
}

void CrashWorld::truncate_to(Offset to) {
  LogModel after = model_;
  after.truncate_to(to);
  lower_ends(after.stored_end());  // a batch that holds the offset goes whole (15.4)
  // What is left in between ends somewhere above the cut, which the check allows. The watermark
  // comes down before.
  LogModel lowered = model_;
  lowered.set_high_watermark(std::min(to, model_.high_watermark()));
  // Without a checkpoint that is old enough, all that is left is replayed (20.3).
  expectation_.may_forget_producers = !model_.has_checkpoint_for_truncation(to);
  expect({model_, lowered, after});
  const Truncated cut = answer_of(log_->truncate_to(to), "truncate_to");
  model_ = after;
  if (cut.has_replayed_all) model_.note_replayed();
  LogComparison(*log_, model_).settle_expiries();
  note_done();
}

void CrashWorld::truncate_fully(Offset at) {
  LogModel after = model_;
  after.truncate_fully_and_start_at(at);
  // In between: the old log or a part of it, perhaps with producers as the batches show them, from
  // its old start or the new one; or an empty one behind it.
  LogModel lowered = model_;
  lowered.set_high_watermark(std::min(at, model_.high_watermark()));
  std::vector<LogModel> histories{model_, lowered};
  std::vector<Offset> ends{model_.log_end()};
  for (const ModelBatch& batch : model_.batches()) {
    if (batch.base_offset >= expectation_.durable_end) ends.push_back(batch.base_offset);
  }
  for (const Offset end : ends) {
    LogModel raised = lowered;
    if (end < raised.log_end()) raised.truncate_to(end);
    raised.note_reopened({.is_clean = false,
                          .bases = log_->segments(),
                          .ends = {.log_start = std::max(at, model_.log_start()),
                                   .high_watermark = std::max(at, lowered.high_watermark()),
                                   .log_end = std::max(at, end)}});
    histories.push_back(raised);
  }
  histories.push_back(after);
  lower_ends(Offset(0));
  for (const Offset base : log_->segments()) expectation_.first_bases.insert(base);
  expectation_.may_forget_producers = true;
  expect(std::move(histories));
  answer_of(log_->truncate_fully_and_start_at(at), "truncate_fully_and_start_at");
  model_ = after;
  expectation_.written_end = at;
  expectation_.durable_end = at;
  note_done();
}

void CrashWorld::delete_records(Offset before) {
  LogModel after = model_;
  after.delete_records(before);
  run(after, [&] { return log_->delete_records(before); });
}

void CrashWorld::apply_retention() {
  std::vector<ModelSegment> segments;
  for (const Offset base : log_->segments()) {
    segments.push_back({base, 0, clock_.now()});
    expectation_.first_bases.insert(base);
  }
  for (const ModelBatch& batch : model_.batches()) {
    const auto above =
        std::ranges::upper_bound(segments, batch.base_offset, {}, &ModelSegment::base);
    std::prev(above)->bytes += std::ssize(encode(batch, true));
  }
  LogModel after = model_;
  const TopicConfig& config = options_.partition.config;
  const auto removed = after.apply_retention(
      std::move(segments), {config.retention_bytes, config.retention_ms}, clock_.now());
  const auto seen = run(after, [&] { return log_->apply_retention(); });
  require(seen == removed, "apply_retention removes other segments than the oracle");
}

void CrashWorld::expire_producers(std::int64_t after_ms) {
  clock_.set(Timestamp(clock_.now().value() + after_ms));
  const auto expected = model_.expire_producers(clock_.now());
  const auto seen = answer_of(log_->expire_producers(), "expire_producers");
  require(seen == expected, "expire_producers forgets others than the oracle");
  note_done();
}

void CrashWorld::alter_retention_ms(const std::string& to) {
  const KeptOptions kept = answer_of(store_->kept_options(kCrashPartition), "kept_options");
  const auto before = kept.overrides.find("retention.ms");
  expectation_.kept_retention_ms = {before == kept.overrides.end() ? "" : before->second, to};
  expect({model_});
  answer_of(store_->alter_config(kCrashPartition, {{"retention.ms", to}}), "alter_config");
  expectation_.kept_retention_ms = {to};
  note_done();
}

void CrashWorld::append_elsewhere() {
  const auto other = store_->open_partition({kCrashPartition.topic, kCrashPartition.partition + 1},
                                            options_.partition);
  // What a fault does to the other one is not told of this one.
  if (other) std::ignore = (*other)->append_as_leader(make_batch({}));
  note_done();
}

void CrashWorld::delete_partition() {
  log_.reset();
  expectation_.may_be_absent = true;
  expect({model_});
  answer_of(store_->delete_partition(kCrashPartition), "delete_partition");
  expectation_.written_end = Offset(0);
  expectation_.durable_end = Offset(0);
  expect({});
}

void CrashWorld::create_again() {
  model_ = LogModel(options_.partition);
  expect({model_});
  log_ = answer_of(store_->create_partition(kCrashPartition, options_.partition), "create");
  note_done();
}

}  // namespace oncelog::test
