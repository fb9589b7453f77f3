#include "inspect/file_scan.h"

#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "unit/inspect/partition_files.h"

namespace oncelog::inspect {
namespace {

using test::Buffer;
using test::make_batch;

constexpr std::size_t kMiB = 1 << 20;

/// A stretch, kept. Of a batch its last byte's place in memory may be another, its bytes are not.
struct Stretch {
  std::int64_t position = 0;
  std::int64_t bytes = 0;
  std::int64_t base = -1;
  std::uint32_t crc = 0;
  std::string damage{};
  friend bool operator==(const Stretch&, const Stretch&) = default;
  friend void PrintTo(const Stretch& stretch, std::ostream* out) {
    *out << stretch.position << "+" << stretch.bytes << " base " << stretch.base << " "
         << stretch.damage;
  }
};

/// Reads of a file that fail, or that end, from a position on.
class ShortFile final : public File {
 public:
  ShortFile(std::unique_ptr<File> file, std::int64_t end, bool fails)
      : file_(std::move(file)), end_(end), fails_(fails) {}

  Result<std::size_t> read_at(std::span<std::byte> buffer, std::int64_t position) const override {
    if (position + std::ssize(buffer) <= end_) return file_->read_at(buffer, position);
    if (fails_) return fail(ErrorCode::KAFKA_STORAGE_ERROR, "no more");
    const std::int64_t left = std::max<std::int64_t>(end_ - position, 0);
    return file_->read_at(buffer.first(static_cast<std::size_t>(left)), position);
  }
  Result<void> write_at(std::span<const Bytes>, std::int64_t) override { return {}; }
  [[nodiscard]] Result<std::int64_t> size() const override { return file_->size(); }
  Result<void> truncate(std::int64_t) override { return {}; }
  Result<void> preallocate(std::int64_t) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> drop_cache(std::int64_t) override { return {}; }
  [[nodiscard]] int native_handle() const override { return -1; }

 private:
  std::unique_ptr<File> file_;
  std::int64_t end_;
  bool fails_;
};

class FileScanTest : public testing::Test {
 protected:
  /// Batches of a few bytes up to several chunks, one behind the other.
  Buffer random_batches(std::size_t bytes) {
    Buffer all;
    for (std::int64_t base = 0; all.size() < bytes; ++base) {
      const std::size_t value = random_() % 50 == 0 ? random_() % 700'000 : random_() % 20'000;
      const Buffer batch = make_batch({.base = base, .value_bytes = value});
      all.insert(all.end(), batch.begin(), batch.end());
    }
    return all;
  }
  /// Flips bits anywhere, lengths included.
  void damage(Buffer& bytes, int count) {
    for (int i = 0; i < count; ++i) {
      bytes[random_() % bytes.size()] ^= static_cast<std::byte>(1U << (random_() % 8));
    }
  }
  std::unique_ptr<File> store(const Buffer& bytes) {
    files_.write(files_.segment(0), bytes);
    return *posix_vfs().open(files_.segment(0), OpenMode::kRead);
  }
  static std::vector<Stretch> scan(const File& file, int thread_count, const BatchExam& exam = {}) {
    std::vector<Stretch> all;
    FileScan scan(file, "f", *file.size(), {.thread_count = thread_count, .exam = exam});
    while (true) {
      const auto found = scan.next();
      if (!found) {
        all.push_back({.damage = found.error().text()});
        return all;
      }
      if (*found == nullptr) return all;
      Stretch stretch{(*found)->position, (*found)->bytes, -1, 0, (*found)->damage};
      if ((*found)->batch) {
        stretch.base = (*found)->batch->base_offset().value();
        stretch.crc = (*found)->batch->crc();
        EXPECT_TRUE((*found)->batch->check_crc());
      }
      all.push_back(std::move(stretch));
    }
  }
  static void expect_same_by_any_threads(const File& file, const BatchExam& exam = {}) {
    const auto by_one = scan(file, 1, exam);
    for (const int threads : {2, 3, 8}) EXPECT_EQ(scan(file, threads, exam), by_one) << threads;
  }

  std::mt19937 random_{20261122};
  test::PartitionFiles files_;
};

TEST_F(FileScanTest, SeveralThreadsGiveWhatOneGives) {
  const auto file = store(random_batches(12 * kMiB));
  const auto all = scan(*file, 2);
  ASSERT_GT(all.size(), 100u);
  EXPECT_EQ(all.back().position + all.back().bytes, *file->size());
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].base, static_cast<int>(i));
  expect_same_by_any_threads(*file);
}

TEST_F(FileScanTest, SeveralThreadsAreAtWork) {
  const auto file = store(random_batches(9 * kMiB));
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::thread::id> seen;
  // The first thread waits in its exam for another one.
  const BatchExam exam = [&](const RecordBatchView&) {
    std::unique_lock lock(mutex);
    seen.insert(std::this_thread::get_id());
    changed.notify_all();
    changed.wait_for(lock, std::chrono::seconds(20), [&] { return seen.size() > 1; });
    return std::string();
  };
  scan(*file, 2, exam);
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(FileScanTest, ABatchThatIsTooLongToReadAheadIsGivenAllTheSame) {
  Buffer bytes = random_batches(5 * kMiB);
  for (const Buffer& more :
       {make_batch({.base = 1'000'000, .value_bytes = 65 * kMiB}), random_batches(9 * kMiB)}) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  const auto file = store(bytes);
  EXPECT_EQ(scan(*file, 2), scan(*file, 1));
}

TEST_F(FileScanTest, BehindDamageSeveralThreadsGoOn) {
  Buffer bytes = random_batches(24 * kMiB);
  bytes[1 * kMiB] ^= std::byte{1};
  bytes[13 * kMiB] ^= std::byte{1};
  expect_same_by_any_threads(*store(bytes));
}

TEST_F(FileScanTest, DamageIsTheSameByAnyThreads) {
  for (const int count : {1, 2, 5, 200}) {
    Buffer bytes = random_batches(10 * kMiB);
    damage(bytes, count);
    expect_same_by_any_threads(*store(bytes));
  }
}

TEST_F(FileScanTest, ATornTailIsTheSameByAnyThreads) {
  Buffer bytes = random_batches(8 * kMiB);
  bytes.resize(bytes.size() - 5);
  expect_same_by_any_threads(*store(bytes));
  bytes.resize(bytes.size() + 5 * kMiB);  // zeros, as of a preallocation
  expect_same_by_any_threads(*store(bytes));
}

TEST_F(FileScanTest, ALengthThatReachesOverTheFileEndsNoScan) {
  Buffer bytes = random_batches(8 * kMiB);
  const auto all = scan(*store(bytes), 1);
  const auto length_at = static_cast<std::size_t>(all[all.size() / 2].position) + 8;
  bytes[length_at] = std::byte{0x04};  // 64 MiB and more, in a file of 8
  expect_same_by_any_threads(*store(bytes));
}

TEST_F(FileScanTest, AFileThatShrinksIsTornWhereItEnds) {
  const Buffer bytes = random_batches(9 * kMiB);
  for (const std::size_t end : {std::size_t{0}, 5 * kMiB + 77, 9 * kMiB}) {
    const ShortFile file(store(bytes), static_cast<std::int64_t>(end), false);
    expect_same_by_any_threads(file);
  }
}

TEST_F(FileScanTest, AFailedReadIsTheScansError) {
  const ShortFile file(store(random_batches(9 * kMiB)), 6 * kMiB, true);
  const auto all = scan(file, 3);
  EXPECT_THAT(all.back().damage, testing::HasSubstr("no more"));
  EXPECT_GT(all.size(), 100u);
}

TEST_F(FileScanTest, WhatTheExamFindsIsTheDamageOfItsBatch) {
  const auto file = store(random_batches(9 * kMiB));
  const BatchExam exam = [](const RecordBatchView& batch) {
    return batch.base_offset().value() % 7 == 3 ? std::string("three") : std::string();
  };
  for (const Stretch& stretch : scan(*file, 2, exam)) {
    ASSERT_EQ(stretch.damage, stretch.base % 7 == 3 ? "three" : "");
  }
  expect_same_by_any_threads(*file, exam);
}

TEST_F(FileScanTest, AScanMayEndEarly) {
  const auto file = store(random_batches(20 * kMiB));
  for (int visits = 1; visits < 4; ++visits) {
    FileScan scan(*file, "f", *file->size(), {.thread_count = 4});
    for (int i = 0; i < visits; ++i) ASSERT_TRUE(scan.next());
  }
}

}  // namespace
}  // namespace oncelog::inspect
