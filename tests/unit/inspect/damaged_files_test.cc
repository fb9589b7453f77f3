// Whatever the files hold: readers and verify come to an end, answer, and break no invariant.
#include <gmock/gmock.h>

#include <filesystem>
#include <random>

#include "oncelog/inspect.h"
#include "record/batch_header.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::join;
using test::make_batch;
using test::make_marker;
using test::transactional;

class DamagedFiles : public testing::Test {
 protected:
  DamagedFiles() {
    batches_ = {make_batch({.base = 0, .records = 3, .producer = 9}),
                transactional(3, 1),
                transactional(4, 2, 0, 2),
                make_marker(6, MarkerType::kAbort, 1),
                make_batch({.base = 7, .codec = Codec::kLz4}),
                transactional(8, 1, 1),
                make_marker(9, MarkerType::kCommit, 2),
                make_marker(10, MarkerType::kAbort, 1),
                make_batch({.base = 11})};
    files_.write_txn_index(0, {{ProducerId(1), Offset(3), Offset(6), Offset(4)}});
    files_.write_txn_index(8, {{ProducerId(1), Offset(8), Offset(10), Offset(11)}});
    files_.write(files_.file("leader-epoch-checkpoint"), "0\n1\n0 0\n");
  }

  void write(const std::vector<Buffer>& batches) {
    Buffer first;
    Buffer second;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      Buffer& segment = i < 5 ? first : second;
      segment.insert(segment.end(), batches[i].begin(), batches[i].end());
    }
    replace(files_.segment(0), first);
    replace(files_.segment(8), second);
  }
  /// Another file of the same name.
  static void replace(const std::string& path, const Buffer& bytes) {
    std::filesystem::remove(path);
    test::PartitionFiles::write(path, bytes);
  }

  /// Everything that inspect offers.
  void inspect_all(PartitionReader* follower = nullptr) {
    const auto problems = verify_partition(files_.path());
    EXPECT_TRUE(problems) << problems.error().text();
    EXPECT_TRUE(scan_batches(files_.path(), [](const ScannedBatch&) { return true; }));
    const auto reader = PartitionReader::open(files_.path());
    ASSERT_TRUE(reader) << reader.error().text();
    read_all(**reader);
    if (follower == nullptr) return;
    EXPECT_TRUE(follower->refresh());
    read_all(*follower);
    EXPECT_EQ(follower->ends().log_end, (*reader)->ends().log_end);
    EXPECT_EQ(follower->ends().last_stable_offset, (*reader)->ends().last_stable_offset);
  }
  static void read_all(const PartitionReader& reader) {
    const LogEnds ends = reader.ends();
    EXPECT_LE(ends.log_start, ends.last_stable_offset);
    EXPECT_LE(ends.last_stable_offset, ends.high_watermark);
    EXPECT_LE(ends.high_watermark, ends.log_end);
    for (const Isolation isolation : {Isolation::kReadUncommitted, Isolation::kReadCommitted}) {
      for (Offset from = ends.log_start; from < ends.log_end && from < Offset(20);
           from = from + 1) {
        const auto fetched = reader.fetch(from, {.isolation = isolation});
        ASSERT_TRUE(fetched) << fetched.error().text();
        EXPECT_TRUE(fetched->read());
      }
      std::ignore = reader.list_offsets(kMaxTimestamp, isolation);
      std::ignore = reader.list_offsets(Timestamp(1001), isolation);
    }
    std::ignore = reader.producers();
  }

  test::PartitionFiles files_;
  std::vector<Buffer> batches_;
};

TEST_F(DamagedFiles, RandomBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::vector<Buffer> batches = batches_;
    for (unsigned i = 0; i <= random() % 4; ++i) {
      Buffer& batch = batches[random() % batches.size()];
      batch[random() % batch.size()] = static_cast<std::byte>(random());
    }
    if (random() % 4 == 0) batches[4].resize(random() % batches[4].size());
    write(batches);
    SCOPED_TRACE(round);
    inspect_all();
  }
}

// Headers that say anything under a right CRC: nobody but a writer with a fault makes them.
TEST_F(DamagedFiles, RandomFieldsWithARightCrc) {
  std::mt19937_64 random(11);
  write(batches_);
  const auto follower = *PartitionReader::open(files_.path());
  for (int round = 0; round < 1500; ++round) {
    std::vector<Buffer> batches = batches_;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      Buffer& batch = batches[random() % batches.size()];
      const std::size_t positions[] = {7, 6, 0, 15, 22, 24, 26, 27, 35, 43, 50, 51, 52, 53, 57, 60};
      const std::size_t position = positions[random() % std::size(positions)];
      batch[position] = static_cast<std::byte>(random() % 3 == 0 ? random() : random() % 16);
      const std::span<std::byte, record::kHeaderBytes> bytes(batch.data(), record::kHeaderBytes);
      record::BatchHeader header = record::decode_batch_header(bytes);
      header.crc = record::batch_crc(header, Bytes(batch).subspan(record::kHeaderBytes));
      record::encode_batch_header(header, bytes);
    }
    write(batches);
    SCOPED_TRACE(round);
    inspect_all(follower.get());
  }
}

TEST_F(DamagedFiles, IndexesOfAnyBytes) {
  std::mt19937 random(13);
  write(batches_);
  for (int round = 0; round < 200; ++round) {
    for (const char* suffix : {".index", ".timeindex", ".txnindex"}) {
      Buffer bytes(random() % 100);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
      replace(files_.segment(0, suffix), bytes);
    }
    inspect_all();
  }
}

}  // namespace
}  // namespace oncelog
