#include "snapshot/no_snapshot_store.h"

#include <gtest/gtest.h>

#include "support/matchers.h"

namespace oncelog::snapshot {
namespace {

TEST(NoSnapshotStore, KeepsNothingOfAnyPartition) {
  NoSnapshotStore store;
  EXPECT_EQ(test::value_of(store.open({"t", 0}, "id")), nullptr);
  EXPECT_THAT(store.drop({"t", 0}), test::Succeeds());
}

}  // namespace
}  // namespace oncelog::snapshot
