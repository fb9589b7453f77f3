// crash_adopt_test.cc: a directory that Kafka has written is opened here for the first time, with a
// crash at every change of the disk: what Kafka knew is known however often the open has to begin
// again.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>

#include "support/crash_world.h"
#include "support/files.h"
#include "support/log_comparison.h"

namespace oncelog::test {

namespace {

const TopicPartition kKafkaPartition{"t", 0};

class CrashAdopt : public testing::TestWithParam<std::string> {
 protected:
  CrashAdopt() {
    options_.partition.config.segment_bytes = 4096;
    options_.partition.create_if_missing = false;
    options_.store.clock = &clock_;
  }

  /// The directory on a disk, all of it synced.
  CrashedDisk load() const {
    CrashedDisk disk;
    disk.files = std::make_unique<sim::SimDisk>();
    disk.producers = std::make_unique<sim::MemSnapshotStore>(disk.files.get());
    const auto content =
        directory_content(std::string(ONCELOG_GOLDEN_DIR) + "/" + GetParam() + "/data");
    require_value(disk.files->create_directory(kCrashStore), "create");
    require_value(disk.files->create_directory(kCrashStore + "/t-0"), "create");
    for (const auto& [name, text] : content) {
      const auto file =
          require_value(disk.files->open(kCrashStore + "/" + name, OpenMode::kCreateNew), "create");
      const Bytes parts[] = {as_bytes(text)};
      require_value(file->write_at(parts, 0), "write");
      require_value(file->sync(), "sync");
    }
    for (const std::string directory : {"/", "/store", "/store/t-0"}) {
      require_value(disk.files->sync_directory(directory), "sync");
    }
    return disk;
  }

  /// Opens the partition, and says all that it answers.
  std::string open(const CrashedDisk& disk) const {
    CrashOptions options = options_;
    options.store.vfs = disk.files.get();
    options.store.snapshots = disk.producers->store();
    const auto store = require_value(Store::open(kCrashStore, options.store), "open store");
    const auto log =
        require_value(store->open_partition(kKafkaPartition, options.partition), "open partition");
    const LogEnds ends = log->ends();
    std::string text = "from " + show(ends.log_start) + " to " + show(ends.log_end) + ", LSO " +
                       show(ends.last_stable_offset);
    for (const LeaderEpochStart& entry : log->leader_epochs()) {
      text += "\nepoch " + show(entry.epoch) + " from " + show(entry.start);
    }
    for (const std::string& one : texts_of(require_value(log->producers(), "producers"))) {
      text += "\n" + one;
    }
    for (const AbortedTransactionEntry& entry : log->aborted_transactions()) {
      // Made anew without the beginning, which is gone, the index may name a later one (9.4).
      text += "\naborted " + show(entry.producer_id) + " up to " + show(entry.last_offset);
    }
    for (const std::string& broken : log->check_invariants()) text += "\nbroken: " + broken;
    return text;
  }

  /// Opens with a crash before each change, and, where `depth` says so, again in those opens.
  void check(const CrashedDisk& disk, const std::string& how, int depth) {
    std::vector<std::pair<std::string, CrashedDisk>> crashed;
    const CrashedDisk opened = copy_of(disk);
    opened.files->set_observer([&](const sim::SimCall& call) {
      crashed.emplace_back(
          how + "\n  before " + std::string(sim::name_of(call.call)) + " " + call.path,
          copy_of(opened));
    });
    EXPECT_EQ(open(opened), expected_) << how;
    opened.files->set_observer({});
    crashed.emplace_back(how + "\n  behind the open", copy_of(opened));
    for (const auto& [text, left] : crashed) {
      ++points_;
      if (HasFailure()) return;
      for (const sim::CrashChoice& choice :
           left.files->images({.exhaustive_max = 3, .subset_count = 2, .torn_count = 2})) {
        ++images_;
        const std::string image = text + ", image " + sim::print_choice(choice);
        CrashedDisk again = copy_of(left, choice);
        if (depth > 0 && images_ % 17 == 0) {
          check(again, image, depth - 1);
        } else {
          EXPECT_EQ(open(again), expected_) << image;
        }
      }
    }
  }

  ManualClock clock_{Timestamp(1'700'000'100'000)};
  CrashOptions options_;
  std::string expected_;
  std::int64_t points_ = 0;
  std::int64_t images_ = 0;
};

TEST_P(CrashAdopt, ForgetsNothingThatKafkaKnew) {
  const CrashedDisk kafka = load();
  expected_ = open(copy_of(kafka));
  check(kafka, GetParam(), 1);
  std::cout << "Adopt " << GetParam() << ": " << points_ << " crash points, " << images_
            << " images\n";
}

INSTANTIATE_TEST_SUITE_P(Golden, CrashAdopt,
                         testing::Values("codecs", "compacted", "epochs", "idempotent", "log_start",
                                         "transactions", "unclean"),
                         [](const auto& test) { return test.param; });

}  // namespace

}  // namespace oncelog::test
