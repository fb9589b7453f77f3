// log_state.cc: the pieces that the verbs of a log share.
#include "log/log_state.h"

#include <algorithm>
#include <thread>

#include "oncelog/clock.h"

namespace oncelog::log {

Error Poison::set(const Error& cause) {
  const std::scoped_lock lock(mutex_);
  if (!is_set_.load()) {
    cause_ = cause.text();
    is_set_.store(true);
  }
  return {ErrorCode::PARTITION_POISONED, cause.os_errno,
          "nothing can be written before a reopen: " + cause_};
}

Result<void> Poison::refuse() const {
  const std::scoped_lock lock(mutex_);
  return fail(ErrorCode::PARTITION_POISONED, "nothing can be written before a reopen: ", cause_);
}

Result<void> check_writable(const LogState& state) {
  if (state.is_closed) [[unlikely]]
    return fail(ErrorCode::MISUSE, state.directory, ": the log is closed");
  return state.poison.check();
}

Result<void> poison_if_failed(LogState& state, Result<void> result) {
  if (result) return result;
  return std::unexpected(state.poison.set(result.error()));
}

Result<void> poison_unless_full(LogState& state, Result<void> result) {
  if (result || result.error().code == ErrorCode::STORAGE_FULL) return result;
  return std::unexpected(state.poison.set(result.error()));
}

std::shared_ptr<const LogView> make_view(const LogState& state,
                                         const std::shared_ptr<segment::Segment>& added,
                                         const std::vector<LeaderEpochStart>& epochs) {
  auto view = std::make_shared<LogView>();
  view->segments.reserve(state.segments.size() + 1);
  view->segments = state.segments;
  if (added) view->segments.push_back(added);
  view->epochs = epochs;
  return view;
}

Result<Timestamp> largest_timestamp(const LogState& state, const segment::Segment& one) {
  if (one.max_timestamp() >= Timestamp(0)) return one.max_timestamp();
  ONCELOG_TRY_ASSIGN(const auto status, state.environment.vfs.status(one.log_path()));
  return status ? Timestamp(status->modified_ms) : state.environment.clock.now();
}

Sight look_at(const LogState& state) {
  while (true) {
    const std::int64_t ended = state.reshapes.ended();
    // The writer publishes the list first, the reader takes the ends first.
    Sight sight;
    sight.now = state.published.read();
    sight.view = state.view.get();
    if (state.reshapes.begun() == ended) return sight;
    std::this_thread::yield();
  }
}

bool is_outdated(const LogState& state, const std::shared_ptr<const LogView>& view) {
  if (state.view.get() != view || state.is_closed_for_readers.load()) return true;
  const bool is_to_change = std::ranges::any_of(
      view->segments, [](const auto& segment) { return segment->is_retired(); });
  if (!is_to_change || !state.poison.check()) return false;
  std::this_thread::yield();
  return true;
}

Result<std::shared_ptr<segment::Segment>> create_segment(const LogState& state, Offset base) {
  const LogEnvironment& environment = state.environment;
  ONCELOG_TRY_ASSIGN(auto segment, segment::Segment::create(
                                       environment.vfs, state.directory, base, state.config.read(),
                                       environment.clock.now(), environment.open_files));
  ONCELOG_TRY(segment->use_ring(state.ring));
  return segment;
}

void reserve_roll(LogState& state) {
  state.active()->reserve(0, 0);
  state.segments.reserve(state.segments.size() + 1);
  state.closed_unsynced.reserve(state.closed_unsynced.size() + 1);
}

void apply_roll(LogState& state, const std::shared_ptr<segment::Segment>& next,
                std::vector<segment::OpenTransaction> open_transactions) noexcept {
  state.metrics.rolls.add(1);
  const Offset base = next->base_offset();
  if (base > state.reopen_end()) state.gap_base.store(base.value());
  state.active()->finish_time_index();
  state.active()->set_open_transactions(std::move(open_transactions));
  state.closed_unsynced.push_back(state.active());
  state.segments.push_back(next);
  state.is_directory_unsynced = true;
  state.end_gap = 0;  // the new segment begins at the log end
}

void publish_ends(LogState& state) noexcept {
  state.offsets.set_first_unstable(state.producers.first_unstable_offset());
  Positioned now;
  now.ends.log_start = state.offsets.log_start();
  now.ends.last_stable_offset = state.offsets.last_stable_offset();
  now.ends.high_watermark = state.offsets.high_watermark();
  now.ends.log_end = state.offsets.log_end();
  now.end_segment_base = state.active()->base_offset();
  now.end_position = state.active()->bytes();
  state.published.publish(now);
  // A read-modify-write, not a load: it is ordered with the waiter's own, so that one of the two
  // sees the other.
  if (state.waiting_count.fetch_add(0) == 0) return;
  {
    const std::scoped_lock lock(state.wait_mutex);
  }  // a waiter is either before its check or asleep
  state.ends_moved.notify_all();
}

void move_high_watermark(LogState& state, Offset to) noexcept {
  state.offsets.set_high_watermark(to);
  state.producers.release_below(state.offsets.high_watermark());
  publish_ends(state);
}

void apply_config(LogState& state, const TopicConfig& config) noexcept {
  const std::scoped_lock lock(state.writer_mutex);
  state.config.publish(config);
  state.active()->set_roll_limits(config);
}

void prepare_ring(LogState& state, Timestamp now) {
  if (!state.ring || !state.ring->is_wanted(now)) return;
  state.ring->make_room();
  const std::scoped_lock files(state.file_mutex);  // a log is not closed meanwhile
  if (!state.is_closed) state.ring->prepare();
}

Result<void> drain_ring(LogState& state) {
  const auto drained = state.active()->drain();
  if (!drained && drained.error().code == ErrorCode::PARTITION_POISONED) {
    return std::unexpected(state.poison.set(drained.error()));
  }
  return drained;
}

Result<void> empty_ring(LogState& state) {
  ONCELOG_TRY(drain_ring(state));
  return state.ring ? state.ring->invalidate() : Result<void>{};
}

}  // namespace oncelog::log
