// A backup of a store that is appended to by several threads, transactions and all.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <thread>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::BatchSpec;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::IsEmpty;

class BackupBesideAppends : public test::LogFixture {
 protected:
  BackupBesideAppends() {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.segment_bytes = static_cast<std::int32_t>(50 * make_batch().size());
    store_options_.sealed_segment_bytes_min = 0;
  }
  static BatchSpec by(std::int64_t id, std::int32_t sequence) {
    return {
        .is_transactional = id < 2, .producer_id = id, .producer_epoch = 0, .sequence = sequence};
  }
  /// Appends as producer `id` until told to end; every fourth batch of a transaction ends it.
  void append_until_done(PartitionLog& log, std::int64_t id) {
    for (std::int32_t sequence = 0; !is_done_; ++sequence) {
      EXPECT_THAT(log.append_as_leader(make_batch(by(id, sequence))), Succeeds());
      if (id < 2 && sequence % 4 == 3) {
        EXPECT_THAT(log.append_marker(test::marker_fields({.producer_id = id})), Succeeds());
      }
      ++appended_;
    }
  }
  static test::Buffer batch_at(const PartitionLog& log, Offset from) {
    FetchOptions options;
    options.isolation = Isolation::kReplica;
    options.bytes_max = 1;
    return value_of(value_of(log.fetch(from, options)).read());
  }
  using Windows = std::map<ProducerId, std::vector<ProducerBatch>>;
  /// Compares the copy with the source, batch by batch; answers each producer's last five.
  static Windows expect_prefix(const PartitionLog& copy, const PartitionLog& source) {
    const Offset end = copy.ends().log_end;
    EXPECT_GT(end, Offset(0));
    Windows windows;
    for (Offset from{0}; from < end;) {
      const test::Buffer bytes = batch_at(copy, from);
      EXPECT_EQ(bytes, batch_at(source, from));
      const record::BatchHeader header = test::header_of(bytes);
      from = header.next_offset();
      if (header.is_control()) continue;
      auto& window = windows[header.producer_id];
      window.push_back({header.base_sequence, header.base_sequence, header.base_offset,
                        header.last_offset(), header.max_timestamp});
      if (window.size() > 5) window.erase(window.begin());
    }
    return windows;
  }
  /// What was acknowledged below the backup's end is answered as a duplicate there.
  static void expect_producers(PartitionLog& copy, Windows windows) {
    const auto producers = value_of(copy.producers());
    EXPECT_EQ(windows.size(), producers.size());
    for (const ProducerInfo& producer : producers) {
      EXPECT_EQ(producer.batches, windows[producer.producer_id]);
      for (const ProducerBatch& batch : producer.batches) {
        const auto again = value_of(copy.append_as_leader(
            make_batch(by(producer.producer_id.value(), batch.first_sequence.value()))));
        EXPECT_TRUE(again.is_duplicate);
        EXPECT_EQ(again.base_offset, batch.base_offset);
      }
    }
  }
  std::atomic<bool> is_done_{false};
  std::atomic<int> appended_{0};
};

TEST_F(BackupBesideAppends, ItIsAPrefixOfEachLogWithItsProducers) {
  open();
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  const std::map<std::string, std::shared_ptr<PartitionLog>> sources{{"t", log_}, {"u", other}};
  std::vector<std::thread> appenders;
  for (std::int64_t id = 0; id < 4; ++id) {
    appenders.emplace_back(
        [&, id] { append_until_done(*sources.at(id % 2 == 0 ? "t" : "u"), id); });
  }
  for (int round = 0; round < 3; ++round) {
    const int before = appended_;
    while (appended_ < before + 300) std::this_thread::yield();
    const std::string copy = dir_.file("copy" + std::to_string(round));
    EXPECT_THAT(store_->backup(copy, {.hard_links = round != 1}), Succeeds());
  }
  is_done_ = true;
  for (std::thread& one : appenders) one.join();
  for (int round = 0; round < 3; ++round) {
    const auto copy =
        value_of(Store::open(dir_.file("copy" + std::to_string(round)), store_options_));
    for (const auto& [topic, source] : sources) {
      const auto log = value_of(copy->open_partition({topic, 0}, options_));
      EXPECT_THAT(log->recovery_report().warnings, IsEmpty());
      EXPECT_THAT(log->check_invariants(), IsEmpty());
      expect_producers(*log, expect_prefix(*log, *source));
    }
  }
}

}  // namespace
}  // namespace oncelog
