#include "producer/producer_table.h"

#include <gmock/gmock.h>

#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::producer {
namespace {

using test::FailsWith;
using test::Succeeds;
using testing::ElementsAre;
using testing::IsEmpty;

/// One step of a log: a data batch, or a marker.
struct Step {
  std::int64_t base = 0;
  std::int64_t producer_id = 0;
  std::int32_t sequence = 0;
  bool is_transactional = true;
  std::optional<MarkerType> marker{};
};

Step data(std::int64_t base, std::int64_t id, std::int32_t sequence = 0) {
  return {base, id, sequence};
}
Step commit(std::int64_t base, std::int64_t id) {
  return {base, id, -1, true, MarkerType::kCommit};
}
Step abort(std::int64_t base, std::int64_t id) { return {base, id, -1, true, MarkerType::kAbort}; }

using Aborted = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

class ProducerTableTest : public testing::Test {
 protected:
  Result<AppendVerdict> check(const Step& step, Strictness strictness = Strictness::kReplication) {
    if (step.marker) {
      const auto bytes = test::make_marker(
          {.base = step.base, .type = *step.marker, .producer_id = step.producer_id});
      const auto control = test::value_of(RecordBatchView::parse(bytes)->control_record());
      return pending_.check(test::header_of(bytes), control, strictness);
    }
    return pending_.check(test::make_header({.base = step.base,
                                             .is_transactional = step.is_transactional,
                                             .producer_id = step.producer_id,
                                             .producer_epoch = 0,
                                             .sequence = step.sequence}),
                          std::nullopt, strictness);
  }
  /// One append of these batches; answers the new entries for the transaction index.
  std::vector<Aborted> append(const std::vector<Step>& steps) {
    pending_.clear();
    for (const Step& step : steps) EXPECT_THAT(check(step), Succeeds());
    pending_.prepare();
    table_.apply(pending_);
    EXPECT_THAT(table_.check_invariants(), IsEmpty());
    std::vector<Aborted> aborted;
    for (const auto& entry : pending_.aborted()) {
      aborted.emplace_back(entry.producer_id.value(), entry.first_offset.value(),
                           entry.last_offset.value(), entry.last_stable_offset.value());
    }
    EXPECT_EQ(aborted.size(), pending_.aborted_count());
    return aborted;
  }
  std::optional<std::int64_t> unstable() const {
    const auto offset = table_.first_unstable_offset();
    return offset ? std::optional(offset->value()) : std::nullopt;
  }
  /// The first unstable offset once the high watermark has been moved there.
  std::optional<std::int64_t> unstable_at(std::int64_t high_watermark) {
    table_.release_below(Offset(high_watermark));
    return unstable();
  }

  ProducerTable table_;
  PendingAppend pending_{table_};
};

TEST_F(ProducerTableTest, AnEmptyTableHasNothing) {
  EXPECT_EQ(table_.changed().size(), 0u);
  EXPECT_EQ(table_.find(ProducerId(1)), nullptr);
  EXPECT_EQ(unstable(), std::nullopt);
  EXPECT_THAT(table_.changed(), IsEmpty());
  EXPECT_THAT(table_.check_invariants(), IsEmpty());
}

TEST_F(ProducerTableTest, CheckingChangesNothing) {
  EXPECT_THAT(check(data(0, 1)), Succeeds());
  pending_.prepare();
  EXPECT_EQ(table_.changed().size(), 0u);
  EXPECT_EQ(unstable(), std::nullopt);
  pending_.clear();
  pending_.prepare();
  table_.apply(pending_);
  EXPECT_EQ(table_.changed().size(), 0u);
}

TEST_F(ProducerTableTest, ListsWhatItKnowsInOrderOfTheIds) {
  append({data(10, 9, 4)});
  append({commit(11, 3)});
  std::vector<ProducerInfo> infos;
  for (const auto& [id, slot] : table_.changed()) infos.push_back(describe(id, *slot));
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_EQ(infos[0].producer_id, ProducerId(3));
  EXPECT_EQ(infos[0].last_offset, kNoOffset);
  EXPECT_EQ(infos[0].last_sequence, kNoSequence);
  EXPECT_EQ(infos[0].coordinator_epoch, CoordinatorEpoch(0));
  EXPECT_EQ(infos[1].producer_id, ProducerId(9));
  EXPECT_EQ(infos[1].last_offset, Offset(10));
  EXPECT_EQ(infos[1].last_sequence, Sequence(4));
  EXPECT_EQ(infos[1].transaction_first_offset, Offset(10));
  EXPECT_EQ(infos[1].last_timestamp, Timestamp(1000));
  ASSERT_EQ(infos[1].batches.size(), 1u);
  EXPECT_EQ(infos[1].batches[0].last_sequence, Sequence(4));
}

TEST_F(ProducerTableTest, BatchesWithoutAProducerIdChangeNothing) {
  append({data(0, -1), data(1, -1)});
  EXPECT_EQ(table_.changed().size(), 0u);
}

TEST_F(ProducerTableTest, ARefusalLeavesTheTableAsItWas) {
  append({data(0, 1)});
  const auto before = table_.changed();
  pending_.clear();
  EXPECT_THAT(check(data(1, 2)), Succeeds());
  EXPECT_THAT(check({2, 1, 1, false}), FailsWith(ErrorCode::INVALID_TXN_STATE));
  pending_.clear();
  pending_.prepare();
  table_.apply(pending_);
  EXPECT_EQ(table_.changed(), before);
  EXPECT_EQ(unstable(), 0);
}

TEST_F(ProducerTableTest, ADuplicateStagesNothing) {
  append({{0, 1, 5, false}});
  const auto before = table_.changed();
  pending_.clear();
  const auto verdict = check({9, 1, 5, false}, Strictness::kClient);
  ASSERT_NE(verdict->duplicate_of, nullptr);
  EXPECT_EQ(verdict->duplicate_of->first_offset(), Offset(0));
  pending_.prepare();
  table_.apply(pending_);
  EXPECT_EQ(table_.changed(), before);
}

// ---- the first unstable offset

TEST_F(ProducerTableTest, ACompletedTransactionHoldsUntilItsMarkerIsReplicated) {
  // Transaction 6 to 7, commit at 8.
  append({data(6, 1)});
  append({data(7, 1, 1)});
  EXPECT_EQ(unstable(), 6);
  append({commit(8, 1)});
  EXPECT_EQ(unstable_at(8), 6);
  EXPECT_EQ(unstable_at(9), std::nullopt);
}

TEST_F(ProducerTableTest, InterleavedTransactionsAreReleasedOneByOne) {
  // A at 10, B at 11, abort A at 12, abort B at 13.
  append({data(10, 1)});
  append({data(11, 2)});
  EXPECT_THAT(append({abort(12, 1)}), ElementsAre(Aborted{1, 10, 12, 11}));
  EXPECT_EQ(unstable_at(12), 10);
  EXPECT_THAT(append({abort(13, 2)}), ElementsAre(Aborted{2, 11, 13, 14}));
  EXPECT_EQ(unstable_at(12), 10);
  EXPECT_EQ(unstable_at(13), 11);
  EXPECT_EQ(unstable_at(14), std::nullopt);
}

TEST_F(ProducerTableTest, ReleaseGoesByTheMarkerNotByTheBeginning) {
  append({data(1, 1)});
  append({data(2, 2)});
  append({commit(3, 2)});
  append({commit(4, 1)});
  EXPECT_EQ(unstable_at(4), 1);  // 2's is released, 1's marker is not replicated
  EXPECT_EQ(unstable_at(5), std::nullopt);
}

TEST_F(ProducerTableTest, TheFirstUnstableOffsetMayJumpFar) {
  append({data(1, 1)});
  append({commit(2, 1)});
  append({data(500, 2)});
  EXPECT_EQ(unstable_at(2), 1);
  EXPECT_EQ(unstable_at(3), 500);
}

TEST_F(ProducerTableTest, AnOpenTransactionIsNeverReleased) {
  append({data(6, 1)});
  EXPECT_EQ(unstable_at(1'000'000), 6);
}

TEST_F(ProducerTableTest, AnEmptyTransactionHoldsNothing) {
  EXPECT_THAT(append({abort(8, 1)}), IsEmpty());
  EXPECT_EQ(unstable(), std::nullopt);
  EXPECT_EQ(table_.changed().size(), 1u);
}

TEST_F(ProducerTableTest, ACommittedTransactionIsNotListed) {
  append({data(0, 1)});
  EXPECT_THAT(append({commit(1, 1)}), IsEmpty());
}

// ---- several batches in one append, as a follower

TEST_F(ProducerTableTest, EachBatchIsCheckedAgainstTheOnesBeforeIt) {
  append({data(0, 1), data(1, 1, 1), commit(2, 1), {3, 1, 2, false}});
  const ProducerEntry* entry = table_.find(ProducerId(1));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->window().size(), 3u);
  EXPECT_EQ(entry->transaction_first_offset, std::nullopt);

  pending_.clear();
  EXPECT_THAT(check(data(4, 1, 3)), Succeeds());
  EXPECT_THAT(check({5, 1, 4, false}), FailsWith(ErrorCode::INVALID_TXN_STATE));
}

TEST_F(ProducerTableTest, AChangedProducerMaySendSeveralBatchesInOneAppend) {
  const auto plain = [](std::int64_t base, std::int32_t sequence) {
    return Step{base, 1, sequence, false};
  };
  append({plain(0, 0)});
  append({plain(1, 1)});
  append({plain(2, 2), plain(3, 3), plain(4, 4)});
  ASSERT_NE(table_.find(ProducerId(1)), nullptr);
  EXPECT_EQ(table_.find(ProducerId(1))->window().size(), 5u);
  EXPECT_EQ(table_.find(ProducerId(1))->last_sequence(), Sequence(4));
}

TEST_F(ProducerTableTest, ACheckedBatchOfAChangedProducerIsNotYetInTheTable) {
  append({data(0, 1)});
  const ProducerEntry before = *table_.find(ProducerId(1));
  pending_.clear();
  EXPECT_THAT(check(data(1, 1, 1), Strictness::kClient), Succeeds());
  EXPECT_EQ(*table_.find(ProducerId(1)), before);
  EXPECT_THAT(check(data(2, 1, 7), Strictness::kClient),
              FailsWith(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
  EXPECT_EQ(*table_.find(ProducerId(1)), before);
}

TEST_F(ProducerTableTest, ATransactionMayEndAndTheNextBeginInOneAppend) {
  EXPECT_THAT(append({data(0, 1), abort(1, 1), data(2, 1, 1)}), ElementsAre(Aborted{1, 0, 1, 2}));
  EXPECT_EQ(table_.find(ProducerId(1))->transaction_first_offset, Offset(2));
  EXPECT_EQ(unstable(), 0);
  EXPECT_EQ(unstable_at(2), 2);
  EXPECT_THAT(append({abort(3, 1), data(4, 1, 2), abort(5, 1)}),
              ElementsAre(Aborted{1, 2, 3, 4}, Aborted{1, 4, 5, 6}));
  EXPECT_EQ(unstable_at(4), 4);
  EXPECT_EQ(unstable_at(6), std::nullopt);
}

TEST_F(ProducerTableTest, TransactionsOfOneAppendAreCompletedInTheOrderOfTheirMarkers) {
  // All that began in the append are open when the first marker is looked at.
  EXPECT_THAT(append({data(0, 1), data(1, 2), abort(2, 2), data(3, 3), abort(4, 1)}),
              ElementsAre(Aborted{2, 1, 2, 0}, Aborted{1, 0, 4, 3}));
  EXPECT_EQ(unstable_at(5), 3);
}

TEST_F(ProducerTableTest, ManyProducersInOneAppendAreKeptApart) {
  constexpr int kProducers = 100;
  std::vector<Step> steps;
  for (int round = 0; round < 3; ++round) {
    for (int id = 0; id < kProducers; ++id) {
      steps.push_back(data(round * kProducers + id, id, round));
    }
  }
  append(steps);
  ASSERT_EQ(table_.changed().size(), static_cast<std::size_t>(kProducers));
  for (int id = 0; id < kProducers; ++id) {
    const ProducerEntry* entry = table_.find(ProducerId(id));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->transaction_first_offset, Offset(id));
    EXPECT_EQ(entry->last_sequence(), Sequence(2));
    EXPECT_EQ(entry->window().size(), 3u);
  }

  steps.clear();
  for (int id = 0; id < kProducers; ++id) steps.push_back(abort(300 + id, id));
  const auto aborted = append(steps);
  ASSERT_EQ(aborted.size(), static_cast<std::size_t>(kProducers));
  EXPECT_EQ(aborted[0], (Aborted{0, 0, 300, 1}));
  EXPECT_EQ(aborted[99], (Aborted{99, 99, 399, 400}));
  EXPECT_EQ(unstable_at(400), std::nullopt);
}

TEST_F(ProducerTableTest, APendingAppendCanBeUsedAgain) {
  for (int i = 0; i < 50; ++i) append({data(2 * i, i % 20, i / 20), abort(2 * i + 1, i % 20)});
  EXPECT_EQ(table_.changed().size(), 20u);
  EXPECT_EQ(unstable_at(100), std::nullopt);
}

// ---- snapshots

TEST_F(ProducerTableTest, ARestoredEntryBringsItsOpenTransaction) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(2);
  entry.transaction_first_offset = Offset(40);
  table_.restore(ProducerId(5), entry);
  EXPECT_EQ(*table_.find(ProducerId(5)), entry);
  EXPECT_EQ(unstable(), 40);
  EXPECT_THAT(table_.check_invariants(), IsEmpty());
  EXPECT_THAT(append({abort(50, 5)}), ElementsAre(Aborted{5, 40, 50, 51}));
}

// ---- a checkpoint behind it

TEST_F(ProducerTableTest, WithoutACheckpointWhatIsNotInMemoryIsUnknown) {
  EXPECT_FALSE(table_.is_unread(ProducerId(1)));
  table_.set_incomplete();
  EXPECT_TRUE(table_.is_unread(ProducerId(1)));
}

TEST_F(ProducerTableTest, WhatWasReadIsKnownOrKnownToBeUnknown) {
  table_.set_incomplete();
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(2);
  table_.admit(ProducerId(1), entry);
  table_.admit(ProducerId(2), std::nullopt);
  EXPECT_FALSE(table_.is_unread(ProducerId(1)));
  EXPECT_FALSE(table_.is_unread(ProducerId(2)));
  EXPECT_EQ(*table_.find(ProducerId(1)), entry);
  EXPECT_EQ(table_.find(ProducerId(2)), nullptr);
  EXPECT_THAT(table_.changed(), IsEmpty()) << "the checkpoint has both";
}

TEST_F(ProducerTableTest, FrozenChangesAreSeenButNoMoreChanged) {
  append({data(0, 1), data(1, 2)});
  table_.freeze();
  append({data(2, 1, 1)});
  EXPECT_EQ(table_.saving().at(ProducerId(1))->window().size(), 1u);
  EXPECT_EQ(table_.find(ProducerId(1))->window().size(), 2u);
  EXPECT_EQ(table_.find(ProducerId(2))->window().size(), 1u);
  EXPECT_EQ(table_.changed().size(), 2u);
  EXPECT_THAT(table_.check_invariants(), IsEmpty());
}

TEST_F(ProducerTableTest, WhatHasBeenSavedIsNoChangeUnlessItChangedAgain) {
  append({data(0, 1), data(1, 2)});
  table_.freeze();
  append({data(2, 1, 1)});
  EXPECT_FALSE(table_.thaw_some(1));
  EXPECT_TRUE(table_.thaw_some(1));
  EXPECT_EQ(table_.changed().size(), 1u);
  EXPECT_EQ(table_.find(ProducerId(1))->window().size(), 2u);
  EXPECT_EQ(table_.find(ProducerId(2))->window().size(), 1u);
  EXPECT_THAT(table_.check_invariants(), IsEmpty());
}

TEST_F(ProducerTableTest, ACheckpointThatFailedLeavesEverythingChanged) {
  append({data(0, 1), data(1, 2)});
  table_.freeze();
  append({data(2, 1, 1)});
  table_.unfreeze();
  EXPECT_FALSE(table_.is_saving());
  EXPECT_EQ(table_.changed().size(), 2u);
  EXPECT_EQ(table_.find(ProducerId(1))->window().size(), 2u);
  EXPECT_THAT(table_.check_invariants(), IsEmpty());
}

TEST_F(ProducerTableTest, EvictionTakesCachedEntriesWithoutAnOpenTransactionOnly) {
  append({data(0, 1), {1, 2, 0, false}, {2, 3, 0, false}});
  table_.freeze();
  ASSERT_TRUE(table_.thaw_some(10));
  append({{3, 3, 1, false}});
  const auto generation = table_.generation();
  for (int i = 0; i < 10; ++i) table_.evict_some(0);
  EXPECT_NE(table_.find(ProducerId(1)), nullptr) << "its transaction is open";
  EXPECT_TRUE(table_.is_unread(ProducerId(2)));
  EXPECT_NE(table_.find(ProducerId(3)), nullptr) << "has changed since";
  EXPECT_GT(table_.generation(), generation);
  EXPECT_THAT(table_.check_invariants(), IsEmpty());
}

TEST_F(ProducerTableTest, AForgottenProducerIsAChangeAndUnknown) {
  append({{0, 1, 5, false}});
  table_.freeze();
  ASSERT_TRUE(table_.thaw_some(10));
  table_.forget(ProducerId(1));
  EXPECT_EQ(table_.find(ProducerId(1)), nullptr);
  EXPECT_FALSE(table_.is_unread(ProducerId(1)));
  ASSERT_EQ(table_.changed().size(), 1u);
  EXPECT_FALSE(table_.changed().at(ProducerId(1)));
  append({{1, 1, 77, false}});  // any first sequence, as of one that was never seen
  EXPECT_EQ(table_.find(ProducerId(1))->last_sequence(), Sequence(77));
}

TEST_F(ProducerTableTest, ATableThatSucceedsAnotherMakesWhatWasReadForThatOneOld) {
  ProducerTable next;
  const auto generation = table_.generation();
  next.succeed(table_);
  EXPECT_GT(next.generation(), generation);
}

TEST_F(ProducerTableTest, CompletedTransactionsBelowTheEndAreTakenOver) {
  append({data(0, 1), commit(1, 1), data(2, 2), commit(3, 2)});
  ProducerTable next;
  next.adopt_unreleased(table_, Offset(3));
  EXPECT_EQ(next.first_unstable_offset(), Offset(0));
  next.release_below(Offset(2));
  EXPECT_EQ(next.first_unstable_offset(), std::nullopt) << "the marker at 3 was cut";
}

using ProducerTableDeathTest = ProducerTableTest;

TEST_F(ProducerTableDeathTest, ACompletedTransactionThatIsNotOpenIsOurOwnMistake) {
  append({data(0, 1)});
  pending_.clear();
  EXPECT_THAT(check(abort(1, 1)), Succeeds());
  pending_.prepare();
  EXPECT_DEATH(
      {
        table_.apply(pending_);
        table_.apply(pending_);
      },
      "invariant broken");
}

}  // namespace
}  // namespace oncelog::producer
