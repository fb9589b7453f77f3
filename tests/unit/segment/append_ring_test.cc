#include "segment/append_ring.h"

#include <gmock/gmock.h>

#include "sim/sim_disk.h"
#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::segment {
namespace {

using test::Buffer;
using test::make_batch;
using test::make_header;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::SizeIs;

constexpr Offset kBase{10};

class AppendRingTest : public testing::Test {
 protected:
  AppendRingTest() { ring_.prepare(); }

  void begin_fill(const std::optional<RingEntry>& anchor = {}) {
    EXPECT_THAT(ring_.begin_fill(kBase, anchor), Succeeds());
  }
  /// Adds a batch; answers its entry.
  RingEntry add(std::int64_t base, std::int64_t position) {
    const Buffer batch = make_batch({.base = base, .leader_epoch = 3});
    const record::BatchHeader header = make_header({.base = base, .leader_epoch = 3});
    const Bytes bytes = batch;
    EXPECT_THAT(ring_.add({&header, 1}, {&bytes, 1}, position), Succeeds());
    return ring_entry_of(header, position);
  }
  Buffer file_bytes(sim::SimDisk& disk) {
    const auto file = value_of(disk.open("/.tail", OpenMode::kRead));
    Buffer bytes(static_cast<std::size_t>(value_of(file->size())));
    value_of(file->read_at(bytes, 0));
    return bytes;
  }
  std::optional<RingContent> content() {
    bytes_ = file_bytes(disk_);
    return read_ring(bytes_);
  }

  sim::SimDisk disk_;
  std::shared_ptr<RingBudget> budget_ = std::make_shared<RingBudget>(kRingBytesMin);
  AppendRing ring_{disk_, "/.tail", kRingBytesMin, budget_};
  Buffer bytes_;
};

TEST_F(AppendRingTest, HoldsWhatWasAddedBehindItsAnchor) {
  EXPECT_EQ(content(), std::nullopt) << "a new ring is empty";
  const RingEntry anchor{.position = 5, .base_offset = Offset(11), .bytes = 95, .crc = 7};
  begin_fill(anchor);
  const RingEntry first = add(12, 100);
  const RingEntry second = add(13, 100 + first.bytes);
  const auto found = content();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->fill.segment_base, kBase);
  EXPECT_EQ(found->fill.anchor, anchor);
  EXPECT_THAT(found->entries, ElementsAre(first, second));
  EXPECT_THAT(found->batches, SizeIs(2));
  EXPECT_EQ(Buffer(found->batches[1].begin(), found->batches[1].end()),
            make_batch({.base = 13, .leader_epoch = 3}));
  EXPECT_EQ(std::ssize(ring_.pending()), first.bytes + second.bytes);
}

TEST_F(AppendRingTest, EntriesOfAnEarlierFillDoNotComeBack) {
  begin_fill();
  for (int i = 0; i < 3; ++i) add(10 + i, i * 78);
  begin_fill();
  EXPECT_THAT(content()->entries, SizeIs(0));
  // The same batch at the same place as before: those behind it followed another fill's.
  const RingEntry again = add(10, 0);
  EXPECT_THAT(content()->entries, ElementsAre(again));
}

TEST_F(AppendRingTest, NothingIsTakenFromAFlippedByteOn) {
  begin_fill();
  const RingEntry first = add(10, 0);
  add(11, first.bytes);
  ASSERT_THAT(content()->entries, SizeIs(2));
  const Buffer sound = bytes_;
  const auto entries_with_flip = [&](std::size_t at) {
    Buffer flipped = sound;
    flipped[at] ^= std::byte{0x10};
    const auto found = read_ring(flipped);
    return found ? std::optional(found->entries.size()) : std::nullopt;
  };
  for (std::size_t i = 0; i < 72; ++i) EXPECT_EQ(entries_with_flip(i), std::nullopt) << i;
  const auto batch_bytes = static_cast<std::size_t>(first.bytes);
  for (std::size_t i = 0; i < batch_bytes; ++i) EXPECT_EQ(entries_with_flip(512 + i), 0U) << i;
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(entries_with_flip(sound.size() - 40 + i), 0U) << i;
    EXPECT_EQ(entries_with_flip(sound.size() - 80 + i), 1U) << i;
  }
}

TEST_F(AppendRingTest, CutFilesAndAnyBytesAreNoRing) {
  begin_fill();
  add(10, 0);
  ASSERT_TRUE(content());
  for (std::size_t bytes = 0; bytes < bytes_.size(); bytes += 97) {
    EXPECT_EQ(read_ring(Bytes(bytes_).first(bytes)), std::nullopt) << bytes;
  }
  EXPECT_EQ(read_ring(Buffer(8192, std::byte{0xFF})), std::nullopt);
}

TEST_F(AppendRingTest, WhatIsInvalidDoesNotComeBackAfterALossOfPower) {
  begin_fill();
  add(10, 0);
  EXPECT_THAT(ring_.invalidate(), Succeeds());
  EXPECT_EQ(content(), std::nullopt);
  EXPECT_THAT(disk_.sync_directory("/"), Succeeds());
  for (const sim::CrashChoice& choice : disk_.images()) {
    const auto left = disk_.after_power_loss(choice);
    EXPECT_EQ(read_ring(file_bytes(*left)), std::nullopt) << print_choice(choice);
  }
}

TEST_F(AppendRingTest, RoomIsForBatchesAndTheirEntries) {
  begin_fill();
  EXPECT_TRUE(ring_.fits(kRingBytesMin - 512 - 40, 1, false));
  EXPECT_FALSE(ring_.fits(kRingBytesMin - 512 - 40 + 1, 1, false));
  const RingEntry first = add(10, 0);
  EXPECT_TRUE(ring_.fits(kRingBytesMin - 512 - 80 - first.bytes, 1, false));
  EXPECT_FALSE(ring_.fits(kRingBytesMin - 512 - 80 - first.bytes + 1, 1, false));
  EXPECT_TRUE(ring_.fits(kRingBytesMin - 512 - 40, 1, true)) << "in the next fill";
}

TEST_F(AppendRingTest, AStoresBudgetIsNotOverdrawn) {
  {
    AppendRing second(disk_, "/second", kRingBytesMin, budget_);
    second.prepare();
    EXPECT_FALSE(second.is_ready());
    EXPECT_FALSE(second.is_wanted(Timestamp(0))) << "it is not asked again soon";
  }
  auto other = std::make_shared<RingBudget>(kRingBytesMin);
  for (int i = 0; i < 3; ++i) {
    AppendRing one(disk_, "/third", kRingBytesMin, other);
    one.prepare();
    EXPECT_TRUE(one.is_ready()) << "given back by the one before";
  }
}

}  // namespace
}  // namespace oncelog::segment
