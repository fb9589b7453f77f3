// The configuration of a partition changes while it is open, or closed.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::IoCall;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

class AlterConfigTest : public test::LogFixture {
 protected:
  AlterConfigTest() { options_.level = Level::kWritten; }
  void alter(const std::vector<ConfigChange>& changes) {
    ASSERT_THAT(store_->alter_config(name_, changes), Succeeds());
  }
  [[nodiscard]] std::string kept(const std::string& name) const {
    const KeptOptions options = value_of(store_->kept_options(name_));
    const auto found = options.overrides.find(name);
    return found == options.overrides.end() ? "" : found->second;
  }
  void open_kept() {
    crash();
    store_ = value_of(Store::open(store_path(), store_options_));
    log_ = value_of(store_->open_partition(name_));
  }
  [[nodiscard]] std::size_t segments() const { return log_->segments().size(); }
  const std::int64_t size_ = std::ssize(make_batch());
};

TEST_F(AlterConfigTest, ASegmentRollsByTheNewSizeAtTheNextAppend) {
  open();
  for (int i = 0; i < 3; ++i) append();
  alter({{"segment.bytes", std::to_string(2 * size_)}});
  append();
  EXPECT_THAT(log_->segments(), ElementsAre(Offset(0), Offset(3)));
  append();
  append();
  EXPECT_EQ(segments(), 3u);
  alter({{"segment.bytes", {}}});
  for (int i = 0; i < 5; ++i) append();
  EXPECT_EQ(segments(), 3u) << "the default again";
}

TEST_F(AlterConfigTest, ASegmentRollsByItsNewAge) {
  open();
  append({.timestamp = 1000});
  alter({{"segment.ms", "50"}});
  append({.timestamp = 1050});
  EXPECT_EQ(segments(), 1u);
  append({.timestamp = 1051});
  EXPECT_EQ(segments(), 2u);
}

TEST_F(AlterConfigTest, EveryVerbGoesByTheNewEntries) {
  options_.config.retention_ms = -1;
  open();
  append();
  ASSERT_THAT(log_->roll(), Succeeds());
  append();
  EXPECT_THAT(value_of(log_->apply_retention()), IsEmpty());
  alter({{"retention.ms", "10"}, {"max.message.bytes", std::to_string(size_ - 1)}});
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 2u);
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::MESSAGE_TOO_LARGE));
  alter({{"max.message.bytes", "100000"}, {"cleanup.policy", "compact"}});
  append();
  EXPECT_THAT(log_->delete_records(Offset(-1)), FailsWith(ErrorCode::POLICY_VIOLATION));
}

TEST_F(AlterConfigTest, WhatWasAlteredOutlivesACrashAndAReopen) {
  open();
  alter({{"segment.bytes", std::to_string(size_)}, {"retention.ms", "77"}});
  open_kept();
  EXPECT_EQ(kept("retention.ms"), "77");
  append();
  append();
  EXPECT_EQ(segments(), 2u);
  log_ = value_of(store_->reopen_partition(name_));
  append();
  EXPECT_EQ(segments(), 3u);
  EXPECT_EQ(value_of(store_->kept_options(name_)).level, Level::kWritten);
}

TEST_F(AlterConfigTest, ARefusalChangesNothing) {
  open();
  const auto before = test::directory_content(store_path());
  const auto refused = [&](const std::vector<ConfigChange>& changes, const char* why) {
    EXPECT_THAT(store_->alter_config(name_, changes), FailsWith(ErrorCode::INVALID_CONFIG, why));
  };
  refused({{"segment.bytes", "200"}, {"colour", "red"}}, "colour");
  refused({{"segment.bytes", "200"}, {"retention.ms", "-2"}}, "retention.ms");
  refused({{"min.compaction.lag.ms", "9"}, {"max.compaction.lag.ms", "8"}}, "min.compaction.lag");
  refused({{"flush.ms", "1"}, {"flush.ms", {}}}, "twice");
  EXPECT_EQ(test::directory_content(store_path()), before);
  for (int i = 0; i < 4; ++i) append();
  EXPECT_EQ(segments(), 1u);
}

TEST_F(AlterConfigTest, OptionsThatContradictTheNewEntriesAreARefusal) {
  options_.high_watermark = HighWatermarkPolicy::kDurable;
  options_.config.flush_ms = 10;
  open();
  EXPECT_THAT(store_->alter_config(name_, {{"flush.ms", {}}}),
              FailsWith(ErrorCode::INVALID_CONFIG, "flush.ms"));
  EXPECT_EQ(kept("flush.ms"), "10");
  alter({{"flush.ms", {}}, {"flush.messages", "5"}});
}

TEST_F(AlterConfigTest, AWriteThatFailsLeavesTheOldEntriesInForce) {
  open();
  alter({{"retention.ms", "1"}});
  vfs_.plan().add({.call = IoCall::kWrite, .path_part = ".options", .os_errno = ENOSPC});
  EXPECT_THAT(store_->alter_config(name_, {{"segment.bytes", "200"}}),
              FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(kept("segment.bytes"), "");
  for (int i = 0; i < 4; ++i) append();
  EXPECT_EQ(segments(), 1u);
  open_kept();
  EXPECT_EQ(kept("retention.ms"), "1");
  EXPECT_EQ(kept("segment.bytes"), "");
}

TEST_F(AlterConfigTest, APartitionThatIsNotOpenIsAlteredForItsNextOpen) {
  open();
  append();
  ASSERT_THAT(store_->close_partition(name_), Succeeds());
  alter({{"segment.bytes", std::to_string(size_)}});
  log_ = value_of(store_->open_partition(name_));
  EXPECT_TRUE(report().was_clean) << "it is no change of the log";
  append();
  EXPECT_EQ(segments(), 2u);
}

TEST_F(AlterConfigTest, WithoutThePartitionOrTheStoreThereIsNothingToAlter) {
  open();
  EXPECT_THAT(store_->alter_config({"u", 0}, {{"flush.ms", "1"}}),
              FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
  EXPECT_THAT(store_->alter_config({"../u", 0}, {{"flush.ms", "1"}}),
              FailsWith(ErrorCode::INVALID_TOPIC_EXCEPTION));
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_THAT(store_->alter_config(name_, {{"flush.ms", "1"}}), FailsWith(ErrorCode::MISUSE));
}

TEST_F(AlterConfigTest, AppendsReadsAndPlansGoOnMeanwhile) {
  open();
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (int id = 1; id <= 2; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < 300; ++i) append({.producer_id = id, .producer_epoch = 0, .sequence = i});
    });
  }
  threads.emplace_back([&] {
    while (!is_over.load()) std::ignore = store_->plan();
  });
  for (int i = 0; i < 40; ++i) {
    alter({{"segment.bytes", std::to_string(size_ * (1 + i % 7))},
           {"flush.messages", std::to_string(1 + i % 3)}});
  }
  threads[0].join();
  threads[1].join();
  is_over.store(true);
  threads[2].join();
  EXPECT_EQ(log_->ends().log_end, Offset(600));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  close_and_open();
  EXPECT_EQ(log_->ends().log_end, Offset(600));
}

}  // namespace
}  // namespace oncelog
