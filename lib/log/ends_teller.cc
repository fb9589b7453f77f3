// ends_teller.cc: movements of the ends become calls, several of them one.
//
// No movement is lost: who moves an end looks here afterwards. Either it finds no call under way
// and makes one, or the thread that is calling takes the mutex behind it and sees what it moved.
#include "log/ends_teller.h"

#include <algorithm>

#include "log/log_state.h"

namespace oncelog::log {

void EndsTeller::begin(const LogEnds& known) {
  const std::scoped_lock lock(mutex_);
  known_ = known;
}

void EndsTeller::tell(const LogState& state) {
  std::unique_lock lock(mutex_);
  if (!known_ || calling_) return;
  while (!has_ended_) {
    const LogEnds now = read_ends(state);
    if (now == *known_) return;
    known_ = now;
    calling_ = std::this_thread::get_id();
    lock.unlock();
    told_(now);
    lock.lock();
    calling_.reset();
    call_ended_.notify_all();
  }
}

void EndsTeller::end() noexcept {
  const std::scoped_lock lock(mutex_);
  has_ended_ = true;
}

void EndsTeller::end_and_wait() noexcept {
  std::unique_lock lock(mutex_);
  has_ended_ = true;
  call_ended_.wait(lock, [&] { return !calling_ || *calling_ == std::this_thread::get_id(); });
}

bool EndsTeller::has_ended() const {
  const std::scoped_lock lock(mutex_);
  return has_ended_;
}

LogEnds read_ends(const LogState& state) {
  LogEnds ends = state.published.read().ends;
  // Read later than the others, it may have passed them.
  ends.durable_end = std::min(Offset(state.durable_end.load()), ends.log_end);
  return ends;
}

void tell_ends_to_all(LogState& state) {
  std::vector<std::shared_ptr<EndsTeller>> tellers;
  {
    const std::scoped_lock lock(state.observers_mutex);
    std::erase_if(state.ends_tellers, [](const auto& one) { return one->has_ended(); });
    state.ends_teller_count.store(std::ssize(state.ends_tellers));
    tellers = state.ends_tellers;
  }
  for (const auto& one : tellers) one->tell(state);
}

void end_tellers(LogState& state) {
  const std::scoped_lock lock(state.observers_mutex);
  for (const auto& one : state.ends_tellers) one->end();
  state.ends_tellers.clear();
  state.ends_teller_count.store(0);
}

}  // namespace oncelog::log

namespace oncelog {

void EndsObserver::stop() noexcept {
  if (teller_) teller_->end_and_wait();
  teller_.reset();
}

EndsObserver PartitionLog::on_ends_moved(EndsCallback told) {
  log::LogState& state = *state_;
  auto teller = std::make_shared<log::EndsTeller>(std::move(told));
  {
    const std::scoped_lock lock(state.observers_mutex);
    state.ends_tellers.push_back(teller);
    state.ends_teller_count.store(std::ssize(state.ends_tellers));
  }
  // A read-modify-write like the one of publish_ends: either that one comes first, and what it
  // published is among the ends read here, or its thread finds the teller.
  state.waiting_count.fetch_add(0);
  teller->begin(log::read_ends(state));
  if (state.is_closed_for_readers.load()) teller->end();
  return EndsObserver(std::move(teller));
}

}  // namespace oncelog
