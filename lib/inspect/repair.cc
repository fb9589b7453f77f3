// repair.cc: a store, or one of its partitions, is brought back to what is sound.
//
// Invariant: nothing is removed before its copy lies aside, synced; a log is never cut below a
//   recovery point that is on the disk.
//
// 1 check: the plan; whoever asked agrees.         Die here: nothing has happened.
//
// 2 write: copies aside, synced; then the record   Die here: the copies are whole before the first
//   of the clean end goes, seals and snapshots       change. A later open, or repair, goes on:
//   until with it; the checkpoints come down; segments     the recovery point is down it refuses,
//   then it go from the end downwards; the log is cut,       cuts what is left of the damage
//   itself. its indexes and epochs are written.
//
// There is no third beat: nothing is in memory.
//
// The producers' checkpoints in `.state` stay: one above the cut has an anchor that is not in the
// log any more, and the next open drops it.
#include "oncelog/repair.h"

#include <algorithm>
#include <array>

#include "inspect/aside_folder.h"
#include "inspect/repair_survey.h"
#include "inspect/segment_list.h"
#include "io/store_lock.h"
#include "log/checkpoint.h"
#include "log/file_copy.h"
#include "oncelog/clock.h"
#include "segment/segment_names.h"
#include "store/checkpoint_files.h"
#include "store/clean_record.h"

namespace oncelog {

namespace {

using inspect::AsideFolder;
using inspect::join_path;
using inspect::RepairSurvey;

constexpr std::string_view kNoteFile = "repair.txt";
constexpr std::array kCheckpointFiles{store::kRecoveryPointFile, store::kLogStartFile,
                                      store::kHighWatermarkFile, store::kCleanerFile};

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// One line a step, for whoever finds the folder.
std::string note_of(const RepairPlan& plan) {
  std::string text =
      "What a repair has removed. Each line: file, position of the first byte that went, how "
      "many,\n"
      "offsets that were lost (first, behind the last), why, and what was done.\n\n";
  const auto add = [&](const std::vector<RepairStep>& steps) {
    for (const RepairStep& step : steps) {
      text += step.file + "\t" + std::to_string(step.position) + "\t" + std::to_string(step.bytes) +
              "\t" + std::to_string(step.begin.value()) + "\t" + std::to_string(step.end.value()) +
              "\t" + step.reason + "\t" + step.action + "\n";
    }
  };
  add(plan.store_steps);
  for (const PartitionRepair& one : plan.partitions) add(one.steps);
  return text;
}

class Repairer {
 public:
  Repairer(Vfs& vfs, std::string path) : vfs_(vfs), path_(std::move(path)) {}

  /// Finds out what the path is: a store, or a partition, perhaps of a store.
  Result<void> locate() {
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(path_));
    if (!status || !status->is_directory) {
      return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, path_, ": no such directory");
    }
    ONCELOG_TRY_ASSIGN(const auto segments, inspect::list_segments(vfs_, path_));
    const inspect::PartitionPlace place = inspect::place_of(path_);
    ONCELOG_TRY_ASSIGN(const bool is_store, looks_like_store(path_));
    const auto name = segment::parse_partition_directory(place.name);
    if (!segments.empty() || (!is_store && name)) {
      directories_ = {path_};
      store_ = place.parent;
      ONCELOG_TRY_ASSIGN(is_in_store_, looks_like_store(store_));
      return {};
    }
    store_ = path_;
    is_in_store_ = is_store;
    ONCELOG_TRY_ASSIGN(const auto partitions, list_partitions(path_, &vfs_));
    if (!is_store && partitions.empty()) {
      return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, path_,
                  ": is no store, and holds no segment");
    }
    for (const TopicPartition& partition : partitions) {
      directories_.push_back(join_path(path_, segment::partition_directory_name(partition)));
    }
    return {};
  }

  /// The lock that a Store takes; without it, whether somebody has it.
  Result<void> check_not_in_use() const {
    if (!is_in_store_) return {};
    const auto native = vfs_.native_path(join_path(store_, store::kLockFile));
    return native ? io::StoreLock::check_free(*native) : Result<void>{};
  }
  Result<void> lock() {
    if (!is_in_store_) return {};
    ONCELOG_TRY_ASSIGN(lock_, vfs_.lock(join_path(store_, store::kLockFile)));
    return {};
  }

  Result<void> choose_aside(const std::string& wanted) {
    const bool is_lone = !is_in_store_ && directories_ == std::vector{path_};
    ONCELOG_TRY_ASSIGN(plan_.aside, AsideFolder::choose(vfs_, is_lone ? path_ : store_, wanted));
    return {};
  }

  Result<RepairPlan> plan() {
    ONCELOG_TRY(read_store_files());
    for (const std::string& directory : directories_) {
      ONCELOG_TRY_ASSIGN(RepairSurvey survey,
                         inspect::survey_partition(context_of(directory), directory));
      ends_clean_record_ |= survey.ends_clean_record;
      plan_.partitions.push_back(survey.plan);
      surveys_.push_back(std::move(survey));
    }
    ends_clean_record_ |= !plan_.store_steps.empty();
    if (!ends_clean_record_) return plan_;
    for (const std::string_view name : {store::kCleanRecordFile, store::kKafkaCleanMarkerFile}) {
      ONCELOG_TRY(add_store_step(
          name, "it says that the store was closed cleanly, with other files than these",
          "moved aside; the next open reads what lies behind the recovery points"));
    }
    return plan_;
  }

  Result<void> run() {
    AsideFolder aside(vfs_, plan_.aside);
    ONCELOG_TRY(aside.create());
    for (const RepairStep& step : plan_.store_steps) {
      ONCELOG_TRY(aside.keep(step.file, 0, step.bytes, ""));
    }
    for (const PartitionRepair& one : plan_.partitions) ONCELOG_TRY(keep_aside(aside, one));
    ONCELOG_TRY(aside.note(kNoteFile, note_of(plan_)));
    ONCELOG_TRY(aside.sync());

    // Ours first, as an open does: Kafka's marker alone is judged by Kafka's rules.
    for (const RepairStep& step : plan_.store_steps) {
      ONCELOG_TRY(vfs_.remove(step.file));
      ONCELOG_TRY(vfs_.sync_directory(store_));
    }
    for (const RepairSurvey& survey : surveys_) {
      if (!survey.plan.steps.empty()) ONCELOG_TRY(run_partition(survey));
    }
    return {};
  }

 private:
  Result<bool> looks_like_store(const std::string& directory) {
    for (const std::string_view name :
         {store::kLockFile, store::kRecoveryPointFile, store::kLogStartFile,
          store::kHighWatermarkFile, store::kCleanRecordFile, store::kKafkaCleanMarkerFile,
          std::string_view("meta.properties")}) {
      ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(join_path(directory, name)));
      if (status && !status->is_directory) return true;
    }
    return false;
  }

  Result<void> add_store_step(std::string_view name, std::string reason, std::string action) {
    const std::string file = join_path(store_, name);
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(file));
    if (!status) return {};
    RepairStep step;
    step.file = file;
    step.bytes = status->bytes;
    step.reason = std::move(reason);
    step.action = std::move(action);
    plan_.store_steps.push_back(std::move(step));
    return {};
  }

  /// Checkpoints that cannot be read, and what the last clean end was.
  Result<void> read_store_files() {
    checkpoints_ = std::make_unique<store::CheckpointFiles>(vfs_, store_);
    if (!is_in_store_) return {};
    ONCELOG_TRY_ASSIGN(const auto unreadable, checkpoints_->load());
    for (const std::string_view name : kCheckpointFiles) {
      const auto read = log::read_offset_checkpoint(vfs_, join_path(store_, name));
      if (read) continue;
      ONCELOG_TRY(add_store_step(name, read.error().context,
                                 "moved aside; its offsets are not known any more, of any "
                                 "partition: a log then starts at its first segment"));
    }
    ONCELOG_TRY_ASSIGN(const auto marker,
                       vfs_.status(join_path(store_, store::kKafkaCleanMarkerFile)));
    has_kafka_marker_ = marker.has_value();
    constexpr std::int64_t kCleanRecordBytesMax = std::int64_t{64} << 20;
    ONCELOG_TRY_ASSIGN(const auto file,
                       log::read_small_file(vfs_, join_path(store_, store::kCleanRecordFile),
                                            kCleanRecordBytesMax));
    if (!file) return {};
    auto record = store::decode_clean_record(as_bytes(*file));
    if (!record) return {};  // an open drops it
    for (const store::WitnessFile& witness : record->witnesses) {
      ONCELOG_TRY_ASSIGN(
          const store::WitnessFile now,
          store::look_at_witness(vfs_, join_path(store_, witness.name), witness.name));
      if (now.inode != witness.inode) return {};  // somebody else wrote here, or it is a copy
    }
    clean_ends_ = std::move(record->partitions);
    return {};
  }

  [[nodiscard]] inspect::RepairContext context_of(const std::string& directory) const {
    inspect::RepairContext context{vfs_};
    context.checkpoint_directory = store_;
    const auto name = segment::parse_partition_directory(last_part(directory));
    if (!name) return context;
    context.checkpoint = checkpoints_->find(*name);
    const auto clean = clean_ends_.find(*name);
    if (clean != clean_ends_.end()) context.clean_end = clean->second;
    context.was_clean_for_kafka = has_kafka_marker_ && !context.clean_end;
    return context;
  }

  Result<void> keep_aside(AsideFolder& aside, const PartitionRepair& one) const {
    for (const RepairStep& step : one.steps) {
      if (step.bytes == 0) continue;
      ONCELOG_TRY(aside.keep(step.file, step.position, step.bytes, last_part(one.directory)));
    }
    return {};
  }

  Result<void> run_partition(const RepairSurvey& survey) {
    const std::string& directory = survey.plan.directory;
    const auto remove_if = [&](auto is_to_go) -> Result<void> {
      for (const RepairStep& step : survey.plan.steps) {
        if (step.kind == RepairKind::kRemoveFile && is_to_go(step.file)) {
          ONCELOG_TRY(vfs_.remove(step.file));
        }
      }
      return vfs_.sync_directory(directory);
    };
    // Seals and snapshots before what they speak of.
    ONCELOG_TRY(remove_if([](const std::string& file) {
      return file.ends_with(segment::kSealSuffix) || file.ends_with(segment::kSnapshotSuffix);
    }));
    if (const auto name = segment::parse_partition_directory(last_part(directory))) {
      ONCELOG_TRY(checkpoints_->save(*name, survey.lowered));
    }
    for (std::size_t i = survey.bases.size(); i-- > survey.scan.segments.size();) {
      ONCELOG_TRY(segment::remove_segment_files(vfs_, directory, survey.bases[i]));
    }
    // Before the damage goes: a later segment that came back would look sound then.
    ONCELOG_TRY(vfs_.sync_directory(directory));
    for (const std::size_t index : survey.rewritten) {
      const std::string log = segment::segment_file_name(survey.bases[index], segment::kLogSuffix);
      ONCELOG_TRY(log::make_file_own(vfs_, join_path(directory, log)));  // a backup may share it
      ONCELOG_TRY_ASSIGN(const auto one,
                         segment::Segment::open(vfs_, directory, survey.bases[index], TopicConfig{},
                                                system_clock().now(), survey.scan.segments[index]));
      ONCELOG_TRY(one->trim_log());
      ONCELOG_TRY(one->write_indexes());
      ONCELOG_TRY(one->sync());
    }
    if (survey.epochs) {
      ONCELOG_TRY(log::write_leader_epochs(vfs_, join_path(directory, segment::kLeaderEpochFile),
                                           *survey.epochs));
    }
    return vfs_.sync_directory(directory);
  }

  Vfs& vfs_;
  std::string path_;
  std::string store_;
  bool is_in_store_ = false;  ///< there are checkpoint files, and a lock, in `store_`
  std::vector<std::string> directories_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<store::CheckpointFiles> checkpoints_;
  std::map<TopicPartition, log::CleanEnd> clean_ends_;
  bool has_kafka_marker_ = false;
  bool ends_clean_record_ = false;
  std::vector<RepairSurvey> surveys_;
  RepairPlan plan_;
};

}  // namespace

Result<RepairPlan> plan_repair(const std::string& path, const RepairOptions& options) {
  Repairer repairer(options.vfs != nullptr ? *options.vfs : posix_vfs(), path);
  ONCELOG_TRY(repairer.locate());
  ONCELOG_TRY(repairer.choose_aside(options.aside));
  ONCELOG_TRY(repairer.check_not_in_use());
  return repairer.plan();
}

Result<RepairPlan> repair(const std::string& path, const RepairConfirmation& confirm,
                          const RepairOptions& options) {
  Repairer repairer(options.vfs != nullptr ? *options.vfs : posix_vfs(), path);
  ONCELOG_TRY(repairer.locate());
  ONCELOG_TRY(repairer.choose_aside(options.aside));
  ONCELOG_TRY(repairer.lock());
  ONCELOG_TRY_ASSIGN(RepairPlan plan, repairer.plan());
  if (!confirm(plan)) return RepairPlan{};
  if (!plan.has_steps()) return plan;

  ONCELOG_TRY(repairer.run());
  return plan;
}

}  // namespace oncelog
