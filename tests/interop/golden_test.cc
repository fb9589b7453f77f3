// golden_test.cc: directories written by Apache Kafka, opened here: every answer is the one that
// Kafka gave when it opened them (golden/README.md), and Kafka takes them back.
//
// What an owner of the directory learns from Kafka's `.snapshot` files, a reader of the batches
// alone cannot know; KafkaRebuildsTheSame shows that Kafka, without its snapshots, says the same:
//
//   golden     what                             why the batches do not tell
//   log_start  producer 6001 is unknown         its one batch went with a deleted segment
//   log_start  the transaction of 6003 that     31 went, too; 43 is its first batch that is left,
//              begins at 31 begins at 43        and consumers get the same records
//   compacted  producer 4006 has epoch -1,      its one batch is a marker that compaction emptied
//              coordinator epoch -1, time -1    (semantics 6.10); Kafka drops it with its next look
//                                               at the clock
#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <vector>

#include "interop/judge.h"
#include "interop/log_report.h"
#include "interop/stored_partition.h"
#include "support/temp_dir.h"

namespace oncelog::interop {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A golden directory and the topic configuration it was made with.
struct Golden {
  std::string name{};
  std::int32_t segment_bytes = 1024;
  bool is_compacted = false;
  /// JSON patch that takes from expected.json what only Kafka's snapshots know.
  std::string snapshots_only = "[]";

  friend void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }
};

const std::vector<Golden> kWholeGoldens{
    {"codecs", 2048}, {"idempotent"}, {"transactions"}, {"epochs", 512}, {"unclean"}};

const std::vector<Golden> kGoldensWithLosses{{"compacted", 1024, true, R"([
       {"op": "test", "path": "/producers/5/pid", "value": 4006},
       {"op": "replace", "path": "/producers/5/epoch", "value": -1},
       {"op": "replace", "path": "/producers/5/coordinator_epoch", "value": -1},
       {"op": "replace", "path": "/producers/5/timestamp", "value": -1}])"},
                                             {"log_start", 1024, false, R"([
       {"op": "test", "path": "/producers/0/pid", "value": 6001},
       {"op": "remove", "path": "/producers/0"},
       {"op": "test", "path": "/aborted", "value": [{"pid": 6003, "first": 31}]},
       {"op": "replace", "path": "/aborted/0/first", "value": 43},
       {"op": "replace", "path": "/aborted_index/0/first", "value": 43}])"}};

/// An entry of which an emptied marker is all that is left: Kafka drops it when it loads a
/// snapshot.
Json without_empty_producers(Json report) {
  Json& producers = report.at("producers");
  std::erase_if(producers.get_ref<Json::array_t&>(), [](const Json& producer) {
    return producer.at("epoch") == kNoProducerEpoch.value();
  });
  return report;
}

class GoldenTest : public testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    const std::string golden = std::string(ONCELOG_GOLDEN_DIR) + "/" + GetParam().name;
    copy_tree(golden + "/data", partition_.directory());
    const Json patch = Json::parse(GetParam().snapshots_only);
    expected_ = read_json(golden + "/expected.json");
    expected_of_batches_ = expected_.patch(patch);
  }

  StoredPartition& partition() { return partition_; }
  [[nodiscard]] const Json& expected() const { return expected_; }
  /// Without what only snapshots know.
  [[nodiscard]] const Json& expected_of_batches() const { return expected_of_batches_; }
  [[nodiscard]] bool ended_cleanly() const { return expected_.at("clean").get<bool>(); }

 private:
  static TopicConfig config() {
    TopicConfig config;
    config.segment_bytes = GetParam().segment_bytes;
    config.segment_index_bytes = 4096;
    config.index_interval_bytes = 128;
    config.cleanup_compact = GetParam().is_compacted;
    config.cleanup_delete = !GetParam().is_compacted;
    return config;
  }

  test::TempDir dir_;
  Json expected_;
  Json expected_of_batches_;
  StoredPartition partition_{dir_.file("data"), config()};
};

TEST_P(GoldenTest, OpensAsKafkaOpensIt) {
  const PartitionLog& log = partition().open();
  const Json report = partition().report();
  expect_same(report, expected(), "opened");
  EXPECT_THAT(log.check_invariants(), IsEmpty());
  EXPECT_THAT(problems_in(partition().partition_directory()), IsEmpty());

  partition().close();
  EXPECT_THAT(problems_in(partition().partition_directory()), IsEmpty()) << "closed";
  const PartitionLog& again = partition().open();
  EXPECT_TRUE(again.recovery_report().was_clean);
  EXPECT_THAT(again.recovery_report().files_rebuilt, IsEmpty());
  expect_same(without(partition().report(), {"clean"}), report, "reopened");
}

TEST_P(GoldenTest, IsReadWithoutBeingOwned) {
  const auto reader = value_of(PartitionReader::open(partition().partition_directory()));
  expect_same(report_reads(*reader), expected_of_batches(), "read");
}

TEST_P(GoldenTest, IsScannedBatchByBatch) {
  const ScanReport scan = scan_report(partition().partition_directory());
  EXPECT_EQ(scan.batches, expected().at("batches"));
  if (ended_cleanly()) {
    EXPECT_THAT(scan.damage, IsEmpty());
  } else {
    EXPECT_THAT(scan.damage, ElementsAre(HasSubstr("00000000000000000125.log")));
  }
}

TEST_P(GoldenTest, GoesBackToKafka) {
  if (is_jvm_off()) GTEST_SKIP() << "ONCELOG_JVM=off";
  partition().open();
  const Json report = without(partition().report(), {"clean"});
  partition().close();
  const Judgement judgement = ask_kafka("continue", partition().directory(), "t-0");
  if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
  ASSERT_EQ(judgement.exit_status, 0) << judgement.errors;
  const Json kafka = Json::parse(judgement.output);
  EXPECT_EQ(kafka.at("clean"), true);
  expect_same(without_empty_producers(report), kafka, "closed by us");
}

INSTANTIATE_TEST_SUITE_P(Whole, GoldenTest, testing::ValuesIn(kWholeGoldens),
                         [](const auto& golden) { return golden.param.name; });
INSTANTIATE_TEST_SUITE_P(WithLosses, GoldenTest, testing::ValuesIn(kGoldensWithLosses),
                         [](const auto& golden) { return golden.param.name; });

class GoldenWithLossesTest : public GoldenTest {};

TEST_P(GoldenWithLossesTest, KafkaRebuildsTheSame) {
  if (is_jvm_off()) GTEST_SKIP() << "ONCELOG_JVM=off";
  strip_to_log(partition().directory());
  const Judgement judgement = ask_kafka("read", partition().directory(), "t-0");
  if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
  ASSERT_EQ(judgement.exit_status, 0) << judgement.errors;
  const Json kafka = without(Json::parse(judgement.output), {"made_by", "how", "clean"});
  expect_same(kafka, without_empty_producers(expected_of_batches()), "rebuilt by Kafka");
}

INSTANTIATE_TEST_SUITE_P(Kafka, GoldenWithLossesTest, testing::ValuesIn(kGoldensWithLosses),
                         [](const auto& golden) { return golden.param.name; });

}  // namespace
}  // namespace oncelog::interop
