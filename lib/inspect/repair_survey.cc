#include "inspect/repair_survey.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <set>

#include "inspect/segment_list.h"
#include "inspect/segment_scan.h"
#include "log/checkpoint.h"
#include "oncelog/clock.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"
#include "snapshot/no_snapshot_store.h"

namespace oncelog::inspect {

namespace {

using segment::segment_file_name;

using segment::kIndexSuffixes;

/// A survey saves nothing.
class NoCheckpoints final : public log::CheckpointKeeper {
 public:
  Result<void> save(const TopicPartition&, const log::PartitionCheckpoint&) override { return {}; }
};

std::string text_of(Offset offset) { return std::to_string(offset.value()); }

class Surveyor {
 public:
  Surveyor(const RepairContext& context, const std::string& directory)
      : context_(context),
        vfs_(context.vfs),
        directory_(directory),
        state_({}, directory, scan_options(), {vfs_, system_clock(), keeper_, snapshots_, {}}) {
    survey_.plan.directory = directory;
  }

  Result<RepairSurvey> run() {
    ONCELOG_TRY_ASSIGN(names_, vfs_.list(directory_));
    for (const std::string& name : names_) {
      if (const auto base = segment::offset_of_file_name(name, segment::kLogSuffix)) {
        survey_.bases.push_back(*base);
      }
      if (name.ends_with(segment::kSwapSuffix)) {
        refuse(fail(ErrorCode::KAFKA_STORAGE_ERROR, path(name),
                    ": an interrupted compaction; an open of the partition, even one that is "
                    "refused, finishes it, then it can be repaired")
                   .error());
        return std::move(survey_);
      }
    }
    if (survey_.bases.empty()) {
      survey_.plan.log_end = context_.checkpoint.log_start.value_or(Offset(0));
      lower_checkpoints();
      survey_.ends_clean_record |=
          context_.clean_end && context_.clean_end->next_offset > survey_.plan.log_end;
      return std::move(survey_);
    }
    ONCELOG_TRY(scan());
    if (survey_.plan.refusal) return std::move(survey_);
    ONCELOG_TRY(plan_cut());
    ONCELOG_TRY(plan_snapshots());
    lower_checkpoints();
    ONCELOG_TRY(plan_what_verify_finds());
    ONCELOG_TRY(plan_epochs());
    plan_clean_record();
    return std::move(survey_);
  }

 private:
  /// As lenient as any log may have been: zeros behind the last batch are a preallocated tail.
  static PartitionOptions scan_options() {
    PartitionOptions options;
    options.config.preallocate = true;
    options.config.segment_bytes = std::numeric_limits<std::int32_t>::max();
    return options;
  }

  [[nodiscard]] std::string path(std::string_view name) const {
    return join_path(directory_, name);
  }
  [[nodiscard]] std::string path(Offset base, std::string_view suffix) const {
    return path(segment_file_name(base, suffix));
  }
  [[nodiscard]] bool has(const std::string& name) const {
    return std::ranges::binary_search(names_, name);
  }
  void refuse(Error error) {
    survey_.plan.steps.clear();
    survey_.plan.refusal = std::move(error);
  }

  /// The rules of an open decide where the log ceases to be believable.
  Result<void> scan() {
    log::ScanOptions options;
    options.is_clean_end = context_.clean_end || context_.was_clean_for_kafka;
    options.recovery_point = context_.checkpoint.recovery_point.value_or(
        options.is_clean_end && !context_.clean_end ? Offset(0) : survey_.bases.back());
    ONCELOG_TRY_ASSIGN(options.epochs_from, load_epochs(options.recovery_point));
    if (survey_.plan.refusal) return {};
    auto scanned = log::scan_log(state_, survey_.bases, options);
    if (!scanned) {
      if (scanned.error().os_errno != 0) return std::unexpected(std::move(scanned).error());
      refuse(std::move(scanned).error());
      return {};
    }
    survey_.scan = *std::move(scanned);
    auto& damage = survey_.scan.damage;
    survey_.plan.log_end = survey_.scan.end;
    if (!damage) return {};
    if (damage->is_legacy) {
      refuse(fail(ErrorCode::UNSUPPORTED_VERSION, path(log_name()), " position ", damage->position,
                  ": ", damage->reason, "; it is not damaged, and is left alone")
                 .error());
    }
    const bool is_active = damage->segment_index + 1 == survey_.bases.size();
    if (damage->is_zero_tail && is_active) damage.reset();
    return {};
  }

  [[nodiscard]] std::string log_name() const {
    return segment_file_name(survey_.bases[survey_.scan.damage->segment_index],
                             segment::kLogSuffix);
  }
  /// Segments that stay, the last of them cut perhaps.
  [[nodiscard]] std::size_t kept_count() const { return survey_.scan.segments.size(); }

  /// The highest offset that anything says was there.
  [[nodiscard]] Offset known_end() const {
    Offset end = survey_.plan.log_end;
    for (const auto& known :
         {context_.checkpoint.recovery_point, context_.checkpoint.high_watermark}) {
      if (known) end = std::max(end, *known);
    }
    if (context_.clean_end) end = std::max(end, context_.clean_end->next_offset);
    return end;
  }

  RepairStep& add(RepairKind kind, const std::string& file, std::int64_t bytes, std::string reason,
                  std::string action) {
    RepairStep step;
    step.kind = kind;
    step.file = file;
    step.bytes = bytes;
    step.begin = step.end = survey_.plan.log_end;
    step.reason = std::move(reason);
    step.action = std::move(action);
    survey_.plan.steps.push_back(std::move(step));
    return survey_.plan.steps.back();
  }

  Result<void> add_removal(const std::string& name, std::string reason, std::string action) {
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(path(name)));
    if (status) {
      add(RepairKind::kRemoveFile, path(name), status->bytes, std::move(reason), std::move(action));
    }
    return {};
  }

  Result<void> plan_cut() {
    if (!survey_.scan.damage) return {};
    const log::Damage& damage = *survey_.scan.damage;
    if (!damage.is_segment_misplaced) {
      ONCELOG_TRY(plan_cut_of_log());
      survey_.rewritten.push_back(damage.segment_index);
    }
    for (std::size_t i = kept_count(); i < survey_.bases.size(); ++i) {
      const Offset base = survey_.bases[i];
      const bool is_cause = i == damage.segment_index;
      ONCELOG_TRY(add_removal(segment_file_name(base, segment::kLogSuffix),
                              is_cause ? damage.reason : "lies behind the damage",
                              "moved aside; what lies behind it cannot stay in the log"));
      RepairStep& step = survey_.plan.steps.back();
      step.begin = std::max(base, survey_.plan.log_end);
      ONCELOG_TRY_ASSIGN(step.end, end_of_segment(i));
      const auto remove_beside = [&](std::string_view suffix) {
        return add_removal(segment_file_name(base, suffix), "its .log goes", "moved aside");
      };
      for (const std::string_view suffix : kIndexSuffixes) ONCELOG_TRY(remove_beside(suffix));
      ONCELOG_TRY(remove_beside(segment::kSealSuffix));
    }
    return {};
  }

  Result<void> plan_cut_of_log() {
    const log::Damage& damage = *survey_.scan.damage;
    const Offset base = survey_.bases[damage.segment_index];
    const std::int64_t file_bytes = survey_.scan.file_bytes[damage.segment_index];
    RepairStep& step =
        add(RepairKind::kCutLog, path(log_name()), file_bytes - damage.position, damage.reason, {});
    step.position = damage.position;
    ONCELOG_TRY_ASSIGN(step.end, end_of_segment(damage.segment_index));
    step.action = survey_.plan.log_end < context_.checkpoint.recovery_point.value_or(base)
                      ? "cut; these records were acknowledged, a replica or a backup may have them"
                      : "cut, as an open would cut it";
    return add_removal(segment_file_name(base, segment::kSealSuffix), "its .log is cut",
                       "moved aside; the segment is read at the next open");
  }

  /// Where the offsets of a segment that goes, in part or whole, may end: at the next one, or
  /// behind the last whole batch that is found.
  Result<Offset> end_of_segment(std::size_t index) {
    const Offset base = survey_.bases[index];
    if (index + 1 < survey_.bases.size()) {
      return std::max(survey_.bases[index + 1], survey_.plan.log_end);
    }
    const std::string log = path(base, segment::kLogSuffix);
    ONCELOG_TRY_ASSIGN(const auto file, vfs_.open(log, OpenMode::kRead));
    Offset end = known_end();
    ONCELOG_TRY(scan_segment(*file, log, [&](const ScannedBatch& found) -> Result<bool> {
      // A number that the CRC does not cover may be the damage.
      const bool is_possible =
          found.batch && found.batch->base_offset() >= base &&
          found.batch->next_offset() - base <= std::numeric_limits<std::int32_t>::max();
      if (is_possible) end = std::max(end, found.batch->next_offset());
      return true;
    }));
    return end;
  }

  /// Kafka would believe one of an end that is no more.
  Result<void> plan_snapshots() {
    for (const std::string& name : names_) {
      const auto offset = segment::offset_of_file_name(name, segment::kSnapshotSuffix);
      if (!offset || *offset <= survey_.plan.log_end) continue;
      ONCELOG_TRY(add_removal(name, "it lies above the end of the log", "moved aside"));
    }
    return {};
  }

  /// Above the end of the log an open would refuse, or show records that were deleted.
  void lower_checkpoints() {
    const Offset end = survey_.plan.log_end;
    const bool has_cut = !survey_.plan.steps.empty();
    const Offset known = known_end();
    const auto lower = [&](const std::optional<Offset>& saved, std::optional<Offset>& to,
                           std::string_view file, std::string_view what) {
      if (!saved || *saved <= end) return;
      to = end;
      RepairStep& step =
          add(RepairKind::kLowerCheckpoint, join_path(context_.checkpoint_directory, file), 0,
              std::string(what) + " " + text_of(*saved) + " lies above the end of the log",
              "lowered to " + text_of(end));
      // Without a cut the records are just not there.
      const bool is_first = !survey_.ends_clean_record;
      if (!has_cut && is_first) step.end = known;
      survey_.ends_clean_record = true;
    };
    lower(context_.checkpoint.recovery_point, survey_.lowered.recovery_point,
          "recovery-point-offset-checkpoint", "the recovery point");
    lower(context_.checkpoint.log_start, survey_.lowered.log_start, "log-start-offset-checkpoint",
          "the log start");
    lower(context_.checkpoint.high_watermark, survey_.lowered.high_watermark,
          "replication-offset-checkpoint", "the high watermark");
    lower(context_.checkpoint.cleaner, survey_.lowered.cleaner, "cleaner-offset-checkpoint",
          "the begin of the next compaction");
  }

  /// Index files and seals that are wrong. What is wrong with batches that stay, and where two
  /// files disagree of which neither can be made anew, is named only.
  Result<void> plan_what_verify_finds() {
    ONCELOG_TRY_ASSIGN(const std::vector<Problem> problems, verify_partition(directory_, &vfs_));
    for (const Problem& problem : problems) {
      if (goes_with_cut(problem)) continue;
      const std::string name = problem.file.substr(problem.file.rfind('/') + 1);
      if (name == segment::kLeaderEpochFile) continue;
      const auto base = segment::offset_of_file_name(name);
      const bool is_index =
          std::ranges::any_of(kIndexSuffixes, [&](auto suffix) { return name.ends_with(suffix); });
      if (base && is_index) {
        force_rebuild(*base, name, problem.problem);
      } else if (base && name.ends_with(segment::kSealSuffix)) {
        ONCELOG_TRY(remove_seal(*base, problem.problem));
      } else {
        survey_.plan.left.push_back(problem);
      }
    }
    return plan_indexes();
  }

  /// Whether the place of the problem is not there any more afterwards.
  [[nodiscard]] bool goes_with_cut(const Problem& problem) const {
    if (!survey_.scan.damage) return false;
    const log::Damage& damage = *survey_.scan.damage;
    const auto base =
        segment::offset_of_file_name(problem.file.substr(problem.file.rfind('/') + 1));
    if (!base) return false;
    const auto index = static_cast<std::size_t>(std::ranges::lower_bound(survey_.bases, *base) -
                                                survey_.bases.begin());
    if (index >= kept_count()) return true;
    // Of its indexes the scan knows, as they are to be; more than sixteen problems are not placed.
    if (!damage.is_segment_misplaced && index == damage.segment_index) {
      return !problem.file.ends_with(segment::kLogSuffix) || problem.position >= damage.position ||
             problem.problem.ends_with("more problems");
    }
    return damage.is_segment_misplaced && index + 1 == damage.segment_index &&
           problem.problem.contains("reach into the next segment");
  }

  void force_rebuild(Offset base, const std::string& name, const std::string& reason) {
    const auto index = static_cast<std::size_t>(std::ranges::lower_bound(survey_.bases, base) -
                                                survey_.bases.begin());
    segment::SegmentContents& contents = survey_.scan.segments[index];
    if (name.ends_with(segment::kOffsetIndexSuffix)) contents.offset_index.is_file_stale = true;
    if (name.ends_with(segment::kTimeIndexSuffix)) contents.time_index.is_file_stale = true;
    if (name.ends_with(segment::kTxnIndexSuffix)) contents.txn_index.is_file_stale = true;
    reasons_.try_emplace(name, reason);
    const bool is_noted = std::ranges::find(survey_.rewritten, index) != survey_.rewritten.end();
    if (!is_noted) survey_.rewritten.push_back(index);
  }

  Result<void> remove_seal(Offset base, const std::string& reason) {
    const std::string name = segment_file_name(base, segment::kSealSuffix);
    if (!removed_seals_.insert(base).second) return {};
    return add_removal(name, reason, "moved aside; the segment is read at the next open");
  }

  /// Of the segments that are written anyway every index that is not as the batches say.
  Result<void> plan_indexes() {
    for (const std::size_t index : survey_.rewritten) {
      const segment::SegmentContents& contents = survey_.scan.segments[index];
      const Offset base = survey_.bases[index];
      const std::array stale{contents.offset_index.is_file_stale, contents.time_index.is_file_stale,
                             contents.txn_index.is_file_stale};
      bool has_stale = false;
      for (std::size_t i = 0; i < kIndexSuffixes.size(); ++i) {
        const std::string name = segment_file_name(base, kIndexSuffixes[i]);
        ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(path(name)));
        const bool is_forced = reasons_.contains(name);
        if (!stale[i] || (!status && !is_forced)) continue;
        has_stale = true;
        add(RepairKind::kRebuildFile, path(name), status ? status->bytes : 0,
            is_forced ? reasons_.at(name) : "it has entries that the cut makes wrong",
            "written anew out of the batches");
      }
      // It speaks of index files, too.
      if (has_stale && has(segment_file_name(base, segment::kSealSuffix)) && !is_cut(index)) {
        ONCELOG_TRY(remove_seal(base, "an index file that it speaks of is written anew"));
      }
    }
    return {};
  }

  [[nodiscard]] bool is_cut(std::size_t index) const {
    return survey_.scan.damage && !survey_.scan.damage->is_segment_misplaced &&
           survey_.scan.damage->segment_index == index;
  }

  /// As an open loads it: the file knows the epochs below the recovery point, and those below its
  /// last start. Answers from which offset on batches may begin others.
  Result<Offset> load_epochs(Offset recovery_point) {
    stored_epochs_ = log::read_leader_epochs(vfs_, path(segment::kLeaderEpochFile));
    if (!stored_epochs_) {
      const Error& error = stored_epochs_.error();
      if (error.os_errno != 0) return std::unexpected(error);
      if (error.code == ErrorCode::UNSUPPORTED_VERSION) refuse(error);
      return Offset(0);
    }
    if (stored_epochs_->empty())
      return has(std::string(segment::kLeaderEpochFile)) ? recovery_point : Offset(0);
    state_.epochs = log::LeaderEpochs(*stored_epochs_);
    return std::max(recovery_point, stored_epochs_->back().start);
  }

  /// What the file is to be: unreadable, behind a torn end, or reaching beyond it, it is wrong.
  Result<void> plan_epochs() {
    const std::string file = path(segment::kLeaderEpochFile);
    const Offset end = survey_.plan.log_end;
    log::LeaderEpochs epochs = state_.epochs;
    epochs.truncate_from_end(end);
    if (epochs.entries().empty() && survey_.scan.last_batch) {
      // The log start, where the first of them began, was above the end.
      const auto& last = survey_.scan.last_batch->anchor;
      if (last.leader_epoch >= LeaderEpoch(0)) epochs.assign(last.leader_epoch, last.base_offset);
    }
    const bool knows_more = std::erase_if(survey_.plan.left, [&](const Problem& problem) {
      return is_of_unwritten_epoch(problem, epochs);
    });
    const bool reaches_beyond =
        stored_epochs_ && !stored_epochs_->empty() && stored_epochs_->back().start > end;
    if (stored_epochs_ && !reaches_beyond && !knows_more) return {};
    survey_.epochs = epochs.entries();
    ONCELOG_TRY_ASSIGN(const auto status, vfs_.status(file));
    add(RepairKind::kRebuildFile, file, status ? status->bytes : 0,
        !stored_epochs_  ? stored_epochs_.error().context
        : reaches_beyond ? "epochs begin above the end of the log"
                         : "the log was not closed: epochs of its last batches are missing",
        "written anew out of the batches");
    return {};
  }

  /// Whether verify missed an epoch that the batches behind the recovery point begin.
  static bool is_of_unwritten_epoch(const Problem& problem, const log::LeaderEpochs& epochs) {
    constexpr std::string_view kSeen = "leader epoch is ";
    constexpr std::string_view kAt = " at offset ";
    const std::string_view text = problem.problem;
    const std::size_t at = text.rfind(kAt);
    if (!text.starts_with(kSeen) || at == std::string_view::npos) return false;
    std::int32_t seen = 0;
    std::int64_t offset = 0;
    std::from_chars(text.data() + kSeen.size(), text.data() + text.size(), seen);
    std::from_chars(text.data() + at + kAt.size(), text.data() + text.size(), offset);
    return epochs.epoch_at(Offset(offset)) == LeaderEpoch(seen);
  }

  /// What the last clean close left must be what there is, or no open believes it.
  void plan_clean_record() {
    const bool changes_log = std::ranges::any_of(survey_.plan.steps, [](const RepairStep& step) {
      return step.kind == RepairKind::kCutLog || step.kind == RepairKind::kLowerCheckpoint ||
             step.file.ends_with(segment::kLogSuffix);
    });
    survey_.ends_clean_record |= changes_log;
    if (!context_.clean_end) return;
    survey_.ends_clean_record |= log::end_found_by(survey_.scan) != *context_.clean_end;
  }

  const RepairContext& context_;
  Vfs& vfs_;
  const std::string directory_;
  NoCheckpoints keeper_;
  snapshot::NoSnapshotStore snapshots_;
  log::LogState state_;
  std::vector<std::string> names_;
  Result<std::vector<LeaderEpochStart>> stored_epochs_;
  std::map<std::string, std::string> reasons_;  ///< of index files that verify calls wrong
  std::set<Offset> removed_seals_;
  RepairSurvey survey_;
};

}  // namespace

Result<RepairSurvey> survey_partition(const RepairContext& context, const std::string& directory) {
  return Surveyor(context, directory).run();
}

}  // namespace oncelog::inspect
