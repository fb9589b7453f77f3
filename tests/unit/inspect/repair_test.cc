// What a repair plans, does and keeps, through the public interface.
#include "oncelog/repair.h"

#include <gmock/gmock.h>

#include "oncelog/inspect.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::directory_content;
using test::FailsWith;
using test::Succeeds;
using test::value_of;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr auto kStorageError = ErrorCode::KAFKA_STORAGE_ERROR;

class RepairTest : public test::LogFixture {
 protected:
  static constexpr std::size_t kValueBytes = 3000;  ///< two batches make an index entry

  RepairTest() {
    options_.level = Level::kWritten;
    store_options_.sealed_segment_bytes_min = 0;
    repair_options_.vfs = &vfs_;
  }

  void append_many(int batches) {
    for (int i = 0; i < batches; ++i) {
      append({.timestamp = 1000 + sequence_,
              .value_bytes = kValueBytes,
              .producer_id = 7,
              .producer_epoch = 0,
              .sequence = static_cast<std::int32_t>(sequence_)});
      ++sequence_;
    }
  }
  /// Segments with bases 0, 3, 6 and 9, three batches each but the last with two; all flushed.
  void make_segments() {
    options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
    open();
    append_many(11);
    value_of(log_->flush());
    ASSERT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3), Offset(6), Offset(9)));
  }
  [[nodiscard]] std::size_t at_batch(int index) const {
    return static_cast<std::size_t>(index * size_) + 65;
  }
  void expect_refused() {
    EXPECT_THAT(try_open(), FailsWith(kStorageError, "refused to open"));
    crash();
  }
  RepairPlan do_repair() {
    return value_of(repair(store_path(), [](const RepairPlan&) { return true; }, repair_options_));
  }
  [[nodiscard]] RepairPlan planned() const {
    return value_of(plan_repair(store_path(), repair_options_));
  }
  [[nodiscard]] std::string aside(std::string_view file) const {
    return store_path() + ".aside-1/" + std::string(file);
  }
  /// Nothing is wrong any more, for verify, for a second repair and for an open.
  void expect_sound(std::int64_t log_end) {
    EXPECT_EQ(problems(directory()), "");
    EXPECT_FALSE(planned().has_steps());
    open();
    EXPECT_EQ(log_->ends().log_end, Offset(log_end));
    EXPECT_THAT(log_->check_invariants(), IsEmpty());
    EXPECT_THAT(report().cuts, IsEmpty());
  }
  static std::string problems(const std::string& directory) {
    std::string all;
    for (const Problem& one : value_of(verify_partition(directory))) {
      all += one.file + " " + std::to_string(one.position) + ": " + one.problem + "\n";
    }
    return all;
  }
  /// The bytes of all `.log` files.
  [[nodiscard]] std::string logs() const {
    std::string all;
    for (const auto& [name, content] : directory_content(directory())) {
      if (name.ends_with(".log")) all += content;
    }
    return all;
  }
  /// So many I/O calls go well, all behind them fail.
  void fail_after(int calls) {
    vfs_.plan().clear();
    vfs_.plan().add({.nth = calls + 1, .is_lasting = true});
  }
  [[nodiscard]] std::string checkpoint(std::string_view name) const {
    return test::read_text(store_path() + "/" + std::string(name));
  }

  std::int64_t sequence_ = 0;
  RepairOptions repair_options_{};
  const std::int64_t size_ = std::ssize(test::make_batch({.value_bytes = kValueBytes}));
};

// ---- the plan

TEST_F(RepairTest, APlanNamesWhatWouldGoAndChangesNothing) {
  make_segments();
  crash();
  test::flip_byte(log_path(3), at_batch(1));
  const auto before = test::directory_state(dir_.path());
  const RepairPlan plan = planned();
  EXPECT_EQ(test::directory_state(dir_.path()), before);

  EXPECT_EQ(plan.aside, store_path() + ".aside-1");
  ASSERT_EQ(plan.partitions.size(), 1u);
  const PartitionRepair& one = plan.partitions[0];
  EXPECT_EQ(one.directory, directory());
  EXPECT_EQ(one.log_end, Offset(4));
  EXPECT_FALSE(one.refusal);
  ASSERT_GE(one.steps.size(), 2u);
  const RepairStep& cut = one.steps[0];
  EXPECT_EQ(cut.kind, RepairKind::kCutLog);
  EXPECT_EQ(cut.file, log_path(3));
  EXPECT_EQ(cut.position, size_);
  EXPECT_EQ(cut.bytes, 2 * size_);
  EXPECT_EQ(cut.begin, Offset(4));
  EXPECT_EQ(cut.end, Offset(6));
  EXPECT_THAT(cut.reason, HasSubstr("CRC"));
  EXPECT_THAT(cut.action, HasSubstr("acknowledged"));
  const auto last = std::ranges::find(one.steps, log_path(9), &RepairStep::file);
  ASSERT_NE(last, one.steps.end());
  EXPECT_EQ(last->begin, Offset(9));
  EXPECT_EQ(last->end, Offset(11));
  EXPECT_EQ(last->bytes, 2 * size_);
  EXPECT_THAT(one.steps, Contains(testing::Field(&RepairStep::reason,
                                                 HasSubstr("the recovery point 11 lies above"))));
}

TEST_F(RepairTest, WithoutAgreementNothingIsChanged) {
  make_segments();
  crash();
  test::flip_byte(log_path(0), at_batch(1));
  auto before = directory_content(dir_.path());
  int asked = 0;
  const auto refused = [&](const RepairPlan& plan) {
    EXPECT_TRUE(plan.has_steps());
    EXPECT_EQ(directory_content(dir_.path()), before);
    ++asked;
    return false;
  };
  EXPECT_FALSE(value_of(repair(store_path(), refused, repair_options_)).has_steps());
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(directory_content(dir_.path()), before);
  expect_refused();
}

TEST_F(RepairTest, ASoundStoreNeedsNothing) {
  make_segments();
  append_marker({.producer_id = 8});
  for (const bool is_clean : {false, true}) {
    is_clean ? close() : crash();
    EXPECT_FALSE(planned().has_steps());
    EXPECT_FALSE(do_repair().has_steps());
    EXPECT_FALSE(std::filesystem::exists(store_path() + ".aside-1"));
    open();
    EXPECT_EQ(report().was_clean, is_clean);
  }
}

TEST_F(RepairTest, TheZerosOfAPreallocatedTailAreNoDamage) {
  options_.config.preallocate = true;
  options_.config.segment_bytes = 4096;
  open();
  append_many(2);
  crash();
  EXPECT_FALSE(planned().has_steps());
}

// ---- damage below the recovery point

TEST_F(RepairTest, WhatIsSoundBeforeTheDamageOpensAndTheRestLiesAside) {
  make_segments();
  crash();
  test::flip_byte(log_path(3), at_batch(1));
  expect_refused();
  const auto before = directory_content(directory());
  const RepairPlan done = do_repair();
  EXPECT_EQ(done.aside, store_path() + ".aside-1");

  expect_sound(4);
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3)));
  EXPECT_THAT(fetched(0), ElementsAre(0, 1, 2));
  EXPECT_THAT(fetched(3), ElementsAre(3));
  // The cut, byte for byte.
  const std::string cut = "00000000000000000003.log";
  EXPECT_EQ(test::read_text(aside("t-0/" + cut + ".from-" + std::to_string(size_))),
            before.at(cut).substr(static_cast<std::size_t>(size_)));
  EXPECT_EQ(test::read_text(log_path(3)),
            before.at(cut).substr(0, static_cast<std::size_t>(size_)));
  // Every file that is gone, but for empty ones, of which nothing is to be kept.
  const auto after = directory_content(directory());
  for (const auto& [name, content] : before) {
    if (after.contains(name) || content.empty()) continue;
    EXPECT_EQ(test::read_text(aside("t-0/" + name)), content) << name;
  }
  EXPECT_THAT(test::read_text(aside("repair.txt")), HasSubstr(log_path(6)));
}

TEST_F(RepairTest, ProducersAreThoseOfTheBatchesThatAreLeft) {
  make_segments();
  value_of(log_->checkpoint());  // above the cut
  crash();
  test::flip_byte(log_path(3), at_batch(1));
  do_repair();
  expect_sound(4);
  EXPECT_EQ(value_of(log_->find_producer(ProducerId(7)))->last_sequence, Sequence(3));
  const auto retry =
      append({.timestamp = 1004, .producer_id = 7, .producer_epoch = 0, .sequence = 4});
  EXPECT_FALSE(retry.is_duplicate) << "it was lost";
  EXPECT_EQ(retry.base_offset, Offset(4));
  value_of(log_->flush());
  const std::string before = answers();
  crash_and_open();
  EXPECT_EQ(answers(), before);
}

TEST_F(RepairTest, CheckpointsComeDownToTheNewEnd) {
  options_.config.cleanup_delete = true;
  options_.high_watermark = HighWatermarkPolicy::kManual;
  make_segments();
  value_of(log_->set_high_watermark(Offset(10)));
  value_of(log_->delete_records(Offset(7)));
  value_of(log_->checkpoint());
  close();
  test::flip_byte(log_path(3), at_batch(1));
  do_repair();
  EXPECT_EQ(checkpoint("recovery-point-offset-checkpoint"), "0\n1\nt 0 4\n");
  EXPECT_EQ(checkpoint("log-start-offset-checkpoint"), "0\n1\nt 0 4\n");
  EXPECT_EQ(checkpoint("replication-offset-checkpoint"), "0\n1\nt 0 4\n");
  expect_sound(4);
  EXPECT_EQ(log_->ends().log_start, Offset(4)) << "deleted records stay deleted";
}

TEST_F(RepairTest, OtherPartitionsOfAStoreThatWasClosedStayWhole) {
  make_segments();
  value_of(
      value_of(store_->open_partition({"u", 3}, options_))->append_as_leader(test::make_batch()));
  close();
  test::flip_byte(log_path(9), at_batch(1));
  do_repair();
  expect_sound(10);
  EXPECT_EQ(value_of(store_->open_partition({"u", 3}, options_))->ends().log_end, Offset(1));
}

TEST_F(RepairTest, ACleanRecordIsPutAsideWithItsMarker) {
  make_segments();
  close();
  const std::string record = test::read_text(store_path() + "/.clean");
  test::flip_byte(log_path(9), at_batch(1));
  do_repair();
  EXPECT_EQ(test::read_text(aside(".clean")), record);
  EXPECT_TRUE(std::filesystem::exists(aside(".kafka_cleanshutdown")));
  EXPECT_FALSE(std::filesystem::exists(store_path() + "/.clean"));
  EXPECT_FALSE(std::filesystem::exists(store_path() + "/.kafka_cleanshutdown"));
  expect_sound(10);
}

TEST_F(RepairTest, AMissingSegmentEndsTheCleanRecordOnly) {
  make_segments();
  close();
  for (const std::string_view suffix : {".log", ".index", ".timeindex", ".seal"}) {
    std::filesystem::remove(file(6, suffix));
  }
  const RepairPlan done = do_repair();
  EXPECT_THAT(done.partitions[0].steps, IsEmpty());
  EXPECT_EQ(done.store_steps.size(), 2u);
  expect_sound(11);  // a gap that a compaction could have left
}

TEST_F(RepairTest, ALogShorterThanItsRecoveryPointLosesNoByte) {
  make_segments();
  crash();
  std::filesystem::resize_file(log_path(9), static_cast<std::uintmax_t>(size_));
  expect_refused();
  const RepairPlan done = do_repair();
  const auto lowered =
      std::ranges::find(done.partitions[0].steps, RepairKind::kLowerCheckpoint, &RepairStep::kind);
  ASSERT_NE(lowered, done.partitions[0].steps.end());
  EXPECT_EQ(lowered->begin, Offset(10));
  EXPECT_EQ(lowered->end, Offset(11));
  expect_sound(10);
}

TEST_F(RepairTest, APartitionWithoutAnySegmentBeginsAtItsLogStart) {
  open();
  append_many(3);
  value_of(log_->flush());
  crash();
  std::filesystem::remove(log_path(0));
  expect_refused();
  do_repair();
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(0));
}

TEST_F(RepairTest, DamageAtTheFirstByteLeavesAnEmptyLog) {
  make_segments();
  crash();
  test::flip_byte(log_path(0), 65);
  do_repair();
  expect_sound(0);
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0)));
}

// ---- damage that an open would cut, too

TEST_F(RepairTest, ATornTailIsKept) {
  open();
  append_many(3);
  crash();
  std::filesystem::resize_file(log_path(0), static_cast<std::uintmax_t>(3 * size_ - 5));
  const std::string torn = test::read_text(log_path(0)).substr(static_cast<std::size_t>(2 * size_));
  const RepairPlan done = do_repair();
  EXPECT_THAT(done.partitions[0].steps[0].action, HasSubstr("as an open would"));
  EXPECT_EQ(
      test::read_text(aside("t-0/00000000000000000000.log.from-" + std::to_string(2 * size_))),
      torn);
  expect_sound(2);
}

// ---- files beside the log

TEST_F(RepairTest, AWrongIndexIsWrittenAnewAndTheOldOneKept) {
  make_segments();
  append({.is_transactional = true, .producer_id = 8, .producer_epoch = 0, .sequence = 0});
  append_marker({.type = MarkerType::kAbort, .producer_id = 8});
  const std::int64_t base = log_->segments().back().value();
  close();
  const std::string right_index = test::read_text(file(0, ".index"));
  const std::string right_aborted = test::read_text(file(base, ".txnindex"));
  test::flip_byte(file(0, ".index"), 3);
  const std::string wrong_index = test::read_text(file(0, ".index"));
  std::filesystem::remove(file(base, ".txnindex"));
  const std::string before = logs();
  do_repair();
  EXPECT_EQ(logs(), before);
  EXPECT_EQ(test::read_text(file(0, ".index")), right_index);
  EXPECT_EQ(test::read_text(file(base, ".txnindex")), right_aborted);
  EXPECT_EQ(test::read_text(aside("t-0/00000000000000000000.index")), wrong_index);
  EXPECT_TRUE(std::filesystem::exists(store_path() + "/.clean")) << "of the logs it is true";
  EXPECT_EQ(problems(directory()), "");
  open();
  EXPECT_TRUE(report().was_clean);
}

TEST_F(RepairTest, AnUnreadableEpochFileIsMadeOfTheBatches) {
  options_.leader_epoch = LeaderEpoch(2);
  make_segments();
  crash();
  const std::string epochs = directory() + "/leader-epoch-checkpoint";
  test::write_text(epochs, "rubbish\n");
  do_repair();
  EXPECT_EQ(test::read_text(epochs), "0\n1\n2 0\n");
  EXPECT_EQ(test::read_text(aside("t-0/leader-epoch-checkpoint")), "rubbish\n");
  expect_sound(11);
}

TEST_F(RepairTest, EpochsAboveTheCutGoWithIt) {
  make_segments();
  ASSERT_THAT(log_->assign_leader_epoch(LeaderEpoch(5)), Succeeds());
  append_many(1);
  value_of(log_->flush());
  crash();
  test::flip_byte(log_path(3), at_batch(0));
  do_repair();
  expect_sound(3);
  EXPECT_THAT(log_->leader_epochs(), ElementsAre(LeaderEpochStart{LeaderEpoch(0), Offset(0)}));
}

TEST_F(RepairTest, ADamagedSealIsPutAside) {
  make_segments();
  close();
  test::flip_byte(file(3, ".seal"), 40);
  const std::string seal = test::read_text(file(3, ".seal"));
  do_repair();
  EXPECT_EQ(test::read_text(aside("t-0/00000000000000000003.seal")), seal);
  EXPECT_EQ(problems(directory()), "");
  open();
  EXPECT_TRUE(report().was_clean);
}

TEST_F(RepairTest, WhatNobodyCanDecideIsNamedAndLeft) {
  make_segments();
  close();
  // A leader epoch, which no CRC covers: the seal and the epoch file have another one.
  {
    std::fstream log(log_path(0), std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(15).put(9);
  }
  const RepairPlan done = do_repair();
  EXPECT_FALSE(done.has_steps());
  ASSERT_EQ(done.partitions[0].left.size(), 1u);
  EXPECT_THAT(done.partitions[0].left[0].problem, HasSubstr("leader epoch is 9"));
  EXPECT_THAT(problems(directory()), HasSubstr("leader epoch is 9"));
}

TEST_F(RepairTest, AnUnreadableCheckpointIsPutAside) {
  make_segments();
  crash();
  const std::string file = store_path() + "/recovery-point-offset-checkpoint";
  test::write_text(file, "rubbish\n");
  test::flip_byte(log_path(3), at_batch(1));
  do_repair();
  EXPECT_EQ(test::read_text(aside("recovery-point-offset-checkpoint")), "rubbish\n");
  EXPECT_FALSE(std::filesystem::exists(file));
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(4));
}

// ---- what is left alone

TEST_F(RepairTest, AStoreInUseIsLeftAlone) {
  make_segments();
  EXPECT_THAT(plan_repair(store_path(), repair_options_), FailsWith(ErrorCode::STORE_IN_USE));
  EXPECT_THAT(plan_repair(directory(), repair_options_), FailsWith(ErrorCode::STORE_IN_USE));
  EXPECT_THAT(repair(
                  store_path(), [](const RepairPlan&) { return true; }, repair_options_),
              FailsWith(ErrorCode::STORE_IN_USE));
}

TEST_F(RepairTest, AnInterruptedCompactionIsLeftAlone) {
  make_segments();
  crash();
  test::write_text(file(3, ".log.swap"), "");
  const RepairPlan plan = planned();
  ASSERT_TRUE(plan.partitions[0].refusal);
  EXPECT_THAT(plan.partitions[0].refusal->context, HasSubstr("compaction"));
  EXPECT_FALSE(plan.has_steps());
}

TEST_F(RepairTest, WhatIsNoStoreIsRefused) {
  EXPECT_THAT(plan_repair(dir_.file("nowhere"), repair_options_),
              FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
  std::filesystem::create_directory(dir_.file("empty"));
  EXPECT_THAT(plan_repair(dir_.file("empty"), repair_options_),
              FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

// ---- where things go

TEST_F(RepairTest, OnePartitionOfAStoreIsRepairedAlone) {
  make_segments();
  const auto other = value_of(store_->open_partition({"u", 3}, options_));
  for (int i = 0; i < 2; ++i) {
    value_of(other->append_as_leader(test::make_batch({.value_bytes = kValueBytes})));
  }
  value_of(other->flush());
  crash();
  test::flip_byte(log_path(3), at_batch(1));
  const std::string other_log = store_path() + "/u-3/00000000000000000000.log";
  test::flip_byte(other_log, at_batch(1));
  const std::string before = test::read_text(other_log);
  const auto agree = [](const RepairPlan& plan) { return plan.partitions.size() == 1; };
  EXPECT_TRUE(value_of(repair(directory() + "/", agree, repair_options_)).has_steps());
  EXPECT_EQ(test::read_text(other_log), before);
  EXPECT_THAT(checkpoint("recovery-point-offset-checkpoint"), HasSubstr("u 3 2"));
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(4));
  EXPECT_THAT(store_->open_partition({"u", 3}, options_), FailsWith(kStorageError));
}

TEST_F(RepairTest, ADirectoryWithoutAStoreIsRepairedToo) {
  make_segments();
  crash();
  const std::string lone = dir_.file("lone/t-0");
  std::filesystem::create_directory(dir_.file("lone"));
  std::filesystem::copy(directory(), lone);
  test::flip_byte(lone + "/00000000000000000003.log", at_batch(1));
  const auto done = value_of(repair(lone, [](const RepairPlan&) { return true; }, repair_options_));
  EXPECT_EQ(done.aside, lone + ".aside-1");
  EXPECT_EQ(problems(lone), "");
}

TEST_F(RepairTest, TheFolderMustBeEmptyAndOutsideOfTheStore) {
  make_segments();
  crash();
  test::flip_byte(log_path(3), at_batch(1));
  for (const std::string& inside : {store_path(), store_path() + "/x", directory() + "/../y",
                                    dir_.file("elsewhere/../store/z")}) {
    repair_options_.aside = inside;
    EXPECT_THAT(plan_repair(store_path(), repair_options_),
                FailsWith(ErrorCode::INVALID_CONFIG, "inside"))
        << inside;
  }
  repair_options_.aside = dir_.file("full");
  std::filesystem::create_directory(repair_options_.aside);
  test::write_text(repair_options_.aside + "/file", "");
  EXPECT_THAT(plan_repair(store_path(), repair_options_),
              FailsWith(ErrorCode::INVALID_CONFIG, "not an empty folder"));
  std::filesystem::remove(repair_options_.aside + "/file");
  EXPECT_EQ(do_repair().aside, repair_options_.aside);
  EXPECT_TRUE(std::filesystem::exists(repair_options_.aside + "/t-0"));
}

TEST_F(RepairTest, ASecondRepairTakesTheNextFolder) {
  make_segments();
  crash();
  test::flip_byte(log_path(9), at_batch(1));
  EXPECT_EQ(do_repair().aside, store_path() + ".aside-1");
  test::flip_byte(log_path(3), at_batch(1));
  EXPECT_EQ(do_repair().aside, store_path() + ".aside-2");
  expect_sound(4);
}

// ---- interrupted anywhere

TEST_F(RepairTest, ARepairThatDiesAtAnyCallIsFinishedByTheNext) {
  make_segments();
  close();
  test::flip_byte(log_path(3), at_batch(1));
  const std::string good = dir_.file("good");
  std::filesystem::copy(store_path(), good, std::filesystem::copy_options::recursive);
  const std::string cut_name = "t-0/00000000000000000003.log.from-" + std::to_string(size_);
  const std::string cut_bytes =
      test::read_text(log_path(3)).substr(static_cast<std::size_t>(size_));

  bool has_finished = false;
  for (int dies_at = 0; !has_finished; ++dies_at) {
    SCOPED_TRACE(dies_at);
    for (int number = 1; number < 4; ++number) {
      std::filesystem::remove_all(store_path() + ".aside-" + std::to_string(number));
    }
    std::filesystem::remove_all(store_path());
    std::filesystem::copy(good, store_path(), std::filesystem::copy_options::recursive);
    const auto outcome = repair(
        store_path(),
        [&](const RepairPlan&) {
          fail_after(dies_at);
          return true;
        },
        repair_options_);
    vfs_.plan().clear();
    has_finished = outcome.has_value();
    // Whatever was removed by then lies aside.
    if (std::filesystem::file_size(log_path(3)) == static_cast<std::uintmax_t>(size_)) {
      EXPECT_EQ(test::read_text(aside(cut_name)), cut_bytes);
    }
    if (!std::filesystem::exists(log_path(9))) {
      EXPECT_EQ(test::read_text(aside("t-0/00000000000000000009.log")),
                test::read_text(good + "/t-0/00000000000000000009.log"));
    }
    do_repair();
    expect_sound(4);
    crash();
  }
}

}  // namespace
}  // namespace oncelog
