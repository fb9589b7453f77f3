// compaction_fixture.h: a compacted partition of level `written` whose watermark is at its end.
#pragma once

#include "support/keyed_batches.h"
#include "support/log_fixture.h"

namespace oncelog::test {

class CompactionFixture : public LogFixture {
 protected:
  CompactionFixture() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.cleanup_compact = true;
    options_.config.cleanup_delete = false;
    options_.config.min_cleanable_dirty_ratio = 0;
    options_.config.delete_retention_ms = 100;
  }

  Appended put(const std::vector<Keyed>& records, const BatchSpec& spec = {}) {
    return value_of(log_->append_as_leader(make_keyed(records, spec)));
  }
  /// One record by a producer, in a transaction or not.
  Appended put_by(std::int64_t id, std::int32_t sequence, const std::string& key,
                  bool is_transactional = false) {
    return put({{key, std::to_string(sequence)}}, {.is_transactional = is_transactional,
                                                   .producer_id = id,
                                                   .producer_epoch = 0,
                                                   .sequence = sequence});
  }
  /// One segment of its own for these records.
  void put_segment(const std::vector<Keyed>& records, const BatchSpec& spec = {}) {
    put(records, spec);
    roll();
  }
  void roll() { ASSERT_THAT(log_->roll(), Succeeds()); }
  CompactionReport compact(const CompactionOptions& options = {}) {
    const CompactionReport report = value_of(log_->compact(options));
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
    return report;
  }
  [[nodiscard]] std::vector<std::string> records() const { return stored_records(*log_); }
  [[nodiscard]] std::vector<std::int64_t> bases() const {
    std::vector<std::int64_t> bases;
    for (const Offset base : log_->segments()) bases.push_back(base.value());
    return bases;
  }
  /// The same answers, and nothing found wrong, after a clean close and after a crash.
  void expect_same_after_opens() {
    ASSERT_THAT(log_->flush(), Succeeds());
    const std::string before = answers();
    close_and_open();
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(report().warnings, testing::IsEmpty());
    EXPECT_THAT(report().files_rebuilt, testing::IsEmpty());
    crash_and_open();
    EXPECT_EQ(answers(), before);
    EXPECT_THAT(report().warnings, testing::IsEmpty());
    EXPECT_THAT(report().files_rebuilt, testing::IsEmpty());
    EXPECT_THAT(log_->check_invariants(), testing::IsEmpty());
  }
};

}  // namespace oncelog::test
