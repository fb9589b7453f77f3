#include "producer/producer_entry.h"

#include <gmock/gmock.h>

#include <limits>

#include "support/batches.h"

namespace oncelog::producer {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int32_t kSequenceMax = std::numeric_limits<std::int32_t>::max();

RememberedBatch batch(int i) { return {Sequence(i), Offset(100 + i), 0, Timestamp(1000 + i)}; }

record::BatchHeader header(std::int16_t epoch, std::int32_t sequence, int records = 1) {
  return test::make_header(
      {.records = records, .producer_id = 7, .producer_epoch = epoch, .sequence = sequence});
}

ProducerEntry entry_with(int batches) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(3);
  for (int i = 0; i < batches; ++i) entry.remember(batch(i));
  return entry;
}

TEST(ProducerEntry, ANewEntryKnowsNothing) {
  const ProducerEntry entry;
  EXPECT_EQ(entry.epoch, kNoProducerEpoch);
  EXPECT_EQ(entry.coordinator_epoch, kNoCoordinatorEpoch);
  EXPECT_EQ(entry.last_sequence(), kNoSequence);
  EXPECT_EQ(entry.last_batch(), nullptr);
  EXPECT_THAT(entry.window(), IsEmpty());
}

TEST(ProducerEntry, RemembersFiveBatchesAndDropsTheOldest) {
  EXPECT_THAT(entry_with(5).window(),
              ElementsAre(batch(0), batch(1), batch(2), batch(3), batch(4)));
  const ProducerEntry entry = entry_with(7);
  EXPECT_THAT(entry.window(), ElementsAre(batch(2), batch(3), batch(4), batch(5), batch(6)));
  EXPECT_EQ(*entry.last_batch(), batch(6));
  EXPECT_EQ(entry.last_sequence(), Sequence(6));
}

TEST(ProducerEntry, AnotherEpochEmptiesTheWindow) {
  for (const int epoch : {4, 2}) {
    ProducerEntry entry = entry_with(5);
    entry.set_epoch(ProducerEpoch(static_cast<std::int16_t>(epoch)));
    EXPECT_THAT(entry.window(), IsEmpty());
    EXPECT_EQ(entry.last_sequence(), kNoSequence);
  }
}

TEST(ProducerEntry, TheSameEpochLeavesTheWindow) {
  ProducerEntry entry = entry_with(5);
  entry.set_epoch(ProducerEpoch(3));
  EXPECT_EQ(entry.window().size(), 5u);
}

TEST(ProducerEntry, EntriesThatRememberTheSameAreEqual) {
  ProducerEntry moved_on = entry_with(5);
  moved_on.set_epoch(ProducerEpoch(4));
  ProducerEntry fresh;
  fresh.epoch = ProducerEpoch(4);
  EXPECT_EQ(moved_on, fresh);
  EXPECT_NE(entry_with(4), entry_with(5));
}

TEST(ProducerEntry, ADuplicateHasTheSameEpochAndTheSameSequences) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(3);
  entry.remember({Sequence(14), Offset(104), 4, Timestamp(1)});  // sequences 10 to 14
  ASSERT_NE(entry.find_duplicate(header(3, 10, 5)), nullptr);
  EXPECT_EQ(entry.find_duplicate(header(3, 10, 5))->first_offset(), Offset(100));
  EXPECT_EQ(entry.find_duplicate(header(3, 10, 4)), nullptr);
  EXPECT_EQ(entry.find_duplicate(header(3, 11, 4)), nullptr);
  EXPECT_EQ(entry.find_duplicate(header(3, 10, 6)), nullptr);
  EXPECT_EQ(entry.find_duplicate(header(4, 10, 5)), nullptr);
  EXPECT_EQ(entry.find_duplicate(header(2, 10, 5)), nullptr);
}

TEST(ProducerEntry, EachOfTheFiveIsFound) {
  const ProducerEntry entry = entry_with(7);
  for (int i = 0; i < 7; ++i) {
    const RememberedBatch* found = entry.find_duplicate(header(3, i));
    if (i < 2) {
      EXPECT_EQ(found, nullptr) << i;
    } else {
      ASSERT_NE(found, nullptr) << i;
      EXPECT_EQ(*found, batch(i));
    }
  }
}

TEST(ProducerEntry, TheFirstSequenceIsCountedBackAcrossTheWrap) {
  const RememberedBatch wrapped{Sequence(1), Offset(102), 2, Timestamp(1)};
  EXPECT_EQ(wrapped.first_sequence(), Sequence(kSequenceMax));
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(3);
  entry.remember(wrapped);
  EXPECT_NE(entry.find_duplicate(header(3, kSequenceMax, 3)), nullptr);
}

TEST(ProducerEntry, ABatchWithoutASequenceIsNeverADuplicate) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(3);
  entry.remember({kNoSequence, Offset(100), 0, Timestamp(1)});
  EXPECT_EQ(entry.last_sequence(), kNoSequence);
  for (const std::int32_t sequence : {0, 1, kSequenceMax, kSequenceMax - 1}) {
    EXPECT_EQ(entry.find_duplicate(header(3, sequence)), nullptr) << sequence;
  }
}

}  // namespace
}  // namespace oncelog::producer
