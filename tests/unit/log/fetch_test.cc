// What a fetch gives, through the public interface.
#include <gmock/gmock.h>

#include <chrono>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using namespace std::chrono_literals;
using test::FailsWith;
using test::make_batch;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

class FetchTest : public test::LogFixture {
 protected:
  FetchTest() { options_.level = Level::kWritten; }

  void append_many(int batches) {
    for (int i = 0; i < batches; ++i) append();
  }
  void append_in_transaction(std::int64_t id, std::int32_t sequence, int records = 1) {
    append({.records = records,
            .is_transactional = true,
            .producer_id = id,
            .producer_epoch = 0,
            .sequence = sequence});
  }
  void abort(std::int64_t id) { append_marker({.type = MarkerType::kAbort, .producer_id = id}); }
  Fetched fetch(std::int64_t from, FetchOptions options) {
    return value_of(log_->fetch(Offset(from), options));
  }
  std::vector<AbortedTransaction> aborted(std::int64_t from) {
    return *fetch(from, {.isolation = Isolation::kReadCommitted}).aborted;
  }
  static Deadline in(std::chrono::milliseconds wait) {
    return std::chrono::steady_clock::now() + wait;
  }

  const std::int64_t size_ = std::ssize(make_batch());
};

AbortedTransaction aborted_at(std::int64_t id, std::int64_t first) {
  return {ProducerId(id), Offset(first)};
}

TEST_F(FetchTest, EachIsolationHasItsBound) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  append_many(2);
  append_in_transaction(1, 0);
  append_many(2);
  value_of(log_->set_high_watermark(Offset(4)));
  EXPECT_THAT(fetched(0, Isolation::kReplica), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(fetched(0, Isolation::kReadUncommitted), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(fetched(0, Isolation::kReadCommitted), ElementsAre(0, 1));
  EXPECT_THAT(fetched(4, Isolation::kReadUncommitted), IsEmpty());  // at the bound
  EXPECT_THAT(fetched(5, Isolation::kReadCommitted), IsEmpty());    // above it, up to the log end
}

TEST_F(FetchTest, OffsetsOutsideTheLogAreRefused) {
  open();
  append_many(3);
  EXPECT_THAT(log_->fetch(Offset(-1)), FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE, "[0, 3]"));
  EXPECT_THAT(log_->fetch(Offset(4)), FailsWith(ErrorCode::OFFSET_OUT_OF_RANGE));
  EXPECT_THAT(fetched(3), IsEmpty());
  EXPECT_THAT(log_->fetch(Offset(0), {.bytes_max = -1}), FailsWith(ErrorCode::MISUSE));
}

TEST_F(FetchTest, AnOffsetInsideABatchGivesTheWholeBatch) {
  open();
  append({.records = 5});
  append({.records = 5});
  EXPECT_THAT(fetched(3), ElementsAre(0, 5));
  EXPECT_THAT(fetched(7), ElementsAre(5));
}

TEST_F(FetchTest, ABoundInsideABatchWithholdsIt) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  append({.records = 5});
  append({.records = 5});
  value_of(log_->set_high_watermark(Offset(7)));
  EXPECT_THAT(fetched(0, Isolation::kReadUncommitted), ElementsAre(0));
  EXPECT_THAT(fetched(6, Isolation::kReadUncommitted), IsEmpty());
}

TEST_F(FetchTest, TheBytesAreLimitedButForAFirstBatch) {
  open();
  append_many(3);
  EXPECT_EQ(fetch(0, {.bytes_max = 2 * size_ + 10}).region.bytes, 2 * size_ + 10);
  EXPECT_EQ(fetch(0, {.bytes_max = 10}).region.bytes, size_);
  EXPECT_EQ(fetch(0, {.bytes_max = size_ - 1, .min_one_batch = false}).region.bytes, 0);
  EXPECT_EQ(fetch(0, {.bytes_max = size_, .min_one_batch = false}).region.bytes, size_);
  EXPECT_EQ(fetch(0, {.bytes_max = 0, .min_one_batch = false}).region.file, nullptr);
}

TEST_F(FetchTest, ARegionNeverSpansSegments) {
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_);
  open();
  append_many(5);
  EXPECT_THAT(fetched(0), ElementsAre(0, 1));
  EXPECT_THAT(fetched(1), ElementsAre(1));
  EXPECT_THAT(fetched(2), ElementsAre(2, 3));
  EXPECT_THAT(fetched(4), ElementsAre(4));
}

TEST_F(FetchTest, OffsetsThatAreMissingLeadToTheNextBatch) {
  options_.config.segment_bytes = static_cast<std::int32_t>(2 * size_);
  open();
  for (const std::int64_t base : {3, 5, 10, 20}) {
    EXPECT_THAT(log_->append_as_follower(make_batch({.base = base, .leader_epoch = 0})),
                test::Succeeds());
  }
  EXPECT_THAT(fetched(0), ElementsAre(3, 5));
  EXPECT_THAT(fetched(7), ElementsAre(10, 20));  // behind the last batch of its segment
  EXPECT_THAT(fetched(15), ElementsAre(20));
}

TEST_F(FetchTest, ARegionStaysReadableWhenTheLogIsClosed) {
  open();
  append_many(2);
  const Fetched held = fetch(0, {.isolation = Isolation::kReplica});
  close();
  std::filesystem::remove_all(store_path());
  EXPECT_THAT(test::base_offsets(value_of(held.read())), ElementsAre(0, 1));
}

TEST_F(FetchTest, AFetchTellsTheEnds) {
  open();
  append_many(2);
  append_in_transaction(1, 0);
  const LogEnds ends = fetch(0, {}).ends;
  EXPECT_EQ(ends.log_start, Offset(0));
  EXPECT_EQ(ends.last_stable_offset, Offset(2));
  EXPECT_EQ(ends.high_watermark, Offset(3));
  EXPECT_EQ(ends.log_end, Offset(3));
  EXPECT_EQ(ends.durable_end, Offset(0));
}

// ---- aborted transactions

TEST_F(FetchTest, OnlyReadCommittedGetsTheAbortedList) {
  open();
  append_many(1);
  EXPECT_THAT(fetch(0, {.isolation = Isolation::kReadCommitted}).aborted, Optional(IsEmpty()));
  EXPECT_EQ(fetch(0, {.isolation = Isolation::kReadUncommitted}).aborted, std::nullopt);
  EXPECT_EQ(fetch(0, {.isolation = Isolation::kReplica}).aborted, std::nullopt);
}

TEST_F(FetchTest, AnAbortInALaterSegmentAccompaniesItsData) {
  open();
  append_in_transaction(1, 0, 10);  // 0 to 9
  EXPECT_THAT(log_->roll(), test::Succeeds());
  for (int i = 0; i < 5; ++i) append();
  abort(1);  // 15
  append_many(1);
  EXPECT_THAT(aborted(0), ElementsAre(aborted_at(1, 0)));
  EXPECT_THAT(aborted(12), ElementsAre(aborted_at(1, 0)));  // its marker is not below 12
  EXPECT_THAT(aborted(16), IsEmpty());
}

TEST_F(FetchTest, AnIdThatIsUsedAgainIsListedForItsAbortedPartOnly) {
  open();
  append_in_transaction(1, 0, 5);  // 0 to 4
  abort(1);                        // 5
  append_in_transaction(1, 5, 4);  // 6 to 9
  append_marker({.producer_id = 1});
  EXPECT_THAT(aborted(0), ElementsAre(aborted_at(1, 0)));
  EXPECT_THAT(aborted(6), IsEmpty());
}

TEST_F(FetchTest, AbortedTransactionsAreListedInTheOrderOfTheirMarkers) {
  open();
  append_in_transaction(1, 0);
  append_in_transaction(2, 0);
  abort(2);
  abort(1);
  EXPECT_THAT(aborted(0), ElementsAre(aborted_at(2, 1), aborted_at(1, 0)));
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(4));
  const auto entries = log_->aborted_transactions();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].last_stable_offset, Offset(0));
  EXPECT_EQ(entries[1].last_stable_offset, Offset(4));
}

// ---- waiting

TEST_F(FetchTest, AWaitingFetchIsWokenByAnAppend) {
  open();
  std::vector<std::int64_t> bases;
  std::jthread reader(
      [&] { bases = test::base_offsets(value_of(fetch(0, {.wait_until = in(60s)}).read())); });
  std::this_thread::sleep_for(20ms);
  append();
  reader.join();
  EXPECT_THAT(bases, ElementsAre(0));
}

TEST_F(FetchTest, AWaitingFetchIsWokenWhenItsBoundMovesAndNotBefore) {
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  std::atomic<bool> has_answer{false};
  std::jthread reader([&] {
    EXPECT_EQ(fetch(0, {.wait_until = in(60s)}).region.bytes, size_);
    has_answer = true;
  });
  append_many(2);
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(has_answer);
  value_of(log_->set_high_watermark(Offset(1)));
  reader.join();
}

TEST_F(FetchTest, AWaitingFetchIsEmptyAtItsDeadline) {
  open();
  const auto deadline = in(30ms);
  EXPECT_EQ(fetch(0, {.wait_until = deadline}).region.bytes, 0);
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
  EXPECT_EQ(fetch(0, {.wait_until = in(-1s)}).region.bytes, 0);
}

TEST_F(FetchTest, AFetchThatHasBytesDoesNotWait) {
  open();
  append_many(1);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(fetch(0, {.wait_until = in(60s)}).region.bytes, size_);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

TEST_F(FetchTest, AWaitingFetchIsEndedByTheClose) {
  open();
  std::jthread reader([&, log = log_] {
    EXPECT_THAT(log->fetch(Offset(0), {.wait_until = in(60s)}), FailsWith(ErrorCode::MISUSE));
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_THAT(store_->close(), test::Succeeds());
  reader.join();
}

TEST_F(FetchTest, ReadersSeeWholeBatchesInOrderWhileTheLogGrowsAndRolls) {
  constexpr std::int64_t kBatches = 1500;
  options_.config.segment_bytes = static_cast<std::int32_t>(50 * size_);
  options_.config.index_interval_bytes = 200;
  open();
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      for (std::int64_t next = 0; next < kBatches;) {
        const Fetched answer = fetch(next, {.bytes_max = 10 * size_, .wait_until = in(60s)});
        for (const std::int64_t base : test::base_offsets(value_of(answer.read()))) {
          ASSERT_EQ(base, next);
          ++next;
        }
      }
    });
  }
  append_many(kBatches);
}

}  // namespace
}  // namespace oncelog
