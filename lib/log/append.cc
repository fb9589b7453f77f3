// append.cc: one append, by the leader or as a follower, in three beats.
//
// Invariant: the log end only grows; a batch is stored at most once per (producer id, producer
//   epoch, base sequence).
//
// 1 check: pure, may refuse.             Die here: nothing on disk.
//
// 2 write: one write behind the log end. Die here: recovery keeps each batch iff it is whole.
//
// 3 apply: memory only, cannot fail.     Die here: as after 2; memory is rebuilt from the log.
//
// Then, without the writer lock: work that became due, and the wait for the level that was asked
// for. A duplicate waits like any other append.
#include <algorithm>
#include <array>
#include <limits>

#include "base/assert.h"
#include "log/log_state.h"
#include "log/maintenance.h"
#include "log/producer_checkpoint.h"
#include "log/seals.h"
#include "oncelog/clock.h"
#include "record/batch_check.h"

namespace oncelog {

namespace {

using log::LogState;
using record::BatchHeader;
using record::CheckedBatch;
using record::ReceivedBatch;

/// What `write` needs, made before anything is written so that `apply` cannot fail.
struct WritePlan {
  segment::Segment* target = nullptr;          ///< the active segment, or the new one
  std::shared_ptr<segment::Segment> rolled{};  ///< the new one, at a roll
  std::optional<log::LeaderEpochs> epochs{};   ///< if the append begins a leader epoch
  std::shared_ptr<const log::LogView> view{};  ///< if segments or epochs change
  std::vector<segment::OpenTransaction> open_transactions{};  ///< at a roll: before the append
};

/// Batches of one append as the plan sees them.
struct AppendExtent {
  Offset first_offset{};
  Offset last_offset{};
  std::int64_t bytes = 0;
  Timestamp max_timestamp = kNoTimestamp;
  std::size_t batches = 0;
};

/// Semantics 17: where the bytes go. If the next segment is due, drains the ring and creates its
/// file.
Result<WritePlan> plan_write(LogState& state, const AppendExtent& extent, Timestamp now,
                             std::optional<log::LeaderEpochs> epochs) {
  WritePlan plan{state.active().get(), nullptr, std::move(epochs), nullptr, {}};
  const Offset new_base = std::max(state.offsets.log_end(), extent.first_offset);
  if (plan.target->is_due_to_roll({extent.bytes, extent.max_timestamp, extent.last_offset, now}) &&
      new_base != plan.target->base_offset()) {
    // First: a ring whose segment is not the last one has nothing for an open.
    ONCELOG_TRY(log::drain_ring(state));
    ONCELOG_TRY_ASSIGN(plan.rolled, log::create_segment(state, new_base));
    plan.target = plan.rolled.get();
  }
  // The offset behind the last one must be a number, too.
  const bool has_room = extent.last_offset >= extent.first_offset &&
                        extent.last_offset < Offset(std::numeric_limits<std::int64_t>::max());
  if (!has_room || !plan.target->can_hold(extent.last_offset)) {
    if (plan.rolled) std::ignore = state.environment.vfs.remove(plan.target->log_path());
    return fail(ErrorCode::INVALID_RECORD, "append: offsets ", extent.first_offset, " to ",
                extent.last_offset, " do not fit a segment with base ", plan.target->base_offset());
  }
  if (plan.rolled || plan.epochs) {
    plan.view = log::make_view(state, plan.rolled,
                               plan.epochs ? plan.epochs->entries() : state.epochs.entries());
  }
  if (plan.rolled) {
    log::reserve_roll(state);
    plan.open_transactions = log::open_transactions_at_end(state);
  }
  state.pending.prepare();
  plan.target->reserve(extent.batches, state.pending.aborted_count());
  return plan;
}

/// The write beat. A failure leaves no trace: the file is cut back, a new segment removed.
Result<void> write(LogState& state, const WritePlan& plan, std::span<const BatchHeader> headers,
                   std::span<const Bytes> parts, Level level) {
  auto written = plan.target->write(headers, parts, level);
  if (written) return {};
  if (plan.rolled) std::ignore = state.environment.vfs.remove(plan.target->log_path());
  if (written.error().code == ErrorCode::PARTITION_POISONED) {
    return std::unexpected(state.poison.set(written.error()));
  }
  return written;
}

/// The apply beat: segments, epochs, indexes, producers, ends; in memory, reserved before.
void apply(LogState& state, WritePlan& plan, std::span<const BatchHeader> headers) noexcept {
  if (plan.rolled) log::apply_roll(state, plan.rolled, std::move(plan.open_transactions));
  if (plan.epochs) {
    state.epochs = *std::move(plan.epochs);
    state.are_epochs_unwritten = true;
  }
  plan.target->begin_roll_time_if_empty(headers.front().max_timestamp);
  std::int64_t bytes = 0;
  std::int64_t records = 0;
  for (const BatchHeader& header : headers) {
    plan.target->apply_batch(header);
    bytes += header.size_bytes();
    records += header.record_count;
  }
  // Moved under the writer lock only: a plain load and store.
  state.appended_bytes.store(state.appended_bytes.load(std::memory_order_relaxed) + bytes,
                             std::memory_order_relaxed);
  state.metrics.appended_batches.add(std::ssize(headers));
  state.metrics.appended_records.add(records);
  state.offsets.advance_log_end(headers.back().next_offset());
  const BatchHeader& last = headers.back();
  state.end_gap = 0;
  state.last_batch = {{last.base_offset, last.leader_epoch, last.crc}, last.next_offset()};
  state.producers.apply(state.pending);
  state.changed_producer_bytes.store(state.producers.changed_bytes(), std::memory_order_relaxed);
  for (const AbortedTransactionEntry& entry : state.pending.aborted()) {
    plan.target->apply_aborted(
        {entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset});
  }
  if (plan.view) state.view.publish(std::move(plan.view));
  if (state.high_watermark_policy == HighWatermarkPolicy::kLogEnd) {
    log::move_high_watermark(state, state.offsets.log_end());
  } else {
    log::publish_ends(state);
  }
}

/// What an append left to be done without the writer lock.
struct AppendOutcome {
  Appended appended{};
  bool has_rolled = false;
};

Result<AppendOutcome> check_write_apply(LogState& state, CheckedBatch& batch,
                                        producer::Strictness strictness, Level level,
                                        Timestamp now) {
  std::unique_lock lock(state.writer_mutex);
  BatchHeader& header = batch.header;
  ONCELOG_TRY(log::check_writable(state));
  ONCELOG_TRY(log::read_producers(state, lock, {&header, 1}));
  header.base_offset = state.offsets.log_end();
  header.leader_epoch = state.leader_epoch;
  state.pending.clear();
  ONCELOG_TRY_ASSIGN(const producer::AppendVerdict verdict,
                     state.pending.check(header, batch.control, strictness));
  if (const producer::RememberedBatch* original = verdict.duplicate_of) {
    state.metrics.duplicate_batches.add(1);
    return AppendOutcome{{original->first_offset(), original->last_offset, true,
                          original->timestamp, state.offsets.log_start()}};
  }
  std::optional<log::LeaderEpochs> epochs;
  if (state.epochs.is_new(header.leader_epoch, header.base_offset)) {
    epochs = state.epochs;
    epochs->assign(header.leader_epoch, header.base_offset);
  }
  ONCELOG_TRY_ASSIGN(WritePlan plan, plan_write(state,
                                                {header.base_offset, header.last_offset(),
                                                 header.size_bytes(), header.max_timestamp, 1},
                                                now, std::move(epochs)));

  std::array<std::byte, record::kHeaderBytes> header_bytes;
  record::encode_batch_header(header, header_bytes);
  const std::array<Bytes, 2> parts{Bytes(header_bytes), batch.record_bytes};
  ONCELOG_TRY(write(state, plan, {&header, 1}, parts, level));

  apply(state, plan, {&header, 1});
  return AppendOutcome{{header.base_offset, header.last_offset(), false, batch.append_time,
                        state.offsets.log_start()},
                       plan.rolled != nullptr};
}

/// After the beats: syncs that a roll or flush.messages made due, then the wait for the level.
Result<Appended> finish(LogState& state, const AppendOutcome& outcome, Level level) {
  Appended appended = outcome.appended;
  const Offset end = appended.last_offset + 1;
  const bool has_gap = log::has_unsaved_gap(state);
  if (has_gap || (log::is_flush_due(state, outcome.has_rolled) && !log::leave_to_thread(state))) {
    const auto flushed = log::sync_log(state, log::SyncScope::kRecoveryPoint, end);
    // The batch is stored: a flush that only lacked space is done later, and not its failure. But
    // an open would not find what lies behind a gap.
    if (!flushed && (has_gap || flushed.error().code == ErrorCode::PARTITION_POISONED)) {
      return std::unexpected(flushed.error());
    }
  }
  if (level == Level::kDurable) {
    log::tell_ends(state);
    ONCELOG_TRY(log::sync_with_others(state, end, {}));
  }
  log::tell_ends(state);
  log::maintain_if_due(state, outcome.has_rolled);
  appended.level = Offset(state.durable_end.load()) >= end ? Level::kDurable : Level::kWritten;
  return appended;
}

Result<Appended> append_checked(LogState& state, Bytes bytes, AppendOrigin origin,
                                std::optional<Level> level) {
  const TopicConfig config = state.config.read();
  const Timestamp now = state.environment.clock.now();
  auto checked =
      record::check_batch(bytes, {config, state.environment.store.decompression, origin, now});
  if (!checked) return std::unexpected(std::move(checked).error());
  if (!*checked) {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(log::check_writable(state));
    Appended nothing;
    nothing.log_start = state.published.read().ends.log_start;
    return nothing;
  }
  CheckedBatch& batch = **checked;  // in its place: it is large
  if (batch.size_bytes() > config.segment_bytes) {
    return fail(ErrorCode::RECORD_LIST_TOO_LARGE, "append: ", batch.size_bytes(),
                " bytes, segment.bytes is ", config.segment_bytes);
  }
  log::prepare_ring(state, now);
  const auto strictness = origin == AppendOrigin::kClient ? producer::Strictness::kClient
                                                          : producer::Strictness::kCoordinator;
  const Level wanted = level.value_or(*state.options.level);
  ONCELOG_TRY_ASSIGN(const AppendOutcome outcome,
                     check_write_apply(state, batch, strictness, wanted, now));
  return finish(state, outcome, wanted);
}

/// The log start that a follower takes over must lie at or below the high watermark that it takes
/// over (16.1).
Result<void> check_leader_ends(const LogState& state, Offset end,
                               const FollowerAppendOptions& options) {
  if (!options.leader_log_start) return {};
  const bool follows_end = state.high_watermark_policy == HighWatermarkPolicy::kLogEnd;
  const Offset own = follows_end ? end : state.offsets.high_watermark();
  const Offset high_watermark = std::min(options.leader_high_watermark.value_or(own), end);
  if (*options.leader_log_start <= std::max(high_watermark, state.offsets.log_start())) return {};
  return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "follower append: the leader's log start ",
              *options.leader_log_start, " is above the high watermark ", high_watermark);
}

/// Semantics 3.3, 1.15, and the producers' and epochs' part of the check, in Kafka's order.
Result<std::optional<log::LeaderEpochs>> check_received(LogState& state,
                                                        std::span<const ReceivedBatch> batches,
                                                        std::int64_t bytes,
                                                        const FollowerAppendOptions& options) {
  ONCELOG_TRY(check_leader_ends(state, batches.back().header.next_offset(), options));
  const BatchHeader& first = batches.front().header;
  if (first.base_offset < state.offsets.log_end()) {
    return fail(ErrorCode::UNKNOWN_SERVER_ERROR, "follower append: offsets ", first.base_offset,
                " to ", batches.back().header.last_offset(), " begin below the log end ",
                state.offsets.log_end());
  }
  if (bytes > state.config.read().segment_bytes) {
    return fail(ErrorCode::RECORD_LIST_TOO_LARGE, "follower append: ", bytes,
                " bytes, segment.bytes is ", state.config.read().segment_bytes);
  }
  state.pending.clear();
  std::optional<log::LeaderEpochs> epochs;
  for (const ReceivedBatch& batch : batches) {
    ONCELOG_TRY(
        state.pending.check(batch.header, batch.control, producer::Strictness::kReplication));
    const log::LeaderEpochs& present = epochs ? *epochs : state.epochs;
    if (!present.is_new(batch.header.leader_epoch, batch.header.base_offset)) continue;
    if (!epochs) epochs = state.epochs;
    epochs->assign(batch.header.leader_epoch, batch.header.base_offset);
  }
  return epochs;
}

/// Whether the log is empty, and its end lies inside the first of these batches.
bool is_empty_inside(const LogEnds& ends, std::span<const ReceivedBatch> batches) {
  return !batches.empty() && ends.log_start == ends.log_end &&
         batches.front().header.base_offset < ends.log_end &&
         batches.front().header.last_offset() >= ends.log_end;
}

/// What could refuse these batches once the log has been begun anew for them, which cannot be taken
/// back.
Result<void> check_restart(const LogState& state, std::span<const ReceivedBatch> batches,
                           const FollowerAppendOptions& options) {
  const Offset base = batches.front().header.base_offset;
  const Offset last = batches.back().header.last_offset();
  const Offset own = state.high_watermark_policy == HighWatermarkPolicy::kLogEnd ? last + 1 : base;
  const Offset high_watermark =
      std::min(std::max(options.leader_high_watermark.value_or(own), base), last + 1);
  if (options.leader_log_start.value_or(base) > high_watermark) {
    return fail(ErrorCode::OFFSET_OUT_OF_RANGE, "follower append: the leader's log start ",
                *options.leader_log_start, " is above the high watermark ", high_watermark);
  }
  std::int64_t bytes = 0;
  producer::ProducerTable none;
  producer::PendingAppend pending(none);
  for (const ReceivedBatch& batch : batches) {
    bytes += batch.header.size_bytes();
    ONCELOG_TRY(pending.check(batch.header, batch.control, producer::Strictness::kReplication));
  }
  if (bytes > state.config.read().segment_bytes) {
    return fail(ErrorCode::RECORD_LIST_TOO_LARGE, "follower append: ", bytes,
                " bytes, segment.bytes is ", state.config.read().segment_bytes);
  }
  if (last - base <= std::numeric_limits<std::int32_t>::max()) return {};
  return fail(ErrorCode::INVALID_RECORD, "append: offsets ", base, " to ", last,
              " do not fit a segment");
}

Result<AppendOutcome> check_write_apply_received(LogState& state,
                                                 std::span<const ReceivedBatch> batches,
                                                 const FollowerAppendOptions& options) {
  const Level level = options.level.value_or(*state.options.level);
  std::vector<BatchHeader> headers;
  std::vector<Bytes> parts;
  AppendExtent extent;
  for (const ReceivedBatch& batch : batches) {
    headers.push_back(batch.header);
    parts.push_back(batch.bytes);
    extent.bytes += batch.header.size_bytes();
    extent.max_timestamp = std::max(extent.max_timestamp, batch.header.max_timestamp);
  }
  extent.first_offset = headers.front().base_offset;
  extent.last_offset = headers.back().last_offset();
  extent.batches = headers.size();

  const Timestamp now = state.environment.clock.now();
  log::prepare_ring(state, now);
  std::unique_lock lock(state.writer_mutex);
  ONCELOG_TRY(log::check_writable(state));
  ONCELOG_TRY(log::read_producers(state, lock, headers));
  ONCELOG_TRY_ASSIGN(auto epochs, check_received(state, batches, extent.bytes, options));
  ONCELOG_TRY_ASSIGN(WritePlan plan, plan_write(state, extent, now, std::move(epochs)));

  ONCELOG_TRY(write(state, plan, headers, parts, level));

  apply(state, plan, headers);
  return AppendOutcome{
      {extent.first_offset, extent.last_offset, false, kNoTimestamp, state.offsets.log_start()},
      plan.rolled != nullptr};
}

}  // namespace

Result<Appended> PartitionLog::append_as_leader(Bytes bytes, LeaderAppendOptions options) {
  const log::TellsEnds tells(*state_);
  auto appended = append_checked(*state_, bytes, options.origin, options.level);
  log::count_error(state_->metrics.append_errors, appended);
  return appended;
}

Result<Appended> PartitionLog::append_marker(const MarkerFields& fields,
                                             std::optional<Level> level) {
  const log::TellsEnds tells(*state_);
  MarkerFields at_front = fields;
  at_front.base_offset = Offset(0);
  if (at_front.timestamp == kNoTimestamp) at_front.timestamp = state_->environment.clock.now();
  if (at_front.timestamp < kNoTimestamp) {
    return fail(ErrorCode::INVALID_TIMESTAMP, "append_marker: timestamp ", at_front.timestamp);
  }
  auto appended =
      append_checked(*state_, build_marker(at_front), AppendOrigin::kCoordinator, level);
  log::count_error(state_->metrics.append_errors, appended);
  return appended;
}

Result<Appended> PartitionLog::append_as_follower(Bytes bytes, FollowerAppendOptions options) {
  const log::TellsEnds tells(*state_);
  auto appended = append_received(bytes, options);
  log::count_error(state_->metrics.append_errors, appended);
  return appended;
}

Result<Appended> PartitionLog::append_received(Bytes bytes, const FollowerAppendOptions& options) {
  LogState& state = *state_;
  ONCELOG_TRY_ASSIGN(const std::vector<ReceivedBatch> batches,
                     record::check_received_batches(bytes));
  AppendOutcome outcome;
  outcome.appended.log_start = state.published.read().ends.log_start;
  if (is_empty_inside(state.published.read().ends, batches)) {
    // The leader's log start lies inside its first batch, which comes whole (3.3).
    ONCELOG_TRY(check_restart(state, batches, options));
    ONCELOG_TRY(truncate_fully_and_start_at(batches.front().header.base_offset));
  }
  if (!batches.empty()) {
    ONCELOG_TRY_ASSIGN(outcome, check_write_apply_received(state, batches, options));
  } else {
    const std::scoped_lock lock(state.writer_mutex);
    ONCELOG_TRY(log::check_writable(state));
    ONCELOG_TRY(check_leader_ends(state, state.offsets.log_end(), options));
  }
  ONCELOG_TRY_ASSIGN(Appended appended,
                     finish(state, outcome, options.level.value_or(*state.options.level)));
  if (options.leader_high_watermark) {
    ONCELOG_TRY(set_high_watermark(*options.leader_high_watermark));
  }
  if (options.leader_log_start) ONCELOG_TRY(log::raise_log_start(state, *options.leader_log_start));
  appended.log_start = state.published.read().ends.log_start;
  return appended;
}

}  // namespace oncelog
