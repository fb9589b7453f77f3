// crash_backup_test.cc: a crash at every change that a backup makes to the disk, every image that
// it may leave, and truncations into segments that a backup shares.
//
// Whatever comes: the store holds what it held, the target is not there or is a whole backup, and
// the next backup of that name succeeds.
#include <gtest/gtest.h>

#include <iostream>

#include "oncelog/store.h"
#include "sim/sim_disk.h"
#include "support/batches.h"
#include "support/crash_images.h"
#include "support/matchers.h"

namespace oncelog::test {
namespace {

const TopicPartition kName{"t", 0};

struct BackupCase {
  std::string name{};
  bool has_links = true;
};

class CrashBackup : public testing::TestWithParam<BackupCase> {
 protected:
  [[nodiscard]] std::unique_ptr<sim::SimDisk> make_disk() const {
    sim::SimDiskOptions options;
    options.has_links = GetParam().has_links;
    return std::make_unique<sim::SimDisk>(options);
  }
  static StoreOptions store_options(sim::SimDisk& disk) {
    StoreOptions options;
    options.vfs = &disk;
    options.producer_state = ProducerStateStore::kNone;
    options.sealed_segment_bytes_min = 0;
    options.level = Level::kDurable;
    return options;
  }
  static PartitionOptions partition_options() {
    PartitionOptions options;
    options.config.segment_bytes = static_cast<std::int32_t>(3 * make_batch().size());
    options.config.retention_ms = kUnlimited;
    return options;
  }
  struct Opened {
    std::unique_ptr<Store> store{};
    std::shared_ptr<PartitionLog> log{};
  };
  static Opened open(sim::SimDisk& disk, const std::string& directory) {
    Opened opened;
    opened.store = value_of(Store::open(directory, store_options(disk)));
    opened.log = value_of(opened.store->open_partition(kName, partition_options()));
    return opened;
  }
  static void append(PartitionLog& log, std::int32_t sequence) {
    const auto appended = log.append_as_leader(
        make_batch({.producer_id = 7, .producer_epoch = 0, .sequence = sequence}));
    ASSERT_TRUE(appended) << appended.error().text();
  }
  /// Three segments, the last of them half full.
  static Opened fill(sim::SimDisk& disk) {
    Opened opened = open(disk, "/store");
    for (std::int32_t i = 0; i < 8; ++i) append(*opened.log, i);
    return opened;
  }
  /// All bytes of a log.
  static Buffer bytes_of(const PartitionLog& log) {
    Buffer all;
    for (Offset from = log.ends().log_start; from < log.ends().log_end;) {
      const auto bytes =
          value_of(value_of(log.fetch(from, {.isolation = Isolation::kReplica})).read());
      all.insert(all.end(), bytes.begin(), bytes.end());
      from = Offset(base_offsets(bytes).back() + 1);
    }
    return all;
  }
  static void expect_whole(sim::SimDisk& disk, const std::string& directory,
                           const Buffer& expected) {
    const Opened opened = open(disk, directory);
    EXPECT_EQ(bytes_of(*opened.log), expected);
    EXPECT_TRUE(opened.log->recovery_report().cuts.empty());
    EXPECT_TRUE(opened.log->check_invariants().empty());
  }
  /// Every image of a disk at this moment.
  template <class Check>
  int for_each_image(const sim::SimDisk& disk, const Check& check) {
    sim::ImageOptions options;
    options.subset_count = 4;
    options.torn_count = 2;
    options.systematic_max = 12;
    check(*disk.after_process_death());
    const auto choices = disk.images(options);
    for (const sim::CrashChoice& choice : choices) {
      SCOPED_TRACE(sim::print_choice(choice));
      check(*disk.after_power_loss(choice));
    }
    return static_cast<int>(choices.size()) + 1;
  }
};

TEST_P(CrashBackup, LeavesTheStoreAndNoBackupOrAWholeOne) {
  int points = 0;
  int images = 0;
  int whole = 0;
  for (std::int64_t stop = 1;; ++stop) {
    const auto disk = make_disk();
    const Opened opened = fill(*disk);
    const Buffer expected = bytes_of(*opened.log);
    disk->stop_at(disk->change_count() + stop);
    const auto made = opened.store->backup("/copy");
    if (made) {
      ASSERT_FALSE(disk->has_stopped());
      break;
    }
    ++points;
    SCOPED_TRACE("stopped at change " + std::to_string(stop));
    ASSERT_TRUE(sim::is_stopped(made.error())) << made.error().text();
    images += for_each_image(*disk, [&](sim::SimDisk& left) {
      if (value_of(left.status("/copy"))) {
        ++whole;
        expect_whole(left, "/copy", expected);
      } else {
        const Opened again = open(left, "/store");
        EXPECT_EQ(bytes_of(*again.log), expected);
        const auto second = again.store->backup("/copy");
        ASSERT_TRUE(second) << second.error().text();
        EXPECT_FALSE(value_of(left.status("/copy.backup-partial")));
        expect_whole(left, "/copy", expected);
      }
      expect_whole(left, "/store", expected);
    });
  }
  std::cout << GetParam().name << ": " << points << " crash points, " << images << " images, "
            << whole << " with a backup\n";
  EXPECT_GT(points, 30);
  EXPECT_GT(whole, 0);
}

TEST_P(CrashBackup, IsDurableOnceItHasReturned) {
  const auto disk = make_disk();
  const Opened opened = fill(*disk);
  const Buffer expected = bytes_of(*opened.log);
  ASSERT_TRUE(opened.store->backup("/copy"));
  for_each_image(*disk, [&](sim::SimDisk& left) { expect_whole(left, "/copy", expected); });
}

/// A verb that makes a shared segment the last one, in the store or in the backup.
TEST_P(CrashBackup, ATruncationOfOneLeavesTheOtherWhole) {
  for (const bool is_in_store : {true, false}) {
    for (const Offset to : {Offset(1), Offset(3), Offset(4)}) {
      int points = 0;
      for (std::int64_t stop = 1;; ++stop) {
        const auto disk = make_disk();
        Opened source = fill(*disk);
        const Buffer expected = bytes_of(*source.log);
        ASSERT_TRUE(source.store->backup("/copy"));
        const Opened copy = open(*disk, "/copy");
        PartitionLog& cut = is_in_store ? *source.log : *copy.log;
        const std::string other = is_in_store ? "/copy" : "/store";
        disk->stop_at(disk->change_count() + stop);
        const auto verb = [&]() -> Result<void> {
          ONCELOG_TRY(cut.truncate_to(to));
          ONCELOG_TRY(cut.append_as_leader(make_batch({.value_bytes = 25})));
          return {};
        };
        if (verb()) break;
        ++points;
        SCOPED_TRACE("to " + std::to_string(to.value()) + ", stopped at change " +
                     std::to_string(stop));
        for_each_image(*disk, [&](sim::SimDisk& left) {
          {
            const Opened shrunk = open(left, is_in_store ? "/store" : "/copy");
            // Goes to the segment that was shared, perhaps.
            ASSERT_TRUE(shrunk.log->append_as_leader(make_batch()));
          }
          expect_whole(left, other, expected);
        });
      }
      EXPECT_GT(points, 5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Disks, CrashBackup,
                         testing::Values(BackupCase{"WithLinks", true},
                                         BackupCase{"WithoutLinks", false}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace oncelog::test
