// Checkpoints in LMDB: what each of them says, whatever was written before, behind and between.
#include "snapshot/lmdb_snapshot_store.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "snapshot/lmdb_partition.h"
#include "support/matchers.h"
#include "support/snapshot_oracle.h"
#include "support/temp_dir.h"

namespace oncelog::snapshot {
namespace {

using producer::ProducerEntry;
using test::Changes;
using test::EntrySpec;
using test::FailsWith;
using test::kAny;
using test::make_entry;
using test::offsets_of;
using test::Producers;
using test::save;
using test::SnapshotOracle;
using test::Succeeds;
using test::value_of;
using test::visited;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr std::int64_t kSmallMap = 16 << 20;
/// Rows of a store with one partition, besides its checkpoints.
constexpr std::int64_t kFixedRows = 2;

std::vector<std::int64_t> open_ids(PartitionSnapshots& partition, std::int64_t at) {
  std::vector<std::int64_t> ids;
  for (const auto& [id, entry] : value_of(partition.open_transactions(Offset(at)))) {
    EXPECT_TRUE(entry.transaction_first_offset) << id.value();
    ids.push_back(id.value());
  }
  return ids;
}

std::vector<std::int64_t> older_ids(PartitionSnapshots& partition, std::int64_t at,
                                    std::int64_t until) {
  std::vector<std::int64_t> ids;
  for (const ProducerId id : value_of(partition.find_older(Offset(at), Timestamp(until)))) {
    ids.push_back(id.value());
  }
  return ids;
}

std::int64_t count_at(PartitionSnapshots& partition, std::int64_t at) {
  for (const CheckpointInfo& info : value_of(partition.list())) {
    if (info.offset == Offset(at)) return info.producer_count;
  }
  return -1;
}

/// One partition in an environment whose rows can be counted.
class LmdbPartitionTest : public testing::Test {
 protected:
  LmdbPartitionTest() {
    const Row key = store_key();
    const Row value = encode(key, StoreRow{Incarnation(1)});
    EXPECT_THAT(environment_->write(
                    [&](LmdbTransaction& transaction) { return transaction.put(key, value); }),
                Succeeds());
    EXPECT_THAT(partition_.forget_all(), Succeeds());
  }
  void save_at(std::int64_t at, const Changes& changes, std::int64_t keep_from = 0) {
    CheckpointInfo info;
    info.offset = Offset(at);
    info.anchor = Anchor{Offset(at - 1), LeaderEpoch(0), static_cast<std::uint32_t>(at)};
    ASSERT_THAT(save(partition_, info, changes, Offset(keep_from)), Succeeds());
  }
  [[nodiscard]] std::optional<ProducerEntry> find(std::int64_t id, std::int64_t at) {
    return value_of(partition_.find(ProducerId(id), Offset(at)));
  }
  [[nodiscard]] std::int64_t rows() { return environment_->row_count() - kFixedRows; }

  test::TempDir dir_{test::memory_directory()};
  std::unique_ptr<LmdbEnvironment> environment_ =
      value_of(LmdbEnvironment::open(dir_.file("state"), kSmallMap));
  LmdbPartition partition_{*environment_, {"t", 0}, "an id", Incarnation(0)};
};

const ProducerEntry kOne = make_entry({.sequence = 1});
const ProducerEntry kTwo = make_entry({.sequence = 2});
const ProducerEntry kThree = make_entry({.sequence = 3});
constexpr ProducerId kP1{1};
constexpr ProducerId kP2{2};
constexpr ProducerId kP3{3};

// ---- what a checkpoint says

TEST_F(LmdbPartitionTest, ANewLifeHasNoCheckpoints) {
  EXPECT_THAT(value_of(partition_.list()), IsEmpty());
  EXPECT_EQ(find(1, 100), std::nullopt);
  EXPECT_THAT(visited(partition_, kAny), IsEmpty());
  EXPECT_THAT(open_ids(partition_, 100), IsEmpty());
  EXPECT_THAT(older_ids(partition_, 100, 1'000'000), IsEmpty());
  EXPECT_EQ(rows(), 0);
}

TEST_F(LmdbPartitionTest, ACheckpointComesBackWithAllThatDescribesIt) {
  CheckpointInfo info;
  info.offset = Offset(10);
  info.anchor = Anchor{Offset(8), LeaderEpoch(3), 77};
  ASSERT_THAT(save(partition_, info, {{kP1, kOne}}, Offset(0)), Succeeds());
  CheckpointInfo empty;
  empty.offset = Offset(20);
  ASSERT_THAT(save(partition_, empty, {}, Offset(0)), Succeeds());
  info.producer_count = 1;
  empty.producer_count = 1;
  EXPECT_THAT(value_of(partition_.list()), ElementsAre(empty, info));
}

TEST_F(LmdbPartitionTest, EachVersionKeepsWhatItSaid) {
  save_at(10, {{kP1, kOne}, {kP2, kOne}});
  save_at(20, {{kP1, kTwo}});
  save_at(30, {{kP1, std::nullopt}, {kP3, kThree}});
  EXPECT_EQ(visited(partition_, Offset(10)), (Producers{{kP1, kOne}, {kP2, kOne}}));
  EXPECT_EQ(visited(partition_, Offset(20)), (Producers{{kP1, kTwo}, {kP2, kOne}}));
  EXPECT_EQ(visited(partition_, Offset(30)), (Producers{{kP2, kOne}, {kP3, kThree}}));
  EXPECT_EQ(find(1, 10), kOne);
  EXPECT_EQ(find(1, 20), kTwo);
  EXPECT_EQ(find(1, 30), std::nullopt);
  EXPECT_EQ(find(2, 30), kOne) << "unchanged for two checkpoints";
  EXPECT_EQ(find(3, 20), std::nullopt) << "not yet";
  EXPECT_EQ(find(3, 30), kThree);
  EXPECT_EQ(count_at(partition_, 10), 2);
  EXPECT_EQ(count_at(partition_, 20), 2);
  EXPECT_EQ(count_at(partition_, 30), 2);
}

TEST_F(LmdbPartitionTest, TheNewestRowAtOrBelowIsTheAnswer) {
  save_at(10, {{kP1, kOne}});
  save_at(20, {{kP1, kTwo}});
  EXPECT_EQ(find(1, 9), std::nullopt);
  EXPECT_EQ(find(1, 10), kOne);
  EXPECT_EQ(find(1, 19), kOne);
  EXPECT_EQ(find(1, 20), kTwo);
  EXPECT_EQ(value_of(partition_.find(kP1, kAny)), kTwo);
  EXPECT_EQ(find(0, 20), std::nullopt);
  EXPECT_EQ(find(2, 20), std::nullopt) << "no row of the neighbour";
}

TEST_F(LmdbPartitionTest, OnlyWhatHasChangedIsWritten) {
  Changes many;
  for (int id = 0; id < 100; ++id) many[ProducerId(id)] = kOne;
  save_at(10, many);
  const std::int64_t before = rows();
  EXPECT_EQ(before, 1 + 2 * 100) << "a checkpoint, and a producer and its time for each";
  save_at(20, {{kP1, kTwo}});
  EXPECT_EQ(rows() - before, 2 + 1) << "its hour is the same; the older row is to be collected";
}

TEST_F(LmdbPartitionTest, AProducerThatWasForgottenMayComeBack) {
  save_at(10, {{kP1, kOne}});
  save_at(20, {{kP1, std::nullopt}});
  save_at(30, {{kP1, kThree}});
  EXPECT_EQ(find(1, 10), kOne);
  EXPECT_EQ(find(1, 20), std::nullopt);
  EXPECT_EQ(find(1, 30), kThree);
  EXPECT_EQ(count_at(partition_, 20), 0);
  EXPECT_EQ(count_at(partition_, 30), 1);
}

TEST_F(LmdbPartitionTest, ForgettingSomebodyUnknownWritesNoRow) {
  save_at(10, {{kP1, kOne}});
  const std::int64_t before = rows();
  save_at(20, {{kP2, std::nullopt}}, 20);
  EXPECT_EQ(rows(), before) << "one checkpoint for another";
  EXPECT_EQ(count_at(partition_, 20), 1);
}

// ---- open transactions

TEST_F(LmdbPartitionTest, TransactionsAreOpenFromOneCheckpointToTheNext) {
  const ProducerEntry open = make_entry({.sequence = 5, .open = 12});
  save_at(10, {{kP1, kOne}});
  save_at(20, {{kP1, open}, {kP2, open}});
  save_at(30, {{kP1, kTwo}});
  save_at(40, {{kP2, kTwo}, {kP3, open}});
  for (const int at : {10, 19}) EXPECT_THAT(open_ids(partition_, at), IsEmpty()) << at;
  for (const int at : {20, 29}) EXPECT_THAT(open_ids(partition_, at), ElementsAre(1, 2)) << at;
  for (const int at : {30, 39}) EXPECT_THAT(open_ids(partition_, at), ElementsAre(2)) << at;
  for (const int at : {40, 99}) EXPECT_THAT(open_ids(partition_, at), ElementsAre(3)) << at;
  EXPECT_THAT(value_of(partition_.open_transactions(Offset(30))), ElementsAre(Pair(kP2, open)));
}

TEST_F(LmdbPartitionTest, AClosedTransactionStaysClosedWhenItsOpeningIsDropped) {
  const ProducerEntry open = make_entry({.sequence = 5, .open = 12});
  save_at(10, {{kP1, open}, {kP2, open}});
  save_at(20, {{kP1, kTwo}}, 20);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(20));
  EXPECT_THAT(open_ids(partition_, 20), ElementsAre(2)) << "opened below, and kept";
  save_at(30, {{kP2, kTwo}}, 20);
  EXPECT_THAT(open_ids(partition_, 20), ElementsAre(2));
  EXPECT_THAT(open_ids(partition_, 30), IsEmpty());
  save_at(40, {{kP1, kThree}}, 40);
  EXPECT_THAT(open_ids(partition_, 40), IsEmpty());
}

TEST_F(LmdbPartitionTest, AnOpenTransactionIsNotOfAForgottenProducer) {
  save_at(10, {{kP1, make_entry({.open = 3})}});
  save_at(20, {{kP1, std::nullopt}});  // a follower's marker closed it, then it expired
  EXPECT_THAT(open_ids(partition_, 10), ElementsAre(1));
  EXPECT_THAT(open_ids(partition_, 20), IsEmpty());
}

TEST_F(LmdbPartitionTest, ATransactionOpenOverManyCheckpointsIsFoundInEach) {
  save_at(10, {{kP1, make_entry({.sequence = 1, .open = 3})}});
  for (int at = 20; at <= 100; at += 10) {
    save_at(at, {{kP1, make_entry({.sequence = at, .open = 3})}, {kP2, kOne}}, at - 10);
  }
  EXPECT_THAT(offsets_of(partition_), ElementsAre(100, 90));
  EXPECT_THAT(open_ids(partition_, 90), ElementsAre(1));
  EXPECT_THAT(open_ids(partition_, 100), ElementsAre(1));
  EXPECT_EQ(find(1, 90), make_entry({.sequence = 90, .open = 3}));
}

// ---- the time index

TEST_F(LmdbPartitionTest, OlderProducersAreFoundUpToABound) {
  save_at(10, {{kP1, make_entry({.timestamp = 300})},
               {kP2, make_entry({.timestamp = 100})},
               {kP3, make_entry({.timestamp = -200})}});
  EXPECT_THAT(older_ids(partition_, 10, -201), IsEmpty());
  EXPECT_THAT(older_ids(partition_, 10, -200), ElementsAre(3));
  EXPECT_THAT(older_ids(partition_, 10, 99), ElementsAre(3));
  EXPECT_THAT(older_ids(partition_, 10, 100), ElementsAre(2, 3));
  EXPECT_THAT(older_ids(partition_, 10, 300), ElementsAre(1, 2, 3));
  EXPECT_THAT(older_ids(partition_, 9, 300), IsEmpty());
}

TEST_F(LmdbPartitionTest, ARowThatANewerOneShadowsSaysNothingOfTime) {
  save_at(10, {{kP1, make_entry({.timestamp = 100})}, {kP2, make_entry({.timestamp = 900})}});
  save_at(20, {{kP1, make_entry({.timestamp = 500})}, {kP2, make_entry({.timestamp = 50})}});
  EXPECT_THAT(older_ids(partition_, 10, 100), ElementsAre(1));
  EXPECT_THAT(older_ids(partition_, 20, 100), ElementsAre(2)) << "time may go back";
  EXPECT_THAT(older_ids(partition_, 20, 500), ElementsAre(1, 2));
  EXPECT_THAT(older_ids(partition_, 10, 900), ElementsAre(1, 2)) << "each once";
}

TEST_F(LmdbPartitionTest, WhoHasATransactionOpenOrIsForgottenIsNotOlder) {
  save_at(10, {{kP1, make_entry({.timestamp = 100})},
               {kP2, make_entry({.timestamp = 100})},
               {kP3, make_entry({.timestamp = 100, .open = 1})}});
  save_at(20, {{kP1, std::nullopt}, {kP2, make_entry({.timestamp = 100, .open = 12})}});
  EXPECT_THAT(older_ids(partition_, 10, 100), ElementsAre(1, 2));
  EXPECT_THAT(older_ids(partition_, 20, 100), IsEmpty());
}

// ---- visiting

TEST_F(LmdbPartitionTest, AVisitGoesByIdAndStopsAtAnError) {
  Changes changes;
  for (const std::int64_t id :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{255}, std::int64_t{256},
        std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max()}) {
    changes[ProducerId(id)] = kOne;
  }
  save_at(10, changes);
  EXPECT_EQ(visited(partition_, Offset(10)).size(), changes.size());  // it checks the order
  int visits = 0;
  EXPECT_THAT(partition_.visit(Offset(10),
                               [&](ProducerId, const ProducerEntry&) -> Result<void> {
                                 if (++visits < 3) return {};
                                 return fail(ErrorCode::INVALID_REQUEST, "enough");
                               }),
              FailsWith(ErrorCode::INVALID_REQUEST, "enough"));
  EXPECT_EQ(visits, 3);
}

// ---- what is kept

TEST_F(LmdbPartitionTest, CheckpointsBelowTheNewestToKeepAreDropped) {
  for (int at = 10; at <= 50; at += 10) save_at(at, {{kP1, make_entry({.sequence = at})}});
  EXPECT_THAT(offsets_of(partition_), ElementsAre(50, 40, 30, 20, 10));
  save_at(60, {}, 35);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(60, 50, 40, 30));
  save_at(70, {}, 29);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(70, 60, 50, 40, 30)) << "a lower bound keeps all";
  save_at(80, {}, 80);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(80));
  save_at(90, {}, 1000);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(90));
  EXPECT_EQ(find(1, 90), make_entry({.sequence = 50}));
}

TEST_F(LmdbPartitionTest, RowsDoNotGrowWithTheNumberOfCheckpoints) {
  std::int64_t most = 0;
  for (int at = 10; at <= 500; at += 10) {
    Changes changes;
    for (int id = 0; id < 10; ++id) changes[ProducerId(id)] = make_entry({.sequence = at});
    save_at(at, changes, at);
    most = std::max(most, rows());
  }
  EXPECT_EQ(most, 1 + 2 * 10);
}

TEST_F(LmdbPartitionTest, RowsThatAnOlderCheckpointNeedsStay) {
  save_at(10, {{kP1, kOne}});
  save_at(20, {{kP1, kTwo}}, 10);
  save_at(30, {{kP1, kThree}}, 10);
  EXPECT_EQ(find(1, 10), kOne);
  EXPECT_EQ(find(1, 20), kTwo);
  save_at(40, {{kP1, kOne}}, 25);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(40, 30, 20));
  EXPECT_EQ(find(1, 20), kTwo);
  EXPECT_EQ(find(1, 30), kThree);
  EXPECT_EQ(find(1, 40), kOne);
  EXPECT_EQ(find(1, 10), std::nullopt) << "nobody reads there any more";
}

TEST_F(LmdbPartitionTest, AForgottenProducerLeavesNoRowWhereNothingOlderIsKept) {
  save_at(10, {{kP1, make_entry({.open = 1})}, {kP2, kOne}}, 10);
  save_at(20, {{kP1, std::nullopt}}, 20);
  EXPECT_EQ(rows(), 1 + 2);
  EXPECT_EQ(count_at(partition_, 20), 1);
}

TEST_F(LmdbPartitionTest, AForgottenProducerLeavesNoRowOnceNothingOlderIsKept) {
  // design 5: "Collecting a version drops only rows shadowed by a newer row at or below the oldest
  // one kept", which these are once 30 is the oldest.
  save_at(10, {{kP1, kOne}, {kP2, kOne}}, 10);
  save_at(20, {{kP1, std::nullopt}}, 10);  // the high watermark lags, so 10 stays
  EXPECT_EQ(find(1, 10), kOne);
  save_at(30, {{kP2, kTwo}}, 30);
  save_at(40, {{kP2, kThree}}, 40);
  EXPECT_EQ(rows(), 1 + 2) << "rows of a producer that is never written again";
}

// ---- the same offset again

TEST_F(LmdbPartitionTest, ASecondSaveAtTheSameOffsetReplacesTheFirst) {
  save_at(10, {{kP1, kOne}});
  save_at(20, {{kP1, kTwo}, {kP2, make_entry({.timestamp = 5, .open = 15})}});
  CheckpointInfo info;
  info.offset = Offset(20);
  ASSERT_THAT(
      save(partition_, info,
           {{kP1, std::nullopt}, {kP2, make_entry({.timestamp = 7})}, {kP3, kThree}}, Offset(0)),
      Succeeds());
  EXPECT_THAT(offsets_of(partition_), ElementsAre(20, 10));
  EXPECT_EQ(value_of(partition_.list()).front().anchor, std::nullopt) << "the later one's";
  EXPECT_EQ(visited(partition_, Offset(20)),
            (Producers{{kP2, make_entry({.timestamp = 7})}, {kP3, kThree}}));
  EXPECT_EQ(visited(partition_, Offset(10)), (Producers{{kP1, kOne}}));
  EXPECT_THAT(open_ids(partition_, 20), IsEmpty());
  EXPECT_THAT(older_ids(partition_, 20, 7), ElementsAre(2));
  EXPECT_THAT(older_ids(partition_, 20, 6), IsEmpty()) << "the row of the first is gone";
  EXPECT_EQ(count_at(partition_, 20), 2);
}

TEST_F(LmdbPartitionTest, WhatASecondSaveDoesNotNameStaysAsTheFirstHasIt) {
  save_at(10, {{kP1, kOne}, {kP2, kOne}});
  save_at(10, {{kP1, std::nullopt}});  // expired, without an append in between
  EXPECT_EQ(visited(partition_, Offset(10)), (Producers{{kP2, kOne}}));
  EXPECT_EQ(count_at(partition_, 10), 1);
  EXPECT_EQ(rows(), 1 + 2 + 2) << "what was forgotten above the high watermark is said";
}

// ---- between two others

TEST_F(LmdbPartitionTest, ACheckpointBetweenTwoOthersChangesNeither) {
  save_at(10, {{kP1, kOne}, {kP2, kOne}});
  save_at(30, {{kP1, kThree}, {kP2, std::nullopt}, {kP3, make_entry({.open = 15})}});
  const Producers at_10 = visited(partition_, Offset(10));
  const Producers at_30 = visited(partition_, Offset(30));
  save_at(20, {{kP1, kTwo}, {kP3, make_entry({.sequence = 7})}}, 20);
  EXPECT_THAT(offsets_of(partition_), ElementsAre(30, 20));
  EXPECT_EQ(visited(partition_, Offset(20)),
            (Producers{{kP1, kTwo}, {kP2, kOne}, {kP3, make_entry({.sequence = 7})}}));
  EXPECT_EQ(visited(partition_, Offset(30)), at_30);
  EXPECT_EQ(count_at(partition_, 20), 3);
  EXPECT_EQ(count_at(partition_, 30), 2);
  EXPECT_THAT(open_ids(partition_, 20), IsEmpty());
  EXPECT_THAT(open_ids(partition_, 30), ElementsAre(3));

  save_at(15, {{kP1, kOne}}, 0);
  EXPECT_EQ(visited(partition_, Offset(20)).at(kP1), kTwo);
  EXPECT_EQ(visited(partition_, Offset(30)), at_30);
}

TEST_F(LmdbPartitionTest, ATransactionClosedBetweenTwoCheckpointsIsClosedInBoth) {
  save_at(10, {{kP1, make_entry({.sequence = 1, .open = 5})}});
  save_at(30, {{kP1, make_entry({.sequence = 3, .open = 25})}});
  save_at(20, {{kP1, kTwo}}, 10);
  EXPECT_THAT(open_ids(partition_, 10), ElementsAre(1));
  EXPECT_THAT(open_ids(partition_, 20), IsEmpty());
  EXPECT_THAT(open_ids(partition_, 30), ElementsAre(1));
}

TEST_F(LmdbPartitionTest, ATransactionOpenedBetweenTwoCheckpointsIsClosedInTheLater) {
  // Retention with a lagging high watermark rolls one forward (checkpoint_between): the transaction
  // began behind 10, ended below 30, and is open at 20.
  save_at(10, {{kP1, kOne}});
  save_at(30, {{kP1, kThree}, {kP2, kThree}});
  save_at(20,
          {{kP1, make_entry({.sequence = 2, .open = 15})},
           {kP2, make_entry({.sequence = 2, .open = 16})}},
          10);
  EXPECT_THAT(open_ids(partition_, 20), ElementsAre(1, 2));
  EXPECT_EQ(find(1, 30), kThree);
  EXPECT_THAT(partition_.open_transactions(Offset(30)), Succeeds());
}

TEST_F(LmdbPartitionTest, AProducerForgottenByTheLaterStaysForgottenWhenTheEarlierNamesIt) {
  // It wrote behind 10, expired, and was saved as forgotten at 30; a checkpoint that is rolled
  // forward to 20 by replay knows it again.
  save_at(10, {{kP1, kOne}});
  save_at(30, {{kP2, std::nullopt}});
  save_at(20, {{kP2, kTwo}}, 10);
  EXPECT_EQ(find(2, 20), kTwo);
  EXPECT_EQ(find(2, 30), std::nullopt);
  EXPECT_EQ(visited(partition_, Offset(30)), (Producers{{kP1, kOne}}));
  EXPECT_EQ(count_at(partition_, 30), 1);
}

// ---- dropping

TEST_F(LmdbPartitionTest, CheckpointsAboveAnOffsetAreDroppedWithTheirRows) {
  save_at(10, {{kP1, kOne}});
  const std::int64_t before = rows();
  save_at(20, {{kP1, make_entry({.open = 15})}, {kP2, kTwo}});
  save_at(30, {{kP1, std::nullopt}, {kP3, kThree}});
  ASSERT_THAT(partition_.drop_above(Offset(10)), Succeeds());
  EXPECT_THAT(offsets_of(partition_), ElementsAre(10));
  EXPECT_EQ(value_of(partition_.find(kP1, kAny)), kOne);
  EXPECT_EQ(visited(partition_, kAny), (Producers{{kP1, kOne}}));
  EXPECT_THAT(value_of(partition_.open_transactions(kAny)), IsEmpty());
  EXPECT_EQ(rows(), before);
  save_at(20, {{kP2, kOne}});
  EXPECT_EQ(count_at(partition_, 20), 2);
}

TEST_F(LmdbPartitionTest, DroppingAboveKeepsWhatLiesAtTheOffset) {
  save_at(10, {{kP1, kOne}});
  save_at(20, {{kP1, kTwo}});
  ASSERT_THAT(partition_.drop_above(Offset(20)), Succeeds());
  EXPECT_THAT(offsets_of(partition_), ElementsAre(20, 10));
  ASSERT_THAT(partition_.drop_above(Offset(19)), Succeeds());
  EXPECT_THAT(offsets_of(partition_), ElementsAre(10));
  ASSERT_THAT(partition_.drop_above(kNoOffset), Succeeds());
  EXPECT_THAT(offsets_of(partition_), IsEmpty());
  EXPECT_EQ(rows(), 0);
  EXPECT_THAT(partition_.drop_above(kNoOffset), Succeeds()) << "nothing to do";
}

TEST_F(LmdbPartitionTest, WhenAllCheckpointsAreDroppedNoRowIsLeft) {
  save_at(10, {{kP1, make_entry({.open = 3})}, {kP2, kOne}}, 10);
  save_at(50, {{kP2, kTwo}}, 50);
  ASSERT_THAT(offsets_of(partition_), ElementsAre(50));
  ASSERT_THAT(partition_.drop_above(Offset(20)), Succeeds());
  EXPECT_THAT(offsets_of(partition_), IsEmpty());
  EXPECT_THAT(visited(partition_, kAny), IsEmpty());
  EXPECT_EQ(rows(), 0);
  // The log has been replayed from its first batch, which lies above 10: only P3 is known.
  save_at(30, {{kP3, kThree}}, 30);
  EXPECT_EQ(visited(partition_, Offset(30)), (Producers{{kP3, kThree}}));
  EXPECT_THAT(open_ids(partition_, 30), IsEmpty()) << "a transaction that nobody ends";
  EXPECT_EQ(count_at(partition_, 30), 1);
}

TEST_F(LmdbPartitionTest, ANoteIsKeptWithItsCheckpoint) {
  save_at(10, {{kP1, kOne}});
  save_at(20, {});
  ASSERT_THAT(partition_.note_first_base(Offset(10), Offset(7)), Succeeds());
  const auto list = value_of(partition_.list());
  EXPECT_EQ(list.at(0).noted_first_base, std::nullopt);
  EXPECT_EQ(list.at(1).noted_first_base, Offset(7));
  EXPECT_EQ(list.at(1).anchor, (Anchor{Offset(9), LeaderEpoch(0), 10}));
  EXPECT_EQ(list.at(1).producer_count, 1);
  ASSERT_THAT(partition_.note_first_base(Offset(10), Offset(8)), Succeeds());
  EXPECT_EQ(value_of(partition_.list()).at(1).noted_first_base, Offset(8));
  EXPECT_THAT(partition_.note_first_base(Offset(15), Offset(8)),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(LmdbPartitionTest, ASecondAnchorIsKeptBesideTheFirst) {
  save_at(10, {{kP1, kOne}});
  const Anchor present{Offset(8), LeaderEpoch(1), 11};
  ASSERT_THAT(partition_.permit_anchor(Offset(10), present, kNoBatchLeft), Succeeds());
  const CheckpointInfo info = value_of(partition_.list()).at(0);
  EXPECT_EQ(info.anchor, present);
  EXPECT_EQ(info.rebuilt_anchor, kNoBatchLeft);
  EXPECT_EQ(info.lowest_anchor(), std::nullopt);
  EXPECT_EQ(info.producer_count, 1);
  save_at(10, {});
  EXPECT_EQ(value_of(partition_.list()).at(0).rebuilt_anchor, std::nullopt) << "made anew";
  EXPECT_THAT(partition_.permit_anchor(Offset(15), present, present),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(LmdbPartitionTest, DroppingBelowLeavesWhatTheOldestThatIsKeptKnows) {
  save_at(10, {{kP1, kOne}}, 10);
  save_at(20, {{kP2, kTwo}}, 10);
  save_at(30, {}, 10);
  ASSERT_THAT(partition_.drop_below(Offset(20)), Succeeds());
  EXPECT_THAT(offsets_of(partition_), ElementsAre(30, 20));
  EXPECT_EQ(visited(partition_, Offset(20)), (Producers{{kP1, kOne}, {kP2, kTwo}}));
  ASSERT_THAT(partition_.drop_below(Offset(20)), Succeeds());
  save_at(40, {{kP1, std::nullopt}}, 40);
  EXPECT_EQ(visited(partition_, Offset(40)), (Producers{{kP2, kTwo}}));
}

TEST_F(LmdbPartitionTest, ForgettingAllBeginsANewLifeAndLeavesNoRows) {
  save_at(10, {{kP1, make_entry({.open = 3})}, {kP2, kTwo}});
  save_at(20, {{kP1, std::nullopt}});
  ASSERT_THAT(partition_.forget_all(), Succeeds());
  EXPECT_EQ(rows(), 0);
  EXPECT_THAT(offsets_of(partition_), IsEmpty());
  EXPECT_EQ(value_of(partition_.find(kP2, kAny)), std::nullopt);
  save_at(5, {{kP2, kOne}});
  EXPECT_EQ(visited(partition_, kAny), (Producers{{kP2, kOne}}));
  ASSERT_THAT(partition_.forget_all(), Succeeds());
  EXPECT_EQ(rows(), 0);
}

// ---- a row that is wrong

TEST_F(LmdbPartitionTest, ARowWithoutItsHashIsAnErrorOfTheReaderThatMeetsIt) {
  save_at(10, {{kP1, kOne}, {kP2, kTwo}});
  // The life is the first that the store row gave.
  const Row key = producer_key(Incarnation(1), kP1, Offset(10));
  ASSERT_THAT(environment_->write([&](LmdbTransaction& transaction) -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto value, transaction.get(key));
    Row wrong(value->begin(), value->end());
    wrong.at(3) ^= std::byte{1};
    return transaction.put(key, wrong);
  }),
              Succeeds());
  const auto read = partition_.find(kP1, kAny);
  ASSERT_FALSE(read);
  // snapshot_store.h: "A row that does not carry its own hash is KAFKA_STORAGE_ERROR."
  EXPECT_EQ(read.error().code, ErrorCode::KAFKA_STORAGE_ERROR) << read.error().text();
  EXPECT_EQ(find(2, 10), kTwo);
  EXPECT_FALSE(partition_.visit(
      Offset(10), [](ProducerId, const ProducerEntry&) -> Result<void> { return {}; }));
}

// ---- whatever comes: against a map of versions

TEST_F(LmdbPartitionTest, AgreesWithAMapOfVersionsWhateverComes) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SnapshotOracle oracle(partition_, seed);
    for (int step = 0; step < 1000; ++step) {
      oracle.step();
      oracle.compare();
      if (HasFatalFailure() || HasNonfatalFailure()) {
        FAIL() << "seed " << seed << ", step " << step;
      }
    }
    ASSERT_THAT(partition_.forget_all(), Succeeds());
    ASSERT_EQ(rows(), 0) << "seed " << seed;
  }
}

// ---- checkpoints of more than one transaction

/// A partition of which a transaction changes two producers at most.
class LmdbPartsTest : public LmdbPartitionTest {
 protected:
  LmdbPartsTest() { EXPECT_THAT(small_.forget_all(), Succeeds()); }

  [[nodiscard]] static CheckpointInfo info_at(std::int64_t at) {
    CheckpointInfo info;
    info.offset = Offset(at);
    return info;
  }
  /// A save dies in its third part, at a row that is wrong.
  void fail_to_save(std::int64_t at, const Changes& changes) {
    const auto wrong = std::next(changes.begin(), 4);
    // The life is the second that the store row gave.
    const Row key = producer_key(Incarnation(2), wrong->first, Offset(1));
    ASSERT_THAT(environment_->write([&](LmdbTransaction& transaction) -> Result<void> {
      return transaction.put(key, Row{});
    }),
                Succeeds());
    ASSERT_FALSE(save(small_, info_at(at), changes, Offset(at)));
    ASSERT_THAT(
        environment_->write([&](LmdbTransaction& transaction) { return transaction.erase(key); }),
        Succeeds());
  }
  static Changes all_with(const ProducerEntry& entry) {
    Changes changes;
    for (int id = 0; id < 7; ++id) changes[ProducerId(id)] = entry;
    return changes;
  }

  LmdbPartition small_{*environment_, {"small", 0}, "its id", Incarnation(0), 2};
  const ProducerEntry open_ = make_entry({.sequence = 9, .timestamp = 90'000'000, .open = 12});
};

TEST_F(LmdbPartsTest, ACheckpointOfManyPartsIsTheSame) {
  const Changes first = all_with(kOne);
  ASSERT_THAT(save(small_, info_at(10), first, Offset(10)), Succeeds());
  ASSERT_THAT(save(small_, info_at(20), all_with(open_), Offset(10)), Succeeds());
  EXPECT_THAT(offsets_of(small_), ElementsAre(20, 10));
  EXPECT_EQ(count_at(small_, 20), 7);
  EXPECT_EQ(visited(small_, Offset(10)).at(ProducerId(6)), kOne);
  EXPECT_EQ(visited(small_, Offset(20)).at(ProducerId(6)), open_);
  EXPECT_THAT(open_ids(small_, 20), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  ASSERT_THAT(save(small_, info_at(30), all_with(kTwo), Offset(30)), Succeeds());
  EXPECT_THAT(offsets_of(small_), ElementsAre(30));
  EXPECT_EQ(visited(small_, kAny).size(), 7u);
  EXPECT_THAT(open_ids(small_, 30), IsEmpty());
}

TEST_F(LmdbPartsTest, WhatAnUnfinishedCheckpointHasWrittenIsOfNone) {
  ASSERT_THAT(save(small_, info_at(10), all_with(kOne), Offset(10)), Succeeds());
  const Producers before = visited(small_, Offset(10));
  const std::int64_t rows_before = rows();
  fail_to_save(20, all_with(open_));
  EXPECT_THAT(offsets_of(small_), ElementsAre(10));
  EXPECT_EQ(visited(small_, Offset(10)), before) << "the one before is whole";
  ASSERT_GT(rows(), rows_before) << "a part was written";

  LmdbPartition opened{*environment_, {"small", 0}, "its id", Incarnation(2), 2};
  ASSERT_THAT(opened.drop_above(Offset(10)), Succeeds()) << "as every open does";
  EXPECT_EQ(rows(), rows_before);
  EXPECT_EQ(visited(opened, kAny), before);
  EXPECT_EQ(count_at(opened, 10), 7);
}

TEST_F(LmdbPartsTest, TheNextCheckpointBeginsWithoutTheUnfinishedOne) {
  ASSERT_THAT(save(small_, info_at(10), all_with(kOne), Offset(10)), Succeeds());
  fail_to_save(20, all_with(open_));
  ASSERT_THAT(save(small_, info_at(30), {{kP1, kTwo}}, Offset(30)), Succeeds());
  Producers expected = visited(small_, Offset(30));
  EXPECT_EQ(expected.at(kP1), kTwo);
  EXPECT_EQ(expected.at(kP2), kOne) << "nothing of the unfinished one";
  EXPECT_THAT(open_ids(small_, 30), IsEmpty());
  EXPECT_EQ(count_at(small_, 30), 7);
}

TEST_F(LmdbPartsTest, ATruncationAboveAnUnfinishedCheckpointDropsItToo) {
  ASSERT_THAT(save(small_, info_at(10), all_with(kOne), Offset(10)), Succeeds());
  const Producers before = visited(small_, Offset(10));
  fail_to_save(20, all_with(open_));
  ASSERT_THAT(small_.drop_above(Offset(25)), Succeeds());
  EXPECT_EQ(visited(small_, kAny), before);
  ASSERT_THAT(small_.drop_above(Offset(15)), Succeeds());
  EXPECT_EQ(visited(small_, kAny), before);
}

TEST_F(LmdbPartsTest, ARowPutBelowAnotherIsCollectedWithIt) {
  ASSERT_THAT(save(small_, info_at(10), {}, Offset(10)), Succeeds());
  ASSERT_THAT(save(small_, info_at(30), {{kP1, kThree}}, Offset(10)), Succeeds());
  ASSERT_THAT(save(small_, info_at(20), {{kP1, kTwo}}, Offset(10)), Succeeds());
  ASSERT_THAT(save(small_, info_at(40), {{kP2, kOne}}, Offset(40)), Succeeds());
  EXPECT_EQ(rows(), 1 + 1 + 2 * 2) << "the partition, a checkpoint, and two producers with hours";
}

TEST_F(LmdbPartsTest, AFirstCheckpointThatWasNotFinishedLeavesNothing) {
  ASSERT_THAT(save(small_, info_at(20), all_with(open_), Offset(20)), Succeeds());
  // As if the last part had not been written.
  ASSERT_THAT(environment_->write([&](LmdbTransaction& transaction) -> Result<void> {
    const Row mark = unfinished_key(Incarnation(2));
    ONCELOG_TRY(transaction.put(mark, encode_bare(mark)));
    return transaction.erase(checkpoint_key(Incarnation(2), Offset(20)));
  }),
              Succeeds());
  ASSERT_GT(rows(), 2);
  ASSERT_THAT(small_.drop_above(Offset(100)), Succeeds());
  EXPECT_THAT(visited(small_, kAny), IsEmpty());
  EXPECT_EQ(rows(), 1) << "the partition's";
}

TEST_F(LmdbPartsTest, TheSameOffsetAgainCountsInEachPart) {
  ASSERT_THAT(save(small_, info_at(10), all_with(kOne), Offset(10)), Succeeds());
  Changes forgotten;
  for (int id = 0; id < 6; ++id) forgotten[ProducerId(id)] = std::nullopt;
  fail_to_save(10, forgotten);
  EXPECT_EQ(count_at(small_, 10), std::ssize(visited(small_, Offset(10))));
  EXPECT_EQ(count_at(small_, 10), 3) << "two parts of two";
  ASSERT_THAT(save(small_, info_at(10), forgotten, Offset(10)), Succeeds());
  EXPECT_EQ(count_at(small_, 10), 1);
  EXPECT_EQ(visited(small_, kAny), (Producers{{ProducerId(6), kOne}}));
}

TEST_F(LmdbPartsTest, AgreesWithAMapOfVersionsWhateverComes) {
  for (std::uint64_t seed = 11; seed <= 14; ++seed) {
    SnapshotOracle oracle(small_, seed);
    for (int step = 0; step < 1000; ++step) {
      oracle.step();
      oracle.compare();
      if (HasFatalFailure() || HasNonfatalFailure()) {
        FAIL() << "seed " << seed << ", step " << step;
      }
    }
    ASSERT_THAT(small_.forget_all(), Succeeds());
    ASSERT_EQ(rows(), 1) << "seed " << seed << ": the partition's";
  }
}

// ---- several partitions

class LmdbSnapshotStoreTest : public testing::Test {
 protected:
  LmdbSnapshotStoreTest() { open(); }
  void open() {
    store_.reset();
    store_ = value_of(LmdbSnapshotStore::open(
        posix_vfs(), {.directory = dir_.path(), .map_bytes = kSmallMap, .close_record = {}}));
  }
  std::unique_ptr<PartitionSnapshots> open_partition(const TopicPartition& name,
                                                     const std::string& topic_id) {
    return value_of(store_->open(name, topic_id));
  }
  static void save_at(PartitionSnapshots& partition, std::int64_t at, const Changes& changes) {
    CheckpointInfo info;
    info.offset = Offset(at);
    ASSERT_THAT(save(partition, info, changes, Offset(at)), Succeeds());
  }
  /// Counted while the store is closed.
  [[nodiscard]] std::int64_t rows() {
    store_.reset();
    const auto environment =
        value_of(LmdbEnvironment::open(dir_.file(std::string(kStateFile)), kSmallMap));
    return environment->row_count();
  }

  const TopicPartition t0_{"t", 0};
  const TopicPartition t1_{"t", 1};
  test::TempDir dir_{test::memory_directory()};
  std::unique_ptr<LmdbSnapshotStore> store_;
};

TEST_F(LmdbSnapshotStoreTest, PartitionsDoNotSeeEachOther) {
  const auto a = open_partition(t0_, "a");
  const auto b = open_partition(t1_, "b");
  save_at(*a, 10, {{kP1, make_entry({.open = 4})}, {kP2, kOne}});
  EXPECT_THAT(value_of(b->list()), IsEmpty());
  EXPECT_THAT(visited(*b, kAny), IsEmpty());
  EXPECT_THAT(open_ids(*b, 10), IsEmpty());
  EXPECT_THAT(older_ids(*b, 10, 5000), IsEmpty());
  save_at(*b, 10, {{kP1, kThree}});
  ASSERT_THAT(b->drop_above(Offset(0)), Succeeds());
  ASSERT_THAT(b->forget_all(), Succeeds());
  EXPECT_THAT(offsets_of(*a), ElementsAre(10));
  EXPECT_EQ(visited(*a, kAny).size(), 2u);
}

TEST_F(LmdbSnapshotStoreTest, CheckpointsAreThereAfterAReopen) {
  auto a = open_partition(t0_, "a");
  save_at(*a, 10, {{kP1, kOne}});
  a.reset();
  open();
  EXPECT_THAT(store_->warnings(), IsEmpty());
  a = open_partition(t0_, "a");
  EXPECT_THAT(offsets_of(*a), ElementsAre(10));
  EXPECT_EQ(value_of(a->find(kP1, kAny)), kOne);
}

TEST_F(LmdbSnapshotStoreTest, AnotherTopicIdIsAnotherLife) {
  auto a = open_partition(t0_, "a");
  save_at(*a, 10, {{kP1, kOne}, {kP2, kTwo}});
  a.reset();
  a = open_partition(t0_, "b");
  EXPECT_THAT(value_of(a->list()), IsEmpty());
  EXPECT_THAT(visited(*a, kAny), IsEmpty());
  a.reset();
  a = open_partition(t0_, "a");
  EXPECT_THAT(value_of(a->list()), IsEmpty()) << "the old life does not come back";
  a.reset();
  EXPECT_EQ(rows(), 2) << "the store's and the partition's";
}

TEST_F(LmdbSnapshotStoreTest, ATopicIdThatCannotBeReadSaysNothing) {
  auto a = open_partition(t0_, "a");
  save_at(*a, 10, {{kP1, kOne}});
  a.reset();
  a = open_partition(t0_, "");
  EXPECT_THAT(offsets_of(*a), ElementsAre(10));
  a.reset();
  a = open_partition(t0_, "a");
  EXPECT_THAT(offsets_of(*a), ElementsAre(10));
}

TEST_F(LmdbSnapshotStoreTest, ADroppedPartitionLeavesNoRowsAndTheOthersTheirs) {
  auto a = open_partition(t0_, "a");
  auto b = open_partition(t1_, "b");
  save_at(*a, 10, {{kP1, make_entry({.open = 4})}, {kP2, kOne}});
  save_at(*b, 20, {{kP1, kTwo}});
  a.reset();
  ASSERT_THAT(store_->drop(t0_), Succeeds());
  EXPECT_EQ(value_of(b->find(kP1, kAny)), kTwo);
  EXPECT_THAT(store_->drop({"unknown", 7}), Succeeds());
  EXPECT_THAT(store_->drop(t0_), Succeeds()) << "again";
  b.reset();
  EXPECT_EQ(rows(), 1 + 1 + 1 + 2);
  open();
  a = open_partition(t0_, "a");
  EXPECT_THAT(value_of(a->list()), IsEmpty()) << "the same topic id, but dropped";
}

TEST_F(LmdbSnapshotStoreTest, AnAbandonedHandleDoesNotWriteIntoTheNextLife) {
  const auto old = open_partition(t0_, "a");
  save_at(*old, 10, {{kP1, kOne}});
  ASSERT_THAT(store_->drop(t0_), Succeeds());
  const auto next = open_partition(t0_, "b");
  CheckpointInfo late;
  late.offset = Offset(20);
  std::ignore = save(*old, late, {{kP1, kTwo}}, Offset(0));
  EXPECT_THAT(value_of(next->list()), IsEmpty());
  EXPECT_THAT(visited(*next, kAny), IsEmpty());
}

TEST_F(LmdbSnapshotStoreTest, LivesAreNeverUsedTwiceAlsoWhenTheFileIsLost) {
  // Two stores begin far from each other: a `.state` that is lost, or another store's.
  auto a = open_partition(t0_, "a");
  save_at(*a, 10, {{kP1, kOne}});
  a.reset();
  const auto next_life = [&] {
    store_.reset();
    const auto environment =
        value_of(LmdbEnvironment::open(dir_.file(std::string(kStateFile)), kSmallMap));
    StoreRow row;
    EXPECT_THAT(environment->read([&](LmdbTransaction& transaction) -> Result<void> {
      ONCELOG_TRY_ASSIGN(const auto value, transaction.get(store_key()));
      ONCELOG_TRY_ASSIGN(row, decode_store(store_key(), *value));
      return {};
    }),
                Succeeds());
    return row.next_life.value();
  };
  const std::uint64_t first = next_life();
  std::filesystem::remove(dir_.file(std::string(kStateFile)));
  open();
  const std::uint64_t second = next_life();
  EXPECT_GT(first > second ? first - second : second - first, 1000u);
}

TEST_F(LmdbSnapshotStoreTest, ManyPartitionsComeAndGoInASmallFile) {
  for (int round = 0; round < 30; ++round) {
    auto a = open_partition(t0_, std::to_string(round));
    Changes changes;
    for (int id = 0; id < 500; ++id) changes[ProducerId(id)] = kOne;
    save_at(*a, 10, changes);
  }
  EXPECT_LT(std::filesystem::file_size(dir_.file(std::string(kStateFile))), 4u << 20);
  EXPECT_EQ(rows(), 1 + 1 + 1 + 2 * 500);
}

}  // namespace
}  // namespace oncelog::snapshot
