#include "log/check_invariants.h"

#include <gmock/gmock.h>

#include "snapshot/no_snapshot_store.h"
#include "store/checkpoint_files.h"
#include "support/log_fixture.h"

namespace oncelog::log {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

/// A log opened without a store, so that its state can be broken.
class CheckInvariantsTest : public testing::Test {
 protected:
  CheckInvariantsTest() {
    OpenRequest request;
    request.name = {"t", 0};
    request.directory = dir_.file("t-0");
    request.options.config.index_interval_bytes = 0;
    auto opened = test::value_of(open_log(
        request, {posix_vfs(), system_clock(), checkpoints_, snapshots_, {}, store_options_}));
    state_ = opened.get();
    log_ = std::make_unique<PartitionLog>(std::move(opened));
    for (int i = 0; i < 3; ++i) test::value_of(log_->append_as_leader(test::make_batch()));
  }
  [[nodiscard]] std::vector<std::string> broken() const { return check_invariants(*state_); }

  test::TempDir dir_;
  store::CheckpointFiles checkpoints_{posix_vfs(), dir_.path()};
  snapshot::NoSnapshotStore snapshots_;
  StoreOptions store_options_{};
  LogState* state_ = nullptr;
  std::unique_ptr<PartitionLog> log_;
};

TEST_F(CheckInvariantsTest, AHealthyLogHasNothingBroken) { EXPECT_THAT(broken(), IsEmpty()); }

TEST_F(CheckInvariantsTest, EndsThatWereNotPublishedAreFound) {
  state_->offsets.set_high_watermark(Offset(1));
  EXPECT_THAT(broken(), Contains(HasSubstr("published ends")));
}

TEST_F(CheckInvariantsTest, ALogEndWithoutABatchIsFound) {
  state_->offsets.advance_log_end(Offset(9));
  EXPECT_THAT(broken(), Contains(HasSubstr("log end")));
}

TEST_F(CheckInvariantsTest, DurableEndAndRecoveryPointInTheWrongOrderAreFound) {
  state_->durable_end.store(9);
  EXPECT_THAT(broken(), Contains(HasSubstr("durable end above the log end")));
  state_->durable_end.store(3);
  state_->recovery_point.store(4);
  EXPECT_THAT(broken(), Contains(HasSubstr("recovery point above")));
}

TEST_F(CheckInvariantsTest, AWrongLsoIsFound) {
  state_->offsets.set_first_unstable(Offset(1));
  EXPECT_THAT(broken(), Contains(HasSubstr("LSO")));
}

TEST_F(CheckInvariantsTest, EpochsThatWereNotPublishedAreFound) {
  state_->epochs.assign(LeaderEpoch(9), Offset(3));
  EXPECT_THAT(broken(), Contains(HasSubstr("published epochs")));
}

TEST_F(CheckInvariantsTest, ADamagedLogFileIsFound) {
  test::flip_byte(state_->active()->log_path(), 16);
  EXPECT_THAT(broken(), Contains(HasSubstr("no batch at position 0")));
}

TEST_F(CheckInvariantsTest, OffsetsThatGoBackAreFound) {
  test::flip_byte(state_->active()->log_path(), 0);
  EXPECT_THAT(broken(), Contains(HasSubstr("offsets go back")));
}

}  // namespace
}  // namespace oncelog::log
