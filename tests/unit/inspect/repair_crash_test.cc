// A repair that loses power at any change: what went lies aside, and another repair goes on.
#include <gmock/gmock.h>

#include <array>
#include <optional>

#include "oncelog/repair.h"
#include "oncelog/store.h"
#include "sim/sim_disk.h"
#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog {
namespace {

using test::value_of;

const std::string kStore = "/store";
const std::string kCutLog = kStore + "/t-0/00000000000000000003.log";
const std::string kLastLog = kStore + "/t-0/00000000000000000006.log";
const std::int64_t kBatchBytes = std::ssize(test::make_batch());

StoreOptions store_options(Vfs& disk) {
  StoreOptions options;
  options.vfs = &disk;
  options.producer_state = ProducerStateStore::kNone;
  return options;
}

PartitionOptions partition_options() {
  PartitionOptions options;
  options.config.segment_bytes = static_cast<std::int32_t>(3 * kBatchBytes);
  return options;
}

/// Eight batches in segments at 0, 3 and 6, all durable; the one at 4 is damaged.
void make_damaged(sim::SimDisk& disk) {
  {
    const auto store = value_of(Store::open(kStore, store_options(disk)));
    const auto log = value_of(store->open_partition({"t", 0}, partition_options()));
    for (int i = 0; i < 8; ++i) value_of(log->append_as_leader(test::make_batch()));
    value_of(log->flush());
  }
  const auto file = value_of(disk.open(kCutLog, OpenMode::kWrite));
  const std::array noise{std::byte{0xFF}, std::byte{0x13}};
  const Bytes parts[] = {Bytes(noise)};
  ASSERT_TRUE(file->write_at(parts, kBatchBytes + 65));
  ASSERT_TRUE(file->sync());
}

/// Nothing if the file is not there.
std::optional<test::Buffer> read(sim::SimDisk& disk, const std::string& path) {
  const auto file = disk.open(path, OpenMode::kRead);
  if (!file) return std::nullopt;
  test::Buffer bytes(static_cast<std::size_t>(value_of((*file)->size())));
  value_of((*file)->read_at(bytes, 0));
  return bytes;
}

/// `path` is as it was, or what is gone of it from `position` on lies aside.
void expect_kept(sim::SimDisk& before, sim::SimDisk& after, const std::string& path,
                 std::int64_t position, const std::string& aside) {
  const auto was = value_of(Result<test::Buffer>(*read(before, path)));
  const auto is = read(after, path);
  if (is && *is == was) return;
  const auto kept = read(after, "/store.aside-1/t-0/" + aside);
  ASSERT_TRUE(kept) << path << " has changed, and nothing lies aside";
  EXPECT_EQ(*kept, test::Buffer(was.begin() + position, was.end()));
}

const RepairConfirmation kAgree = [](const RepairPlan&) { return true; };

TEST(RepairCrash, NothingThatWentIsMissingAfterALossOfPower) {
  sim::SimDisk first;
  make_damaged(first);
  const auto damaged = first.after_process_death();
  int images = 0;
  bool has_finished = false;
  for (int stop = 1; !has_finished; ++stop) {
    SCOPED_TRACE(stop);
    const auto disk = damaged->after_process_death();
    disk->stop_at(disk->change_count() + stop);
    has_finished = repair(kStore, kAgree, {.vfs = disk.get()}).has_value();
    for (const sim::CrashChoice& choice : disk->images()) {
      SCOPED_TRACE(sim::print_choice(choice));
      const auto image = disk->after_power_loss(choice);
      expect_kept(*damaged, *image, kCutLog, kBatchBytes,
                  "00000000000000000003.log.from-" + std::to_string(kBatchBytes));
      expect_kept(*damaged, *image, kLastLog, 0, "00000000000000000006.log");
      const auto again = repair(kStore, kAgree, {.vfs = image.get()});
      ASSERT_TRUE(again) << again.error().text();
      const auto store = value_of(Store::open(kStore, store_options(*image)));
      const auto log = value_of(store->open_partition({"t", 0}, partition_options()));
      ASSERT_EQ(log->ends().log_end, Offset(4));
      ASSERT_EQ(log->recovery_report().bytes_cut, 0);
      ++images;
    }
  }
  EXPECT_GT(images, 100);
}

}  // namespace
}  // namespace oncelog
