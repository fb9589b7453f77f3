// stored_partition.h: a partition in a store of its own, as both sides of these tests open it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "interop/log_report.h"
#include "oncelog/clock.h"
#include "oncelog/store.h"

namespace oncelog::interop {

class StoredPartition {
 public:
  StoredPartition(std::string directory, TopicConfig config)
      : directory_(std::move(directory)), config_(std::move(config)) {}

  /// Opens the store and the partition; all that is in the log counts as replicated, as in the
  /// judge.
  PartitionLog& open() {
    StoreOptions options;
    options.clock = &clock_;
    store_ = value_of(Store::open(directory_, options));
    PartitionOptions partition;
    partition.config = config_;
    partition.level = Level::kWritten;
    partition.high_watermark = HighWatermarkPolicy::kManual;
    log_ = value_of(store_->open_partition({"t", 0}, partition));
    replicate_all();
    return *log_;
  }
  void replicate_all() { value_of(log_->set_high_watermark(log_->ends().log_end)); }
  /// A controlled end: the directory may be given to Kafka.
  void close() {
    log_.reset();
    value_of(store_->close());
    store_.reset();
  }
  /// A copy made while the store is open, for Kafka to change: without links.
  void back_up(const std::string& directory) {
    value_of(store_->backup(directory, {.hard_links = false}));
  }
  /// The end of the process, at any moment.
  void crash() {
    log_.reset();
    store_.reset();
  }

  [[nodiscard]] PartitionLog& log() const { return *log_; }
  [[nodiscard]] Timestamp now() const { return clock_.now(); }
  void advance_clock(std::int64_t ms) { clock_.set(clock_.now() + ms); }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string partition_directory() const { return directory_ + "/t-0"; }
  [[nodiscard]] Json report() const {
    value_of(log_->drain());
    return report_log(*log_, partition_directory());
  }

 private:
  std::string directory_;
  TopicConfig config_;
  ManualClock clock_{kNow};
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

}  // namespace oncelog::interop
