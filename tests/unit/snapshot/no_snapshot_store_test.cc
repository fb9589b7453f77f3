#include "snapshot/no_snapshot_store.h"

#include <gtest/gtest.h>

#include "support/matchers.h"

namespace oncelog::snapshot {
namespace {

TEST(NoSnapshotStore, ForgetsWhatItIsGiven) {
  NoSnapshotStore store;
  const TopicPartition name{"t", 0};
  EXPECT_FALSE(test::value_of(store.load(name)));
  EXPECT_THAT(store.save(name, {Offset(10), {{ProducerId(1), {}}}}), test::Succeeds());
  EXPECT_FALSE(test::value_of(store.load(name)));
}

}  // namespace
}  // namespace oncelog::snapshot
