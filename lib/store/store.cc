// store.cc: a directory of partitions with one owner: open, create, close.
//
// Crash: an open removes the records of the clean end before anything else changes; a close writes
// them after everything else is on stable storage. So they stand only over a log that nothing has
// touched since.
#include "oncelog/store.h"

#include <algorithm>
#include <ranges>

#include "io/descriptor_limit.h"
#include "log/checkpoint.h"
#include "log/ring_replay.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"
#include "snapshot/lmdb_snapshot_store.h"
#include "snapshot/no_snapshot_store.h"
#include "store/kept_options.h"
#include "store/store_state.h"

namespace oncelog {

namespace store {

namespace {

constexpr std::string_view kKafkaMarkerContent = R"({"version":0,"brokerEpoch":-1})";

std::int64_t open_files_max(const StoreOptions& options) {
  return options.open_files_max > 0 ? options.open_files_max : io::descriptor_limit() / 2;
}

}  // namespace

Result<void> check_name(const TopicPartition& name) {
  constexpr std::size_t kTopicBytesMax = 249;
  const std::string& topic = name.topic;
  const auto is_legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (topic.empty() || topic.size() > kTopicBytesMax || topic == "." || topic == ".." ||
      !std::ranges::all_of(topic, is_legal) || name.partition < 0) {
    return fail(ErrorCode::INVALID_TOPIC_EXCEPTION, "\"", topic, "\" partition ", name.partition,
                ": a topic has 1 to 249 letters, digits, '.', '_' or '-', a partition is >= 0");
  }
  return {};
}

StoreState::StoreState(const std::string& directory, const StoreOptions& options)
    : directory_(directory),
      options_(options),
      vfs_(options.vfs != nullptr ? *options.vfs : posix_vfs()),
      clock_(options.clock != nullptr ? *options.clock : system_clock()),
      checkpoints_(vfs_, directory),
      ring_budget_(std::make_shared<segment::RingBudget>(options.append_ring_bytes_total,
                                                         [this] { reclaim_ring(); })),
      open_files_(std::make_shared<segment::OpenFiles>(open_files_max(options))) {}

StoreState::~StoreState() {
  end_thread();
  ring_budget_->stop_reclaiming();
  for (auto& [name, partition] : open_) log::abandon_log(*partition.state);
}

namespace {

/// Before anything is touched: a refused open must not take the record of the clean end away.
Result<void> check_options(const StoreOptions& options) {
  ONCELOG_TRY(options.topic_defaults.check());
  // With none of them there would be work due for ever.
  const std::pair<std::string_view, std::int64_t> intervals[] = {
      {"checkpoint_interval_bytes", options.checkpoint_interval_bytes},
      {"checkpoint_interval_records", options.checkpoint_interval_records},
      {"maintenance_interval_ms", options.maintenance_interval_ms},
      {"producer_expiry_interval_ms", options.producer_expiry_interval_ms},
      {"scrub_interval_ms", options.scrub_interval_ms}};
  for (const auto& [name, value] : intervals) {
    if (value < 1) return fail(ErrorCode::INVALID_CONFIG, "options: ", name, " is ", value);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<StoreState>> StoreState::open(const std::string& directory,
                                                     const StoreOptions& options) {
  ONCELOG_TRY(check_options(options));
  std::unique_ptr<StoreState> state(new StoreState(directory, options));
  ONCELOG_TRY_ASSIGN(const auto status, state->vfs_.status(directory));
  if (status && !status->is_directory) {
    return fail(ErrorCode::KAFKA_STORAGE_ERROR, directory, ": is not a directory");
  }
  if (!status && !options.create_if_missing) {
    return fail(ErrorCode::KAFKA_STORAGE_ERROR, directory, ": no such store");
  }
  ONCELOG_TRY_ASSIGN(const auto lock_file, state->vfs_.status(state->path(kLockFile)));
  if (!lock_file) {
    // Also where the directory is there: who made it may have died before its name was synced, but
    // has made no lock file then.
    ONCELOG_TRY(state->vfs_.create_directory(directory));
    ONCELOG_TRY(state->vfs_.sync_directory(directory + "/.."));
  }
  ONCELOG_TRY_ASSIGN(state->lock_, state->vfs_.lock(state->path(kLockFile)));
  ONCELOG_TRY_ASSIGN(state->warnings_, state->checkpoints_.load());
  ONCELOG_TRY_ASSIGN(const auto state_close_record, state->take_clean_end());
  ONCELOG_TRY(state->open_snapshots(state_close_record));
  ONCELOG_TRY(state->finish_deletions());
  ONCELOG_TRY(state->start_maintenance());
  return state;
}

Result<void> StoreState::open_snapshots(std::optional<std::uint64_t> state_close_record) {
  const bool is_wanted = options_.producer_state == ProducerStateStore::kLmdb;
  if (is_wanted && options_.snapshots != nullptr) {
    snapshots_ = {std::shared_ptr<void>(), options_.snapshots};
    return {};
  }
  if (!is_wanted || !vfs_.native_path(path(snapshot::kStateFile))) {
    snapshots_ = std::make_shared<snapshot::NoSnapshotStore>();
    return {};
  }
  snapshot::LmdbStoreOptions options;
  options.directory = directory_;
  options.map_bytes = options_.state_map_bytes;
  options.walk_bytes_max = options_.state_walk_bytes_max;
  options.close_record = state_close_record;
  ONCELOG_TRY_ASSIGN(auto opened, snapshot::LmdbSnapshotStore::open(vfs_, options));
  warnings_.insert(warnings_.end(), opened->warnings().begin(), opened->warnings().end());
  snapshots_ = std::move(opened);
  return {};
}

Result<std::optional<std::uint64_t>> StoreState::take_clean_end() {
  constexpr std::int64_t kCleanRecordBytesMax = std::int64_t{64} << 20;
  ONCELOG_TRY_ASSIGN(const auto marker, vfs_.status(path(kKafkaCleanMarkerFile)));
  had_kafka_marker_ = marker.has_value();
  std::optional<std::uint64_t> state_close_record;
  ONCELOG_TRY_ASSIGN(const auto file,
                     log::read_small_file(vfs_, path(kCleanRecordFile), kCleanRecordBytesMax));
  if (file) {
    const auto record = decode_clean_record(as_bytes(*file));
    if (record) {
      ONCELOG_TRY(believe(*record));
      state_close_record = record->state_close_record;
    } else {
      warnings_.push_back(path(kCleanRecordFile) + ": " + record.error().text());
    }
  }
  if (!file && !marker) {
    // Checkpoint files that a process has renamed, and died before its sync: what an open does
    // because of them must not outlive them.
    ONCELOG_TRY(vfs_.sync_directory(directory_));
    return state_close_record;
  }
  ONCELOG_TRY(vfs_.remove(path(kCleanRecordFile)));
  ONCELOG_TRY(vfs_.sync_directory(directory_));
  ONCELOG_TRY(vfs_.remove(path(kKafkaCleanMarkerFile)));
  ONCELOG_TRY(vfs_.sync_directory(directory_));
  return state_close_record;
}

/// Every writer replaces the witness files: another inode, or none, means that somebody else wrote
/// here or that this is a copy.
Result<void> StoreState::believe(const CleanRecord& record) {
  for (const WitnessFile& witness : record.witnesses) {
    ONCELOG_TRY_ASSIGN(const WitnessFile now,
                       look_at_witness(vfs_, path(witness.name), witness.name));
    if (now.inode != witness.inode) {
      has_foreign_writes_ = true;
      return {};
    }
    if (now.hash != witness.hash) {
      warnings_.push_back(path(witness.name) + ": was changed since the clean close that wrote it");
    }
  }
  clean_ends_ = record.partitions;
  return {};
}

Result<std::shared_ptr<PartitionLog>> StoreState::open_partition(const TopicPartition& name,
                                                                 const OpenManner& manner,
                                                                 log::OpenProgress* progress) {
  ONCELOG_TRY(check_name(name));
  Lock lock(mutex_);
  return open_one(lock, name, manner, progress);
}

Result<std::shared_ptr<PartitionLog>> StoreState::create_partition(const TopicPartition& name,
                                                                   OpenManner manner) {
  ONCELOG_TRY(check_name(name));
  Lock lock(mutex_);
  await_opening(lock, name);
  ONCELOG_TRY(check_is_free(name));
  manner.create_if_missing = true;
  return open_one(lock, name, manner);
}

/// A directory without a segment, of a partition without a recovery point, is what a creation has
/// left that was interrupted, also where a loss of power kept an index file of it: open_partition
/// does not find it either.
Result<void> StoreState::check_is_free(const TopicPartition& name) const {
  const std::string directory = segment::partition_directory_name(name);
  ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(path(directory)));
  if (!status) return {};
  const auto is_of_segment = [](const std::string& file) {
    return segment::offset_of_file_name(file).has_value() && file.contains(segment::kLogSuffix);
  };
  if (status->is_directory && !checkpoints_.find(name).recovery_point) {
    ONCELOG_TRY_ASSIGN(const std::vector<std::string> files, vfs_.list(path(directory)));
    if (std::ranges::none_of(files, is_of_segment)) return {};
  }
  return fail(ErrorCode::TOPIC_ALREADY_EXISTS, directory, ": exists");
}

std::shared_ptr<PartitionLog> StoreState::find_partition(const TopicPartition& name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = open_.find(name);
  return found == open_.end() ? nullptr : found->second.handle;
}

void StoreState::await_opening(Lock& lock, const TopicPartition& name) {
  opening_ended_.wait(lock, [&] { return !opening_.contains(name); });
}

Result<log::OpenRequest> StoreState::plan_open(const TopicPartition& name) {
  if (is_closed_) return fail(ErrorCode::MISUSE, directory_, ": the store is closed");
  if (const auto going = going_.find(name); going != going_.end()) {
    // Its deletion failed half way: the name is not free before it is through.
    ONCELOG_TRY(finish_deletion(name, std::string(going->second)));
  }
  if (open_.contains(name)) {
    return fail(ErrorCode::MISUSE, segment::partition_directory_name(name), ": is open already");
  }
  log::OpenRequest request;
  request.name = name;
  request.directory = path(segment::partition_directory_name(name));
  request.checkpoint = checkpoints_.find(name);
  const auto clean = clean_ends_.find(name);
  if (clean != clean_ends_.end()) request.clean_end = clean->second;
  request.was_clean_for_kafka = had_kafka_marker_ && !request.clean_end && !unclean_.contains(name);
  request.has_foreign_writes = (has_foreign_writes_ || had_kafka_marker_) && !request.clean_end &&
                               !recovered_.contains(name);
  return request;
}

/// Before the first segment: a partition is never there without the options that it was made with.
Result<void> StoreState::keep_options_of_new(const std::string& directory,
                                             const Result<std::optional<KeptOptions>>& before,
                                             const KeptOptions& kept) {
  // What an interrupted creation has left counts for nothing.
  if (before && before->value_or(KeptOptions{}) == kept) return {};
  ONCELOG_TRY(vfs_.create_directory(directory));
  return write_kept_options(vfs_, directory, kept);
}

Result<StoreState::OpenedLog> StoreState::open_log(log::OpenRequest& request,
                                                   const OpenManner& manner) {
  OpenedLog opened;
  // One that has a recovery point was there: whatever is to be said of it, nothing is made first.
  const bool is_new =
      manner.create_if_missing && !request.checkpoint.recovery_point && check_is_free(request.name);
  const auto before = read_kept_options(vfs_, request.directory);
  if (manner.options) {
    opened.options = *manner.options;
    opened.kept = describe_options(opened.options, options_.topic_defaults);
  } else {
    if (!is_new) {
      ONCELOG_TRY(before);
      opened.kept = before->value_or(KeptOptions{});
    }
    ONCELOG_TRY_ASSIGN(opened.options, apply_kept_options(opened.kept, options_.topic_defaults));
  }
  ONCELOG_TRY(check_in_force(opened.options));
  if (is_new) ONCELOG_TRY(keep_options_of_new(request.directory, before, opened.kept));
  opened.options.create_if_missing = manner.create_if_missing;
  request.options = opened.options;
  if (manner.is_one_of_many) checkpoints_.set_waits(request.name, true);
  auto state = log::open_log(request, {vfs_, clock_, checkpoints_, *snapshots_, ring_budget_,
                                       options_, thread_.get(), open_files_});
  checkpoints_.set_waits(request.name, false);
  ONCELOG_TRY_ASSIGN(opened.state, std::move(state));
  return opened;
}

Result<std::shared_ptr<PartitionLog>> StoreState::open_one(Lock& lock, const TopicPartition& name,
                                                           const OpenManner& manner,
                                                           log::OpenProgress* progress) {
  await_opening(lock, name);
  ONCELOG_TRY_ASSIGN(log::OpenRequest request, plan_open(name));
  request.progress = progress;
  opening_.insert(name);
  lock.unlock();
  const auto begin = std::chrono::steady_clock::now();
  auto opened = open_log(request, manner);
  lock.lock();
  opening_.erase(name);
  opening_ended_.notify_all();
  if (!opened) {
    // It may have got as far as removing Kafka's snapshots: no marker of ours may stand over that.
    if (request.was_clean_for_kafka) unclean_.insert(name);
    return std::unexpected(std::move(opened).error());
  }
  clean_ends_.erase(name);
  unclean_.insert(name);
  recovered_.insert(name);
  RecoveryReport& report = opened->state->report;
  report.elapsed = std::chrono::steady_clock::now() - begin;
  for (const std::string& warning : warnings_) report.warnings.push_back(warning);
  OpenPartition partition;
  partition.options = opened->options;
  partition.kept = std::move(opened->kept);
  partition.state = opened->state.get();
  partition.handle = std::make_shared<PartitionLog>(std::move(opened->state));
  return open_.emplace(name, partition).first->second.handle;
}

Result<std::shared_ptr<PartitionLog>> StoreState::reopen_partition(const TopicPartition& name) {
  Lock lock(mutex_);
  await_opening(lock, name);
  const auto found = open_.find(name);
  if (found == open_.end()) {
    return fail(ErrorCode::MISUSE, segment::partition_directory_name(name), ": is not open");
  }
  OpenManner manner(found->second.options);
  log::abandon_log(*found->second.state);
  forget_open(found);
  manner.create_if_missing = false;
  return open_one(lock, name, manner);
}

void StoreState::forget_open(std::map<TopicPartition, OpenPartition>::iterator closed) {
  closed_totals_ += log::read_counters(*closed->second.state);
  open_.erase(closed);
}

StoreMetrics StoreState::metrics() const {
  StoreMetrics metrics;
  std::vector<std::shared_ptr<PartitionLog>> logs;
  {
    const std::scoped_lock lock(mutex_);
    metrics.totals = closed_totals_;
    for (const auto& [name, partition] : open_) logs.push_back(partition.handle);
  }
  for (const auto& log : logs) {
    metrics.partitions.push_back(log->metrics());
    metrics.totals += metrics.partitions.back().counters;
  }
  return metrics;
}

Result<void> StoreState::close_one(const TopicPartition& name) {
  const auto found = open_.find(name);
  if (found == open_.end()) {
    return fail(ErrorCode::MISUSE, segment::partition_directory_name(name), ": is not open");
  }
  const auto end = log::close_log(*found->second.state);
  forget_open(found);
  if (!end) return std::unexpected(end.error());
  clean_ends_[name] = *end;
  unclean_.erase(name);
  return {};
}

Result<void> StoreState::close_partition(const TopicPartition& name) {
  Lock lock(mutex_);
  await_opening(lock, name);
  return close_one(name);
}

Result<std::vector<TopicPartition>> StoreState::partitions() const {
  return segment::list_partition_directories(vfs_, directory_);
}

void StoreState::reclaim_ring() {
  std::shared_ptr<PartitionLog> keeps_it;
  log::LogState* idlest = nullptr;
  {
    const Lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;  // an append has no time for an open or a close
    const auto has_ring = [](const auto& open) {
      return open.second.state->ring && open.second.state->ring->is_ready();
    };
    for (const auto& [name, open] : open_ | std::views::filter(has_ring)) {
      if (idlest != nullptr && idlest->ring->last_used() <= open.state->ring->last_used()) continue;
      keeps_it = open.handle;
      idlest = open.state;
    }
  }
  const Timestamp idle_since = clock_.now() - options_.append_ring_idle_ms;
  // What fails for that log is for its own next verb to say.
  if (idlest != nullptr) std::ignore = log::hand_back_ring(*idlest, idle_since);
}

Result<void> StoreState::write_clean_end() {
  // Kafka's marker speaks for the whole directory, and under it Kafka takes a partition without a
  // snapshot for one without producers.
  bool writes_marker = options_.kafka_handover;
  ONCELOG_TRY_ASSIGN(const std::vector<TopicPartition> present, partitions());
  for (const TopicPartition& name : present) {
    const auto end = clean_ends_.find(name);
    if (end == clean_ends_.end()) {
      writes_marker &= had_kafka_marker_ && !unclean_.contains(name);
      continue;
    }
    const std::string snapshot =
        segment::segment_file_name(end->second.next_offset, segment::kSnapshotSuffix);
    ONCELOG_TRY_ASSIGN(const auto status,
                       vfs_.status(path(segment::partition_directory_name(name) + "/" + snapshot)));
    writes_marker &= status.has_value();
  }
  const std::string aside = path(kKafkaCleanMarkerFile) + ".tmp";
  std::optional<WitnessFile> marker;
  if (writes_marker) {
    {
      ONCELOG_TRY_ASSIGN(const auto file, vfs_.open(aside, OpenMode::kCreate));
      ONCELOG_TRY(file->truncate(0));
      const Bytes parts[] = {as_bytes(kKafkaMarkerContent)};
      ONCELOG_TRY(file->write_at(parts, 0));
      ONCELOG_TRY(file->sync());
    }
    ONCELOG_TRY_ASSIGN(marker, look_at_witness(vfs_, aside, kKafkaCleanMarkerFile));
  }
  ONCELOG_TRY(write_clean_record(vfs_, directory_, clean_ends_, marker));
  if (!writes_marker) return {};
  ONCELOG_TRY(vfs_.rename(aside, path(kKafkaCleanMarkerFile)));
  return vfs_.sync_directory(directory_);
}

}  // namespace store

Store::Store(std::unique_ptr<store::StoreState> state) : state_(std::move(state)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& directory, StoreOptions options) {
  ONCELOG_TRY_ASSIGN(auto state, store::StoreState::open(directory, options));
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

Result<std::shared_ptr<PartitionLog>> Store::open_partition(const TopicPartition& name,
                                                            PartitionOptions options) {
  return state_->open_partition(name, store::OpenManner(options));
}

Result<std::shared_ptr<PartitionLog>> Store::open_partition(const TopicPartition& name) {
  return state_->open_partition(name, store::OpenManner());
}

Result<std::shared_ptr<PartitionLog>> Store::create_partition(const TopicPartition& name,
                                                              PartitionOptions options) {
  return state_->create_partition(name, store::OpenManner(options));
}

Result<std::shared_ptr<PartitionLog>> Store::create_partition(const TopicPartition& name) {
  return state_->create_partition(name, store::OpenManner());
}

std::vector<OpenedPartition> Store::open_partitions(const std::vector<PartitionToOpen>& wanted,
                                                    const OpenManyOptions& options) {
  return state_->open_partitions(wanted, options);
}

Result<std::vector<OpenedPartition>> Store::open_all_partitions(
    const std::optional<PartitionOptions>& partition, const OpenManyOptions& options) {
  return state_->open_all_partitions(partition, options);
}

std::shared_ptr<PartitionLog> Store::find_partition(const TopicPartition& name) const {
  return state_->find_partition(name);
}

Result<void> Store::delete_partition(const TopicPartition& name) {
  return state_->delete_partition(name);
}

Result<std::shared_ptr<PartitionLog>> Store::reopen_partition(const TopicPartition& name) {
  return state_->reopen_partition(name);
}

Result<void> Store::close_partition(const TopicPartition& name) {
  return state_->close_partition(name);
}

Result<std::vector<TopicPartition>> Store::partitions() const { return state_->partitions(); }

std::vector<PartitionScrub> Store::scrub() const { return state_->scrub(); }

StoreMetrics Store::metrics() const { return state_->metrics(); }

}  // namespace oncelog
