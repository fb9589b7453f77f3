// close.cc: the end of a store: every partition is closed, then the clean end is recorded.
//
// Crash: before the record of the clean end stands, the next open recovers every partition; so the
// checkpoint files need be written but once, behind all of them and in front of that record.
#include <algorithm>
#include <chrono>

#include "store/store_state.h"

namespace oncelog {

namespace store {

std::vector<TopicPartition> StoreState::order_of_close() const {
  std::vector<std::pair<std::int64_t, TopicPartition>> all;
  for (const auto& [name, partition] : open_) {
    const log::LogState& state = *partition.state;
    all.emplace_back(state.appended_bytes.load() - state.flushed_bytes.load(), name);
  }
  std::ranges::sort(all);
  std::vector<TopicPartition> names;
  names.reserve(all.size());
  for (auto& [bytes, name] : all) names.push_back(std::move(name));
  return names;
}

Result<CloseReport> StoreState::close_all(std::optional<Deadline> deadline) {
  CloseReport report;
  Result<void> first_error;
  for (const TopicPartition& name : order_of_close()) {
    if (deadline && std::chrono::steady_clock::now() >= *deadline) {
      const auto open = open_.find(name);
      log::abandon_log(*open->second.state);
      forget_open(open);
      report.unclean.push_back(name);
      continue;
    }
    checkpoints_.set_waits(name, true);
    auto closed = close_one(name);
    checkpoints_.set_waits(name, false);
    if (!closed && first_error) first_error = std::move(closed);
  }
  std::ranges::sort(report.unclean);
  ONCELOG_TRY(first_error);
  return report;
}

void StoreState::end_thread() {
  if (!thread_) return;
  // A round that goes slowly on purpose asks nobody else while it waits.
  for (const Handle& handle : handles()) handle.state->is_compaction_to_end.store(true);
  thread_->stop();
}

Result<CloseReport> StoreState::close(std::optional<Deadline> deadline) {
  end_thread();  // before the lock, which its job may be waiting for
  Lock lock(mutex_);
  is_closed_ = true;
  // What is being opened is closed like the others.
  opening_ended_.wait(lock, [&] { return opening_.empty(); });
  if (has_ended_) return CloseReport{};
  has_ended_ = true;
  auto report = close_all(deadline);
  snapshots_.reset();  // nothing writes `.state` any more
  auto written = checkpoints_.write_waiting();
  if (written) written = write_clean_end();
  lock_.reset();
  if (report && !written) return std::unexpected(std::move(written).error());
  return report;
}

}  // namespace store

Result<void> Store::close() {
  ONCELOG_TRY(state_->close({}));
  return {};
}

Result<CloseReport> Store::close(Deadline deadline) { return state_->close(deadline); }

}  // namespace oncelog
