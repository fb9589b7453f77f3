// What a store says is due, why and since when, and that a job does exactly that.
#include "store/maintenance_plan.h"

#include <gmock/gmock.h>

#include "support/keyed_batches.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class MaintenancePlanTest : public test::LogFixture {
 protected:
  MaintenancePlanTest() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.retention_ms = -1;
    store_options_.sealed_segment_bytes_min = std::int64_t{1} << 40;
  }

  [[nodiscard]] std::vector<MaintenanceJob> jobs() const {
    const MaintenancePlan plan = store_->plan();
    EXPECT_THAT(plan.failures, IsEmpty());
    return plan.jobs;
  }
  [[nodiscard]] std::vector<MaintenanceKind> kinds() const {
    std::vector<MaintenanceKind> kinds;
    for (const MaintenanceJob& job : jobs()) kinds.push_back(job.kind);
    return kinds;
  }
  /// The only job that is due.
  [[nodiscard]] MaintenanceJob only_job() const {
    const auto all = jobs();
    if (all.size() != 1) throw std::runtime_error(std::to_string(all.size()) + " jobs are due");
    return all.front();
  }
  void set_clock(std::int64_t now_ms) { clock_.set(Timestamp(now_ms)); }
  /// Runs it, and again when it is no longer due.
  MaintenanceReport run(const MaintenanceJob& job) {
    const MaintenanceReport report = value_of(store_->run(job));
    EXPECT_TRUE(report.was_due) << report.outcome;
    EXPECT_EQ(report.job.kind, job.kind);
    EXPECT_EQ(report.job.partition, job.partition);
    const std::string before = answers();
    const MaintenanceReport again = value_of(store_->run(job));
    EXPECT_FALSE(again.was_due);
    EXPECT_THAT(again.outcome, HasSubstr("not due"));
    EXPECT_EQ(again.count, 0);
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
    return report;
  }
  void roll() { ASSERT_THAT(log_->roll(), Succeeds()); }

  static constexpr std::int64_t kBegin = 1'000'000;  ///< of the clock
  const std::int64_t size_ = std::ssize(make_batch());
};

TEST_F(MaintenancePlanTest, NothingIsDueInALogThatHasNothingToDo) {
  open();
  EXPECT_THAT(jobs(), IsEmpty());
  append();
  EXPECT_THAT(jobs(), IsEmpty());
  close_and_open();
  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(MaintenancePlanTest, SegmentsAreDueByRetentionMsOnceTheirLastRecordIsOlder) {
  options_.config.retention_ms = kBegin;
  open();
  append({.timestamp = 2000});
  append({.timestamp = 3000});
  roll();
  append({.timestamp = kBegin});
  set_clock(kBegin + 3000);
  EXPECT_THAT(jobs(), IsEmpty());
  set_clock(kBegin + 3005);
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kRetention);
  EXPECT_EQ(job.partition, name_);
  EXPECT_EQ(job.reason, "1 segment by retention.ms");
  EXPECT_EQ(job.figure, static_cast<double>(2 * size_));
  EXPECT_EQ(job.due_since, Timestamp(kBegin + 3001));
  EXPECT_EQ(run(job).count, 1);
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(2)));
  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(MaintenancePlanTest, SegmentsAreDueBelowTheLogStartAndByRetentionBytes) {
  options_.config.retention_bytes = 2 * size_;
  open();
  for (int i = 0; i < 4; ++i) {
    append();
    roll();
  }
  value_of(log_->delete_records(Offset(1)));
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.reason, "1 segment below the log start, 1 segment by retention.bytes");
  EXPECT_EQ(job.figure, static_cast<double>(2 * size_));
  EXPECT_EQ(job.due_since, clock_.now()) << "when it was seen first";
  set_clock(kBegin + 10);
  EXPECT_EQ(only_job().due_since, Timestamp(kBegin)) << "as it was seen before";
  EXPECT_EQ(run(job).count, 2);
  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(MaintenancePlanTest, ACompactionIsDueWithItsDirtyRatio) {
  options_.config.cleanup_compact = true;
  options_.config.cleanup_delete = false;
  options_.config.max_compaction_lag_ms = kBegin;
  open();
  for (const char* value : {"1", "2"}) {
    value_of(log_->append_as_leader(test::make_keyed({{"a", value, 2000}})));
    roll();
  }
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kCompaction);
  EXPECT_EQ(job.figure, 1.0);
  EXPECT_THAT(job.reason, HasSubstr("are dirty, of each 1000 bytes 1000"));
  set_clock(kBegin + 2500);
  EXPECT_EQ(only_job().due_since, Timestamp(kBegin + 2001)) << "max.compaction.lag.ms";
  const MaintenanceReport report = run(only_job());
  EXPECT_EQ(report.compaction->records_before, 2);
  EXPECT_EQ(report.compaction->records_after, 1);
  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(MaintenancePlanTest, ACheckpointIsDueByRecords) {
  open();
  append();
  value_of(log_->checkpoint());
  for (int i = 0; i < 5; ++i) append();
  crash();
  store_options_.checkpoint_interval_records = 5;
  open();  // an open makes none: the one that is there will do
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kCheckpoint);
  run(job);
  crash();
  open();
  EXPECT_EQ(report().replayed_from, Offset(6));
}

TEST_F(MaintenancePlanTest, SilentProducersAreDueAfterTheirTime) {
  options_.config.producer_id_expiration_ms = 100;
  open();
  append({.timestamp = kBegin, .producer_id = 7, .producer_epoch = 0, .sequence = 0});
  append({.timestamp = kBegin + 1, .producer_id = 8, .producer_epoch = 0, .sequence = 0});
  set_clock(kBegin + 99);
  EXPECT_THAT(jobs(), IsEmpty());
  set_clock(kBegin + 100);
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kProducerExpiry);
  EXPECT_EQ(job.reason, "1 producer silent for 100 ms");
  EXPECT_EQ(job.figure, 1.0);
  EXPECT_EQ(run(job).count, 1);
  EXPECT_EQ(value_of(log_->producers()).size(), 1u);
}

TEST_F(MaintenancePlanTest, AFlushIsDueByFlushMs) {
  options_.config.flush_ms = 1000;
  open();
  append();
  EXPECT_THAT(jobs(), IsEmpty());
  set_clock(kBegin + 1500);
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kFlush);
  EXPECT_EQ(job.reason, std::to_string(size_) + " bytes lie behind the recovery point");
  EXPECT_EQ(job.due_since, Timestamp(kBegin + 1000));
  run(job);
  EXPECT_EQ(log_->ends().durable_end, Offset(1));
}

TEST_F(MaintenancePlanTest, AnIdleSegmentIsDueToRollByItsAgeOnTheWall) {
  options_.config.segment_ms = 5000;
  open();
  append({.timestamp = 10});  // an old record makes no segment old
  set_clock(kBegin + 5000);
  EXPECT_THAT(jobs(), IsEmpty());
  set_clock(kBegin + 5001);
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kRoll);
  EXPECT_EQ(job.figure, static_cast<double>(size_));
  EXPECT_EQ(job.due_since, Timestamp(kBegin + 5001));
  run(job);
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(1)));
  EXPECT_THAT(kinds(), ElementsAre(MaintenanceKind::kCheckpoint)) << "which the roll made due";
  run(only_job());
  set_clock(kBegin + 20'000);
  EXPECT_THAT(jobs(), IsEmpty()) << "an empty segment does not age";
}

TEST_F(MaintenancePlanTest, ASealThatCouldNotBeWrittenIsDue) {
  store_options_.sealed_segment_bytes_min = 0;
  open();
  append();
  vfs_.plan().add({.call = IoCall::kOpen, .path_part = ".seal", .os_errno = ENOSPC});
  roll();
  ASSERT_EQ(vfs_.plan().struck_count(), 1);
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kSeal);
  EXPECT_EQ(job.figure, static_cast<double>(size_));
  EXPECT_EQ(run(job).count, 1);
  EXPECT_TRUE(std::filesystem::exists(file(0, segment::kSealSuffix)));
}

TEST_F(MaintenancePlanTest, AScrubIsDueByItsInterval) {
  store_options_.scrub_interval_ms = 1000;
  open();
  append();
  EXPECT_THAT(jobs(), IsEmpty());
  set_clock(kBegin + 1200);
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kScrub);
  EXPECT_EQ(job.due_since, Timestamp(kBegin + 1000));
  EXPECT_EQ(run(job).scrub->bytes, size_);
  set_clock(kBegin + 2199);
  EXPECT_THAT(jobs(), IsEmpty());
  set_clock(kBegin + 2200);
  EXPECT_THAT(kinds(), ElementsAre(MaintenanceKind::kScrub));
  value_of(log_->scrub());
  EXPECT_THAT(jobs(), IsEmpty()) << "whoever scrubs";
}

TEST_F(MaintenancePlanTest, ADeletionThatFailedHalfWayIsDue) {
  open();
  append();
  value_of(log_->flush());
  vfs_.plan().add({.call = IoCall::kRename, .path_part = "recovery-point"});
  EXPECT_THAT(store_->delete_partition(name_), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  const MaintenanceJob job = only_job();
  EXPECT_EQ(job.kind, MaintenanceKind::kDeletion);
  EXPECT_EQ(job.partition, name_);
  EXPECT_THAT(job.reason, HasSubstr("-delete is still there"));
  EXPECT_TRUE(value_of(store_->run(job)).was_due);
  EXPECT_FALSE(value_of(store_->run(job)).was_due);
  EXPECT_THAT(jobs(), IsEmpty());
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(0));
}

TEST_F(MaintenancePlanTest, ListsByKindAndTheHighestRatioFirst) {
  MaintenancePlan plan;
  const auto add = [&](const char* topic, MaintenanceKind kind, double figure, int since) {
    plan.jobs.push_back({{topic, 0}, kind, "", figure, Timestamp(since)});
  };
  add("a", MaintenanceKind::kCompaction, 0.6, 1);
  add("b", MaintenanceKind::kCompaction, 0.9, 2);
  add("c", MaintenanceKind::kRetention, 9, 7);
  add("d", MaintenanceKind::kRetention, 1, 5);
  add("e", MaintenanceKind::kFlush, 1, 8);
  store::sort_plan(plan);
  std::string order;
  for (const MaintenanceJob& job : plan.jobs) order += job.partition.topic;
  EXPECT_EQ(order, "edcba");
}

TEST_F(MaintenancePlanTest, TellsWhatWillBeDueAtAnotherTime) {
  options_.config.retention_ms = 1000;
  open();
  append({.timestamp = kBegin});
  roll();
  const auto later = store_->plan(Timestamp(kBegin + 5000)).jobs;
  ASSERT_THAT(later, ElementsAre(Field(&MaintenanceJob::kind, MaintenanceKind::kRetention)));
  EXPECT_FALSE(value_of(store_->run(later.front())).was_due) << "not yet";
  EXPECT_EQ(log_->segments().size(), 2u);
}

TEST_F(MaintenancePlanTest, APartitionThatIsNotOpenOrIsPoisonedHasNothingDue) {
  options_.config.flush_ms = 10;
  open();
  append();
  set_clock(kBegin + 100);
  const MaintenanceJob job = only_job();
  vfs_.plan().add({.call = IoCall::kSync, .path_part = ".log"});
  EXPECT_THAT(store_->run(job), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(jobs(), IsEmpty());
  std::ignore = store_->close_partition(name_);
  const MaintenanceReport report = value_of(store_->run(job));
  EXPECT_FALSE(report.was_due);
  EXPECT_EQ(report.outcome, "the partition is not open");
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_THAT(store_->run(job), FailsWith(ErrorCode::MISUSE, "closed"));
}

TEST_F(MaintenancePlanTest, WorkThatCannotBeFoundOutIsNamedAndHidesNoOther) {
  options_.config.retention_ms = 10;
  options_.config.flush_ms = 10;
  open();
  append({.timestamp = -1});  // without a time: the file's counts
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  value_of(other->append_as_leader(make_batch()));
  set_clock(kBegin + 100);
  vfs_.plan().add({.call = IoCall::kStatus, .path_part = "t-0/00000000000000000000.log"});
  const MaintenancePlan plan = store_->plan();
  ASSERT_EQ(plan.failures.size(), 1u);
  EXPECT_EQ(plan.failures.front().partition, name_);
  EXPECT_EQ(plan.failures.front().error.code, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_THAT(plan.jobs, ElementsAre(Field(&MaintenanceJob::kind, MaintenanceKind::kFlush),
                                     Field(&MaintenanceJob::kind, MaintenanceKind::kRetention)));
}

}  // namespace
}  // namespace oncelog
