// store_mixture_test.cc: random verbs on several partitions of one store, the store's own verbs
// among them, while others read. After each step the objects in memory are walked, and what the
// touched partition holds is compared with what was written to it.
//
// Its steps are drawn from a seed, which is printed; ONCELOG_MIXTURE_SEED and ONCELOG_MIXTURE_STEPS
// set others. Who shall abort its transactions is said by the producer's id, so that a reader
// knows, too.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "oncelog/oncelog.h"
#include "segment/segment_names.h"
#include "support/environment.h"
#include "support/fault_vfs.h"
#include "support/keyed_batches.h"
#include "support/matchers.h"
#include "support/temp_dir.h"
#include "support/written_log.h"

namespace oncelog::test {

namespace {

using segment::partition_directory_name;
using testing::IsEmpty;

constexpr int kProducers = 6;
constexpr int kKeys = 7;

class StoreMixture : public testing::TestWithParam<MaintenanceBy> {
 protected:
  StoreMixture() : random_(static_cast<std::uint32_t>(seed_)) {
    vfs_.plan().set_skips_syncs(true);
    store_options_.vfs = &vfs_;
    store_options_.clock = &clock_;
    store_options_.level = Level::kWritten;
    store_options_.maintenance = GetParam();
    store_options_.maintenance_interval_ms = 5;
    store_options_.sealed_segment_bytes_min = 0;
    store_options_.checkpoint_interval_records = 50;
    store_options_.append_ring_bytes = 8 << 10;
    store_options_.append_ring_bytes_total = 16 << 10;  // two of the four have one
    store_options_.open_files_max = 8;
    store_options_.on_maintenance = [this](const MaintenanceJob& job, const auto& done) {
      EXPECT_THAT(done, Succeeds()) << name_of(job.kind);
      if (done && done->was_due) ++by_thread_.at(static_cast<std::size_t>(job.kind));
    };
    for (int i = 0; i < 4; ++i) partitions_.push_back({{"mixed", i}, i % 2 == 1, {}});
    open_store();
    for (Mixed& one : partitions_) create(one);
  }
  ~StoreMixture() override {
    is_done_.store(true);
    for (std::thread& reader : readers_) reader.join();
    store_.reset();  // its thread tells what it does
  }

  // ---- the store
  void open_store() { store_ = value_of(Store::open(directory_.file("store"), store_options_)); }
  void create(Mixed& one) {
    PartitionOptions options;
    options.high_watermark = HighWatermarkPolicy::kLogEnd;
    options.config.segment_bytes = 1500;
    options.config.index_interval_bytes = 200;
    options.config.retention_bytes = one.is_compacted ? -1 : 12'000;
    options.config.retention_ms = -1;
    options.config.cleanup_compact = one.is_compacted;
    options.config.cleanup_delete = !one.is_compacted;
    options.config.min_cleanable_dirty_ratio = 0.1;
    options.config.segment_ms = 60'000;
    value_of(store_->create_partition(one.name, options));
  }
  [[nodiscard]] std::shared_ptr<PartitionLog> log_of(const Mixed& one) const {
    auto log = store_->find_partition(one.name);
    if (!log) throw std::runtime_error("not open: " + partition_directory_name(one.name));
    return log;
  }
  /// Readers stay away while the store itself goes.
  void replace_store(const std::function<void()>& end) {
    is_gate_wanted_.store(true);
    const std::scoped_lock gate(gate_);
    is_gate_wanted_.store(false);
    end();
    store_.reset();
    open_store();
    for (OpenedPartition& opened : value_of(store_->open_all_partitions())) {
      EXPECT_THAT(opened.log, Succeeds());
    }
  }

  // ---- steps
  [[nodiscard]] int draw(int count) {
    return static_cast<int>(random_() % static_cast<unsigned>(count));
  }
  void step();
  void append(Mixed& one);
  void retry(Mixed& one);
  void end_transaction(Mixed& one);
  void truncate(Mixed& one);
  void delete_and_create(Mixed& one);
  Result<Offset> delete_some(Mixed& one);
  void alter(Mixed& one);
  void run_plan();
  void back_up();
  void check(const Mixed& one, const PartitionLog& log) const;

  // ---- readers
  void follow(std::uint32_t seed);
  void read_once(std::minstd_rand& random, std::map<int, Offset>& positions);
  void check_fetched(const Fetched& fetched, Bytes bytes, Offset from, Isolation isolation);

  const std::int64_t seed_ = number_from_environment("ONCELOG_MIXTURE_SEED", 1);
  std::minstd_rand random_;
  TempDir directory_{memory_directory()};
  FaultVfs vfs_{posix_vfs()};
  ManualClock clock_{Timestamp(1'700'000'000'000)};
  StoreOptions store_options_;
  std::unique_ptr<Store> store_;
  std::vector<Mixed> partitions_;
  std::int64_t next_value_ = 0;
  std::map<std::string, int> tally_;
  std::array<std::atomic<int>, 9> by_thread_{};  ///< jobs of each MaintenanceKind
  std::shared_mutex gate_;
  std::atomic<bool> is_gate_wanted_{false};
  std::atomic<bool> is_done_{false};
  std::atomic<std::int64_t> batches_read_{0};
  std::vector<std::thread> readers_;
};

// ---- writing

/// With the sequence that the log expects; producers 0 to 2 have transactions.
void StoreMixture::append(Mixed& one) {
  const auto log = log_of(one);
  Written batch{.producer_id = ProducerId(draw(kProducers))};
  batch.is_transactional = batch.producer_id.value() < kProducers / 2;
  const auto known = value_of(log->find_producer(batch.producer_id));
  BatchSpec spec{.producer_id = batch.producer_id.value(), .producer_epoch = 0, .sequence = 0};
  spec.is_transactional = batch.is_transactional;
  spec.codec = static_cast<Codec>(draw(5));
  if (known) {
    spec.producer_epoch = known->epoch.value();
    spec.sequence = known->last_sequence.value() + 1;
  }
  const std::int64_t now = clock_.now().value();
  for (int i = 1 + draw(3); i > 0; --i) {
    batch.records.push_back({"k" + std::to_string(draw(kKeys)),
                             "v" + std::to_string(next_value_++) + std::string(40, '.'), now});
  }
  batch.sent = make_keyed(batch.records, spec);
  const Appended stored = value_of(log->append_as_leader(batch.sent));
  EXPECT_FALSE(stored.is_duplicate);
  batch.base = stored.base_offset;
  batch.last = stored.last_offset;
  one.written.push_back(std::move(batch));
}

/// The last batch of a producer again: the answer is the first one's.
void StoreMixture::retry(Mixed& one) {
  const auto log = log_of(one);
  const ProducerId id(draw(kProducers));
  const auto known = value_of(log->find_producer(id));
  for (std::size_t i = one.written.size(); i-- > 0;) {
    const Written& batch = one.written[i];
    if (batch.producer_id != id || batch.marker) continue;
    // Forgotten, or of a newer epoch.
    if (!known || known->batches.empty() || known->batches.back().last_offset != batch.last) return;
    const Appended again = value_of(log->append_as_leader(batch.sent));
    EXPECT_TRUE(again.is_duplicate);
    EXPECT_EQ(again.base_offset, batch.base);
    ++tally_["retry answered"];
    return;
  }
}

void StoreMixture::end_transaction(Mixed& one) {
  const auto log = log_of(one);
  const ProducerId id(draw(kProducers / 2));
  const auto known = value_of(log->find_producer(id));
  if (!known || !known->transaction_first_offset) return;
  const MarkerType type = is_to_abort(id) ? MarkerType::kAbort : MarkerType::kCommit;
  // Sometimes as transactions of version 2 end, with the next epoch.
  const auto epoch = static_cast<std::int16_t>(known->epoch.value() + (draw(4) == 0 ? 1 : 0));
  const Appended stored =
      value_of(log->append_marker(marker_fields({.type = type,
                                                 .producer_id = id.value(),
                                                 .producer_epoch = epoch,
                                                 .timestamp = clock_.now().value()})));
  one.written.push_back({.base = stored.base_offset,
                         .last = stored.last_offset,
                         .producer_id = id,
                         .is_transactional = true,
                         .marker = type});
  ++tally_["transaction ended"];
}

// ---- taking away

void StoreMixture::truncate(Mixed& one) {
  const auto log = log_of(one);
  const LogEnds ends = log->ends();
  Offset to = std::max(ends.log_start, ends.log_end - draw(12));
  // Of a compacted log the end only: of what is gone nobody knows whether it was the last value.
  if (one.is_compacted) to = std::max(to, log->segments().back());
  ASSERT_THAT(log->truncate_to(to), Succeeds());
  std::erase_if(one.written, [&](const Written& batch) { return batch.last >= to; });
}

void StoreMixture::delete_and_create(Mixed& one) {
  ASSERT_THAT(store_->delete_partition(one.name), Succeeds());
  one.written.clear();
  create(one);
}

Result<Offset> StoreMixture::delete_some(Mixed& one) {
  const LogEnds ends = log_of(one)->ends();
  return log_of(one)->delete_records(std::min(ends.log_start + draw(3), ends.high_watermark));
}

void StoreMixture::alter(Mixed& one) {
  std::vector<ConfigChange> changes = {{"segment.bytes", std::to_string(600 + 300 * draw(5))}};
  if (!one.is_compacted) changes.push_back({"retention.bytes", std::to_string(4000 * draw(5))});
  ASSERT_THAT(store_->alter_config(one.name, changes), Succeeds());
  EXPECT_EQ(value_of(store_->kept_options(one.name)).overrides.at("segment.bytes"),
            *changes.front().value);
}

void StoreMixture::run_plan() {
  const MaintenancePlan plan = store_->plan();
  EXPECT_THAT(plan.failures, IsEmpty());
  for (const MaintenanceJob& job : plan.jobs) {
    const auto done = store_->run(job);
    ASSERT_THAT(done, Succeeds()) << name_of(job.kind);
    if (done->was_due) ++tally_["planned " + std::string(name_of(job.kind))];
  }
}

void StoreMixture::back_up() {
  const std::string to = directory_.file("backup");
  const BackupReport report = value_of(store_->backup(to));
  EXPECT_EQ(report.partitions, std::ssize(partitions_));
  {
    StoreOptions options = store_options_;
    options.maintenance = MaintenanceBy::kCaller;
    const auto copy = value_of(Store::open(to, options));
    ASSERT_THAT(copy->open_all_partitions(), Succeeds());
    for (const Mixed& one : partitions_) {
      const auto log = copy->find_partition(one.name);
      ASSERT_TRUE(log);
      EXPECT_THAT(log->check_invariants(), IsEmpty());
      Mixed prefix = one;
      const Offset end = log->ends().log_end;
      std::erase_if(prefix.written, [&](const Written& batch) { return batch.base >= end; });
      check(prefix, *log);
    }
    ASSERT_THAT(copy->close(), Succeeds());
  }
  std::filesystem::remove_all(to);
}

// ---- steps and what holds behind each

void StoreMixture::step() {
  Mixed& one = partitions_[static_cast<std::size_t>(draw(static_cast<int>(partitions_.size())))];
  const auto verb = [&](const char* name, const auto& result) {
    EXPECT_THAT(result, Succeeds()) << name;
  };
  const int kind = draw(100);
  if (kind < 45)
    append(one);
  else if (kind < 55)
    end_transaction(one);
  else if (kind < 60)
    retry(one);
  else if (kind < 63)
    truncate(one);
  else if (kind < 66)
    verb("roll", log_of(one)->roll());
  else if (kind < 68)
    verb("flush", log_of(one)->flush());
  else if (kind < 70)
    verb("drain", log_of(one)->drain());
  else if (kind < 72)
    verb("checkpoint", log_of(one)->checkpoint());
  else if (kind < 74)
    verb("wait", log_of(one)->wait_durable(log_of(one)->ends().log_end));
  else if (kind < 76)
    verb("retention", log_of(one)->apply_retention());
  else if (kind < 79)
    verb("compact", log_of(one)->compact());
  else if (kind < 81)
    verb("expiry", log_of(one)->expire_producers());
  else if (kind < 83)
    EXPECT_THAT(value_of(log_of(one)->scrub()).findings, IsEmpty());
  else if (kind < 85 && !one.is_compacted)
    verb("delete", delete_some(one));
  else if (kind < 87)
    alter(one);
  else if (kind < 91)
    run_plan();
  else if (kind < 92)
    back_up();
  else if (kind < 94)
    verb("reopen", store_->reopen_partition(one.name));
  else if (kind < 95) {
    verb("close", store_->close_partition(one.name));
    verb("open", store_->open_partition(one.name));
  } else if (kind < 96)
    delete_and_create(one);
  else if (kind < 97)
    replace_store([&] { verb("close store", store_->close()); });
  else if (kind < 98)
    replace_store([&] { verb("bound", store_->close(Deadline::clock::now())); });
  else if (kind < 99)
    replace_store([] {});
  else
    clock_.set(Timestamp(clock_.now().value() + 1000 * draw(200)));
  ++tally_["step"];
  check(one, *log_of(one));
  for (const Mixed& each : partitions_) EXPECT_THAT(log_of(each)->check_invariants(), IsEmpty());
}

/// A log that is not compacted holds what was written, from its start on; of one that is, the last
/// value of each key at least, and nothing that was not written.
void StoreMixture::check(const Mixed& one, const PartitionLog& log) const {
  // A thread may delete: then the start is that of behind what was read.
  const std::vector<Line> seen = stored_lines(log);
  const Offset log_start = log.ends().log_start;
  std::vector<Line> expected;
  for (const Written& batch : one.written) {
    for (Line& line : lines_of(batch)) expected.push_back(std::move(line));
  }
  if (!one.is_compacted) {
    std::erase_if(expected, [&](const Line& line) { return std::get<0>(line) < log_start; });
    std::vector<Line> from_start = seen;
    std::erase_if(from_start, [&](const Line& line) { return std::get<0>(line) < log_start; });
    ASSERT_EQ(from_start, expected) << partition_directory_name(one.name);
    return;
  }
  ASSERT_TRUE(std::ranges::includes(expected, seen)) << partition_directory_name(one.name);
  for (const auto& [key, line] : last_values(one.written, log_start)) {
    EXPECT_TRUE(std::ranges::binary_search(seen, line))
        << partition_directory_name(one.name) << ": " << key << " at " << std::get<0>(line).value();
  }
}

// ---- readers

void StoreMixture::follow(std::uint32_t seed) {
  std::minstd_rand random(seed);
  std::map<int, Offset> positions;
  while (!is_done_.load()) {
    if (is_gate_wanted_.load()) {
      std::this_thread::yield();
      continue;
    }
    const std::shared_lock gate(gate_);
    read_once(random, positions);
  }
}

void StoreMixture::read_once(std::minstd_rand& random, std::map<int, Offset>& positions) {
  const int index = static_cast<int>(random() % 4);
  const auto log = store_->find_partition({"mixed", index});
  if (!log) return;
  const auto isolation = static_cast<Isolation>(random() % 3);
  Offset& position = positions[index];
  const auto fetched =
      log->fetch(position, {.isolation = isolation,
                            .bytes_max = 900,
                            .wait_until = Deadline::clock::now() + std::chrono::milliseconds(1)});
  if (!fetched) {
    // Cut, deleted, or closed.
    EXPECT_TRUE(fetched.error().code == ErrorCode::OFFSET_OUT_OF_RANGE ||
                fetched.error().code == ErrorCode::MISUSE)
        << fetched.error().text();
    position = log->ends().log_start;
    return;
  }
  const auto bytes = fetched->read();
  if (!bytes) {  // a truncation below the region's end
    EXPECT_EQ(bytes.error().code, ErrorCode::KAFKA_STORAGE_ERROR);
    return;
  }
  check_fetched(*fetched, *bytes, position, isolation);
  BatchCursor cursor(*bytes);
  while (const auto batch = value_of(cursor.next())) position = batch->next_offset();
  if (bytes->empty() && random() % 4 == 0) position = fetched->ends.log_start;
}

void StoreMixture::check_fetched(const Fetched& fetched, Bytes bytes, Offset from,
                                 Isolation isolation) {
  const Offset bound = fetched.ends.bound_of(isolation);
  BatchCursor cursor(bytes);
  Offset end = from;
  while (const auto batch = value_of(cursor.next())) {
    EXPECT_GE(batch->last_offset(), end);
    EXPECT_LT(batch->base_offset(), bound);
    EXPECT_THAT(batch->check_crc(), Succeeds());
    end = batch->next_offset();
    ++batches_read_;
  }
  if (!fetched.aborted) return;
  CommittedRecords records(bytes, *fetched.aborted, {.from = from});
  std::set<Offset> seen;
  while (const auto record = value_of(records.next())) seen.insert(record->offset);
  BatchCursor again(bytes);
  while (const auto batch = value_of(again.next())) {
    if (batch->is_control() || !batch->is_transactional()) continue;
    const auto first = seen.lower_bound(batch->base_offset());
    const bool is_seen = first != seen.end() && *first <= batch->last_offset();
    EXPECT_FALSE(is_seen && is_to_abort(batch->producer_id())) << batch->base_offset().value();
  }
}

TEST_P(StoreMixture, HoldsWhatWasWrittenAndReadersSeeNoOtherThing) {
  const std::int64_t steps = number_from_environment("ONCELOG_MIXTURE_STEPS", 1500);
  for (std::uint32_t i = 0; i < 2; ++i) readers_.emplace_back([this, i] { follow(i + 1); });
  for (std::int64_t i = 0; i < steps && !HasFailure(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    step();
  }
  std::cout << "seed " << seed_ << ", " << batches_read_.load() << " batches read\n";
  for (std::size_t kind = 0; kind < by_thread_.size(); ++kind) {
    if (by_thread_[kind] == 0) continue;
    std::cout << "  by the thread, " << name_of(static_cast<MaintenanceKind>(kind)) << ": "
              << by_thread_[kind] << '\n';
  }
  for (const auto& [what, count] : tally_) std::cout << "  " << what << ": " << count << '\n';
}

INSTANTIATE_TEST_SUITE_P(By, StoreMixture,
                         testing::Values(MaintenanceBy::kCaller, MaintenanceBy::kThread),
                         [](const auto& test) {
                           return test.param == MaintenanceBy::kCaller ? "Caller" : "Thread";
                         });

}  // namespace

}  // namespace oncelog::test
