// Producers that have been silent for too long are forgotten: by time only (semantics 5.10).
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <limits>

#include "oncelog/partition_log.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

/// Directories of tests that lose no power, while one of these lives.
class InMemory {
 public:
  InMemory() { ::setenv("TMPDIR", test::memory_directory().c_str(), 1); }
  ~InMemory() { ::unsetenv("TMPDIR"); }
  InMemory(const InMemory&) = delete;
  InMemory& operator=(const InMemory&) = delete;
};

class ExpiryTest : private InMemory, public test::LogFixture {
 protected:
  ExpiryTest() {
    options_.level = Level::kWritten;
    options_.config.producer_id_expiration_ms = 1000;
    options_.config.retention_ms = -1;
  }
  void write(std::int64_t id, std::int32_t sequence, std::int64_t timestamp) {
    append({.timestamp = timestamp, .producer_id = id, .producer_epoch = 0, .sequence = sequence});
  }
  [[nodiscard]] std::vector<std::int64_t> expire_at(std::int64_t now) {
    clock_.set(Timestamp(now));
    std::vector<std::int64_t> ids;
    for (const ProducerId id : value_of(log_->expire_producers())) ids.push_back(id.value());
    return ids;
  }
  [[nodiscard]] std::vector<std::int64_t> known() const {
    std::vector<std::int64_t> ids;
    for (const ProducerInfo& info : value_of(log_->producers())) {
      ids.push_back(info.producer_id.value());
    }
    return ids;
  }
  [[nodiscard]] bool is_known(std::int64_t id) const {
    return value_of(log_->find_producer(ProducerId(id))).has_value();
  }
};

/// Whether the producers are in memory only, in a checkpoint, or read back from it.
enum class Where { kMemory, kCheckpoint, kReopened };

class ExpiryAnywhereTest : public ExpiryTest, public testing::WithParamInterface<Where> {
 protected:
  void settle() {
    if (GetParam() == Where::kMemory) return;
    value_of(log_->checkpoint());
    if (GetParam() == Where::kReopened) crash_and_open();
  }
};

INSTANTIATE_TEST_SUITE_P(Anywhere, ExpiryAnywhereTest,
                         testing::Values(Where::kMemory, Where::kCheckpoint, Where::kReopened));

TEST_P(ExpiryAnywhereTest, AProducerExpiresWhenItsTimeIsUpAndNotBefore) {
  open();
  write(1, 0, 5000);
  write(2, 0, 5001);
  settle();
  EXPECT_THAT(expire_at(5999), IsEmpty());
  EXPECT_THAT(expire_at(6000), ElementsAre(1));
  EXPECT_THAT(known(), ElementsAre(2));
  EXPECT_FALSE(is_known(1));
  EXPECT_TRUE(is_known(2));
  EXPECT_THAT(expire_at(6000), IsEmpty()) << "once is enough";
  EXPECT_THAT(expire_at(6001), ElementsAre(2));
  EXPECT_THAT(known(), IsEmpty());
}

TEST_P(ExpiryAnywhereTest, TheLastRecordCountsNotTheNewest) {
  open();
  write(1, 0, 9000);
  write(1, 1, 100);  // record time, which may go back
  settle();
  EXPECT_THAT(expire_at(1099), IsEmpty());
  EXPECT_THAT(expire_at(1100), ElementsAre(1));
}

TEST_P(ExpiryAnywhereTest, WhoHasATransactionOpenStays) {
  open();
  append({.timestamp = 10,
          .is_transactional = true,
          .producer_id = 1,
          .producer_epoch = 0,
          .sequence = 0});
  write(2, 0, 10);
  settle();
  EXPECT_THAT(expire_at(1'000'000), ElementsAre(2));
  EXPECT_THAT(known(), ElementsAre(1));
  append_marker({.producer_id = 1, .timestamp = 2'000'000});
  EXPECT_THAT(expire_at(2'000'999), IsEmpty()) << "the marker is its last record";
  EXPECT_THAT(expire_at(2'001'000), ElementsAre(1));
}

TEST_P(ExpiryAnywhereTest, ExpiredProducersAreGoneAfterAnOpenWhenACheckpointFollowed) {
  open();
  write(1, 0, 10);
  write(2, 0, 2000);
  settle();
  EXPECT_THAT(expire_at(1500), ElementsAre(1));
  value_of(log_->checkpoint());
  crash_and_open();
  EXPECT_THAT(known(), ElementsAre(2));
  EXPECT_FALSE(is_known(1));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_P(ExpiryAnywhereTest, WithoutACheckpointAnExpiryIsForgotten) {
  open();
  write(1, 0, 10);
  settle();
  EXPECT_THAT(expire_at(1500), ElementsAre(1));
  crash_and_open();
  EXPECT_THAT(known(), ElementsAre(1));
}

TEST_P(ExpiryAnywhereTest, ACleanCloseKeepsAnExpiry) {
  open();
  write(1, 0, 10);
  write(2, 0, 2000);
  settle();
  EXPECT_THAT(expire_at(1500), ElementsAre(1));
  close_and_open();
  EXPECT_THAT(known(), ElementsAre(2));
}

TEST_P(ExpiryAnywhereTest, AnExpiredProducerBeginsAsAnUnknownOne) {
  open();
  write(1, 0, 10);
  write(1, 1, 10);
  settle();
  EXPECT_THAT(log_->append_as_leader(make_batch(
                  {.timestamp = 20, .producer_id = 1, .producer_epoch = 0, .sequence = 7})),
              FailsWith(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
  EXPECT_THAT(expire_at(1500), ElementsAre(1));
  write(1, 7, 1600);
  EXPECT_EQ(value_of(log_->find_producer(ProducerId(1)))->batches.size(), 1u);
  value_of(log_->checkpoint());
  crash_and_open();
  EXPECT_EQ(value_of(log_->find_producer(ProducerId(1)))->batches.size(), 1u)
      << "what it wrote before is not seen again";
}

TEST_P(ExpiryAnywhereTest, WhatHasChangedSinceTheCheckpointDecides) {
  open();
  write(1, 0, 10);
  write(2, 0, 5000);
  settle();
  write(1, 1, 5000);  // young again
  write(2, 1, 10);    // old now
  EXPECT_THAT(expire_at(2000), ElementsAre(2));
  EXPECT_THAT(known(), ElementsAre(1));
}

// ---- the ends of time

TEST_P(ExpiryAnywhereTest, NothingOverflowsAtTheEndsOfTime) {
  options_.config.producer_id_expiration_ms = kMax;
  open();
  write(1, 0, 0);
  write(2, 0, kMax);
  write(3, 0, kMax - 1);
  settle();
  for (const std::int64_t now : {kMin, kMin + 1, std::int64_t{-1}, std::int64_t{0}, kMax - 1}) {
    EXPECT_THAT(expire_at(now), IsEmpty()) << now;
  }
  EXPECT_THAT(expire_at(kMax), ElementsAre(1)) << "it is exactly so old";
  EXPECT_THAT(known(), ElementsAre(2, 3));
}

TEST_P(ExpiryAnywhereTest, AClockBeforeAllTimeExpiresNobody) {
  options_.config.producer_id_expiration_ms = 10;
  open();
  write(1, 0, 0);
  settle();
  for (const std::int64_t now : {kMin, kMin + 9, kMin + 10, kMin + 11, std::int64_t{-5}}) {
    EXPECT_THAT(expire_at(now), IsEmpty()) << now;
  }
}

TEST_P(ExpiryAnywhereTest, AProducerOfTheFarFutureExpiresOnlyThere) {
  options_.config.producer_id_expiration_ms = 1;
  open();
  write(1, 0, kMax);
  write(2, 0, kMax - 1);
  settle();
  EXPECT_THAT(expire_at(kMax - 1), IsEmpty());
  EXPECT_THAT(expire_at(kMax), ElementsAre(2));
}

TEST_P(ExpiryAnywhereTest, ManyExpireInOrderOfTheirIds) {
  open();
  std::vector<std::int64_t> expected;
  for (int id = 59; id >= 0; --id) write(id, 0, id % 3 == 0 ? 10 : 9000);
  settle();
  for (int id = 1; id < 60; id += 3) {
    write(id, 1, 20);
  }
  for (int id = 0; id < 60; ++id) {
    if (id % 3 != 2) expected.push_back(id);
  }
  EXPECT_EQ(expire_at(5000), expected);
  EXPECT_EQ(known().size(), 20u);
}

// ---- elsewhere

TEST_F(ExpiryTest, TimeDoesNotPassByItself) {
  open();
  write(1, 0, 10);
  clock_.set(Timestamp(1'000'000'000));
  value_of(log_->checkpoint());
  crash_and_open();
  EXPECT_THAT(known(), ElementsAre(1)) << "only expire_producers forgets";
}

TEST_F(ExpiryTest, WithoutAStateStoreTheyComeBackAsLongAsTheirDataIsThere) {
  store_options_.producer_state = ProducerStateStore::kNone;
  open();
  write(1, 0, 10);
  EXPECT_THAT(expire_at(1500), ElementsAre(1));
  value_of(log_->checkpoint());
  crash_and_open();
  EXPECT_THAT(known(), ElementsAre(1));
}

TEST_F(ExpiryTest, WhatWasEvictedFromTheCacheExpires) {
  store_options_.producer_cache_bytes = 2000;
  open();
  for (int id = 0; id < 50; ++id) write(id, 0, id < 25 ? 10 : 9000);
  value_of(log_->checkpoint());
  EXPECT_EQ(expire_at(5000).size(), 25u);
  EXPECT_EQ(known().size(), 25u);
  for (int id = 0; id < 50; ++id) EXPECT_EQ(is_known(id), id >= 25) << id;
  value_of(log_->checkpoint());
  crash_and_open();
  for (int id = 0; id < 50; ++id) EXPECT_EQ(is_known(id), id >= 25) << id;
}

TEST_F(ExpiryTest, AClosedLogExpiresNobody) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    open();
    write(1, 0, 10);
    value_of(log_->checkpoint());
    clock_.set(Timestamp(1'000'000));
    const bool is_closed = store_->close().has_value();
    const auto expired = log_->expire_producers();
    ::_exit(is_closed && !expired && expired.error().code == ErrorCode::MISUSE ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "died of signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace oncelog
