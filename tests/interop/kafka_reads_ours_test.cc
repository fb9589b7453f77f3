// kafka_reads_ours_test.cc: partitions that we wrote and closed cleanly, given to Apache Kafka:
// it finds what our API says, goes on where every producer stopped, and gives back a directory in
// which we find all that, and go on.
//
// No answer differs. What we do otherwise on purpose (design, section 9) does not show in them:
// Kafka is asked for the last batch of a producer only, of which we remember five; all producers
// have data or markers in the log; and what was given to Kafka was recovered by us before.
//
// Each run of the judge starts a JVM, so `continue` is asked for both: it prints the document of
// `read` before it appends anything. `read` itself is asked about a store of several partitions.
#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "interop/judge.h"
#include "interop/log_report.h"
#include "interop/stored_partition.h"
#include "interop/stories.h"
#include "support/temp_dir.h"

namespace oncelog::interop {
namespace {

using testing::IsEmpty;

// --- what Kafka says, and what we say of what Kafka left ---

/// Kafka's document, or nothing if Kafka refused, which fails the test.
std::optional<Json> judged(const Judgement& judgement) {
  EXPECT_EQ(judgement.exit_status, 0) << judgement.errors;
  if (judgement.exit_status != 0) return std::nullopt;
  return without(Json::parse(judgement.output), {"made_by", "how"});
}

/// The producers that `continue` goes on with, in its order.
std::vector<Json> going_on(const Json& producers) {
  std::vector<Json> list;
  for (const Json& one : producers) {
    if (one.at("last_seq") != kNoSequence.value()) list.push_back(one);
  }
  return list;
}

/// A batch of one record, `steps` behind the last sequence that Kafka's document names.
Buffer batch_behind(const Json& producer, std::int32_t steps, Timestamp time) {
  return make_batch({.is_transactional = !producer.at("txn_first").is_null(),
                     .producer_id = ProducerId(producer.at("pid").get<std::int64_t>()),
                     .producer_epoch = ProducerEpoch(producer.at("epoch").get<std::int16_t>()),
                     .base_sequence = sequence_behind(
                         Sequence(producer.at("last_seq").get<std::int32_t>()), steps)},
                    1, time);
}

/// What `continue` must have made of a document: one batch of one record more per producer.
Json with_continuation(Json kafka) {
  std::int64_t end = kafka.at("log_end").get<std::int64_t>();
  for (Json& producer : kafka.at("producers")) {
    if (producer.at("last_seq") == kNoSequence.value()) continue;
    const Sequence last(producer.at("last_seq").get<std::int32_t>());
    producer["last_seq"] = sequence_behind(last, 1).value();
    producer["last_offset"] = end;
    producer.erase("timestamp");
    kafka["uncommitted"].push_back(
        {end, "continue", std::to_string(producer.at("pid").get<std::int64_t>())});
    ++end;
  }
  kafka["log_end"] = kafka["high_watermark"] = end;
  return kafka;
}

/// Opens what Kafka continued and closed: everything is there, and the producers go on here.
void expect_continued(StoredPartition partition, const Json& kafka) {
  PartitionLog& log = partition.open();
  EXPECT_TRUE(log.recovery_report().was_clean);
  EXPECT_THAT(log.recovery_report().warnings, IsEmpty());
  const std::vector<Json> producers = going_on(kafka.at("producers"));
  const Json wanted = with_continuation(kafka);
  Json report = partition.report();
  for (Json& producer : report.at("producers")) {
    const bool has_data = producer.at("last_seq") != kNoSequence.value();
    if (has_data) producer.erase("timestamp");
  }
  expect_same(only(report, {"log_start", "log_end", "high_watermark", "uncommitted", "producers",
                            "aborted_index"}),
              wanted, "continued by Kafka");
  EXPECT_THAT(problems_in(partition.partition_directory()), IsEmpty());

  const Offset kafka_end(kafka.at("log_end").get<std::int64_t>());
  for (std::size_t i = 0; i < producers.size(); ++i) {
    const Offset stored_by_kafka = kafka_end + static_cast<std::int64_t>(i);
    const auto retried = log.append_as_leader(batch_behind(producers[i], 1, partition.now()));
    ASSERT_TRUE(retried) << producers[i] << retried.error().text();
    EXPECT_TRUE(retried->is_duplicate) << producers[i];
    EXPECT_EQ(retried->base_offset, stored_by_kafka) << producers[i];
    const Offset end = log.ends().log_end;
    const auto next = log.append_as_leader(batch_behind(producers[i], 2, partition.now()));
    ASSERT_TRUE(next) << producers[i] << next.error().text();
    EXPECT_FALSE(next->is_duplicate) << producers[i];
    EXPECT_EQ(next->base_offset, end) << producers[i];
  }
  EXPECT_THAT(log.check_invariants(), IsEmpty());
  partition.close();
}

class KafkaReadsOurs : public testing::TestWithParam<Story> {
 protected:
  void SetUp() override {
    if (is_jvm_off()) GTEST_SKIP() << "ONCELOG_JVM=off";
  }

  /// The story, closed cleanly.
  void tell() {
    partition_.open();
    GetParam().tell(partition_);
    partition_.replicate_all();
    written_ = without(partition_.report(), {"clean", "epochs"});
    partition_.close();
  }
  /// A copy of the directory, to be changed by Kafka.
  std::string copy() {
    std::string path = dir_.file("copy");
    copy_tree(partition_.directory(), path);
    return path;
  }
  StoredPartition& partition() { return partition_; }
  /// What our API said before the close.
  [[nodiscard]] const Json& written() const { return written_; }

 private:
  test::TempDir dir_;
  StoredPartition partition_{dir_.file("store"), config_of(GetParam())};
  Json written_;
};

TEST_P(KafkaReadsOurs, AndGoesOnWhereWeStopped) {
  tell();
  EXPECT_THAT(problems_in(partition().partition_directory()), IsEmpty());
  const std::string directory = copy();

  const Judgement judgement = ask_kafka("continue", directory, "t-0");
  if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
  const std::optional<Json> kafka = judged(judgement);
  ASSERT_TRUE(kafka);
  expect_same(written(), *kafka, "before the close");
  partition().open();
  expect_same(partition().report(), *kafka, "after the close");
  partition().close();

  expect_continued(StoredPartition(directory, config_of(GetParam())), *kafka);
}

INSTANTIATE_TEST_SUITE_P(Stories, KafkaReadsOurs, testing::ValuesIn(kStories),
                         [](const auto& story) { return story.param.name; });

/// Without the clean marker, checkpoints, snapshots and indexes Kafka has nothing but our `.log`
/// bytes; its recovery finds what we found.
class KafkaRecoversOurs : public KafkaReadsOurs {};

TEST_P(KafkaRecoversOurs, FromTheLogAlone) {
  tell();
  const std::string directory = copy();
  strip_to_log(directory);

  const Judgement judgement = ask_kafka("read", directory, "t-0");
  if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
  const std::optional<Json> kafka = judged(judgement);
  ASSERT_TRUE(kafka);
  EXPECT_EQ(kafka->at("clean"), false);
  expect_same(written(), *kafka, "recovered by Kafka");

  strip_to_log(partition().directory());
  partition().open();
  expect_same(partition().report(), *kafka, "recovered by us");
  partition().close();
}

INSTANTIATE_TEST_SUITE_P(Stories, KafkaRecoversOurs,
                         testing::Values(Story{"transactions", tell_transactions},
                                         Story{"follower", tell_follower}),
                         [](const auto& story) { return story.param.name; });

/// A backup of a store in use: for Kafka a directory after a crash, with nothing torn in it. Then
/// Kafka drops a producer snapshot at the end, and forgets producers whose data is gone.
class KafkaReadsOurBackup : public testing::TestWithParam<Story> {};

TEST_P(KafkaReadsOurBackup, AndFindsWhatTheStoreHad) {
  if (is_jvm_off()) GTEST_SKIP() << "ONCELOG_JVM=off";
  const test::TempDir dir;
  StoredPartition partition(dir.file("store"), config_of(GetParam()));
  partition.open();
  GetParam().tell(partition);
  partition.replicate_all();
  const bool has_lost_data = partition.log().ends().log_start > Offset(0);
  Json written = without(partition.report(), {"clean", "epochs"});
  if (has_lost_data) written.erase("producers");
  partition.back_up(dir.file("backup"));
  partition.close();

  const Judgement judgement = ask_kafka("read", dir.file("backup"), "t-0");
  if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
  std::optional<Json> kafka = judged(judgement);
  ASSERT_TRUE(kafka);
  EXPECT_EQ(kafka->at("clean"), false);
  if (has_lost_data) kafka->erase("producers");
  expect_same(written, *kafka, "backed up");
}

INSTANTIATE_TEST_SUITE_P(Stories, KafkaReadsOurBackup, testing::ValuesIn(kStories),
                         [](const auto& story) { return story.param.name; });

/// Kafka's marker speaks for a whole directory, so a partition that was not even opened by the
/// last owner must be as good as the others.
TEST(KafkaReadsOurStore, WithPartitionsThatStayedClosed) {
  if (is_jvm_off()) GTEST_SKIP() << "ONCELOG_JVM=off";
  const test::TempDir dir;
  const std::string directory = dir.file("store");
  const std::vector<TopicPartition> names{{"a.topic-with_signs", 12}, {"t", 0}, {"t", 1}};
  PartitionOptions options;
  options.level = Level::kWritten;
  options.high_watermark = HighWatermarkPolicy::kLogEnd;

  auto store = value_of(Store::open(directory));
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto log = value_of(store->open_partition(names[i], options));
    BatchFields fields = fields_of(static_cast<int>(900 + i), 0, i == 1);
    value_of(log->append_as_leader(make_batch(fields, 3, kNow)));
  }
  value_of(store->close());
  store = value_of(Store::open(directory));
  const auto log = value_of(store->open_partition(names[2], options));
  value_of(log->append_as_leader(make_batch(fields_of(902, 3, false), 4, kNow)));
  value_of(store->close());
  copy_tree(directory, dir.file("copy"));

  for (const TopicPartition& name : names) {
    const std::string partition = name.topic + "-" + std::to_string(name.partition);
    const Judgement judgement = ask_kafka("read", dir.file("copy"), partition);
    if (judgement.exit_status == kSkippedStatus) GTEST_SKIP() << judgement.errors;
    const std::optional<Json> kafka = judged(judgement);
    ASSERT_TRUE(kafka);
    EXPECT_EQ(kafka->at("clean"), true);
    store = value_of(Store::open(directory));
    expect_same(
        report_log(*value_of(store->open_partition(name, options)), directory + "/" + partition),
        *kafka, partition);
    value_of(store->close());
  }
}

}  // namespace
}  // namespace oncelog::interop
