// compaction.cc: of each key the newest record is kept, and what producers and transactions need
// (semantics 23).
//
// Invariant: offsets, sequences and ends stay; the last value of every key is read as before; no
//   transaction is decided otherwise; no producer is forgotten.
//
// 1 check: is the log due, where do the segments to be rewritten end; sync, for holes between
//   batches are legal only below the recovery point.  Die here: nothing has happened.
//
// 2 write: the keys are mapped; group by group a segment is built beside the log and swapped in
//   (segment_swap.cc).                               Die here: the groups that are swapped in stay,
//   the next round begins where this one did.
//
// 3 the checkpoint file says where the next round begins.
//
// Only the swaps take locks that others wait for. A log that is cut or closed meanwhile ends the
// round.
#include <algorithm>
#include <tuple>

#include "compaction/batch_filter.h"
#include "compaction/cleaned_segment.h"
#include "compaction/key_map.h"
#include "log/compaction_pace.h"
#include "log/compaction_plan.h"
#include "log/log_state.h"
#include "log/producer_checkpoint.h"
#include "log/seals.h"
#include "log/segment_swap.h"
#include "oncelog/clock.h"
#include "producer/transaction_tracker.h"
#include "segment/batch_scan.h"
#include "segment/segment_names.h"

namespace oncelog {

namespace log {

namespace {

using compaction::CleanedSegment;
using compaction::FilteredBatch;
using record::BatchHeader;
using segment::BatchScan;
using segment::Segment;
using Group = std::span<const std::shared_ptr<Segment>>;

class Compaction {
 public:
  Compaction(LogState& state, const CompactionOptions& options)
      : state_(state),
        config_(state.config.read()),
        pace_(options, state.is_compaction_to_end),
        keys_(options.key_map_bytes_max) {}

  Result<CompactionReport> run() {
    ONCELOG_TRY(take_subject());
    ONCELOG_TRY(plan());
    if (!report_.was_due) return report_;

    ONCELOG_TRY(sync_log(state_, SyncScope::kRecoveryPoint, Offset(0)));
    ONCELOG_TRY(remove_leftovers());
    ONCELOG_TRY(end_if_cut(map_keys()));
    if (!report_.was_interrupted) ONCELOG_TRY(end_if_cut(rewrite_groups()));
    if (report_.was_interrupted) return report_;

    ONCELOG_TRY(finish());
    return report_;
  }

 private:
  Result<void> take_subject() {
    const std::scoped_lock maintenance(state_.maintenance_mutex);
    const std::scoped_lock lock(state_.writer_mutex);
    ONCELOG_TRY(check_writable(state_));
    ONCELOG_TRY(drain_ring(state_));
    subject_.segments = state_.segments;
    subject_.ends = state_.published.read().ends;
    subject_.cleaner_offset = state_.cleaner_offset.value_or(subject_.ends.log_start);
    return {};
  }

  Result<void> plan() {
    report_.first_dirty = subject_.cleaner_offset;
    report_.cleaned_to = subject_.cleaner_offset;
    if (!config_.cleanup_compact) return {};
    ONCELOG_TRY_ASSIGN(plan_, plan_compaction(state_, subject_, state_.environment.clock.now()));
    report_.was_due = plan_.is_due;
    report_.dirty_ratio = plan_.dirty_ratio;
    report_.first_dirty = plan_.first_dirty;
    report_.cleaned_to = plan_.first_dirty;
    return plan_.is_cleaner_offset_wrong ? save_cleaner_offset(plan_.first_dirty) : Result<void>{};
  }

  /// Never above the active segment: a truncation may have come in between.
  Result<void> save_cleaner_offset(Offset to) {
    const std::scoped_lock maintenance(state_.maintenance_mutex);
    {
      const std::scoped_lock lock(state_.writer_mutex);
      ONCELOG_TRY(check_writable(state_));
      to = std::min(to, state_.active()->base_offset());
    }
    ONCELOG_TRY(poison_unless_full(
        state_, state_.environment.checkpoints.save(state_.name, {.cleaner = to})));
    state_.cleaner_offset = to;
    return {};
  }

  /// A `.cleaned` that is left behind would make the next open undo a swap.
  Result<void> remove_leftovers() {
    Vfs& vfs = state_.environment.vfs;
    ONCELOG_TRY_ASSIGN(const std::vector<std::string> names, vfs.list(state_.directory));
    bool has_removed = false;
    for (const std::string& name : names) {
      if (!name.ends_with(segment::kCleanedSuffix)) continue;
      ONCELOG_TRY(vfs.remove(state_.path(name)));
      has_removed = true;
    }
    if (!has_removed) return {};
    return poison_unless_full(state_, vfs.sync_directory(state_.directory));
  }

  /// What a truncation has cut is no damage.
  Result<void> end_if_cut(Result<void> result) {
    if (pace_.is_to_end()) report_.was_interrupted = true;
    if (result || !state_.poison.check()) return result;
    const Group rest = segments_below(plan_.end).subspan(rewritten_count_);
    const std::scoped_lock lock(state_.writer_mutex);
    if (std::ranges::search(state_.segments, rest).begin() != state_.segments.end()) return result;
    report_.was_interrupted = true;
    return {};
  }

  [[nodiscard]] std::span<const std::shared_ptr<Segment>> segments_below(Offset offset) const {
    const auto end = std::ranges::lower_bound(
        subject_.segments, offset, {}, [](const auto& segment) { return segment->base_offset(); });
    return {subject_.segments.begin(), end};
  }

  /// Base of the segment behind; there is one, as the last is active.
  [[nodiscard]] Offset upper_of(std::size_t index) const {
    return subject_.segments[index + 1]->base_offset();
  }

  /// Semantics 9.4, steps 2 and 3: aborted transactions that touch `[from, upper)`, in the indexes
  /// of a segment and of those behind it.
  [[nodiscard]] std::vector<segment::TxnIndexEntry> aborted_from(std::size_t index, Offset from,
                                                                 Offset upper) const {
    std::vector<segment::TxnIndexEntry> found;
    for (; index < subject_.segments.size(); ++index) {
      const segment::TxnIndex& entries = subject_.segments[index]->txn_index();
      const std::size_t count = entries.size();
      for (std::size_t i = 0; i < count; ++i) {
        const segment::TxnIndexEntry& entry = entries[i];
        if (entry.last_offset >= from && entry.first_offset < upper) found.push_back(entry);
        if (entry.last_stable_offset >= upper) return found;
      }
    }
    return found;
  }

  /// Each batch of a segment that ends at or behind `from`, until `visit` has enough.
  template <class Visit>
  Result<void> visit_batches(const Segment& one, Offset from, const Visit& visit) {
    ONCELOG_TRY_ASSIGN(const auto first, one.find_batch(from, one.bytes()));
    if (!first) return {};
    BatchScan batches(*one.log_file(), {.begin = first->position, .end = one.bytes()});
    while (!pace_.is_to_end()) {
      ONCELOG_TRY_ASSIGN(const std::optional<RecordBatchView> batch, batches.next());
      if (!batch) break;
      pace_.add(std::ssize(batch->bytes()));
      auto visited = visit(*batch);
      if (!visited) {
        visited.error().context = one.log_path() + " position " +
                                  std::to_string(batches.batch_position()) + ": " +
                                  visited.error().context;
        return std::unexpected(std::move(visited).error());
      }
      if (*visited == Visited::kEnough) return {};
    }
    if (batches.damage().empty()) return {};
    return fail(ErrorCode::CORRUPT_MESSAGE, one.log_path(), " position ", batches.position(), ": ",
                batches.damage());
  }
  enum class Visited : std::uint8_t { kGoOn, kEnough };

  /// The newest offset of each key from the first dirty offset on, and how far that reaches (23.2).
  Result<void> map_keys() {
    const auto segments = segments_below(plan_.end);
    std::size_t index = 0;
    while (upper_of(index) <= plan_.first_dirty) ++index;
    for (const auto& one : segments) pace_.expect(one->bytes());
    for (const auto& one : segments.subspan(index)) pace_.expect(one->bytes());
    compaction::DecidedTransactions transactions;
    transactions.add_aborted(aborted_from(index, plan_.first_dirty, plan_.end));
    coverage_end_ = plan_.first_dirty;
    for (; index < segments.size() && report_.has_covered_all && !pace_.is_to_end(); ++index) {
      ONCELOG_TRY(visit_batches(*segments[index], plan_.first_dirty,
                                [&](const auto& batch) { return map_batch(batch, transactions); }));
      if (report_.has_covered_all) coverage_end_ = upper_of(index);
    }
    report_.keys = keys_.key_count();
    return {};
  }

  Result<Visited> map_batch(const RecordBatchView& batch,
                            compaction::DecidedTransactions& transactions) {
    const BatchHeader header = record::header_of(batch);
    if (header.is_control()) {
      ONCELOG_TRY_ASSIGN(const auto control, batch.control_record());
      std::ignore = transactions.read_marker(header, control);
    } else if (!transactions.read_data(header) && header.record_count > 0) {
      ONCELOG_TRY_ASSIGN(RecordReader records,
                         RecordReader::open(batch, state_.environment.store.decompression));
      while (true) {
        ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record, records.next());
        if (!record) break;
        if (!record->key || record->offset < plan_.first_dirty) continue;
        if (!keys_.put(*record->key, record->offset)) {
          report_.has_covered_all = false;
          return Visited::kEnough;
        }
        coverage_end_ = record->offset + 1;
      }
    }
    coverage_end_ = std::max(coverage_end_, header.next_offset());
    return Visited::kGoOn;
  }

  Result<void> rewrite_groups() {
    const auto segments = segments_below(coverage_end_);
    round_end_ = upper_of(segments.size() - 1);
    compaction::BatchFilter filter(
        keys_,
        {.coverage_end = coverage_end_,
         .round_end = plan_.end,
         .now = state_.environment.clock.now(),
         .delete_retention_ms = config_.delete_retention_ms,
         .limits = state_.environment.store.decompression},
        [&](const BatchHeader& header) { return is_last_of_producer(header); });
    for (const Group& group : group_segments(segments, config_, plan_.end)) {
      ONCELOG_TRY_ASSIGN(CleanedSegment cleaned,
                         CleanedSegment::create(state_.environment.vfs, state_.directory,
                                                group.front()->base_offset(), config_));
      auto rewritten = rewrite_group(group, filter, cleaned);
      const bool is_swapped = rewritten && *rewritten == SwapOutcome::kSwapped;
      if (!is_swapped && state_.poison.check()) cleaned.discard();
      ONCELOG_TRY(rewritten);
      if (!is_swapped) {
        report_.was_interrupted = true;
        return {};
      }
      report_.segments_before += std::ssize(group);
      report_.segments_after += 1;
      report_.bytes_after += cleaned.bytes();
      rewritten_count_ += group.size();
    }
    return {};
  }

  /// A producer that is known still, and whose last data batch this is; one of whom only a marker
  /// is known keeps the markers of its epoch (23.3.4).
  Result<bool> is_last_of_producer(const BatchHeader& header) {
    std::unique_lock lock(state_.writer_mutex);
    state_.producers.evict_some(state_.environment.store.producer_cache_bytes);
    ONCELOG_TRY(read_producer(state_, lock, header.producer_id));
    const producer::ProducerEntry* entry = state_.producers.find(header.producer_id);
    if (entry == nullptr) return false;
    const producer::RememberedBatch* last = entry->last_batch();
    if (last != nullptr) return last->last_offset == header.last_offset();
    return header.is_control() && header.producer_epoch == entry->epoch;
  }

  Result<SwapOutcome> rewrite_group(const Group& group, compaction::BatchFilter& filter,
                                    CleanedSegment& cleaned) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      ONCELOG_TRY_ASSIGN(const auto last, group[i]->last_batch());
      const Offset own_end = last ? last->next_offset() : group[i]->base_offset();
      const Offset upper = i + 1 < group.size() ? group[i + 1]->base_offset() : own_end;
      // Below the log start, too: what is left there must still agree with the index.
      filter.transactions().add_aborted(aborted_from(rewritten_count_ + i, Offset(0), upper));
      ONCELOG_TRY(visit_batches(*group[i], group[i]->base_offset(), [&](const auto& batch) {
        return rewrite_batch(batch, filter, cleaned);
      }));
      report_.bytes_before += group[i]->bytes();
    }
    if (pace_.is_to_end()) return SwapOutcome::kOutOfDate;
    ONCELOG_TRY_ASSIGN(const auto status, state_.environment.vfs.status(group.back()->log_path()));
    std::optional<std::int64_t> modified_ms;
    if (status) modified_ms = status->modified_ms;
    std::vector<segment::OpenTransaction> open;
    for (const auto& [first, id] : kept_transactions_.open()) open.push_back({id, first});
    ONCELOG_TRY_ASSIGN(const segment::SegmentContents contents,
                       cleaned.finish(modified_ms, std::move(open)));
    return swap_segments(state_, {group, cleaned, contents, round_end_});
  }

  Result<Visited> rewrite_batch(const RecordBatchView& batch, compaction::BatchFilter& filter,
                                CleanedSegment& cleaned) {
    ONCELOG_TRY_ASSIGN(const FilteredBatch filtered, filter.filter(batch));
    const BatchHeader header = record::header_of(batch);
    report_.records_before += header.record_count;
    report_.records_after += filtered.records_kept;
    if (filtered.fate == FilteredBatch::Fate::kDropped) return Visited::kGoOn;
    if (filtered.fate == FilteredBatch::Fate::kUnchanged) {
      ONCELOG_TRY(cleaned.add(batch));
    } else {
      ONCELOG_TRY(cleaned.add(filtered.rebuilt));
    }
    if (filtered.aborted) cleaned.add_aborted(*filtered.aborted);
    std::optional<ControlRecord> control;
    if (header.is_control() && filtered.records_kept > 0) {
      ONCELOG_TRY_ASSIGN(control, batch.control_record());
    }
    std::ignore = kept_transactions_.add(header, control);
    return Visited::kGoOn;
  }

  Result<void> finish() {
    ONCELOG_TRY(save_cleaner_offset(coverage_end_));
    report_.cleaned_to = coverage_end_;
    const std::scoped_lock maintenance(state_.maintenance_mutex);
    // Shortcuts: what cannot be sealed now is sealed later.
    std::ignore = seal_closed_segments(state_);
    return {};
  }

  LogState& state_;
  const TopicConfig config_;
  CompactionPace pace_;
  compaction::KeyMap keys_;
  CompactionSubject subject_;
  CompactionPlan plan_;
  Offset coverage_end_{};
  std::size_t rewritten_count_ = 0;  ///< segments, from the first on
  Offset round_end_{};               ///< base of the first segment that is not rewritten
  producer::TransactionTracker kept_transactions_;  ///< of the batches that are left
  CompactionReport report_;
};

}  // namespace

}  // namespace log

Result<CompactionReport> PartitionLog::compact(const CompactionOptions& options) {
  const log::TellsEnds tells(*state_);
  const std::scoped_lock compaction(state_->compaction_mutex);
  ONCELOG_TRY_ASSIGN(CompactionReport report, log::Compaction(*state_, options).run());
  if (report.was_due && !report.was_interrupted) {
    state_->metrics.compaction_rounds.add(1);
    state_->metrics.compaction_records.add(report.records_before - report.records_after);
    state_->metrics.compaction_bytes.add(report.bytes_before - report.bytes_after);
  }
  return report;
}

}  // namespace oncelog
