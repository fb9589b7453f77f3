// open_partitions.cc: many partitions are opened, several at a time.
//
// Invariant: every partition asked for has its own answer; what one open does or refuses touches no
//   other. Threads are started here and joined before the call returns.
// Crash: as while each of them is opened alone.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "base/threads.h"
#include "log/open_progress.h"
#include "segment/segment_names.h"
#include "store/store_state.h"

namespace oncelog::store {

namespace {

using SteadyClock = std::chrono::steady_clock;

class OpenMany {
 public:
  OpenMany(StoreState& store, const std::vector<PartitionToOpen>& wanted,
           const OpenManyOptions& options, bool may_create)
      : store_(store),
        wanted_(wanted),
        options_(options),
        may_create_(may_create),
        begin_(SteadyClock::now()) {
    std::set<TopicPartition> names;
    for (const PartitionToOpen& one : wanted_) {
      answers_.push_back({one.name, {}});
      auto task = std::make_unique<Task>();
      if (!names.insert(one.name).second) {
        answers_.back().log = fail(ErrorCode::MISUSE, segment::partition_directory_name(one.name),
                                   ": is to be opened twice by one call");
        task->is_done = true;
        ++done_count_;
        ++failed_count_;
      } else {
        task->files = store_.measure(one.name);
      }
      tasks_.push_back(std::move(task));
    }
    // The largest first: else the last thread may begin it when all others have ended.
    order_.resize(tasks_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::sort(order_, std::ranges::greater{},
                      [&](std::size_t i) { return tasks_[i]->files.bytes; });
  }

  std::vector<OpenedPartition> run() {
    const bool reports = static_cast<bool>(options_.on_progress);
    std::vector<std::thread> threads =
        base::start_threads(thread_count() - (reports ? 0 : 1), [this] { open_what_is_left(); });
    if (reports && !threads.empty()) {
      report_until_done();
    } else {
      if (reports) options_.on_progress(progress());
      open_what_is_left();
    }
    for (std::thread& thread : threads) thread.join();
    store_.write_waiting_checkpoints();
    if (reports) options_.on_progress(progress());
    return std::move(answers_);
  }

 private:
  struct Task {
    log::OpenProgress progress{};
    StoreState::LogFiles files{};
    std::atomic<bool> is_done{false};
  };

  [[nodiscard]] std::size_t thread_count() const {
    const auto wanted = static_cast<std::size_t>(base::threads_wanted(options_.thread_count));
    return std::min(wanted, std::max<std::size_t>(tasks_.size(), 1));
  }

  void open_what_is_left() {
    for (std::size_t i = next_++; i < order_.size(); i = next_++) {
      const std::size_t index = order_[i];
      Task& task = *tasks_[index];
      if (task.is_done) continue;
      OpenManner manner(wanted_[index].options);
      manner.create_if_missing &= may_create_;
      manner.is_one_of_many = true;
      auto opened = store_.open_partition(wanted_[index].name, manner, &task.progress);
      if (!opened) ++failed_count_;
      answers_[index].log = std::move(opened);
      task.is_done = true;
      const std::scoped_lock lock(mutex_);
      ++done_count_;
      if (done_count_ == tasks_.size()) all_done_.notify_all();
    }
  }

  void report_until_done() {
    const auto is_done = [&] { return done_count_ == tasks_.size(); };
    std::unique_lock lock(mutex_);
    do {
      lock.unlock();
      options_.on_progress(progress());
      lock.lock();
    } while (!all_done_.wait_for(lock, options_.progress_interval, is_done));
  }

  /// What has been read twice, or could not be, must not show: all of a partition is done once it
  /// is.
  [[nodiscard]] RecoveryProgress progress() {
    RecoveryProgress sum;
    sum.partitions_total = std::ssize(tasks_);
    for (const auto& task : tasks_) {
      const StoreState::LogFiles& files = task->files;
      const bool is_done = task->is_done;
      const std::int64_t read = task->progress.bytes_read;
      sum.bytes_total += files.bytes;
      sum.segments_total += files.count;
      sum.bytes_read += read;
      sum.bytes_done +=
          is_done ? files.bytes : std::min(files.bytes, read + task->progress.bytes_sealed);
      sum.segments_done +=
          is_done ? files.count : std::min<std::int64_t>(files.count, task->progress.segments_done);
      sum.partitions_done += is_done ? 1 : 0;
    }
    sum.partitions_failed = failed_count_;
    sum.elapsed = SteadyClock::now() - begin_;
    return sum;
  }

  StoreState& store_;
  const std::vector<PartitionToOpen>& wanted_;
  const OpenManyOptions& options_;
  const bool may_create_;
  const SteadyClock::time_point begin_;

  std::vector<OpenedPartition> answers_;  ///< each is written by the thread that opens it
  std::vector<std::unique_ptr<Task>> tasks_;
  std::vector<std::size_t> order_;
  std::atomic<std::size_t> next_{0};  ///< of `order_`
  std::atomic<std::int64_t> failed_count_{0};
  std::mutex mutex_;
  // ---- mutex_
  std::size_t done_count_ = 0;
  std::condition_variable all_done_;
};

}  // namespace

StoreState::LogFiles StoreState::measure(const TopicPartition& name) const {
  const std::string directory = path(segment::partition_directory_name(name));
  const auto files = vfs_.list(directory);
  LogFiles found;
  if (!files) return found;
  for (const std::string& file : *files) {
    if (!segment::offset_of_file_name(file, segment::kLogSuffix)) continue;
    const auto status = vfs_.status(directory + "/" + file);
    if (!status || !*status) continue;
    found.count += 1;
    found.bytes += (*status)->bytes;
  }
  return found;
}

std::vector<OpenedPartition> StoreState::open_partitions(const std::vector<PartitionToOpen>& wanted,
                                                         const OpenManyOptions& options) {
  return OpenMany(*this, wanted, options, true).run();
}

Result<std::vector<OpenedPartition>> StoreState::open_all_partitions(
    const std::optional<PartitionOptions>& partition, const OpenManyOptions& options) {
  ONCELOG_TRY_ASSIGN(const std::vector<TopicPartition> present, partitions());
  std::vector<PartitionToOpen> wanted;
  for (const TopicPartition& name : present) {
    if (find_partition(name) == nullptr) wanted.push_back({name, partition});
  }
  return OpenMany(*this, wanted, options, false).run();
}

std::vector<PartitionScrub> StoreState::scrub() const {
  std::vector<PartitionScrub> scrubs;
  std::vector<std::shared_ptr<PartitionLog>> logs;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [name, partition] : open_) {
      scrubs.push_back({name, {}});
      logs.push_back(partition.handle);
    }
  }
  for (std::size_t i = 0; i < logs.size(); ++i) scrubs[i].report = logs[i]->scrub();
  return scrubs;
}

}  // namespace oncelog::store
