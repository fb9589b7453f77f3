// log_fixture.h: one partition of one store in a directory of its own, and all that it answers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "oncelog/clock.h"
#include "oncelog/store.h"
#include "segment/segment_names.h"
#include "support/batches.h"
#include "support/fault_vfs.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::test {

class LogFixture : public testing::Test {
 protected:
  LogFixture() {
    store_options_.vfs = &vfs_;
    store_options_.clock = &clock_;
    store_options_.append_ring_bytes = 0;  // tests cut and damage what has been appended
    vfs_.plan().set_skips_syncs(true);
  }
  ~LogFixture() override { crash(); }

  Result<void> try_open() {
    if (!store_) store_ = value_of(Store::open(store_path(), store_options_));
    auto log = store_->open_partition(name_, options_);
    if (!log) return std::unexpected(log.error());
    log_ = *log;
    return {};
  }
  void open() { ASSERT_THAT(try_open(), Succeeds()); }
  void close() {
    ASSERT_THAT(store_->close(), Succeeds());
    crash();
  }
  /// Ends as a process does that is killed: what was written stays.
  void crash() {
    log_.reset();
    store_.reset();
  }
  void close_and_open() {
    close();
    open();
  }
  void crash_and_open() {
    crash();
    open();
  }

  Appended append(const BatchSpec& spec = {}, LeaderAppendOptions options = {}) {
    return value_of(log_->append_as_leader(make_batch(spec), options));
  }
  Appended append_marker(const MarkerSpec& spec) {
    return value_of(log_->append_marker(marker_fields(spec)));
  }

  [[nodiscard]] std::string store_path() const { return dir_.file("store"); }
  [[nodiscard]] std::string directory() const { return store_path() + "/t-0"; }
  [[nodiscard]] std::string log_path(std::int64_t base) const {
    return directory() + "/" + segment::segment_file_name(Offset(base), segment::kLogSuffix);
  }
  [[nodiscard]] std::string file(std::int64_t base, std::string_view suffix) const {
    return directory() + "/" + segment::segment_file_name(Offset(base), suffix);
  }
  [[nodiscard]] const RecoveryReport& report() const { return log_->recovery_report(); }

  /// Base offsets of the batches that a fetch gives.
  [[nodiscard]] std::vector<std::int64_t> fetched(std::int64_t from,
                                                  Isolation isolation = Isolation::kReplica) const {
    const Fetched answer = value_of(log_->fetch(Offset(from), {.isolation = isolation}));
    return base_offsets(value_of(answer.read()));
  }

  /// All that the log answers, in words, but for what only its report says.
  [[nodiscard]] std::string answers() const {
    std::ostringstream out;
    const LogEnds ends = log_->ends();
    out << "ends " << ends.log_start.value() << ' ' << ends.last_stable_offset.value() << ' '
        << ends.high_watermark.value() << ' ' << ends.log_end.value() << ' '
        << ends.durable_end.value() << "\nsegments";
    for (const Offset base : log_->segments()) out << ' ' << base.value();
    out << "\nepochs";
    for (const auto& [epoch, start] : log_->leader_epochs()) {
      out << ' ' << epoch.value() << '@' << start.value();
    }
    for (const ProducerInfo& producer : value_of(log_->producers())) {
      out << "\nproducer " << producer.producer_id.value() << " epoch " << producer.epoch.value()
          << " sequence " << producer.last_sequence.value() << " offset "
          << producer.last_offset.value() << " coordinator " << producer.coordinator_epoch.value()
          << " transaction " << producer.transaction_first_offset.value_or(kNoOffset).value()
          << " time " << producer.last_timestamp.value();
      for (const ProducerBatch& batch : producer.batches) {
        out << " [" << batch.first_sequence.value() << ' ' << batch.last_sequence.value() << ' '
            << batch.base_offset.value() << ' ' << batch.last_offset.value() << ' '
            << batch.max_timestamp.value() << ']';
      }
    }
    for (const AbortedTransactionEntry& entry : log_->aborted_transactions()) {
      out << "\naborted " << entry.segment.value() << ' ' << entry.producer_id.value() << ' '
          << entry.first_offset.value() << ' ' << entry.last_offset.value() << ' '
          << entry.last_stable_offset.value();
    }
    out << "\nbytes ";
    for (Offset from = ends.log_start; from < ends.log_end;) {
      const Fetched answer = value_of(log_->fetch(from, {.isolation = Isolation::kReplica}));
      const Buffer bytes = value_of(answer.read());
      if (bytes.empty()) break;
      out << to_hex(bytes);
      BatchCursor cursor(bytes);
      while (const auto batch = value_of(cursor.next())) from = batch->next_offset();
    }
    return out.str();
  }

  TempDir dir_;
  FaultVfs vfs_{posix_vfs()};
  ManualClock clock_{Timestamp(1'000'000)};
  StoreOptions store_options_{};
  PartitionOptions options_{};
  const TopicPartition name_{"t", 0};
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

}  // namespace oncelog::test
