// The thread of a store: what wakes it, what it leaves alone, and that it ends.
#include "store/maintenance_thread.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "support/keyed_batches.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using namespace std::chrono_literals;
using test::FailsWith;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::Contains;
using testing::IsEmpty;

const TopicPartition kOne{"one", 0};

/// Work as a test wants it, with a count of everything.
class ScriptedWork final : public store::MaintenanceWork {
 public:
  MaintenancePlan find_all() override {
    const std::scoped_lock lock(mutex_);
    ++looks_;
    changed_.notify_all();
    return {};
  }
  MaintenancePlan find_in(const std::set<TopicPartition>& names) override {
    MaintenancePlan plan;
    for (const TopicPartition& name : names) {
      plan.jobs.push_back({name, MaintenanceKind::kFlush, "", 0});
    }
    const std::scoped_lock lock(mutex_);
    ++wakes_;
    changed_.notify_all();
    return plan;
  }
  Result<MaintenanceReport> run(const MaintenanceJob& job,
                                const std::atomic<bool>& is_to_end) override {
    std::unique_lock lock(mutex_);
    ++runs_;
    changed_.notify_all();
    while (is_held_ && !is_to_end.load()) changed_.wait_for(lock, 1ms);
    if (fails_) return fail(ErrorCode::KAFKA_STORAGE_ERROR, "scripted");
    MaintenanceReport report;
    report.job = job;
    report.was_due = true;
    report.count = todo_ > 0 ? 1 : 0;
    todo_ -= 1;
    return report;
  }
  void tell(const MaintenanceJob&, const Result<MaintenanceReport>&) override {
    const std::scoped_lock lock(mutex_);
    ++told_;
    changed_.notify_all();
  }

  template <class Predicate>
  void await(const Predicate& predicate) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, predicate);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int looks_ = 0;
  int wakes_ = 0;
  int runs_ = 0;
  int told_ = 0;
  int todo_ = 1;
  bool fails_ = false;
  bool is_held_ = false;
};

TEST(MaintenanceThread, LooksAtAllAtItsBeginAndBehindEachInterval) {
  ScriptedWork work;
  store::MaintenanceThread thread(work, 1ms);
  ASSERT_THAT(thread.start(), Succeeds());
  work.await([&] { return work.looks_ >= 3; });
  thread.stop();
  EXPECT_EQ(work.runs_, 0);
}

TEST(MaintenanceThread, IsWokenForOnePartitionAndLooksAgainWhereSomethingWasDone) {
  ScriptedWork work;
  work.todo_ = 2;
  store::MaintenanceThread thread(work, 1h);
  ASSERT_THAT(thread.start(), Succeeds());
  work.await([&] { return work.looks_ == 1; });
  thread.wake(kOne);
  work.await([&] { return work.told_ == 3; });  // the third has nothing left to do
  thread.stop();
  EXPECT_EQ(work.runs_, 3);
  EXPECT_EQ(work.wakes_, 3);
}

TEST(MaintenanceThread, AJobThatFailsIsNotTriedAgainAtOnce) {
  ScriptedWork work;
  work.fails_ = true;
  store::MaintenanceThread thread(work, 1h);
  ASSERT_THAT(thread.start(), Succeeds());
  work.await([&] { return work.looks_ == 1; });
  thread.wake(kOne);
  work.await([&] { return work.told_ == 1; });
  for (int wakes = work.wakes_; wakes < 5; ++wakes) {
    thread.wake(kOne);
    work.await([&] { return work.wakes_ > wakes; });
  }
  thread.stop();
  EXPECT_EQ(work.runs_, 1);
}

TEST(MaintenanceThread, AStopTellsTheJobThatIsUnderWay) {
  ScriptedWork work;
  work.is_held_ = true;
  store::MaintenanceThread thread(work, 1h);
  ASSERT_THAT(thread.start(), Succeeds());
  work.await([&] { return work.looks_ == 1; });
  thread.wake(kOne);
  work.await([&] { return work.runs_ == 1; });
  thread.stop();  // or this does not return
  thread.stop();
  EXPECT_EQ(work.told_, 1);
}

/// A store whose thread does the work.
class StoreThreadTest : public test::LogFixture {
 protected:
  StoreThreadTest() {
    options_.level = Level::kWritten;
    options_.config.segment_bytes = static_cast<std::int32_t>(20 * size_);
    store_options_.maintenance = MaintenanceBy::kThread;
    store_options_.maintenance_interval_ms = 1;
    store_options_.sealed_segment_bytes_min = 0;
    store_options_.on_maintenance = [this](const MaintenanceJob& job, const auto& result) {
      const std::scoped_lock lock(mutex_);
      if (result && result->was_due && result->count > 0) done_.insert(job.kind);
      if (!result) failures_.push_back(result.error().text());
      changed_.notify_all();
    };
  }
  void await(MaintenanceKind kind) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_.contains(kind); });
  }
  [[nodiscard]] std::vector<std::string> failures() {
    const std::scoped_lock lock(mutex_);
    return failures_;
  }

  const std::int64_t size_ = std::ssize(make_batch());
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<MaintenanceKind> done_;
  std::vector<std::string> failures_;
};

TEST_F(StoreThreadTest, DoesWhatARollMakesDue) {
  open();
  for (int i = 0; i < 30; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
  await(MaintenanceKind::kFlush);
  await(MaintenanceKind::kCheckpoint);
  await(MaintenanceKind::kSeal);
  EXPECT_GE(log_->ends().durable_end, Offset(20));
  EXPECT_TRUE(std::filesystem::exists(file(0, segment::kSealSuffix)));
  EXPECT_THAT(failures(), IsEmpty());
  close_and_open();
  EXPECT_TRUE(report().was_clean);
  EXPECT_EQ(log_->ends().log_end, Offset(30));
}

TEST_F(StoreThreadTest, DoesWhatTheTimeMakesDue) {
  options_.config.retention_ms = 1000;
  store_options_.scrub_interval_ms = 5000;
  open();
  append({.timestamp = 1'000'000});
  clock_.set(Timestamp(1'010'000));
  await(MaintenanceKind::kRetention);
  await(MaintenanceKind::kScrub);
  EXPECT_EQ(log_->ends().log_start, Offset(1));
  EXPECT_THAT(failures(), IsEmpty());
}

TEST_F(StoreThreadTest, AppendersThatAreTooFarAheadDoItThemselves) {
  store_options_.maintenance_interval_ms = std::int64_t{1} << 30;
  store_options_.recovery_point_interval_bytes = 10 * size_;
  store_options_.on_maintenance = {};
  options_.config.segment_bytes = 1 << 20;
  open();
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  vfs_.syncs().hold(true);  // the thread comes no further than the flush of this one
  const std::int64_t before = vfs_.syncs().count();
  for (int i = 0; i < 10; ++i) value_of(other->append_as_leader(make_batch()));
  vfs_.syncs().await(before + 1);
  for (int i = 0; i < 19; ++i) append();
  EXPECT_EQ(log_->ends().durable_end, Offset(0)) << "left to the thread";
  std::thread late([&] { append(); });
  vfs_.syncs().await(before + 2);  // the appender's own
  vfs_.syncs().hold(false);
  late.join();
  EXPECT_EQ(log_->ends().durable_end, Offset(20));
  close();
}

TEST_F(StoreThreadTest, ACloseEndsACompactionThatGoesSlowly) {
  options_.config.cleanup_compact = true;
  options_.config.min_cleanable_dirty_ratio = 0;
  options_.config.segment_bytes = 8 << 20;
  store_options_.compaction_bytes_per_second_max = 1000;  // an hour for what there is
  open();
  for (int i = 0; i < 4; ++i) {
    const std::string value(1'000'000, 'v');
    value_of(log_->append_as_leader(test::make_keyed({{"key", value}})));
  }
  ASSERT_THAT(log_->roll(), Succeeds());
  value_of(log_->set_high_watermark(log_->ends().log_end));
  close();  // or this does not return
  store_options_.maintenance = MaintenanceBy::kCaller;
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(4));
}

TEST_F(StoreThreadTest, AnIntervalThatIsNoneIsRefused) {
  store_options_.maintenance_interval_ms = 0;
  EXPECT_THAT(Store::open(store_path(), store_options_), FailsWith(ErrorCode::INVALID_CONFIG));
}

TEST_F(StoreThreadTest, WorksBesideAppendersReadersAndVerbs) {
  options_.config.retention_bytes = 100 * size_;
  options_.config.flush_ms = 1;
  store_options_.checkpoint_interval_records = 50;
  store_options_.scrub_interval_ms = 1;
  open();
  constexpr int kAppenders = 3;
  constexpr int kBatches = 400;
  std::vector<std::thread> threads;
  for (int id = 1; id <= kAppenders; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < kBatches; ++i) {
        append({.producer_id = id, .producer_epoch = 0, .sequence = i});
        if (i % 50 == 0) clock_.set(Timestamp(clock_.now().value() + 10));
        if (i % 100 == 0) std::ignore = store_->plan();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  await(MaintenanceKind::kRetention);
  await(MaintenanceKind::kScrub);
  EXPECT_THAT(failures(), IsEmpty());
  const Offset end = log_->ends().log_end;
  EXPECT_EQ(end, Offset(kAppenders * kBatches));
  store_options_.maintenance = MaintenanceBy::kCaller;
  close_and_open();
  EXPECT_TRUE(report().was_clean);
  EXPECT_EQ(log_->ends().log_end, end);
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  for (int id = 1; id <= kAppenders; ++id) {
    EXPECT_EQ(value_of(log_->find_producer(ProducerId(id)))->last_sequence, Sequence(kBatches - 1));
  }
}

}  // namespace
}  // namespace oncelog
