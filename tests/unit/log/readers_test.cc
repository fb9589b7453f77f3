// What a reader holds while the log shrinks under it: regions keep their bytes, and look-ups beside
// a truncation see the log before it or behind it.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "sim/sim_disk.h"
#include "support/compaction_fixture.h"

namespace oncelog {
namespace {

using test::BatchSpec;
using test::Buffer;
using test::FailsWith;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::Each;

class ReadersTest : public test::LogFixture {
 protected:
  ReadersTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
  }
  void append_many(int count) {
    for (int i = 0; i < count; ++i) append();
  }
  /// A region with all batches of a segment from this offset on.
  [[nodiscard]] Fetched fetch_from(std::int64_t offset) const {
    return value_of(log_->fetch(Offset(offset), {.isolation = Isolation::kReplica}));
  }
  const std::int64_t size_ = std::ssize(make_batch());
};

TEST_F(ReadersTest, ARegionSurvivesRetention) {
  open();
  append_many(7);
  const Fetched held = fetch_from(0);
  const Buffer before = value_of(held.read());
  ASSERT_THAT(log_->delete_records(Offset(6)), Succeeds());
  EXPECT_EQ(value_of(held.read()), before);
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 2U);
  EXPECT_EQ(value_of(held.read()), before);
  EXPECT_THAT(log_->fetch(Offset(0)), FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE));
}

TEST_F(ReadersTest, ARegionSurvivesTheDeletionOfItsPartition) {
  open();
  append_many(2);
  const Fetched held = fetch_from(0);
  const Buffer before = value_of(held.read());
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  EXPECT_EQ(value_of(held.read()), before);
}

TEST_F(ReadersTest, ARegionSurvivesATruncationThatRemovesItsSegment) {
  open();
  append_many(7);
  const Fetched held = fetch_from(3);
  const Buffer before = value_of(held.read());
  ASSERT_THAT(log_->truncate_to(Offset(1)), Succeeds());
  append_many(7);
  EXPECT_EQ(value_of(held.read()), before);
  ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(50)), Succeeds());
  EXPECT_EQ(value_of(held.read()), before);
}

TEST_F(ReadersTest, ARegionBelowTheCutKeepsItsBytes) {
  open();
  append_many(3);
  FetchOptions one;
  one.bytes_max = 1;
  const Fetched held = value_of(log_->fetch(Offset(0), one));
  const Buffer before = value_of(held.read());
  ASSERT_THAT(log_->truncate_to(Offset(1)), Succeeds());
  append({.value_bytes = 20});
  EXPECT_EQ(value_of(held.read()), before);
}

TEST_F(ReadersTest, ARegionAboveTheCutEndsThereAndShowsNothingOfWhatFollowed) {
  open();
  append_many(3);
  const Fetched held = fetch_from(0);
  ASSERT_THAT(log_->truncate_to(Offset(1)), Succeeds());
  append({.timestamp = 2000});
  append({.timestamp = 2000});
  EXPECT_THAT(held.read(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR,
                                     "ends at position " + std::to_string(size_)));
  Buffer bytes(static_cast<std::size_t>(3 * size_));
  EXPECT_EQ(value_of(held.region.file->read_at(bytes, 0)), static_cast<std::size_t>(size_));
  EXPECT_EQ(value_of(held.region.file->read_at(bytes, size_)), 0U);
}

TEST_F(ReadersTest, ARegionOfBeforeTwoCutsEndsAtTheLowerOne) {
  open();
  append_many(3);
  FetchOptions two;
  two.bytes_max = 2 * size_;
  const Fetched held = value_of(log_->fetch(Offset(0), two));
  ASSERT_THAT(log_->truncate_to(Offset(2)), Succeeds());
  append({.timestamp = 2000});
  EXPECT_THAT(held.read(), Succeeds());
  const Fetched later = value_of(log_->fetch(Offset(2), two));
  ASSERT_THAT(log_->truncate_to(Offset(1)), Succeeds());
  append({.timestamp = 3000});
  append({.timestamp = 3000});
  EXPECT_FALSE(held.read());
  EXPECT_FALSE(later.read());
  EXPECT_EQ(fetched(0), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST_F(ReadersTest, ARegionInTheRingSurvivesItsDrainAndATruncationAbove) {
  store_options_.append_ring_bytes = 64 << 10;
  open();
  append_many(2);
  const Fetched held = fetch_from(0);
  const Buffer before = value_of(held.read());
  ASSERT_THAT(log_->drain(), Succeeds());
  append();
  EXPECT_EQ(value_of(held.read()), before);
  ASSERT_THAT(log_->truncate_to(Offset(2)), Succeeds());
  append({.timestamp = 2000});
  EXPECT_EQ(value_of(held.read()), before);
  ASSERT_THAT(log_->truncate_to(Offset(1)), Succeeds());
  append({.timestamp = 2000});
  EXPECT_FALSE(held.read());
}

TEST_F(ReadersTest, LookUpsBesideATruncationNeverFindDamage) {
  options_.config.segment_bytes = 1 << 20;
  options_.config.index_interval_bytes = 200;
  open();
  std::atomic<bool> is_done{false};
  std::atomic<int> looks{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, i] {
      while (!is_done) {
        const LogEnds ends = log_->ends();
        const Offset from = std::max(ends.log_end - (1 + i * 3), ends.log_start);
        const auto found = log_->fetch(from, {.isolation = Isolation::kReplica});
        // The end may have come down below `from`.
        if (!found) {
          EXPECT_EQ(found.error().code, ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        EXPECT_THAT(log_->list_offsets(Timestamp(900), Isolation::kReplica), Succeeds());
        EXPECT_THAT(log_->list_offsets(kMaxTimestamp, Isolation::kReplica), Succeeds());
        if (found && found->region.bytes > 0) {
          // All of it, of one time, or the error of a truncation.
          const auto bytes = found->read();
          if (bytes) {
            EXPECT_EQ(std::ssize(*bytes) % size_, 0);
            std::int64_t next = test::base_offsets(*bytes).front();
            for (const std::int64_t base : test::base_offsets(*bytes)) EXPECT_EQ(base, next++);
          } else {
            EXPECT_EQ(bytes.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
          }
        }
        ++looks;
      }
    });
  }
  for (int round = 0; round < 150 || looks < 300; ++round) {
    append_many(20);
    ASSERT_THAT(log_->truncate_to(log_->ends().log_end - 13), Succeeds());
  }
  is_done = true;
  for (std::thread& reader : readers) reader.join();
}

/// Looks at the log out of the truncation itself, at each change that it makes to the disk.
TEST(ReadersInsideATruncation, FindTheLogBeforeOrBehindItAndNoDamage) {
  sim::SimDisk disk;
  StoreOptions store_options;
  store_options.vfs = &disk;
  store_options.producer_state = ProducerStateStore::kNone;
  PartitionOptions options;
  options.level = Level::kWritten;
  options.high_watermark = HighWatermarkPolicy::kLogEnd;
  const auto store = value_of(Store::open("/store", store_options));
  const auto log = value_of(store->open_partition({"t", 0}, options));
  for (std::int64_t i = 0; i < 5; ++i) {
    ASSERT_THAT(log->append_as_leader(make_batch({.timestamp = 1000 + i})), Succeeds());
  }
  const auto look = [&] {
    const Offset last = log->ends().log_end - 1;
    for (const Offset from : {Offset(0), Offset(1), last}) {
      const auto found = log->fetch(from, {.isolation = Isolation::kReplica});
      ASSERT_THAT(found, Succeeds());
      EXPECT_THAT(found->read(), Succeeds());
    }
    EXPECT_THAT(log->list_offsets(Timestamp(1000 + last.value()), Isolation::kReplica), Succeeds());
    EXPECT_THAT(log->list_offsets(kMaxTimestamp, Isolation::kReplica), Succeeds());
  };
  std::vector<Offset> ends;
  disk.set_observer([&](const sim::SimCall&) {
    look();
    ends.push_back(log->ends().log_end);
  });
  ASSERT_THAT(log->truncate_to(Offset(2)), Succeeds());
  disk.set_observer({});
  EXPECT_EQ(ends.front(), Offset(5));
  EXPECT_EQ(ends.back(), Offset(2));
}

class ReadersOfCompactedTest : public test::CompactionFixture {};

TEST_F(ReadersOfCompactedTest, ARegionSurvivesTheSwap) {
  open();
  put_segment({{"a", "1"}, {"b", "1"}});
  put_segment({{"a", "2"}});
  const Fetched held = value_of(log_->fetch(Offset(0), {.isolation = Isolation::kReplica}));
  const Buffer before = value_of(held.read());
  ASSERT_TRUE(compact().was_due);
  const Fetched after = value_of(log_->fetch(Offset(0), {.isolation = Isolation::kReplica}));
  EXPECT_NE(value_of(after.read()), before);
  EXPECT_EQ(value_of(held.read()), before);
}

}  // namespace
}  // namespace oncelog
