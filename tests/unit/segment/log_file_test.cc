#include "segment/log_file.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "sim/sim_disk.h"
#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::segment {
namespace {

using test::Buffer;
using test::FailsWith;
using test::make_batch;
using test::make_header;
using test::Succeeds;
using test::value_of;

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() {
    ring_->prepare();
    log_.use_ring(ring_, Offset(0), {});
  }

  Result<void> append(std::size_t value_bytes = 10, Level level = Level::kWritten) {
    const test::BatchSpec spec{.base = next_, .value_bytes = value_bytes};
    const record::BatchHeader header = make_header(spec);
    const Buffer batch = make_batch(spec);
    const Bytes bytes = batch;
    auto appended = log_.append({&header, 1}, {&bytes, 1}, std::ssize(all_), level);
    if (!appended) return appended;
    all_.insert(all_.end(), batch.begin(), batch.end());
    ++next_;
    return {};
  }
  [[nodiscard]] std::int64_t file_bytes() { return value_of(value_of(log_.file())->size()); }
  void expect_reads() {
    for (std::size_t from = 0; from <= all_.size(); from += 19) {
      Buffer bytes(all_.size());
      const std::size_t count = value_of(log_.read_at(bytes, static_cast<std::int64_t>(from)));
      bytes.resize(count);
      EXPECT_EQ(bytes, Buffer(all_.begin() + static_cast<std::ptrdiff_t>(from), all_.end()));
    }
  }

  sim::SimDisk disk_;
  std::shared_ptr<AppendRing> ring_ = std::make_shared<AppendRing>(
      disk_, "/.tail", kRingBytesMin, std::make_shared<RingBudget>(kRingBytesMax));
  LogFile log_{value_of(disk_.open("/log", OpenMode::kCreate)), "/log"};
  Buffer all_;
  std::int64_t next_ = 0;
};

TEST_F(LogFileTest, ReadsGiveWhatTheFileAndWhatTheRingHolds) {
  for (int i = 0; i < 4; ++i) ASSERT_THAT(append(), Succeeds());
  EXPECT_EQ(file_bytes(), 0);
  expect_reads();
  ASSERT_THAT(log_.drain(), Succeeds());
  EXPECT_EQ(file_bytes(), std::ssize(all_));
  for (int i = 0; i < 4; ++i) ASSERT_THAT(append(), Succeeds());
  EXPECT_LT(file_bytes(), std::ssize(all_));
  expect_reads();
}

TEST_F(LogFileTest, AFullRingIsDrainedByOneWrite) {
  int appends = 0;
  while (file_bytes() == 0) {
    ASSERT_THAT(append(), Succeeds());
    ++appends;
  }
  EXPECT_GT(appends, 10);
  EXPECT_LT(file_bytes(), std::ssize(all_)) << "the batch that found no room is in the next fill";
  expect_reads();
}

TEST_F(LogFileTest, ABatchLargerThanTheRingGoesBehindWhatItHolds) {
  ASSERT_THAT(append(), Succeeds());
  ASSERT_THAT(append(5000), Succeeds());
  EXPECT_EQ(file_bytes(), std::ssize(all_));
  ASSERT_THAT(append(), Succeeds());
  expect_reads();
}

TEST_F(LogFileTest, WhatWillBeSyncedGoesPastTheRing) {
  ASSERT_THAT(append(), Succeeds());
  ASSERT_THAT(append(10, Level::kDurable), Succeeds());
  EXPECT_EQ(file_bytes(), std::ssize(all_));
  disk_.faults().add({.call = sim::IoCall::kWrite, .path_part = "/log"});
  EXPECT_THAT(append(10, Level::kDurable), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_EQ(file_bytes(), std::ssize(all_)) << "refused, it is not there";
  expect_reads();
}

TEST_F(LogFileTest, WithoutARingEachAppendIsAWrite) {
  LogFile plain(value_of(disk_.open("/plain", OpenMode::kCreate)), "/plain");
  const record::BatchHeader header = make_header({});
  const Buffer batch = make_batch();
  const Bytes bytes = batch;
  ASSERT_THAT(plain.append({&header, 1}, {&bytes, 1}, 0, Level::kWritten), Succeeds());
  EXPECT_EQ(value_of(value_of(plain.file())->size()), std::ssize(batch));
}

TEST_F(LogFileTest, AFailedDrainKeepsEverythingAndIsTriedAgain) {
  for (int i = 0; i < 4; ++i) ASSERT_THAT(append(), Succeeds());
  disk_.faults().add({.call = sim::IoCall::kWrite, .path_part = "/log", .os_errno = ENOSPC});
  EXPECT_THAT(log_.drain(), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(file_bytes(), 0) << "half a write was cut off";
  expect_reads();
  ASSERT_THAT(append(), Succeeds()) << "the ring has room";
  ASSERT_THAT(log_.drain(), Succeeds());
  EXPECT_EQ(file_bytes(), std::ssize(all_));
  expect_reads();
}

TEST_F(LogFileTest, ADrainThatCannotBeCutOffPoisons) {
  ASSERT_THAT(append(), Succeeds());
  disk_.faults().add({.call = sim::IoCall::kWrite, .path_part = "/log"});
  disk_.faults().add({.call = sim::IoCall::kTruncate, .path_part = "/log"});
  EXPECT_THAT(log_.drain(), FailsWith(ErrorCode::PARTITION_POISONED, "cutting back failed, too"));
}

TEST_F(LogFileTest, WhatTheRingHoldsHasNoDescriptor) {
  EXPECT_EQ(log_.native_handle(), -1);
  ASSERT_THAT(append(), Succeeds());
  EXPECT_EQ(log_.ring_begin(), 0);
  ASSERT_THAT(log_.drain(), Succeeds());
  EXPECT_GT(log_.ring_begin(), std::ssize(all_));
}

}  // namespace
}  // namespace oncelog::segment
