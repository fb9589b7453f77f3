#include "support/replica_cluster.h"

#include <algorithm>
#include <array>
#include <random>

#include "support/keyed_batches.h"

namespace oncelog::test {

namespace {

constexpr std::int64_t kProducers = 3;
const TopicPartition kName{"replicated", 0};

/// Entries whose epochs reach above an offset, from there on.
std::vector<LeaderEpochStart> epochs_from(const PartitionLog& log, Offset from) {
  std::vector<LeaderEpochStart> epochs;
  for (const LeaderEpochStart& entry : log.leader_epochs()) {
    if (!epochs.empty() && entry.start <= from) epochs.clear();
    epochs.push_back({entry.epoch, std::max(entry.start, from)});
  }
  return epochs;
}

std::string text_of(const std::vector<LeaderEpochStart>& epochs) {
  std::string text;
  for (const auto& [epoch, start] : epochs) text += show(epoch) + " from " + show(start) + " ";
  return text;
}

std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

/// The batches from an offset on, one behind the other.
Buffer bytes_from(const PartitionLog& log, Offset from) {
  Buffer bytes;
  for (const Buffer& batch : stored_batches(log)) {
    if (view_of(batch).last_offset() >= from) bytes.insert(bytes.end(), batch.begin(), batch.end());
  }
  return bytes;
}

/// Whether `other` lists what `one` does. Of a transaction that began in a segment which is gone,
/// an index that was made anew since has a later begin, or nothing.
bool are_aborted_in(const PartitionLog& one, const PartitionLog& other) {
  const auto listed = other.aborted_transactions();
  return std::ranges::all_of(one.aborted_transactions(), [&](const auto& entry) {
    return entry.first_offset < one.segments().front() ||
           std::ranges::any_of(
               listed,
               [&](const AbortedTransactionEntry& same) {
                 return same.producer_id == entry.producer_id &&
                        same.last_offset == entry.last_offset &&
                        same.first_offset <= entry.first_offset;
               });
  });
}

}  // namespace

Replica::Replica(const PartitionOptions& options, Clock& clock)
    : disk_(std::make_unique<sim::SimDisk>(sim::SimDiskOptions{.clock = &clock})),
      snapshots_(std::make_unique<sim::MemSnapshotStore>(disk_.get())),
      options_(options) {
  store_options_.clock = &clock;
  store_options_.append_ring_bytes = 4096;
  store_options_.sealed_segment_bytes_min = 300;
  open();
}

void Replica::open() {
  store_options_.vfs = disk_.get();
  store_options_.snapshots = snapshots_->store();
  store_ = require_value(Store::open("/store", store_options_), "Store::open");
  log_ = require_value(store_->open_partition(kName, options_), "open_partition");
}

void Replica::restart(bool is_clean) {
  if (is_clean) require_value(store_->close(), "close");
  const Offset end = log_->ends().log_end;
  go_on_with(disk_->after_process_death());
  require_equal(log_->ends().log_end, end, "log end after a restart");
}

void Replica::lose_power(std::uint32_t seed) {
  std::minstd_rand random(seed + 1);
  constexpr std::array kFates{sim::Fate::kLost, sim::Fate::kKept, sim::Fate::kTorn,
                              sim::Fate::kLengthOnly, sim::Fate::kHalf};
  sim::CrashChoice choice{.seed = seed};
  for (std::size_t left = disk_->unsynced().size(); left > 0; --left) {
    choice.fates.push_back(kFates[random() / 16 % kFates.size()]);
  }
  const Offset durable_end = log_->ends().durable_end;
  go_on_with(disk_->after_power_loss(choice));
  require(log_->ends().log_end >= durable_end,
          "the log ends at " + show(log_->ends().log_end) + ", durable was " + show(durable_end));
}

void Replica::go_on_with(std::unique_ptr<sim::SimDisk> disk) {
  disk->set_clock(store_options_.clock);
  auto snapshots = snapshots_->after_crash(disk.get());
  log_.reset();
  store_.reset();
  snapshots_ = std::move(snapshots);
  disk_ = std::move(disk);
  open();
  leads_in.reset();
  follows_in.reset();
}

ReplicaCluster::ReplicaCluster(std::uint8_t choice) {
  PartitionOptions options;
  options.level = Level::kWritten;
  options.high_watermark = HighWatermarkPolicy::kManual;
  options.config.segment_bytes = 300 + 10 * choice;
  options.config.index_interval_bytes = 100;
  options.config.retention_ms = -1;
  for (std::size_t i = 0; i < kReplicas; ++i) {
    replicas_[i] = std::make_unique<Replica>(options, clock_);
    in_sync_.insert(i);
  }
  elect(0);
}

Replica* ReplicaCluster::any_leader(std::uint8_t who) const {
  Replica& wanted = replica(who);
  return wanted.leads_in ? &wanted : replicas_[leader_].get();
}

void ReplicaCluster::produce(std::uint8_t who, std::uint8_t choice) {
  PartitionLog& log = any_leader(who)->log();
  clock_.set(clock_.now() + 1);
  const std::int64_t id = choice % (kProducers + 1) - 1;  // −1: none
  BatchSpec spec{.records = 1 + choice / 4 % 3,
                 .timestamp = clock_.now().value(),
                 .codec = choice % 7 == 0 ? Codec::kZstd : Codec::kNone,
                 .producer_id = id};
  if (id >= 0) {
    const auto known = require_value(log.find_producer(ProducerId(id)), "find_producer");
    spec.producer_epoch = known ? known->epoch.value() : std::int16_t{0};
    spec.sequence = known ? known->last_sequence.value() + 1 : 0;
    spec.is_transactional = id > 0;
  }
  const auto appended = log.append_as_leader(make_batch(spec));
  require(appended.has_value(), "append: " + (appended ? "" : appended.error().text()));
  move_high_watermark();
}

void ReplicaCluster::end_transaction(std::uint8_t who, std::uint8_t choice) {
  PartitionLog& log = any_leader(who)->log();
  const std::int64_t id = 1 + choice % (kProducers - 1);
  const auto known = require_value(log.find_producer(ProducerId(id)), "find_producer");
  if (!known || !known->transaction_first_offset) return;
  const MarkerType type = choice / 4 % 2 == 0 ? MarkerType::kAbort : MarkerType::kCommit;
  require_value(log.append_marker(marker_fields(
                    {.type = type, .producer_id = id, .producer_epoch = known->epoch.value()})),
                "append_marker");
  move_high_watermark();
}

void ReplicaCluster::elect(std::uint8_t who) {
  auto next = std::next(in_sync_.begin(), who % static_cast<std::ptrdiff_t>(in_sync_.size()));
  leader_ = *next;
  epoch_ = epoch_ + 1;
  Replica& elected = *replicas_[leader_];
  elected.leads_in = epoch_;
  elected.follows_in.reset();
  require_value(elected.log().assign_leader_epoch(epoch_), "assign_leader_epoch");
  epoch_start_ = elected.log().ends().log_end;
  fetched_to_.clear();
  check_committed();
}

void ReplicaCluster::leave_behind(std::uint8_t who) {
  if (who % kReplicas == leader_) return;
  in_sync_.erase(who % kReplicas);
  move_high_watermark();
}

/// What Kafka's follower does with the leader's answer (KIP-101, KIP-279): back to the last offset
/// up to which both have the same epochs.
void ReplicaCluster::follow(std::size_t index) {
  Replica& follower = *replicas_[index];
  PartitionLog& log = follower.log();
  follower.leads_in.reset();
  const Offset high_watermark = log.ends().high_watermark;
  for (int round = 0; follower.follows_in != epoch_; ++round) {
    require(round < 100, "the logs' last common offset is not found");
    const auto epochs = log.leader_epochs();
    Offset to = log.ends().log_end;
    bool is_done = true;
    if (!epochs.empty()) {
      const LeaderEpochEnd asked = leader().epoch_end(epochs.back().epoch);
      if (asked.end == kNoOffset) {
        to = high_watermark;
      } else if (const LeaderEpochEnd own = log.epoch_end(asked.epoch); own.end == kNoOffset) {
        to = std::min(to, asked.end);
      } else if (own.epoch != asked.epoch) {
        to = std::min(to, own.end);
        is_done = false;
      } else {
        to = std::min({to, own.end, asked.end});
      }
    }
    const bool has_all_committed = to >= std::min(high_watermark, leader().ends().log_end);
    require(has_all_committed || to < leader().ends().log_start,
            "a follower cuts at " + show(to) + ", below its high watermark");
    const Truncated cut = require_value(log.truncate_to(to), "truncate_to");
    follower.knows_all &= !cut.has_replayed_all || log.ends().log_start == Offset(0);
    // What the leader has deleted may have been something else.
    follower.knows_all &= to > leader().ends().log_start || to == Offset(0);
    if (is_done) follower.follows_in = epoch_;
  }
}

/// The leader's log does not reach back to the follower's end, or begins inside the batch that
/// holds it: what the follower has ends before all that the leader has.
void ReplicaCluster::begin_anew(Replica& follower, Offset at) const {
  require_value(follower.log().truncate_fully_and_start_at(at), "truncate_fully_and_start_at");
  follower.knows_all = false;
}

void ReplicaCluster::fetch(std::size_t index, std::uint8_t choice) {
  Replica& follower = *replicas_[index];
  PartitionLog& log = follower.log();
  const LogEnds leads = leader().ends();
  if (log.ends().log_end < leads.log_start) begin_anew(follower, leads.log_start);
  const Offset from = log.ends().log_end;
  const FetchOptions options{.isolation = Isolation::kReplica,
                             .bytes_max = 1 + 8 * std::int64_t{choice}};
  const Fetched fetched = require_value(leader().fetch(from, options), "fetch");
  const Buffer bytes = require_value(fetched.read(), "read");
  const bool is_inside = !bytes.empty() && view_of(bytes).base_offset() < from;
  if (is_inside && log.ends().log_start < from) {
    require_equal(from, leads.log_start, "an end inside a batch of the leader");
    begin_anew(follower, from);
  }
  require_value(log.append_as_follower(bytes, {.leader_high_watermark = leads.high_watermark,
                                               .leader_log_start = leads.log_start}),
                "append_as_follower");
  require(bytes.empty() || log.ends().log_end > from, "a fetch that brings nothing");
}

void ReplicaCluster::replicate(std::uint8_t who, std::uint8_t choice) {
  const std::size_t index = who % kReplicas;
  if (index == leader_) return;
  follow(index);
  fetch(index, choice);
  note_fetched(index);
}

void ReplicaCluster::note_fetched(std::size_t index) {
  const Offset end = replicas_[index]->log().ends().log_end;
  fetched_to_[index] = end;
  if (end >= leader().ends().high_watermark && end >= epoch_start_) in_sync_.insert(index);
  move_high_watermark();
}

void ReplicaCluster::move_high_watermark() {
  Offset to = leader().ends().log_end;
  for (const std::size_t index : in_sync_) {
    if (index == leader_) continue;
    if (!fetched_to_.contains(index)) return;  // not heard of in this epoch
    to = std::min(to, fetched_to_[index]);
  }
  if (to <= leader().ends().high_watermark) return;
  require_value(leader().set_high_watermark(to), "set_high_watermark");
  for (const Buffer& batch : stored_batches(leader())) {
    const RecordBatchView view = view_of(batch);
    if (view.last_offset() < to) committed_.emplace(view.base_offset(), batch);
  }
}

void ReplicaCluster::check_committed() const {
  std::map<Offset, Buffer> stored;
  for (const Buffer& batch : stored_batches(leader())) {
    stored.emplace(view_of(batch).base_offset(), batch);
  }
  for (const auto& [base, batch] : committed_) {
    if (view_of(batch).last_offset() < leader().ends().log_start) continue;
    const auto found = stored.find(base);
    require(found != stored.end() && found->second == batch,
            "a leader without the committed batch at " + show(base));
  }
}

void ReplicaCluster::restart(std::uint8_t who, bool is_clean) {
  replica(who).restart(is_clean);
  if (who % kReplicas == leader_) elect(who);  // who was not there leads no more, if others can
}

void ReplicaCluster::lose_power(std::uint8_t who, std::uint8_t seed) {
  const std::size_t index = who % kReplicas;
  if (in_sync_.contains(index) && in_sync_.size() == 1) return;
  replica(who).lose_power(seed);
  in_sync_.erase(index);
  fetched_to_.erase(index);
  if (index == leader_) {
    elect(seed);
  } else {
    move_high_watermark();
  }
}

void ReplicaCluster::roll_or_flush(std::uint8_t who, std::uint8_t choice) {
  PartitionLog& log = replica(who).log();
  switch (choice % 3) {
    case 0:
      return require_value(log.roll(), "roll");
    case 1:
      return (void)require_value(log.flush(), "flush");
    default:
      return (void)require_value(log.checkpoint(), "checkpoint");
  }
}

void ReplicaCluster::delete_records(std::uint8_t choice) {
  const LogEnds ends = leader().ends();
  const std::int64_t room = ends.high_watermark - ends.log_start;
  require_value(leader().delete_records(ends.log_start + room * (choice % 100) / 100),
                "delete_records");
}

void ReplicaCluster::apply_retention(std::uint8_t who) {
  require_value(replica(who).log().apply_retention(), "apply_retention");
}

void ReplicaCluster::converge() {
  produce(static_cast<std::uint8_t>(leader_), 0);
  for (std::uint8_t who = 0; who < kReplicas; ++who) {
    if (who == leader_) continue;
    replicate(who, 255);
    while (replica(who).log().ends().log_end < leader().ends().log_end) replicate(who, 255);
  }
  for (std::uint8_t who = 0; who < kReplicas; ++who) replicate(who, 255);  // the watermark
  for (const auto& one : replicas_) {
    compare(one->log(), leader(), one->knows_all && replicas_[leader_]->knows_all);
  }
}

void ReplicaCluster::compare(const PartitionLog& one, const PartitionLog& other,
                             bool both_know_all) const {
  const LogEnds ends = one.ends();
  require_equal(ends.log_end, other.ends().log_end, "log end");
  require_equal(ends.high_watermark, other.ends().high_watermark, "high watermark");
  const Offset start = std::max(ends.log_start, other.ends().log_start);
  require(bytes_from(one, start) == bytes_from(other, start), "the bytes are others");
  const std::string epochs = text_of(epochs_from(one, start));
  const std::string expected = text_of(epochs_from(other, start));
  require(epochs == expected, "epochs are " + epochs + "and not " + expected);
  for (const std::string& broken : one.check_invariants()) throw Disagreement(broken);
  if (!both_know_all || ends.log_start != other.ends().log_start) return;
  require_equal(ends.last_stable_offset, other.ends().last_stable_offset, "LSO");
  const std::string producers = join_lines(texts_of(require_value(one.producers(), "producers")));
  const std::string known = join_lines(texts_of(require_value(other.producers(), "producers")));
  require(producers == known, "producers are\n" + producers + "and not\n" + known);
  if (one.segments().front() == other.segments().front()) {
    require(are_aborted_in(one, other) && are_aborted_in(other, one),
            "the aborted transactions are others");
  }
}

}  // namespace oncelog::test
