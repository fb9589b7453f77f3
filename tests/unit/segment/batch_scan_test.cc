#include "segment/batch_scan.h"

#include <gmock/gmock.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "oncelog/record_builder.h"
#include "record/batch_header.h"
#include "support/temp_dir.h"

namespace oncelog::segment {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Buffer = std::vector<std::byte>;

/// A batch whose one value has `value_bytes` bytes.
Buffer make_batch(std::int64_t base, std::size_t value_bytes = 10) {
  RecordBatchBuilder builder({.base_offset = Offset(base), .leader_epoch = LeaderEpoch(0)});
  const std::string value(value_bytes, 'v');
  EXPECT_TRUE(builder.add({.timestamp = Timestamp(1000), .value = as_bytes(value)}));
  return *builder.build();
}

Buffer join(std::initializer_list<Buffer> parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// Puts a number and makes the CRC right again.
template <class T>
Buffer with_field(Buffer batch, std::size_t position, T value) {
  base::store_be(std::span(batch), position, value);
  const auto header = record::decode_batch_header(Bytes(batch).first<record::kHeaderBytes>());
  base::store_be(std::span(batch), 17,
                 record::batch_crc(header, Bytes(batch).subspan(record::kHeaderBytes)));
  return batch;
}

class BatchScanTest : public testing::Test {
 protected:
  void write(const Buffer& bytes) {
    file_ = *posix_vfs().open(dir_.file("log"), OpenMode::kCreate);
    ASSERT_TRUE(file_->truncate(0));
    const Bytes parts[] = {bytes};
    ASSERT_TRUE(file_->write_at(parts, 0));
    end_ = std::ssize(bytes);
  }
  BatchScan scan() const { return BatchScan(*file_, {.begin = 0, .end = end_}); }
  /// Base offsets of the batches up to the end or the damage.
  static std::vector<std::int64_t> bases_of(BatchScan& scan) {
    std::vector<std::int64_t> bases;
    while (true) {
      const auto batch = scan.next();
      EXPECT_TRUE(batch) << batch.error().text();
      if (!batch || !*batch) return bases;
      bases.push_back((*batch)->base_offset().value());
    }
  }
  /// The damage of a file that holds one good batch and then these bytes.
  std::string damage_behind_a_batch(const Buffer& bytes) {
    const Buffer good = make_batch(0);
    write(join({good, bytes}));
    BatchScan scanned = scan();
    EXPECT_THAT(bases_of(scanned), ElementsAre(0));
    EXPECT_EQ(scanned.position(), std::ssize(good));
    EXPECT_EQ(scanned.batch_position(), 0);
    EXPECT_THAT(bases_of(scanned), ElementsAre());  // it stays where it is
    return scanned.damage();
  }
  std::optional<std::int64_t> find_from(std::int64_t begin) {
    const auto found = find_next_batch(*file_, begin, end_);
    EXPECT_TRUE(found) << found.error().text();
    return *found;
  }

  test::TempDir dir_;
  std::unique_ptr<File> file_;
  std::int64_t end_ = 0;
};

TEST_F(BatchScanTest, AnEmptyStretchHasNoBatchAndNoDamage) {
  write({});
  BatchScan scanned = scan();
  EXPECT_THAT(bases_of(scanned), ElementsAre());
  EXPECT_EQ(scanned.damage(), "");
}

TEST_F(BatchScanTest, GivesBatchesInOrderWithTheirPlaces) {
  const Buffer first = make_batch(0);
  const Buffer second = make_batch(5, 1000);
  write(join({first, second, make_batch(9)}));
  BatchScan scanned = scan();
  ASSERT_TRUE(scanned.next()->has_value());
  EXPECT_EQ(scanned.batch_position(), 0);
  EXPECT_EQ(scanned.position(), std::ssize(first));
  const auto batch = **scanned.next();
  EXPECT_EQ(scanned.batch_position(), std::ssize(first));
  EXPECT_EQ(Buffer(batch.bytes().begin(), batch.bytes().end()), second);
  EXPECT_THAT(bases_of(scanned), ElementsAre(9));
  EXPECT_EQ(scanned.position(), end_);
  EXPECT_EQ(scanned.damage(), "");
}

TEST_F(BatchScanTest, BeginsAndEndsWhereItIsTold) {
  const Buffer batch = make_batch(0);
  write(join({batch, make_batch(1), make_batch(2)}));
  const std::int64_t size = std::ssize(batch);
  BatchScan scanned(*file_, {.begin = size, .end = 2 * size});
  EXPECT_THAT(bases_of(scanned), ElementsAre(1));
  EXPECT_EQ(scanned.damage(), "");
}

TEST_F(BatchScanTest, BatchesMayBeLargerThanItsReads) {
  Buffer all;
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 0; i < 300; ++i) {
    const Buffer batch = make_batch(i, static_cast<std::size_t>(i * 7 % 500));
    all.insert(all.end(), batch.begin(), batch.end());
    expected.push_back(i);
  }
  write(all);
  for (const std::int64_t read_bytes : {1, 17, 61, 100, 512, 4096}) {
    BatchScan scanned(*file_, {.begin = 0, .end = end_, .read_bytes = read_bytes});
    EXPECT_EQ(bases_of(scanned), expected) << read_bytes;
    EXPECT_EQ(scanned.damage(), "");
  }
}

TEST_F(BatchScanTest, TornHeaderIsNamed) {
  const Buffer batch = make_batch(1);
  EXPECT_EQ(damage_behind_a_batch({batch.begin(), batch.begin() + 13}),
            "torn: 13 bytes are no batch header");
  EXPECT_EQ(damage_behind_a_batch({batch.begin(), batch.begin() + 16}),
            "torn: 16 bytes are no batch header");
}

TEST_F(BatchScanTest, TornBatchIsNamed) {
  const Buffer batch = make_batch(1);
  EXPECT_EQ(damage_behind_a_batch({batch.begin(), batch.end() - 1}),
            "batch of " + std::to_string(batch.size()) + " bytes reaches beyond the end, " +
                std::to_string(batch.size() - 1) + " bytes are left");
  EXPECT_THAT(damage_behind_a_batch({batch.begin(), batch.begin() + 17}),
              HasSubstr("reaches beyond the end, 17 bytes are left"));
}

TEST_F(BatchScanTest, LengthsBelow14AreNamed) {
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 8, std::int32_t{7})),
            "batch length 7 is below 14");
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 8, std::int32_t{-1})),
            "batch length -1 is below 14");
}

TEST_F(BatchScanTest, AZeroTailIsALengthBelow14) {
  EXPECT_EQ(damage_behind_a_batch(Buffer(4096)), "batch length 0 is below 14");
}

TEST_F(BatchScanTest, LengthsBelowAHeaderAreNamed) {
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 8, std::int32_t{48})),
            "batch of 60 bytes is too small, a header has 61");
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 8, std::int32_t{14})),
            "batch of 26 bytes is too small, a header has 61");
}

TEST_F(BatchScanTest, HugeLengthsAreNamedAndAllocateNothing) {
  EXPECT_THAT(damage_behind_a_batch(with_field(make_batch(1), 8, std::int32_t{0x7fffffff})),
              StartsWith("batch of 2147483659 bytes reaches beyond the end"));
}

TEST_F(BatchScanTest, LegacyMagicIsNamedAsSuch) {
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 16, std::int8_t{0})),
            "magic 0: a legacy message set, which is not supported");
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 16, std::int8_t{1})),
            "magic 1: a legacy message set, which is not supported");
}

TEST_F(BatchScanTest, OtherMagicIsNamed) {
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 16, std::int8_t{3})),
            "magic 3 is not supported");
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 16, std::int8_t{-2})),
            "magic -2 is not supported");
}

TEST_F(BatchScanTest, WrongCrcIsNamedWithBothValues) {
  Buffer batch = make_batch(1);
  base::store_be(std::span(batch), 17, std::uint32_t{0x1234abcd});
  const std::string right = damage_behind_a_batch(batch);
  EXPECT_THAT(right, testing::MatchesRegex("CRC is 1234abcd, bytes give [0-9a-f]{8}"));
}

TEST_F(BatchScanTest, CrcIsLeftAloneIfToldSo) {
  Buffer batch = make_batch(1);
  base::store_be(std::span(batch), 17, std::uint32_t{0x1234abcd});
  write(batch);
  BatchScan scanned(*file_, {.begin = 0, .end = end_, .check_crc = false});
  EXPECT_THAT(bases_of(scanned), ElementsAre(1));
}

TEST_F(BatchScanTest, NegativeCountsAreNamed) {
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 23, std::int32_t{-3})),
            "last offset delta -3 is negative");
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 57, std::int32_t{-1})),
            "record count -1 is negative");
}

TEST_F(BatchScanTest, OffsetsThatNobodyCanHaveAreNamed) {
  EXPECT_EQ(damage_behind_a_batch(with_field(make_batch(1), 0, std::int64_t{-5})),
            "base offset -5 is negative");
  EXPECT_EQ(
      damage_behind_a_batch(with_field(make_batch(1), 0, std::numeric_limits<std::int64_t>::max())),
      "base offset 9223372036854775807 leaves no room for the batch's offsets");
}

TEST_F(BatchScanTest, AFileThatIsShorterThanToldIsTorn) {
  const Buffer batch = make_batch(0);
  write(join({batch, batch}));
  const std::int64_t size = std::ssize(batch);
  ASSERT_TRUE(file_->truncate(size + 30));
  BatchScan scanned = scan();
  EXPECT_THAT(bases_of(scanned), ElementsAre(0));
  EXPECT_EQ(scanned.damage(), "torn: the file ends at " + std::to_string(size + 30) +
                                  ", expected " + std::to_string(2 * size) + " bytes");
}

TEST_F(BatchScanTest, ResumesBehindDamage) {
  const Buffer batch = make_batch(0);
  write(join({batch, Buffer(33, std::byte{7}), make_batch(1)}));
  BatchScan scanned = scan();
  EXPECT_THAT(bases_of(scanned), ElementsAre(0));
  EXPECT_NE(scanned.damage(), "");
  scanned.resume_at(std::ssize(batch) + 33);
  EXPECT_EQ(scanned.damage(), "");
  EXPECT_THAT(bases_of(scanned), ElementsAre(1));
  EXPECT_EQ(scanned.damage(), "");
}

TEST_F(BatchScanTest, EveryCutOfAFileLeavesWholeBatchesAndANamedRest) {
  const Buffer batch = make_batch(0, 3);
  const Buffer all = join({batch, make_batch(1, 3), make_batch(2, 3)});
  const std::size_t size = batch.size();
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    write({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut)});
    BatchScan scanned = scan();
    EXPECT_EQ(bases_of(scanned).size(), cut / size);
    EXPECT_EQ(scanned.damage().empty(), cut % size == 0) << cut << scanned.damage();
  }
}

TEST_F(BatchScanTest, FindsTheNextBatchBehindAnyBytes) {
  std::mt19937 random(1);
  for (const std::size_t junk_bytes : {0u, 1u, 59u, 60u, 61u, 100u, 20000u, 40000u, 3000000u}) {
    Buffer junk(junk_bytes);
    for (std::byte& byte : junk) byte = static_cast<std::byte>(random());
    write(join({junk, make_batch(7), make_batch(8)}));
    EXPECT_EQ(find_from(0), std::ssize(junk)) << junk_bytes;
  }
}

TEST_F(BatchScanTest, FindsNothingWhereNothingIs) {
  write({});
  EXPECT_EQ(find_from(0), std::nullopt);
  write(Buffer(100000));
  EXPECT_EQ(find_from(0), std::nullopt);
  write(Buffer(100000, std::byte{2}));  // each byte could be a magic
  EXPECT_EQ(find_from(0), std::nullopt);
  const Buffer batch = make_batch(0);
  write({batch.begin() + 1, batch.end()});
  EXPECT_EQ(find_from(0), std::nullopt);
}

TEST_F(BatchScanTest, PassesOverBatchesWithAWrongCrcOrBeyondTheEnd) {
  Buffer wrong = make_batch(1);
  wrong.back() ^= std::byte{1};
  Buffer torn = make_batch(3);
  torn.pop_back();
  const Buffer good = make_batch(2);
  write(join({wrong, good, torn}));
  EXPECT_EQ(find_from(0), std::ssize(wrong));
  EXPECT_EQ(find_from(std::ssize(wrong) + 1), std::nullopt);
}

TEST_F(BatchScanTest, PassesOverCountsThatNobodyCanHave) {
  for (const std::int32_t count : {-1, std::numeric_limits<std::int32_t>::min()}) {
    const Buffer wrong = with_field(make_batch(1), 57, count);
    write(join({wrong, make_batch(2)}));
    EXPECT_EQ(find_from(0), std::ssize(wrong));
  }
}

TEST_F(BatchScanTest, FindsALoneBatchBetweenDamage) {
  const Buffer junk(500, std::byte{9});
  write(join({junk, make_batch(1), junk}));
  EXPECT_EQ(find_from(0), std::ssize(junk));
}

TEST_F(BatchScanTest, FindsALargeBatch) {
  write(join({Buffer(10, std::byte{9}), make_batch(1, 3 << 20), make_batch(2)}));
  EXPECT_EQ(find_from(0), 10);
}

TEST_F(BatchScanTest, ASearchThroughHeadersThatOnlyLookRightHasABound) {
  // Headers at every 61 bytes, each claiming all bytes up to the end, none with a right CRC:
  // without a bound this would read 275,000 times 8 MiB on average.
  constexpr std::size_t kCount = 16 * 1024 * 1024 / 61;
  Buffer all(kCount * 61);
  record::BatchHeader header;
  for (std::size_t i = 0; i < kCount; ++i) {
    header.batch_length = static_cast<std::int32_t>(all.size() - i * 61 - 12);
    record::encode_batch_header(header,
                                std::span(all).subspan(i * 61).first<record::kHeaderBytes>());
  }
  const Buffer good = make_batch(5);
  all.insert(all.end(), good.begin(), good.end());
  write(all);
  EXPECT_EQ(find_from(0), end_ - std::ssize(good));
}

}  // namespace
}  // namespace oncelog::segment
