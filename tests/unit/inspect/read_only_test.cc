// What reads without owning changes nothing: no byte, no time, no name, no lock; whatever the end
// of the store was.
#include <gmock/gmock.h>

#include <ostream>

#include "oncelog/inspect.h"
#include "oncelog/repair.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::Succeeds;
using test::value_of;

enum class End { kClean, kKilled, kTorn, kDamagedBelowTheRecoveryPoint, kWithoutIndexes, kOwned };

void PrintTo(End end, std::ostream* out) {
  constexpr std::array kNames{"clean", "killed", "torn", "damaged", "without indexes", "owned"};
  *out << kNames[static_cast<std::size_t>(end)];
}

class ReadOnlyTest : public test::LogFixture, public testing::WithParamInterface<End> {
 protected:
  /// Several segments, with aborted, committed and open transactions; flushed but for the last two
  /// batches.
  void fill() {
    options_.level = Level::kWritten;
    options_.config.segment_bytes = 400;
    open();
    for (int i = 0; i < 4; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
    append({.is_transactional = true, .producer_id = 2, .producer_epoch = 0, .sequence = 0});
    append_marker({.type = MarkerType::kAbort, .producer_id = 2});
    for (int i = 4; i < 8; ++i) append({.producer_id = 1, .producer_epoch = 0, .sequence = i});
    value_of(log_->flush());
    append({.is_transactional = true, .producer_id = 3, .producer_epoch = 0, .sequence = 0});
    append({.producer_id = 1, .producer_epoch = 0, .sequence = 8});
    end_ = log_->ends().log_end;
    active_ = log_->segments().back().value();
  }

  /// Answers where a reader must find the end.
  Offset bring_about(End end) {
    fill();
    if (end == End::kOwned) return end_;
    if (end == End::kClean) {
      close();
      return end_;
    }
    crash();
    if (end == End::kTorn) {
      const auto bytes = std::filesystem::file_size(log_path(active_));
      std::filesystem::resize_file(log_path(active_), bytes - 3);
      return end_ - 1;
    }
    if (end == End::kDamagedBelowTheRecoveryPoint) {
      test::flip_byte(log_path(0), 65 + static_cast<std::size_t>(std::ssize(test::make_batch())));
      return Offset(1);
    }
    if (end == End::kWithoutIndexes) {
      for (const std::string& name : test::file_names(directory())) {
        if (name.contains("index")) std::filesystem::remove(directory() + "/" + name);
      }
    }
    return end_;
  }

  Offset end_{};
  std::int64_t active_ = 0;
};

TEST_P(ReadOnlyTest, ReadingChangesNothing) {
  const Offset end = bring_about(GetParam());
  const auto before = test::directory_state(dir_.path());

  const auto reader = value_of(PartitionReader::open(directory()));
  EXPECT_EQ(reader->ends().log_end, end);
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    const Offset bound = reader->ends().bound_of(isolation);
    Offset from = reader->ends().log_start;
    while (from < bound) {
      const Fetched fetched = value_of(reader->fetch(from, {.isolation = isolation}));
      const auto bytes = value_of(fetched.read());
      if (bytes.empty()) break;
      BatchCursor cursor(bytes);
      while (const auto batch = value_of(cursor.next())) from = batch->next_offset();
    }
    EXPECT_EQ(from, bound);
    for (const Timestamp when :
         {kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp, Timestamp(1000)}) {
      EXPECT_THAT(reader->list_offsets(when, isolation), Succeeds());
    }
  }
  EXPECT_FALSE(reader->producers().empty());
  EXPECT_THAT(reader->refresh(), Succeeds());
  EXPECT_THAT(scan_batches(directory(), [](const ScannedBatch&) { return true; }), Succeeds());
  EXPECT_THAT(verify_partition(directory()), Succeeds());
  EXPECT_THAT(value_of(list_partitions(store_path())), testing::ElementsAre(name_));
  EXPECT_EQ(plan_repair(store_path()).has_value(), GetParam() != End::kOwned);

  EXPECT_EQ(test::directory_state(dir_.path()), before);
  if (GetParam() == End::kOwned) append({.producer_id = 1, .producer_epoch = 0, .sequence = 9});
}

INSTANTIATE_TEST_SUITE_P(Ends, ReadOnlyTest,
                         testing::Values(End::kClean, End::kKilled, End::kTorn,
                                         End::kDamagedBelowTheRecoveryPoint, End::kWithoutIndexes,
                                         End::kOwned));

TEST_F(ReadOnlyTest, AnOwnerIsNotKeptOut) {
  fill();
  crash();
  const auto reader = value_of(PartitionReader::open(directory()));
  open();  // no lock was taken
  append();
  EXPECT_THAT(reader->refresh(), Succeeds());
  EXPECT_EQ(reader->ends().log_end, log_->ends().log_end);
}

}  // namespace
}  // namespace oncelog
