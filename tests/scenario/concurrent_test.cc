// concurrent_test.cc: appenders, readers of each isolation, look-ups, waiters, rolls, flushes and
// watermark moves at once. Meant for ThreadSanitizer; what each thread sees is checked as far as it
// can be known.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "oncelog/oncelog.h"
#include "support/batches.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::test {

namespace {

using std::chrono::milliseconds;

constexpr int kProducers = 3;

class Concurrent : public testing::TestWithParam<HighWatermarkPolicy> {
 protected:
  Concurrent() {
    options_.high_watermark = GetParam();
    options_.level =
        GetParam() == HighWatermarkPolicy::kDurable ? Level::kDurable : Level::kWritten;
    options_.config.segment_bytes = 5000;
    options_.config.index_interval_bytes = 200;
    store_ = value_of(Store::open(directory_.file("store")));
    log_ = value_of(store_->open_partition({"busy", 0}, options_));
  }

  void start(std::function<void()> body) { threads_.emplace_back(std::move(body)); }
  /// Until the appenders are done.
  void start_loop(std::function<void()> body) {
    loops_.emplace_back([this, body = std::move(body)] {
      while (!is_done_.load()) {
        body();
        std::this_thread::yield();
      }
    });
  }
  static void join(std::vector<std::thread>& threads) {
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  /// Each third transaction is aborted; every fifth batch is sent twice.
  void produce(int producer) {
    std::int32_t sequence = 0;
    const int batches = options_.level == Level::kDurable ? 40 : 150;  // the former wait for a disk
    for (int i = 0; i < batches; ++i) {
      const Buffer bytes = make_batch({.records = 1 + i % 3,
                                       .is_transactional = producer > 0,
                                       .producer_id = producer,
                                       .producer_epoch = 0,
                                       .sequence = sequence});
      const Level level = i % 16 == 0 ? Level::kDurable : *options_.level;
      const Appended stored = value_of(log_->append_as_leader(bytes, {.level = level}));
      if (i % 5 == 0) {
        const Appended again = value_of(log_->append_as_leader(bytes, {.level = level}));
        EXPECT_TRUE(again.is_duplicate);
        EXPECT_EQ(again.base_offset, stored.base_offset);
      }
      sequence += 1 + i % 3;
      if (producer > 0 && i % 4 == 2) {
        const MarkerType type = i % 12 == 2 ? MarkerType::kAbort : MarkerType::kCommit;
        EXPECT_THAT(log_->append_marker(marker_fields({.type = type, .producer_id = producer})),
                    Succeeds());
      }
    }
  }

  /// Follows the log from its start to `end`, waiting for more; records and batches are in order,
  /// without a gap.
  void follow(Isolation isolation) {
    Offset position{};
    std::map<ProducerId, Sequence> last;
    while (!is_read_out_.load() || position < log_->ends().last_stable_offset) {
      const auto answer =
          log_->fetch(position, {.isolation = isolation,
                                 .bytes_max = 700,
                                 .wait_until = std::chrono::steady_clock::now() + milliseconds(5)});
      if (!answer) {  // deleted meanwhile
        EXPECT_THAT(answer, FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE));
        EXPECT_GT(log_->ends().log_start, position);
        position = log_->ends().log_start;
        continue;
      }
      const Fetched& fetched = *answer;
      const LogEnds& ends = fetched.ends;
      EXPECT_LE(ends.log_start, ends.last_stable_offset);
      EXPECT_LE(ends.last_stable_offset, ends.high_watermark);
      EXPECT_LE(ends.high_watermark, ends.log_end);
      const Buffer bytes = value_of(fetched.read());
      BatchCursor cursor(bytes);
      Offset end = position;
      while (const auto batch = value_of(cursor.next())) {
        EXPECT_TRUE(batch->base_offset() == end ||
                    (end == position && batch->base_offset() < end && batch->last_offset() >= end));
        EXPECT_THAT(batch->check_crc(), Succeeds());
        end = batch->next_offset();
      }
      CommittedRecords records(bytes, fetched.aborted.value_or(std::vector<AbortedTransaction>{}),
                               {.from = position});
      while (value_of(records.next())) continue;
      EXPECT_EQ(records.position(), end);
      position = end;
    }
    EXPECT_GT(position, Offset(0));
  }

  TempDir directory_;
  PartitionOptions options_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
  std::vector<std::thread> threads_;
  std::vector<std::thread> loops_;
  std::atomic<bool> is_done_{false};
  std::atomic<bool> is_read_out_{false};
};

TEST_P(Concurrent, EverybodyAtOnceSeesOneLog) {
  std::vector<std::thread> producers;
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([this, producer] { produce(producer); });
  }
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    start([this, isolation] { follow(isolation); });
  }
  start_loop([this] {
    for (const Timestamp timestamp :
         {kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp, Timestamp(1000)}) {
      EXPECT_THAT(log_->list_offsets(timestamp, Isolation::kReadCommitted), Succeeds());
    }
  });
  start_loop([this] {
    EXPECT_LE(value_of(log_->producers()).size(), std::size_t{kProducers});
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
    EXPECT_LE(log_->leader_epochs().size(), 40u);
    EXPECT_EQ(log_->epoch_end(LeaderEpoch(-1)).end, kNoOffset);
    std::this_thread::sleep_for(milliseconds(2));
  });
  start_loop([this] {  // walks lists that a roll or a new epoch replaces meanwhile
    for (const AbortedTransactionEntry& entry : log_->aborted_transactions()) {
      EXPECT_LT(entry.first_offset, entry.last_offset);
    }
    EXPECT_EQ(log_->segments().front(), Offset(0));
  });
  start_loop([this] {
    EXPECT_THAT(log_->roll(), Succeeds());
    std::this_thread::sleep_for(milliseconds(10));
  });
  start_loop([this] {
    EXPECT_THAT(log_->flush(), Succeeds());
    EXPECT_THAT(log_->wait_durable(log_->ends().log_end), Succeeds());
    std::this_thread::sleep_for(milliseconds(5));
  });
  if (GetParam() == HighWatermarkPolicy::kManual) {
    start_loop([this] {
      EXPECT_THAT(log_->set_high_watermark(log_->ends().log_end), Succeeds());
      std::this_thread::sleep_for(milliseconds(1));
    });
  }
  start([this] {
    for (int epoch = 1; epoch <= 5; ++epoch) {
      EXPECT_THAT(log_->assign_leader_epoch(LeaderEpoch(epoch)), Succeeds());
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  start([this] {
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(milliseconds(4));
      const LogEnds ends = log_->ends();
      const Offset to = ends.log_start + (ends.last_stable_offset - ends.log_start) / 8;
      EXPECT_THAT(log_->append_as_follower({}, {.leader_log_start = to}), Succeeds());
    }
  });

  join(producers);
  is_done_.store(true);
  join(loops_);
  EXPECT_THAT(log_->flush(), Succeeds());
  EXPECT_THAT(log_->set_high_watermark(log_->ends().log_end), Succeeds());
  is_read_out_.store(true);
  join(threads_);
  const LogEnds ends = log_->ends();
  EXPECT_EQ(ends.high_watermark, ends.log_end);
  // The producers with transactions end in the middle of one.
  EXPECT_LT(ends.last_stable_offset, ends.log_end);
  EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  EXPECT_THAT(store_->close(), Succeeds());
}

TEST_P(Concurrent, WaitingReadersAreWokenByTheClose) {
  std::atomic<int> woken{0};
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    start([this, isolation, &woken] {
      const auto fetched = log_->fetch(
          Offset(0), {.isolation = isolation,
                      .wait_until = std::chrono::steady_clock::now() + std::chrono::minutes(5)});
      EXPECT_THAT(fetched, FailsWith(ErrorCode::MISUSE));
      ++woken;
    });
  }
  std::this_thread::sleep_for(milliseconds(5));
  EXPECT_THAT(store_->close(), Succeeds());
  join(threads_);
  EXPECT_EQ(woken.load(), 3);
}

TEST_P(Concurrent, CloseMeetsAppendersAndReaders) {
  std::atomic<std::int64_t> acknowledged_end{0};
  for (int producer = 0; producer < kProducers; ++producer) {
    start([this, producer, &acknowledged_end] {
      for (std::int32_t sequence = 0;; ++sequence) {
        const auto appended = log_->append_as_leader(
            make_batch({.producer_id = producer, .producer_epoch = 0, .sequence = sequence}));
        if (!appended) {
          EXPECT_THAT(appended, FailsWith(ErrorCode::MISUSE));
          return;
        }
        std::int64_t end = acknowledged_end.load();
        while (end <= appended->last_offset.value() &&
               !acknowledged_end.compare_exchange_weak(end, appended->last_offset.value() + 1)) {
        }
      }
    });
  }
  start([this] {
    while (log_->fetch(Offset(0))) continue;
  });
  while (acknowledged_end.load() < 20) std::this_thread::sleep_for(milliseconds(1));
  // Appends that come in between are no error of the close, but it may have to leave the end
  // unclean.
  if (const auto closed = store_->close(); !closed) {
    EXPECT_THAT(closed, FailsWith(ErrorCode::MISUSE));
  }
  join(threads_);
  log_.reset();
  store_.reset();
  store_ = value_of(Store::open(directory_.file("store")));
  log_ = value_of(store_->open_partition({"busy", 0}, options_));
  EXPECT_GE(log_->ends().log_end, Offset(acknowledged_end.load()));
  EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Policies, Concurrent,
                         testing::Values(HighWatermarkPolicy::kManual, HighWatermarkPolicy::kLogEnd,
                                         HighWatermarkPolicy::kDurable),
                         [](const auto& test) {
                           switch (test.param) {
                             case HighWatermarkPolicy::kManual:
                               return "Manual";
                             case HighWatermarkPolicy::kLogEnd:
                               return "LogEnd";
                             default:
                               return "Durable";
                           }
                         });

}  // namespace

}  // namespace oncelog::test
