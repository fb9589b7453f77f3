// Many partitions in a process that may open few files.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

TopicPartition nth(int index) { return {"many", index}; }

/// The end of a child that is not what it should be.
[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "child: " << why << std::endl;
  ::_exit(1);
}

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Opens so many partitions, appends to each twice, reads, closes and opens again.
[[noreturn]] void work_with_few_descriptors(const std::string& directory, int count, int limit) {
  const rlimit lowered{static_cast<rlim_t>(limit), static_cast<rlim_t>(limit)};
  if (::setrlimit(RLIMIT_NOFILE, &lowered) != 0) give_up("setrlimit");
  test::FaultVfs vfs(posix_vfs());
  vfs.plan().set_skips_syncs(true);
  StoreOptions options;
  options.vfs = &vfs;
  options.append_ring_bytes_total = 1 << 20;
  std::vector<PartitionToOpen> wanted;
  PartitionOptions partition;
  for (int i = 0; i < count; ++i) {
    partition.config.segment_bytes = i % 50 == 0 ? 100 : 1 << 20;  // of one batch, or of all
    partition.level = i % 2 == 0 ? Level::kWritten : Level::kDurable;
    wanted.push_back({nth(i), partition});
  }
  for (const bool is_first : {true, false}) {
    auto store = must(Store::open(directory, options));
    const auto opened = store->open_partitions(wanted);
    for (int round = 0; round < 2; ++round) {
      for (const OpenedPartition& one : opened) {
        must(must(one.log)->append_as_leader(make_batch()));
      }
    }
    for (const OpenedPartition& one : opened) {
      const auto log = must(one.log);
      if (!is_first && !log->recovery_report().was_clean) give_up("not clean");
      const Offset end = log->ends().log_end;
      if (end != Offset(is_first ? 2 : 4)) give_up("an end is " + std::to_string(end.value()));
      for (Offset at{0}; at < end; at = at + 1) {
        if (must(must(log->fetch(at, {.isolation = Isolation::kReplica})).read()).empty()) {
          give_up("a batch cannot be read");
        }
      }
    }
    must(store->close());
  }
  ::_exit(0);
}

TEST(FewDescriptors, ThousandsOfPartitionsWorkWithAHundred) {
  const test::TempDir dir(test::memory_directory());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) work_with_few_descriptors(dir.file("store"), 2000, 100);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/// One partition of a store that may have one file open.
class OneFileOpen : public test::LogFixture {
 protected:
  OneFileOpen() {
    store_options_.open_files_max = 1;
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    options_.config.segment_bytes = static_cast<std::int32_t>(size_);
    options_.config.retention_bytes = size_;
  }
  /// Segments 0 to count − 1 with a batch each, all but the last closed.
  void make_segments(int count) {
    open();
    for (int i = 0; i < count; ++i) append();
    value_of(log_->flush());
  }
  const std::int64_t size_ = std::ssize(make_batch());
};

TEST_F(OneFileOpen, ARegionThatIsHeldStaysReadableBehindRetention) {
  make_segments(4);
  const Fetched held = value_of(log_->fetch(Offset(0)));
  EXPECT_GE(held.region.file->native_handle(), 0) << "for sendfile";
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 3u);
  EXPECT_THAT(test::base_offsets(value_of(held.read())), ElementsAre(0));
  EXPECT_THAT(fetched(3), ElementsAre(3));
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
}

TEST_F(OneFileOpen, ARegionInTheRingStaysReadableBehindRetention) {
  store_options_.append_ring_bytes = 1 << 16;
  options_.config.segment_bytes = static_cast<std::int32_t>(3 * size_);
  options_.config.retention_bytes = 0;
  open();
  append();
  const Fetched held = value_of(log_->fetch(Offset(0)));
  EXPECT_EQ(held.region.file->native_handle(), -1) << "it is in the ring";
  value_of(log_->flush());
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  value_of(other->append_as_leader(make_batch()));
  value_of(other->flush());
  EXPECT_EQ(value_of(log_->apply_retention()).size(), 1u);
  EXPECT_THAT(test::base_offsets(value_of(held.read())), ElementsAre(0));
}

TEST_F(OneFileOpen, EveryVerbFindsItsFiles) {
  options_.config.cleanup_compact = true;
  options_.config.min_cleanable_dirty_ratio = 0;
  options_.config.retention_bytes = -1;
  make_segments(6);
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  value_of(other->append_as_leader(make_batch()));
  EXPECT_EQ(value_of(log_->list_offsets(Timestamp(0), Isolation::kReplica)).offset, Offset(0));
  EXPECT_THAT(value_of(log_->scrub()).findings, IsEmpty());
  value_of(log_->truncate_to(Offset(4)));
  append();
  EXPECT_TRUE(value_of(log_->compact()).was_due);
  value_of(log_->delete_records(Offset(2)));
  append();
  ASSERT_THAT(log_->truncate_fully_and_start_at(Offset(2)), Succeeds());
  EXPECT_EQ(append().base_offset, Offset(2));
  value_of(log_->flush());
  EXPECT_THAT(log_->check_invariants(), IsEmpty());
  const std::string before = answers();
  close_and_open();
  EXPECT_EQ(answers(), before);
}

TEST_F(OneFileOpen, AFailedSyncIsNotLostWithItsDescriptor) {
  make_segments(2);
  append();
  vfs_.plan().set_skips_syncs(false);
  vfs_.plan().add({.call = test::IoCall::kSync, .path_part = "2.log"});
  EXPECT_FALSE(log_->flush());
  const auto other = value_of(store_->open_partition({"u", 0}, options_));
  value_of(other->append_as_leader(make_batch()));
  EXPECT_THAT(log_->append_as_leader(make_batch()), test::FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_THAT(log_->flush(), test::FailsWith(ErrorCode::PARTITION_POISONED));
}

}  // namespace
}  // namespace oncelog
