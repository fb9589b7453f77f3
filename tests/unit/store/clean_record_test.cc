#include "store/clean_record.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::store {
namespace {

using test::Buffer;
using test::FailsWith;
using test::value_of;

CleanRecord example() {
  CleanRecord record;
  record.witnesses = {{"recovery-point-offset-checkpoint", 12345, 0x1122334455667788u},
                      {".kafka_cleanshutdown", 0, 0}};
  record.partitions[{"orders", 0}] = {Offset(100), 4096, 0xDEADBEEF};
  record.partitions[{"orders", 7}] = {Offset(0), 0, 0};
  return record;
}

/// Makes the hash right again.
Buffer sealed(Buffer file) {
  base::store_be(std::span(file), 6, base::hash64(Bytes(file).subspan(14)));
  return file;
}

TEST(CleanRecord, GoesBothWays) {
  EXPECT_EQ(value_of(decode_clean_record(encode_clean_record(example()))), example());
  EXPECT_EQ(value_of(decode_clean_record(encode_clean_record({}))), CleanRecord{});
}

TEST(CleanRecord, EveryFlippedBitIsRefused) {
  const Buffer whole = encode_clean_record(example());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Buffer file = whole;
    file[bit / 8] ^= std::byte{1} << (bit % 8);
    const bool is_version = bit / 8 == 4 || bit / 8 == 5;
    EXPECT_THAT(decode_clean_record(file),
                FailsWith(is_version ? ErrorCode::UNSUPPORTED_VERSION : ErrorCode::CORRUPT_MESSAGE))
        << "bit " << bit;
  }
}

TEST(CleanRecord, ACutOrGrownFileIsRefused) {
  Buffer whole = encode_clean_record(example());
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THAT(decode_clean_record(Bytes(whole).first(bytes)),
                FailsWith(ErrorCode::CORRUPT_MESSAGE));
  }
  whole.push_back({});
  EXPECT_THAT(decode_clean_record(whole), FailsWith(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_THAT(decode_clean_record(sealed(whole)),
              FailsWith(ErrorCode::CORRUPT_MESSAGE, "counts do not fit"));
}

TEST(CleanRecord, AnotherVersionIsRefusedByName) {
  Buffer file = encode_clean_record(example());
  base::store_be(std::span(file), 4, std::int16_t{3});
  EXPECT_THAT(decode_clean_record(file), FailsWith(ErrorCode::UNSUPPORTED_VERSION, "version 3"));
}

TEST(CleanRecord, WrongCountsAreRefusedThoughTheHashIsRight) {
  for (const std::int32_t count : {0, 1, 3, -1, 0x7FFFFFFF}) {
    Buffer file = encode_clean_record(example());
    base::store_be(std::span(file), 14, count);
    EXPECT_THAT(decode_clean_record(sealed(file)), FailsWith(ErrorCode::CORRUPT_MESSAGE)) << count;
  }
}

TEST(CleanRecord, OneFormOnlyIsReadThoughTheHashIsRight) {
  Buffer negative = encode_clean_record({});
  base::store_be(std::span(negative), 14, std::int32_t{-5});  // of witnesses, where there are none
  EXPECT_THAT(decode_clean_record(sealed(negative)), FailsWith(ErrorCode::CORRUPT_MESSAGE));

  CleanRecord two;
  two.partitions[{"a", 0}] = {};
  two.partitions[{"b", 0}] = {};
  Buffer file = encode_clean_record(two);
  const auto last_name = std::ranges::find(file, std::byte{'b'});
  ASSERT_NE(last_name, file.end());
  *last_name = std::byte{'a'};  // a partition twice
  EXPECT_THAT(decode_clean_record(sealed(file)), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

TEST(Witness, IsTheInodeAndTheBytesOfAFile) {
  const test::TempDir dir;
  const std::string path = dir.file("f");
  const WitnessFile missing = value_of(look_at_witness(posix_vfs(), path, "f"));
  EXPECT_EQ(missing, (WitnessFile{"f", 0, 0}));

  test::write_text(path, "one");
  const WitnessFile first = value_of(look_at_witness(posix_vfs(), path, "f"));
  EXPECT_NE(first.inode, 0u);
  EXPECT_EQ(value_of(look_at_witness(posix_vfs(), path, "f")), first);

  test::write_text(path, "two");
  const WitnessFile changed = value_of(look_at_witness(posix_vfs(), path, "f"));
  EXPECT_EQ(changed.inode, first.inode);
  EXPECT_NE(changed.hash, first.hash);

  test::write_text(dir.file("g"), "one");
  const WitnessFile other = value_of(look_at_witness(posix_vfs(), dir.file("g"), "f"));
  EXPECT_NE(other.inode, first.inode);
  EXPECT_EQ(other.hash, first.hash);
  EXPECT_EQ(other.name, "f");
}

}  // namespace
}  // namespace oncelog::store
