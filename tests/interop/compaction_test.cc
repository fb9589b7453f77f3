// compaction_test.cc: Kafka's cleaner and our compaction on copies of one directory: the same bytes
// in the `.log` and in the transaction index, and the same begin of the next round. Compressed, the
// same batches and records: how a codec's library packs them is its own.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "interop/judge.h"
#include "interop/log_report.h"
#include "oncelog/clock.h"
#include "oncelog/store.h"
#include "record/compression.h"
#include "support/keyed_batches.h"
#include "support/temp_dir.h"

namespace oncelog::interop {
namespace {

using test::Keyed;

/// Where the judge's clock stands.
constexpr std::int64_t kJudgedAt = 1'700'000'000'000;

/// Of each batch the header, then the records.
std::vector<std::string> content_of(const std::string& log) {
  std::vector<std::string> content;
  BatchCursor cursor(as_bytes(log));
  while (const auto batch = value_of(cursor.next())) {
    Json header = json_batch(*batch);
    header["max_timestamp"] = batch->max_timestamp().value();
    content.push_back(header.dump());
    for (std::string& record : test::records_of(*batch)) content.push_back(std::move(record));
  }
  return content;
}

class Compacted : public testing::TestWithParam<Codec> {
 protected:
  void SetUp() override {
    if (is_jvm_off()) GTEST_SKIP() << "ONCELOG_JVM=off";
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.cleanup_compact = true;
    options_.config.cleanup_delete = false;
    options_.config.min_cleanable_dirty_ratio = 0;
    options_.config.delete_retention_ms = 100;
    store_options_.clock = &clock_;
  }

  void open() {
    store_ = value_of(Store::open(path(), store_options_));
    log_ = value_of(store_->open_partition({"t", 0}, options_));
  }
  void close() {
    value_of(store_->close());
    log_.reset();
    store_.reset();
  }
  void put(std::int64_t id, bool is_transactional, const std::vector<Keyed>& records) {
    auto& sequence = sequences_[id];
    value_of(log_->append_as_leader(test::make_keyed(records, {.codec = GetParam(),
                                                               .is_transactional = is_transactional,
                                                               .producer_id = id,
                                                               .producer_epoch = 0,
                                                               .sequence = sequence})));
    sequence += static_cast<std::int32_t>(records.size());
  }
  void end(std::int64_t id, MarkerType type) {
    value_of(log_->append_marker({.type = type,
                                  .producer_id = ProducerId(id),
                                  .producer_epoch = ProducerEpoch(0),
                                  .timestamp = clock_.now()}));
  }
  /// Plain and transactional batches in two segments.
  void write_some(const std::string& value) {
    put(1, false, {{"a", value, now()}, {"b", value, now()}});
    put(2, true, {{"b", "aborted", now()}, {"c", "aborted", now()}});
    put(3, true, {{"c", value, now()}, {"d", value, now()}});
    put(1, false, {{"a", value + "'", now()}, {"e", std::nullopt, now()}, {"f", value, now()}});
    end(2, MarkerType::kAbort);
    value_of(log_->roll());
    put(4, false, {{"e", value, now()}, {"b", value + "'", now()}});
    end(3, MarkerType::kCommit);
    put(1, false, {{"d", std::nullopt, now()}, {value, value, now()}});
    put(2, true, {{"a", "aborted", now()}});
    end(2, MarkerType::kAbort);
    value_of(log_->roll());
  }
  /// Kafka compacts a copy, we the original.
  void compact_both_and_compare() {
    close();
    const std::string copy = dir_.file("copy");
    copy_tree(path(), copy);
    const Judgement judgement = ask_kafka("compact", copy, "t-0");
    if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
    ASSERT_EQ(judgement.exit_status, 0) << judgement.errors;
    clock_.set(Timestamp(kJudgedAt));
    open();
    ASSERT_TRUE(value_of(log_->compact()).was_due);
    close();
    const auto ours = [this](const std::string& file) { return read_text(path() + "/" + file); };
    const auto theirs = [&](const std::string& file) { return read_text(copy + "/" + file); };
    for (const std::string& file : {std::string("t-0/00000000000000000000.txnindex"),
                                    std::string("cleaner-offset-checkpoint")}) {
      EXPECT_EQ(test::to_hex(as_bytes(ours(file))), test::to_hex(as_bytes(theirs(file)))) << file;
    }
    const std::string log = "t-0/00000000000000000000.log";
    EXPECT_EQ(content_of(ours(log)), content_of(theirs(log)));
    EXPECT_FALSE(ours(log).empty());
    if (GetParam() == Codec::kNone) {
      EXPECT_EQ(test::to_hex(as_bytes(ours(log))), test::to_hex(as_bytes(theirs(log))));
    }
  }

  [[nodiscard]] std::string path() const { return dir_.file("store"); }
  [[nodiscard]] std::int64_t now() const { return clock_.now().value(); }

  test::TempDir dir_;
  ManualClock clock_{Timestamp(kJudgedAt - 1000)};
  StoreOptions store_options_{};
  PartitionOptions options_{};
  std::map<std::int64_t, std::int32_t> sequences_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

TEST_P(Compacted, AFirstRoundLeavesWhatKafkasDoes) {
  open();
  write_some("1");
  compact_both_and_compare();
}

TEST_P(Compacted, ALaterRoundBehindTheHorizonsLeavesWhatKafkasDoes) {
  open();
  write_some("1");
  value_of(log_->compact());
  write_some("2");
  compact_both_and_compare();
}

INSTANTIATE_TEST_SUITE_P(Codecs, Compacted,
                         testing::Values(Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4,
                                         Codec::kZstd),
                         [](const auto& test) {
                           return std::string(record::codec_name(test.param));
                         });

}  // namespace
}  // namespace oncelog::interop
