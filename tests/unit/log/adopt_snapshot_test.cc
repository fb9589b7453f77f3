// adopt_snapshot_test.cc: what `.snapshot` files add to the log, and what they may not.
#include "log/adopt_snapshot.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "snapshot/kafka_snapshot.h"
#include "support/log_fixture.h"

namespace oncelog::test {
namespace {

using producer::ProducerEntry;
using testing::HasSubstr;
using testing::IsEmpty;

ProducerEntry entry_of(std::int64_t last_offset, std::int32_t last_sequence,
                       std::optional<Offset> transaction = {}) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(0);
  entry.last_timestamp = Timestamp(1000);
  entry.transaction_first_offset = transaction;
  entry.remember({Sequence(last_sequence), Offset(last_offset), 0, Timestamp(1000)});
  return entry;
}

/// A log of one batch of producer 1 at offset 0, closed cleanly, as Kafka has it: without
/// checkpoints of our own.
class AdoptSnapshotTest : public LogFixture {
 protected:
  AdoptSnapshotTest() {
    store_options_.producer_state = ProducerStateStore::kNone;
    open();
    append({.producer_id = 1, .producer_epoch = 0, .sequence = 0});
    close();
  }

  void write_snapshot(std::int64_t offset, const snapshot::ProducerEntries& entries) {
    write_file(file(offset, segment::kSnapshotSuffix), snapshot::encode_kafka_snapshot(entries));
  }
  [[nodiscard]] std::vector<std::int64_t> producer_ids() const {
    std::vector<std::int64_t> ids;
    for (const ProducerInfo& producer : value_of(log_->producers())) {
      ids.push_back(producer.producer_id.value());
    }
    return ids;
  }
};

TEST_F(AdoptSnapshotTest, AProducerWithoutBatchesComesFromTheSnapshotOfTheEnd) {
  write_snapshot(1, {{ProducerId(1), entry_of(0, 0)}, {ProducerId(2), entry_of(0, 8)}});
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_TRUE(append({.producer_id = 2, .producer_epoch = 0, .sequence = 8}).is_duplicate);
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(AdoptSnapshotTest, WhatItAddsSurvivesTheNextCleanClose) {
  write_snapshot(1, {{ProducerId(1), entry_of(0, 0)}, {ProducerId(2), entry_of(0, 8)}});
  open();
  close_and_open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
}

TEST_F(AdoptSnapshotTest, TheLogIsBelievedWhereBothKnowAProducer) {
  write_snapshot(1, {{ProducerId(1), entry_of(0, 7)}});
  open();
  EXPECT_EQ(value_of(log_->producers()).at(0).last_sequence, Sequence(0));
  ASSERT_EQ(report().warnings.size(), 1u);
  EXPECT_THAT(report().warnings[0], HasSubstr("producer 1"));
}

TEST_F(AdoptSnapshotTest, ASnapshotOfAnotherOffsetIsNotBelieved) {
  std::filesystem::remove(file(1, segment::kSnapshotSuffix));
  write_snapshot(5, {{ProducerId(2), entry_of(0, 8)}});
  open();
  EXPECT_EQ(producer_ids(), std::vector<std::int64_t>{1});
}

TEST_F(AdoptSnapshotTest, ADamagedSnapshotIsAWarning) {
  write_text(file(1, segment::kSnapshotSuffix), "no snapshot");
  open();
  EXPECT_EQ(producer_ids(), std::vector<std::int64_t>{1});
  ASSERT_EQ(report().warnings.size(), 1u);
  EXPECT_THAT(report().warnings[0], HasSubstr("00000000000000000001.snapshot"));
}

TEST_F(AdoptSnapshotTest, TheScanGoesOnFromASnapshotAtTheFirstSegment) {
  // Known before the first batch that is left, by a marker each.
  ProducerEntry by_marker;
  by_marker.epoch = ProducerEpoch(0);
  by_marker.coordinator_epoch = CoordinatorEpoch(3);
  write_snapshot(0, {{ProducerId(1), by_marker}, {ProducerId(2), by_marker}});
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(value_of(log_->producers()).at(0).last_sequence, Sequence(0))
      << "the batch came after it";
  EXPECT_EQ(value_of(log_->producers()).at(0).coordinator_epoch, CoordinatorEpoch(3));
}

TEST_F(AdoptSnapshotTest, ASequenceThatNobodySendsIsTakenAsTheLogHadIt) {
  write_snapshot(1, {{ProducerId(1), entry_of(0, 0)}, {ProducerId(2), entry_of(0, -8)}});
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_THAT(report().warnings, IsEmpty());
}

TEST_F(AdoptSnapshotTest, ImpossibleEntriesArePassedOver) {
  const ProducerEntry twice =
      entry_of(0, 0, Offset(0));  // two transactions cannot begin at one offset
  write_snapshot(1, {{ProducerId(-2), entry_of(0, 0)},
                     {ProducerId(2), entry_of(0, 0, Offset(1))},
                     {ProducerId(3), entry_of(5, 0)},
                     {ProducerId(4), twice},
                     {ProducerId(5), twice}});
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 4}));
  EXPECT_EQ(report().warnings.size(), 4u);
  append_marker({.producer_id = 4});
  append_marker({.producer_id = 5});
}

TEST_F(AdoptSnapshotTest, AfterAnUncleanEndTheSnapshotOfTheEndIsReadStill) {
  // As Kafka does (20.4): its marker goes before its snapshots are read.
  open();
  crash();
  write_snapshot(1, {{ProducerId(2), entry_of(0, 8)}});
  write_snapshot(2, {{ProducerId(3), entry_of(0, 8)}});
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2})) << "and of no other end";
}

TEST_F(AdoptSnapshotTest, AnOpenThatWasInterruptedForgetsNobody) {
  store_options_.producer_state = ProducerStateStore::kLmdb;
  write_snapshot(1, {{ProducerId(1), entry_of(0, 0)}, {ProducerId(2), entry_of(0, 8)}});
  store_ = value_of(Store::open(store_path(), store_options_));  // takes Kafka's marker away
  crash();
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
  crash();
  EXPECT_FALSE(std::filesystem::exists(file(1, segment::kSnapshotSuffix)));
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
}

TEST_F(AdoptSnapshotTest, WhatOnlyASnapshotKnowsIsSavedBeforeItGoes) {
  store_options_.producer_state = ProducerStateStore::kLmdb;
  write_snapshot(1, {{ProducerId(1), entry_of(0, 0)}, {ProducerId(2), entry_of(0, 8)}});
  vfs_.plan().add({.call = IoCall::kSyncDirectory, .path_part = "/t-0"});
  EXPECT_FALSE(try_open()) << "behind the removal of the snapshot";
  EXPECT_FALSE(std::filesystem::exists(file(1, segment::kSnapshotSuffix)));
  crash();
  open();
  EXPECT_EQ(producer_ids(), (std::vector<std::int64_t>{1, 2}));
}

}  // namespace
}  // namespace oncelog::test
