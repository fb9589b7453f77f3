// log_model_history.cc: one walk over the history: ends, producers, leader epochs.
#include <algorithm>
#include <limits>

#include "support/log_model.h"

namespace oncelog::test {

namespace {

/// As a marker: no decided transaction in doubt is known.
constexpr Offset kNoneKnown{std::numeric_limits<std::int64_t>::max()};

/// 14.2.
void assign(std::vector<LeaderEpochStart>& epochs, LeaderEpoch epoch, Offset start) {
  if (!epochs.empty() && epochs.back().epoch == epoch && epochs.back().start <= start) return;
  while (!epochs.empty() && (epochs.back().epoch >= epoch || epochs.back().start >= start)) {
    epochs.pop_back();
  }
  epochs.push_back({epoch, start});
}

/// 14.6.
void truncate_from_end(std::vector<LeaderEpochStart>& epochs, Offset end) {
  while (!epochs.empty() && epochs.back().start >= end) epochs.pop_back();
}

/// 14.6.
void truncate_from_start(std::vector<LeaderEpochStart>& epochs, Offset start) {
  std::optional<LeaderEpochStart> last_removed;
  while (!epochs.empty() && epochs.front().start <= start) {
    last_removed = epochs.front();
    epochs.erase(epochs.begin());
  }
  if (last_removed) epochs.insert(epochs.begin(), {last_removed->epoch, start});
}

}  // namespace

LogModel::State LogModel::walk() const {
  State state;
  state.leader_epoch = options_.leader_epoch;
  set_watermark(state, Offset(0));
  for (const Event& event : events_) walk_event(state, event);
  for (const std::size_t index : state.written) {
    const ModelBatch& batch = accepted_[index];
    if (is_left(state, batch)) state.stored.push_back(batch);
  }
  return state;
}

const LogModel::State& LogModel::now() const {
  if (!walked_) walked_ = walk();
  return *walked_;
}

void LogModel::walk_event(State& state, const Event& event) const {
  switch (event.kind) {
    case EventKind::kBatch:
      return walk_batch(state, event.batch);
    case EventKind::kEpoch:
      walk_epoch(state, event.epoch, event.offset);
      state.leader_epoch = event.epoch;
      return;
    case EventKind::kHighWatermark:
      return set_watermark(state, event.offset);
    case EventKind::kLogStart:  // 16.1: at or below the watermark
      state.log_start = event.offset;
      return truncate_from_start(state.epochs, event.offset);
    case EventKind::kSegmentsRemoved:
      state.first_base = event.offset;
      return;
    case EventKind::kTruncation:
      return walk_truncation(state, event.offset);
    case EventKind::kFullTruncation:
      return walk_full_truncation(state, event.offset);
    case EventKind::kExpiry:
      state.changes.push_back({{}, event.ids, {}});
      return change_producers(state, state.changes.back());
    case EventKind::kExpiriesUndone:
      return walk_expiries_undone(state, event.count);
    case EventKind::kCheckpoint:
      state.checkpoints.push_back({event.offset, event.until, count_expiries(state)});
      return;
    case EventKind::kReplayAfterTruncation:
      return walk_replay_after_truncation(state);
    case EventKind::kReplayAtOpen:
      return walk_replay(state, false);
    case EventKind::kReplayAtOpenWithSnapshot:
      return walk_replay(state, true);
    case EventKind::kReopen:
      return walk_reopen(state, event);
    case EventKind::kDecidedSettled:
      std::erase_if(state.unreplicated, [&](const Undecided& transaction) {
        return transaction.is_forgettable && transaction.marker_offset < event.offset;
      });
      for (Undecided& transaction : state.unreplicated) {
        if (transaction.marker_offset >= event.until) transaction.is_forgettable = false;
      }
      return;
    case EventKind::kEpochsFound:
      for (const std::size_t index : state.written) {
        const ModelBatch& batch = accepted_[index];
        if (!is_left(state, batch) || batch.base_offset < event.offset) continue;
        assign(state.epochs, batch.leader_epoch, batch.base_offset);
      }
      truncate_from_start(state.epochs, state.log_start);
      return take_leader_epoch(state);
  }
}

// ---- ends and epochs

void LogModel::set_watermark(State& state, Offset to) const {
  state.high_watermark = to;
  state.watermarks.push_back(to);
  std::erase_if(state.unreplicated, [&](const Undecided& transaction) {  // 7.3
    return transaction.marker_offset < to;
  });
}

void LogModel::walk_epoch(State& state, LeaderEpoch epoch, Offset start) const {
  for (const std::size_t index : state.written) {
    if (accepted_[index].leader_epoch > epoch) state.have_epochs_gone_back = true;
  }
  for (const LeaderEpochStart& entry : state.epochs) {
    if (entry.epoch > epoch) state.have_epochs_gone_back = true;
  }
  assign(state.epochs, epoch, start);
}

void LogModel::take_leader_epoch(State& state) const {
  state.leader_epoch = options_.leader_epoch;
  if (!state.epochs.empty()) {
    state.leader_epoch = std::max(state.leader_epoch, state.epochs.back().epoch);
  }
}

void LogModel::walk_batch(State& state, std::size_t index) const {
  const ModelBatch& batch = accepted_[index];
  walk_epoch(state, batch.leader_epoch, batch.base_offset);  // 1.14
  state.written.push_back(index);
  state.log_end = batch.next_offset();  // 1.19
  const std::size_t decided_before = state.decided.size();
  state.changes.push_back({index, {}, {}});
  change_producers(state, state.changes.back());
  if (state.decided.size() > decided_before) state.unreplicated.push_back(state.decided.back());
}

void LogModel::walk_truncation(State& state, Offset to) const {
  truncate_from_end(state.epochs, std::min(to, state.log_end));  // 15.1, 14.6
  if (to >= state.log_end) return;
  // 15.3; 15.4: a batch that holds `to` goes whole, and the end is `to` all the same.
  const auto is_cut = [&](std::size_t index) { return accepted_[index].last_offset() >= to; };
  std::erase_if(state.written, is_cut);
  std::erase_if(state.changes, [&](const ProducerChange& change) {
    return change.batch && is_cut(*change.batch);
  });
  std::erase_if(state.checkpoints, [&](const Checkpoint& checkpoint) {
    return checkpoint.at_most > to;  // 20.3
  });
  state.log_end = to;
  state.log_start = std::min(state.log_start, to);
  for (Offset& watermark : state.watermarks) watermark = std::min(watermark, to);
  set_watermark(state, std::min(state.high_watermark, to));
  make_producers(state);
  reconsider_decided(state);  // 7.8
}

void LogModel::walk_full_truncation(State& state, Offset at) const {  // 15.5
  const LeaderEpoch leader_epoch = state.leader_epoch;
  state = State{};
  state.leader_epoch = leader_epoch;
  state.first_base = at;
  state.log_start = at;
  state.log_end = at;
  set_watermark(state, at);
}

void LogModel::walk_reopen(State& state, const Event& event) const {
  state.first_base = event.base;
  state.log_start = event.start;
  state.log_end = event.until;
  set_watermark(state, event.offset);
  reconsider_decided(state);                       // 7.6
  truncate_from_end(state.epochs, state.log_end);  // 14.7
  truncate_from_start(state.epochs, state.log_start);
  take_leader_epoch(state);
}

// ---- answers

Offset LogModel::stored_end() const {
  return batches().empty() ? first_base() : batches().back().next_offset();
}

Offset LogModel::end_in_files(const std::vector<Offset>& bases) const {  // 21.10
  return std::max(stored_end(), bases.back());
}

std::set<std::pair<Offset, Offset>> LogModel::ends_after_reopen(
    const std::vector<Offset>& bases) const {
  const Offset start = std::max(log_start(), bases.front());  // 16.5
  const Offset end = end_in_files(bases);
  if (start <= end) return {{start, end}};
  // The batch that holds the log start has been cut off: the log goes on at its start (21.10), or
  // where that batch began (15.4).
  return {{start, start}, {end, end}};
}

std::vector<Offset> LogModel::markers_in_doubt() const {
  std::vector<Offset> markers;
  for (const Undecided& transaction : now().unreplicated) {
    if (transaction.is_forgettable) markers.push_back(transaction.marker_offset);
  }
  return markers;
}

/// If of the decided transactions in doubt those are known whose markers lie at or above an offset.
Offset LogModel::last_stable_offset(Offset known_from) const {
  const State& state = now();
  Offset first_unstable = state.high_watermark;  // 7.1, 7.2
  for (const auto& [id, producer] : state.producers) {
    if (producer.transaction_first_offset) {
      first_unstable = std::min(first_unstable, *producer.transaction_first_offset);
    }
  }
  for (const Undecided& transaction : state.unreplicated) {
    if (transaction.is_forgettable && transaction.marker_offset < known_from) continue;
    first_unstable = std::min(first_unstable, transaction.first_offset);
  }
  return std::max(first_unstable, state.log_start);
}

std::set<Offset> LogModel::last_stable_offsets() const {
  std::set<Offset> possible{last_stable_offset(kNoneKnown)};
  for (const Offset marker : markers_in_doubt()) possible.insert(last_stable_offset(marker));
  return possible;
}

void LogModel::settle_last_stable_offset(Offset seen) {
  std::vector<Offset> known_from = markers_in_doubt();
  if (known_from.empty()) return;
  known_from.push_back(kNoneKnown);
  std::vector<Offset> possible;
  for (const Offset offset : known_from) {
    if (last_stable_offset(offset) == seen) possible.push_back(offset);
  }
  if (possible.empty() || possible == known_from) return;
  add_event(
      {.kind = EventKind::kDecidedSettled, .offset = possible.front(), .until = possible.back()});
}

bool LogModel::has_had_high_watermark(Offset offset, Offset start, Offset end) const {
  for (const Offset watermark : now().watermarks) {
    if (std::clamp(watermark, start, end) == offset) return true;
  }
  return false;
}

LeaderEpochEnd LogModel::epoch_end(LeaderEpoch epoch) const {  // 14.4
  const std::vector<LeaderEpochStart> epochs = leader_epochs();
  if (epochs.empty() || epoch == kNoLeaderEpoch || epoch > epochs.back().epoch) return {};
  if (epoch == epochs.back().epoch) return {epoch, log_end()};
  if (epoch < epochs.front().epoch) return {epoch, epochs.front().start};
  LeaderEpochEnd found;
  for (const LeaderEpochStart& entry : epochs) {
    if (entry.epoch <= epoch) {
      found.epoch = entry.epoch;
    } else {
      found.end = entry.start;
      break;
    }
  }
  return found;
}

}  // namespace oncelog::test
