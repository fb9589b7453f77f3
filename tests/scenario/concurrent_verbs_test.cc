// concurrent_verbs_test.cc: every verb of a partition at once: appends, markers, reads, waits for
// durability, checkpoints, rolls, scrubs, retention, deleted records, truncations and reopens.
// Meant for ThreadSanitizer; what each thread sees is checked as far as it can be known.
//
// A producer writes one transaction and is gone; its id says how the transaction ends. So whoever
// finds one open, behind a truncation that has cut its marker, knows which marker to write.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "oncelog/oncelog.h"
#include "support/batches.h"
#include "support/matchers.h"
#include "support/temp_dir.h"
#include "support/written_log.h"

namespace oncelog::test {

namespace {

using std::chrono::milliseconds;

constexpr int kAppenders = 3;
constexpr int kTransactions = 150;  ///< of each appender

/// Records of today: no producer is to expire.
std::int64_t now_ms() { return system_clock().now().value(); }

/// What was acknowledged as durable, and that no truncation may have cut.
class Acknowledged {
 public:
  struct Batch {
    ProducerId id{};
    Offset last{};
  };

  /// How many there have been; −1 while one is under way.
  [[nodiscard]] int truncations() const {
    const int ended = ended_.load();
    return begun_.load() == ended ? ended : -1;
  }
  [[nodiscard]] bool is_quiet_since(int truncations) const {
    return begun_.load() == truncations && ended_.load() == truncations;
  }
  void add(int truncations_before, Offset base, const Batch& batch) {
    const std::scoped_lock lock(mutex_);
    if (is_quiet_since(truncations_before)) batches_[base] = batch;
  }
  /// Before and behind a truncation.
  void begin_truncation(Offset to) {
    const std::scoped_lock lock(mutex_);
    ++begun_;
    std::erase_if(batches_, [&](const auto& batch) { return batch.second.last >= to; });
  }
  void end_truncation() { ++ended_; }

  /// When all is quiet.
  [[nodiscard]] const std::map<Offset, Batch>& batches() const { return batches_; }

 private:
  std::mutex mutex_;
  std::map<Offset, Batch> batches_;
  std::atomic<int> begun_{0};
  std::atomic<int> ended_{0};
};

class ConcurrentVerbs : public testing::TestWithParam<HighWatermarkPolicy> {
 protected:
  ConcurrentVerbs() {
    options_.high_watermark = GetParam();
    options_.level = Level::kWritten;
    options_.config.segment_bytes = 3000;
    options_.config.index_interval_bytes = 200;
    options_.config.retention_bytes = 20'000;
    options_.config.retention_ms = kUnlimited;
    store_options_.sealed_segment_bytes_min = 0;
    store_options_.checkpoint_interval_records = 60;
    open();
  }

  void open() {
    store_ = value_of(Store::open(directory_.file("store"), store_options_));
    current_ = value_of(store_->open_partition(name_, options_));
  }
  /// The log as it was opened last.
  [[nodiscard]] std::shared_ptr<PartitionLog> log() const {
    const std::scoped_lock lock(current_mutex_);
    return current_;
  }

  /// Again and again until the appenders are done.
  void start_loop(milliseconds pause, std::function<void()> body) {
    loops_.emplace_back([this, pause, body = std::move(body)] {
      while (!is_done_.load()) {
        body();
        std::this_thread::sleep_for(pause);
      }
    });
  }
  static void join(std::vector<std::thread>& threads) {
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  /// Whether a verb met a log that was reopened meanwhile; every other refusal is a failure but
  /// those that are allowed.
  template <class T>
  static bool is_refused(const Result<T>& result, std::set<ErrorCode> allowed = {}) {
    if (result) return false;
    allowed.insert(ErrorCode::MISUSE);
    EXPECT_TRUE(allowed.contains(result.error().code)) << result.error().text();
    return true;
  }

  void append_transactions();
  void append_one_transaction(ProducerId id);
  bool end_transaction(ProducerId id);
  void end_orphaned_transactions();
  void truncate();
  void reopen();
  void follow(Isolation isolation);
  void check_batches(Bytes bytes, Offset position, Offset bound) const;
  void check_committed(const Fetched& fetched, Bytes bytes, Offset position);
  void start_maintenance();
  void start_waiters();
  void check_end();

  const TopicPartition name_{"busy", 0};
  TempDir directory_{memory_directory()};
  PartitionOptions options_;
  StoreOptions store_options_;
  std::unique_ptr<Store> store_;
  mutable std::mutex current_mutex_;
  std::shared_ptr<PartitionLog> current_;
  Acknowledged acknowledged_;
  std::mutex ids_mutex_;
  std::set<ProducerId> busy_;    ///< in a transaction that its appender will end
  std::set<ProducerId> ending_;  ///< a marker was begun
  std::int64_t next_id_ = 1;
  std::vector<std::thread> loops_;
  std::atomic<bool> is_done_{false};
  std::atomic<std::int64_t> callbacks_asked_{0};
  std::atomic<std::int64_t> callbacks_told_{0};
  std::atomic<std::int64_t> committed_seen_{0};
  std::atomic<int> reopens_{0};
};

// ---- writers

void ConcurrentVerbs::append_transactions() {
  for (int i = 0; i < kTransactions; ++i) {
    ProducerId id;
    {
      const std::scoped_lock lock(ids_mutex_);
      id = ProducerId(next_id_++);
      busy_.insert(id);
    }
    append_one_transaction(id);
    while (!end_transaction(id)) continue;
    const std::scoped_lock lock(ids_mutex_);
    busy_.erase(id);
  }
}

/// A truncation may cut what the next batch would follow, or a batch while it is synced: then the
/// transaction ends here.
void ConcurrentVerbs::append_one_transaction(ProducerId id) {
  std::int32_t sequence = 0;
  for (int i = 0; i < 4; ++i) {
    const int records = 1 + i % 3;
    const Buffer bytes = make_batch({.records = records,
                                     .timestamp = now_ms(),
                                     .is_transactional = true,
                                     .producer_id = id.value(),
                                     .producer_epoch = 0,
                                     .sequence = sequence});
    const int truncations = acknowledged_.truncations();
    const Level level = (id.value() + i) % 4 == 0 ? Level::kDurable : Level::kWritten;
    const auto stored = log()->append_as_leader(bytes, {.level = level});
    if (is_refused(stored,
                   {ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode::OFFSET_OUT_OF_RANGE}))
      return;
    if (level == Level::kDurable) {
      acknowledged_.add(truncations, stored->base_offset, {id, stored->last_offset});
    }
    sequence += records;
  }
}

bool ConcurrentVerbs::end_transaction(ProducerId id) {
  {
    const std::scoped_lock lock(ids_mutex_);
    ending_.insert(id);
  }
  const MarkerType type = is_to_abort(id) ? MarkerType::kAbort : MarkerType::kCommit;
  return !is_refused(log()->append_marker(
      marker_fields({.type = type, .producer_id = id.value(), .timestamp = now_ms()})));
}

/// A truncation has cut their markers, and nobody else knows.
void ConcurrentVerbs::end_orphaned_transactions() {
  const auto producers = log()->producers();
  if (is_refused(producers)) return;
  for (const ProducerInfo& producer : *producers) {
    if (!producer.transaction_first_offset) continue;
    {
      const std::scoped_lock lock(ids_mutex_);
      if (busy_.contains(producer.producer_id)) continue;
    }
    end_transaction(producer.producer_id);
  }
}

// ---- verbs that take something away

void ConcurrentVerbs::truncate() {
  const LogEnds ends = log()->ends();
  const Offset to = std::max(ends.log_start, ends.log_end - 7);
  acknowledged_.begin_truncation(to);
  std::ignore = is_refused(log()->truncate_to(to));
  acknowledged_.end_truncation();
  end_orphaned_transactions();
}

void ConcurrentVerbs::reopen() {
  auto reopened = store_->reopen_partition(name_);
  ASSERT_THAT(reopened, Succeeds());
  ++reopens_;
  const std::scoped_lock lock(current_mutex_);
  current_ = *reopened;
}

// ---- readers

/// From the start to wherever the end is; again from the start when a cut or a deletion has taken
/// the ground away. What is read while something is cut may be anything.
void ConcurrentVerbs::follow(Isolation isolation) {
  Offset position{};
  while (!is_done_.load()) {
    const auto from = log();
    const int truncations = acknowledged_.truncations();
    const auto fetched =
        from->fetch(position, {.isolation = isolation,
                               .bytes_max = 700,
                               .wait_until = std::chrono::steady_clock::now() + milliseconds(2)});
    const auto bytes = fetched ? fetched->read() : Buffer();
    if (!acknowledged_.is_quiet_since(truncations)) continue;
    if (is_refused(fetched, {ErrorCode::OFFSET_OUT_OF_RANGE})) {
      position = log()->ends().log_start;
      continue;
    }
    if (!bytes) {
      ADD_FAILURE() << bytes.error().text();
      return;
    }
    const LogEnds& ends = fetched->ends;
    EXPECT_LE(ends.log_start, ends.last_stable_offset);
    EXPECT_LE(ends.last_stable_offset, ends.high_watermark);
    EXPECT_LE(ends.high_watermark, ends.log_end);
    const Offset bound = isolation == Isolation::kReplica           ? ends.log_end
                         : isolation == Isolation::kReadUncommitted ? ends.high_watermark
                                                                    : ends.last_stable_offset;
    check_batches(*bytes, position, bound);
    if (isolation == Isolation::kReadCommitted) check_committed(*fetched, *bytes, position);
    BatchCursor cursor(*bytes);
    while (const auto batch = value_of(cursor.next())) position = batch->next_offset();
  }
}

void ConcurrentVerbs::check_batches(Bytes bytes, Offset position, Offset bound) const {
  BatchCursor cursor(bytes);
  Offset end = position;
  while (const auto batch = value_of(cursor.next())) {
    const bool holds_position = end == position && batch->last_offset() >= position;
    EXPECT_TRUE(batch->base_offset() >= end || holds_position);
    EXPECT_LT(batch->last_offset(), bound);
    EXPECT_THAT(batch->check_crc(), Succeeds());
    end = batch->next_offset();
  }
}

/// Nobody gets a record of a transaction that will be aborted, or that nobody has begun to commit.
void ConcurrentVerbs::check_committed(const Fetched& fetched, Bytes bytes, Offset position) {
  CommittedRecords records(bytes, *fetched.aborted, {.from = position});
  std::set<Offset> seen;
  while (const auto record = value_of(records.next())) seen.insert(record->offset);
  BatchCursor cursor(bytes);
  while (const auto batch = value_of(cursor.next())) {
    if (batch->is_control()) continue;
    const auto first = seen.lower_bound(std::max(position, batch->base_offset()));
    const bool is_seen = first != seen.end() && *first <= batch->last_offset();
    EXPECT_EQ(is_seen, !is_to_abort(batch->producer_id())) << batch->base_offset().value();
    const std::scoped_lock lock(ids_mutex_);
    EXPECT_TRUE(ending_.contains(batch->producer_id()));
  }
  committed_seen_ += std::ssize(seen);
}

// ---- the loops

void ConcurrentVerbs::start_maintenance() {
  start_loop(milliseconds(6), [this] { std::ignore = is_refused(log()->roll()); });
  start_loop(milliseconds(4), [this] { std::ignore = is_refused(log()->flush()); });
  start_loop(milliseconds(5), [this] { std::ignore = is_refused(log()->checkpoint()); });
  start_loop(milliseconds(7), [this] { std::ignore = is_refused(log()->apply_retention()); });
  start_loop(milliseconds(9), [this] { std::ignore = is_refused(log()->expire_producers()); });
  start_loop(milliseconds(8), [this] {
    const int truncations = acknowledged_.truncations();
    const auto report = log()->scrub();
    if (!acknowledged_.is_quiet_since(truncations) || is_refused(report)) return;
    for (const ScrubFinding& finding : report->findings) {
      ADD_FAILURE() << finding.file << " at " << finding.position << ": " << finding.reason;
    }
  });
  start_loop(milliseconds(11), [this] {
    const LogEnds ends = log()->ends();
    const Offset to = ends.log_start + (ends.high_watermark - ends.log_start) / 3;
    std::ignore = is_refused(log()->delete_records(to), {ErrorCode::OFFSET_OUT_OF_RANGE});
  });
  start_loop(milliseconds(10), [this] { truncate(); });
  start_loop(milliseconds(20), [this] { reopen(); });
  if (GetParam() == HighWatermarkPolicy::kManual) {
    start_loop(milliseconds(1), [this] {
      std::ignore = is_refused(log()->set_high_watermark(log()->ends().log_end));
    });
  }
}

void ConcurrentVerbs::start_waiters() {
  start_loop(milliseconds(1), [this] {
    const auto waited = log()->wait_durable(log()->ends().log_end,
                                            std::chrono::steady_clock::now() + milliseconds(3));
    std::ignore =
        is_refused(waited, {ErrorCode::OFFSET_OUT_OF_RANGE, ErrorCode::DEADLINE_EXCEEDED});
  });
  start_loop(milliseconds(2), [this] {
    ++callbacks_asked_;
    log()->when_durable(log()->ends().log_end, [this](const Result<void>& told) {
      std::ignore = is_refused(told);
      ++callbacks_told_;
    });
  });
  start_loop(milliseconds(2), [this] {
    for (const Timestamp timestamp : {kLatestTimestamp, kMaxTimestamp, Timestamp(1000)}) {
      const int truncations = acknowledged_.truncations();
      const auto found = log()->list_offsets(timestamp, Isolation::kReadCommitted);
      if (acknowledged_.is_quiet_since(truncations)) std::ignore = is_refused(found);
    }
    // The files of one that is closed are another one's.
    const auto now = log();
    const auto broken = now->check_invariants();
    EXPECT_TRUE(broken.empty() || now != log()) << broken.front();
    std::ignore = now->aborted_transactions();
    std::ignore = now->epoch_end(LeaderEpoch(0));
  });
}

TEST_P(ConcurrentVerbs, LeaveOneLogThatHoldsWhatIsDurable) {
  std::vector<std::thread> appenders;
  for (int i = 0; i < kAppenders; ++i) appenders.emplace_back([this] { append_transactions(); });
  std::vector<std::thread> readers;
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    readers.emplace_back([this, isolation] { follow(isolation); });
  }
  start_maintenance();
  start_waiters();

  join(appenders);
  is_done_.store(true);
  join(loops_);
  join(readers);
  std::cout << acknowledged_.truncations() << " truncations, " << reopens_.load() << " reopens, "
            << committed_seen_.load() << " committed records read\n";
  check_end();
}

/// The log as it stands, and as the next process finds it.
void ConcurrentVerbs::check_end() {
  end_orphaned_transactions();
  EXPECT_THAT(log()->set_high_watermark(log()->ends().log_end), Succeeds());
  EXPECT_THAT(log()->flush(), Succeeds());
  const LogEnds ends = log()->ends();
  EXPECT_EQ(ends.last_stable_offset, ends.log_end) << "no transaction is open";
  EXPECT_THAT(log()->check_invariants(), testing::IsEmpty());
  EXPECT_THAT(value_of(log()->scrub()).findings, testing::IsEmpty());
  EXPECT_THAT(store_->close(), Succeeds());
  EXPECT_EQ(callbacks_told_.load(), callbacks_asked_.load());
  current_.reset();
  store_.reset();

  open();
  EXPECT_TRUE(log()->recovery_report().was_clean);
  EXPECT_THAT(log()->check_invariants(), testing::IsEmpty());
  std::map<Offset, Acknowledged::Batch> stored;
  for (Offset position = log()->ends().log_start; position < log()->ends().log_end;) {
    const auto fetched = value_of(log()->fetch(position, {.isolation = Isolation::kReplica}));
    const Buffer bytes = value_of(fetched.read());
    if (bytes.empty()) break;
    BatchCursor cursor(bytes);
    while (const auto batch = value_of(cursor.next())) {
      stored[batch->base_offset()] = {batch->producer_id(), batch->last_offset()};
      position = batch->next_offset();
    }
  }
  for (const auto& [base, batch] : acknowledged_.batches()) {
    if (base < log()->ends().log_start) continue;
    ASSERT_TRUE(stored.contains(base)) << base.value();
    EXPECT_EQ(stored[base].id, batch.id) << base.value();
    EXPECT_EQ(stored[base].last, batch.last) << base.value();
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, ConcurrentVerbs,
                         testing::Values(HighWatermarkPolicy::kManual,
                                         HighWatermarkPolicy::kLogEnd),
                         [](const auto& test) {
                           return test.param == HighWatermarkPolicy::kManual ? "Manual" : "LogEnd";
                         });

}  // namespace

}  // namespace oncelog::test
