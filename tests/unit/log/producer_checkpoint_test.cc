// Producers between memory and their checkpoints: small caches, concurrent appends, what a
// checkpoint is good for.
#include "log/producer_checkpoint.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

/// Directories of tests that lose no power, while one of these lives.
class InMemory {
 public:
  InMemory() { ::setenv("TMPDIR", test::memory_directory().c_str(), 1); }
  ~InMemory() { ::unsetenv("TMPDIR"); }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
};

/// Room for a handful of producers.
constexpr std::int64_t kTinyCacheBytes = 2000;

class ProducerCheckpointTest : private InMemory, public test::LogFixture {
 protected:
  ProducerCheckpointTest() { options_.level = Level::kWritten; }
  void write(std::int64_t id, std::int32_t sequence) {
    append({.producer_id = id, .producer_epoch = 0, .sequence = sequence});
  }
  [[nodiscard]] bool is_duplicate(std::int64_t id, std::int32_t sequence) {
    return append({.producer_id = id, .producer_epoch = 0, .sequence = sequence}).is_duplicate;
  }
  [[nodiscard]] std::optional<ProducerInfo> find(std::int64_t id) const {
    return value_of(log_->find_producer(ProducerId(id)));
  }
  void expect_same_after_a_crash() {
    value_of(log_->flush());
    const std::string before = answers();
    crash_and_open();
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
  }
};

// ---- the offset of a checkpoint

TEST_F(ProducerCheckpointTest, IsGoodForTheNextOffsetOfTheLastStoredBatch) {
  open();
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(0)) << "nothing is stored";
  append({.records = 3});
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(3));
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(3)) << "again";
  append({.records = 2, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(5));
}

TEST_F(ProducerCheckpointTest, AfterATruncationInsideABatchItIsTheBatchBefore) {
  open();
  append({.records = 2, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  append({.records = 5, .producer_id = 1, .producer_epoch = 0, .sequence = 2});
  value_of(log_->truncate_to(Offset(4)));
  EXPECT_EQ(log_->ends().log_end, Offset(4));
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(2));
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(2));
  EXPECT_EQ(find(1)->last_sequence, Sequence(1));
  EXPECT_EQ(log_->ends().log_end, Offset(2)) << "as the log says";
}

TEST_F(ProducerCheckpointTest, AfterATruncationInsideTheFirstBatchItIsTheLogsFirstOffset) {
  open();
  append({.records = 5, .producer_id = 1, .producer_epoch = 0, .sequence = 0});
  value_of(log_->truncate_to(Offset(3)));
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(0));
  append({.producer_id = 2, .producer_epoch = 0, .sequence = 0});
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(4));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(4));
}

TEST_F(ProducerCheckpointTest, BehindARollTheEmptySegmentIsNotItsOffset) {
  open();
  append({.records = 3});
  ASSERT_THAT(log_->roll(), Succeeds());
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(3));
  value_of(log_->delete_records(Offset(3)));
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 1u);
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(3));
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(3));
}

TEST_F(ProducerCheckpointTest, FlushesFirst) {
  open();
  append();
  EXPECT_EQ(log_->ends().durable_end, Offset(0));
  value_of(log_->checkpoint());
  EXPECT_EQ(log_->ends().durable_end, Offset(1));
}

TEST_F(ProducerCheckpointTest, AFailedFlushMakesNoCheckpoint) {
  open();
  write(1, 0);
  value_of(log_->checkpoint());
  write(1, 1);
  vfs_.plan().add({.call = IoCall::kSync, .path_part = ".log"});
  EXPECT_FALSE(log_->checkpoint());
  EXPECT_EQ(find(1)->last_sequence, Sequence(1));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(1));
  EXPECT_EQ(find(1)->last_sequence, Sequence(1));
}

TEST_F(ProducerCheckpointTest, OneWithoutSpaceIsMadeLater) {
  open();
  write(1, 0);
  vfs_.plan().add(
      {.call = IoCall::kWrite, .path_part = "checkpoint", .is_lasting = true, .os_errno = 28});
  EXPECT_THAT(log_->checkpoint(), FailsWith(ErrorCode::STORAGE_FULL));
  write(1, 1);
  write(2, 0);
  vfs_.plan().clear();
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(3));
  expect_same_after_a_crash();
  EXPECT_EQ(report().replayed_from, Offset(3));
}

// ---- when one is due

TEST_F(ProducerCheckpointTest, ARollIsReasonEnough) {
  options_.config.segment_bytes = static_cast<std::int32_t>(3 * std::ssize(make_batch()));
  open();
  for (int i = 0; i < 5; ++i) write(1, i);
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(4)) << "behind the batch that rolled";
}

TEST_F(ProducerCheckpointTest, SoManyBytesAreReasonEnough) {
  const std::int64_t size = std::ssize(make_batch());
  store_options_.checkpoint_interval_bytes = 4 * size;
  open();
  for (int i = 0; i < 11; ++i) write(1, i);
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(8));
}

TEST_F(ProducerCheckpointTest, SoManyRecordsAreReasonEnough) {
  store_options_.checkpoint_interval_records = 10;
  open();
  for (int i = 0; i < 9; ++i) append({.records = 4});
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(36));
  append({.records = 9});
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(36)) << "nine are not ten";
}

TEST_F(ProducerCheckpointTest, WithoutAStateStoreNoneIsMadeAndTheAnswerIsTheSame) {
  store_options_.producer_state = ProducerStateStore::kNone;
  open();
  write(1, 0);
  EXPECT_EQ(value_of(log_->checkpoint()), Offset(1));
  crash_and_open();
  EXPECT_EQ(report().replayed_from, std::nullopt);
  EXPECT_EQ(find(1)->last_sequence, Sequence(0));
}

// ---- a cache that is too small

TEST_F(ProducerCheckpointTest, EvictedProducersAreFoundAgainWithTheirWholeWindows) {
  constexpr int kProducers = 60;
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  open();
  for (int round = 0; round < 7; ++round) {
    for (int id = 0; id < kProducers; ++id) write(id, round);
  }
  for (int id = 0; id < kProducers; ++id) {
    const auto info = find(id);
    ASSERT_TRUE(info) << id;
    ASSERT_EQ(info->batches.size(), 5u) << id;
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(info->batches[static_cast<std::size_t>(i)].last_sequence, Sequence(2 + i)) << id;
      EXPECT_TRUE(is_duplicate(id, 2 + i)) << id;
    }
  }
  EXPECT_EQ(log_->ends().log_end, Offset(7 * kProducers)) << "retries store nothing";
  EXPECT_EQ(value_of(log_->producers()).size(), static_cast<std::size_t>(kProducers));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  expect_same_after_a_crash();
}

TEST_F(ProducerCheckpointTest, UnknownProducersStayUnknownAlsoWhenTheStoreWasAsked) {
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  open();
  for (int id = 0; id < 60; id += 2) write(id, 0);
  for (int id = 1; id < 60; id += 2) EXPECT_EQ(find(id), std::nullopt) << id;
  for (int id = 1; id < 60; id += 2) write(id, 40 + id);  // any first sequence will do
  for (int id = 0; id < 60; ++id) {
    EXPECT_EQ(find(id)->last_sequence, Sequence(id % 2 == 0 ? 0 : 40 + id)) << id;
  }
}

TEST_F(ProducerCheckpointTest, NewProducersForceCheckpointsAndNothingIsLost) {
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  open();
  for (int id = 0; id < 300; ++id) write(id, 0);
  crash_and_open();
  ASSERT_TRUE(report().replayed_from);
  EXPECT_GT(*report().replayed_from, Offset(250)) << "checkpoints were made on the way";
  EXPECT_EQ(value_of(log_->producers()).size(), 300u);
  for (int id = 0; id < 300; ++id) EXPECT_TRUE(is_duplicate(id, 0)) << id;
}

TEST_F(ProducerCheckpointTest, ACacheOfNothingWorksToo) {
  store_options_.producer_cache_bytes = 0;
  open();
  for (int round = 0; round < 2; ++round) {
    for (int id = 0; id < 10; ++id) write(id, round);
  }
  for (int id = 0; id < 10; ++id) EXPECT_TRUE(is_duplicate(id, 0)) << id;
  expect_same_after_a_crash();
}

TEST_F(ProducerCheckpointTest, OpenTransactionsStayThoughTheCacheIsSmall) {
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  open();
  for (int id = 0; id < 40; ++id) {
    append({.is_transactional = true, .producer_id = id, .producer_epoch = 0, .sequence = 0});
  }
  for (int id = 100; id < 200; ++id) write(id, 0);
  EXPECT_EQ(log_->ends().last_stable_offset, Offset(0));
  expect_same_after_a_crash();
  for (int id = 0; id < 40; ++id) {
    EXPECT_EQ(find(id)->transaction_first_offset, Offset(id));
    append_marker(
        {.type = id % 2 == 0 ? MarkerType::kAbort : MarkerType::kCommit, .producer_id = id});
  }
  EXPECT_EQ(log_->ends().last_stable_offset, log_->ends().log_end);
  EXPECT_EQ(log_->aborted_transactions().size(), 20u);
  expect_same_after_a_crash();
}

TEST_F(ProducerCheckpointTest, AFollowerReadsAllProducersOfAnAppendBeforeIt) {
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  open();
  std::vector<test::Buffer> batches;
  for (int round = 0; round < 3; ++round) {
    for (int id = 0; id < 60; ++id) {
      batches.push_back(make_batch({.base = round * 60 + id,
                                    .leader_epoch = 0,
                                    .producer_id = id,
                                    .producer_epoch = 0,
                                    .sequence = round}));
    }
    ASSERT_THAT(log_->append_as_follower(test::join(batches)), Succeeds());
    batches.clear();
  }
  for (int id = 0; id < 60; ++id) {
    EXPECT_EQ(find(id)->batches.size(), 3u) << id;
  }
  expect_same_after_a_crash();
}

TEST_F(ProducerCheckpointTest, AReplayThatIsTooLargeForTheCacheSavesOnItsWay) {
  open();
  for (int id = 0; id < 200; ++id) write(id, 0);
  value_of(log_->flush());
  const std::string before = answers();
  crash();
  std::filesystem::remove(store_path() + "/.state");
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  open();
  EXPECT_EQ(answers(), before);
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  for (int id = 0; id < 200; ++id) EXPECT_TRUE(is_duplicate(id, 0)) << id;
  crash_and_open();
  EXPECT_EQ(answers(), before);
}

// ---- at the same time

/// Producers in several threads, each with its own sequences; retries now and then.
class Appenders {
 public:
  static constexpr int kThreads = 4;
  static constexpr int kProducersPerThread = 20;
  static constexpr int kRounds = 6;

  explicit Appenders(PartitionLog& log) {
    for (int thread = 0; thread < kThreads; ++thread) {
      threads_.emplace_back([&log, thread] {
        for (int round = 0; round < kRounds; ++round) {
          for (int i = 0; i < kProducersPerThread; ++i) {
            const test::Buffer batch = make_batch(
                {.producer_id = thread * 1000 + i, .producer_epoch = 0, .sequence = round});
            EXPECT_THAT(log.append_as_leader(batch), Succeeds());
            if ((round + i) % 3 != 0) continue;
            const auto again = log.append_as_leader(batch);
            EXPECT_TRUE(again && again->is_duplicate);
          }
        }
      });
    }
  }
  void join() { threads_.clear(); }

 private:
  std::vector<std::jthread> threads_;
};

TEST_F(ProducerCheckpointTest, ManyProducersInManyThreadsWithATinyCacheAreStoredOnce) {
  store_options_.producer_cache_bytes = kTinyCacheBytes;
  options_.config.segment_bytes = 4000;
  open();
  {
    std::atomic<bool> is_done{false};
    std::jthread checkpoints([&] {
      while (!is_done.load()) EXPECT_THAT(log_->checkpoint(), Succeeds());
    });
    std::jthread listings([&] {
      while (!is_done.load()) {
        EXPECT_THAT(log_->producers(), Succeeds());
        EXPECT_THAT(log_->find_producer(ProducerId(1003)), Succeeds());
      }
    });
    Appenders appenders(*log_);
    appenders.join();
    is_done.store(true);
  }
  constexpr int kBatches =
      Appenders::kThreads * Appenders::kProducersPerThread * Appenders::kRounds;
  EXPECT_EQ(log_->ends().log_end, Offset(kBatches));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());

  // Each sequence is in the log once, in order.
  std::map<std::int64_t, std::int32_t> next;
  for (Offset from{}; from < log_->ends().log_end;) {
    const auto fetched = value_of(log_->fetch(from, {.isolation = Isolation::kReplica}));
    const test::Buffer bytes = value_of(fetched.read());
    BatchCursor cursor(bytes);
    while (const auto batch = value_of(cursor.next())) {
      const record::BatchHeader header = test::header_of(batch->bytes());
      EXPECT_EQ(header.base_sequence, Sequence(next[header.producer_id.value()]++));
      from = header.next_offset();
    }
  }
  EXPECT_EQ(next.size(),
            static_cast<std::size_t>(Appenders::kThreads * Appenders::kProducersPerThread));
  for (const auto& [id, sequence] : next) EXPECT_EQ(sequence, Appenders::kRounds) << id;
  expect_same_after_a_crash();
  EXPECT_EQ(value_of(log_->producers()).size(), next.size());
}

// ---- afterwards

// In a process of its own: an environment that is read after it was closed kills it, or not.
TEST_F(ProducerCheckpointTest, AClosedStoreListsNoProducersAndReadsNoEnvironment) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    open();
    write(1, 0);
    value_of(log_->checkpoint());
    const bool is_closed = store_->close().has_value();
    const auto all = log_->producers();
    const auto one = log_->find_producer(ProducerId(1));
    const bool is_refused = !all && all.error().code == ErrorCode::MISUSE;
    const bool is_one_right = one ? one->has_value() : one.error().code == ErrorCode::MISUSE;
    ::_exit(is_closed && is_refused && is_one_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "died of signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace oncelog
