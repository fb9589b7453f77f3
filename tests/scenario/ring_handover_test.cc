// ring_handover_test.cc: partitions with one ring for all of them take it from each
// other while others read. Meant for ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "oncelog/clock.h"
#include "oncelog/oncelog.h"
#include "support/batches.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::test {

namespace {

constexpr int kPartitions = 4;
constexpr int kRounds = 25;
constexpr int kBatchesInARound = 12;

class RingHandover : public testing::Test {
 protected:
  RingHandover() {
    store_options_.append_ring_bytes = 64 << 10;
    store_options_.append_ring_bytes_total = store_options_.append_ring_bytes;
    store_options_.append_ring_idle_ms = 0;
    partition_options_.level = Level::kWritten;
    open_store();
  }

  static TopicPartition name(int partition) { return {"busy", partition}; }
  void open_store() { store_ = value_of(Store::open(directory_.file("store"), store_options_)); }

  /// Whoever opens a partition asks for a ring at its first append: somebody must give one back.
  void append_and_reopen(int partition) {
    Offset end{};
    for (int round = 0; round < kRounds; ++round) {
      const auto log = value_of(store_->open_partition(name(partition), partition_options_));
      EXPECT_EQ(log->ends().log_end, end);
      for (int i = 0; i < kBatchesInARound; ++i) {
        const Appended stored = value_of(log->append_as_leader(
            make_batch({.producer_id = partition,
                        .producer_epoch = 0,
                        .sequence = static_cast<std::int32_t>(end.value())})));
        EXPECT_EQ(stored.base_offset, end);
        end = end + 1;
      }
      const std::string tail =
          directory_.file("store/busy-" + std::to_string(partition) + "/.tail");
      if (std::filesystem::exists(tail)) rounds_with_a_ring_.fetch_add(1);
      const Buffer bytes = value_of(value_of(log->fetch(end - kBatchesInARound)).read());
      EXPECT_EQ(count_batches(bytes), kBatchesInARound);
      EXPECT_THAT(store_->close_partition(name(partition)), Succeeds());
    }
  }

  /// Batches in a row, each sound.
  static int count_batches(const Buffer& bytes) {
    BatchCursor cursor(bytes);
    int count = 0;
    while (const auto batch = value_of(cursor.next())) {
      EXPECT_THAT(batch->check_crc(), Succeeds());
      ++count;
    }
    return count;
  }

  void read_whatever_is_open() {
    for (int partition = 0; partition < kPartitions; ++partition) {
      const auto log = store_->find_partition(name(partition));
      if (!log) continue;
      const auto fetched = log->fetch(Offset(0));
      if (!fetched) {  // closed meanwhile
        EXPECT_THAT(fetched, FailsWith(ErrorCode::MISUSE));
        continue;
      }
      const Buffer bytes = value_of(fetched->read());
      EXPECT_EQ(count_batches(bytes), fetched->ends.log_end.value());
    }
  }

  TempDir directory_;
  StoreOptions store_options_;
  PartitionOptions partition_options_;
  std::unique_ptr<Store> store_;
  std::atomic<int> rounds_with_a_ring_{0};
};

TEST_F(RingHandover, PartitionsTakeTheRingFromEachOtherWhileTheyAreRead) {
  std::atomic<bool> is_done{false};
  std::thread reader([&] {
    while (!is_done.load()) read_whatever_is_open();
  });
  {
    std::vector<std::jthread> appenders;
    for (int partition = 0; partition < kPartitions; ++partition) {
      appenders.emplace_back([this, partition] { append_and_reopen(partition); });
    }
  }
  is_done.store(true);
  reader.join();

  EXPECT_GT(rounds_with_a_ring_.load(), 0);
  store_.reset();  // as if the process had died
  open_store();
  for (int partition = 0; partition < kPartitions; ++partition) {
    const auto log = value_of(store_->open_partition(name(partition), partition_options_));
    EXPECT_EQ(log->ends().log_end, Offset(kRounds * kBatchesInARound));
    EXPECT_THAT(log->check_invariants(), testing::IsEmpty());
  }
}

}  // namespace

}  // namespace oncelog::test
