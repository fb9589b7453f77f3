#include "segment/seal.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "segment/segment_names.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::segment {
namespace {

using test::FailsWith;
using test::Succeeds;
using test::value_of;

constexpr Offset kBase{31};

Seal make_seal() {
  Seal seal;
  seal.base_offset = kBase;
  seal.next_offset = Offset(47);
  seal.inode = 0xFFFF'0000'1111'2222;
  seal.modified_ms = 1'700'000'000'123;
  seal.log = {400, {1, 2}};
  seal.header_chain = 3;
  seal.offset_index = {8, {4, 5}};
  seal.time_index = {12, {6, 7}};
  seal.txn_index = {34, {8, 9}};
  seal.last_batch = {Offset(45), LeaderEpoch(7), 0xDEADBEEF};
  seal.max_timestamp = Timestamp(-5);
  seal.offset_of_max_timestamp = Offset(44);
  seal.first_batch_timestamp = Timestamp(-6);
  seal.bytes_since_index_entry = 99;
  seal.open_transactions = {{ProducerId(1), Offset(30)}, {ProducerId(0), Offset(45)}};
  return seal;
}

TEST(Seal, ComesBackAsItWasWritten) {
  EXPECT_EQ(value_of(decode_seal(encode(make_seal()))), make_seal());
  Seal bare;
  bare.next_offset = bare.base_offset;
  EXPECT_EQ(value_of(decode_seal(encode(bare))), bare) << "no batch, no time, nothing open";
}

TEST(Seal, EachFlippedByteIsRefused) {
  const auto sound = encode(make_seal());
  for (std::size_t i = 0; i < sound.size(); ++i) {
    auto flipped = sound;
    flipped[i] ^= std::byte{0x10};
    EXPECT_FALSE(decode_seal(flipped)) << i;
  }
}

TEST(Seal, EachCutIsRefused) {
  const auto sound = encode(make_seal());
  for (std::size_t bytes = 0; bytes < sound.size(); ++bytes) {
    EXPECT_THAT(decode_seal(Bytes(sound).first(bytes)), FailsWith(ErrorCode::CORRUPT_MESSAGE))
        << bytes;
  }
}

TEST(Seal, AnotherVersionIsUnsupportedAndNotCorrupt) {
  auto newer = encode(make_seal());
  newer[5] = std::byte{2};
  EXPECT_THAT(decode_seal(newer), FailsWith(ErrorCode::UNSUPPORTED_VERSION, "version 2"));
}

TEST(Seal, ACountThatTheLengthDoesNotBearOutIsRefusedAlsoUnderItsHash) {
  auto bytes = encode(make_seal());
  const std::size_t count_at = bytes.size() - 8 - 2 * 16 - 4;
  ASSERT_EQ(base::load_be<std::int32_t>(bytes, count_at), 2);
  for (const std::int32_t count : {-1, 1, 3, 0x7FFFFFFF}) {
    base::store_be(std::span(bytes), count_at, count);
    const Bytes body = Bytes(bytes).first(bytes.size() - 8);
    base::store_be(std::span(bytes), body.size(), base::hash64(body));
    EXPECT_THAT(decode_seal(bytes), FailsWith(ErrorCode::CORRUPT_MESSAGE, "length")) << count;
  }
}

class SealFileTest : public testing::Test {
 protected:
  [[nodiscard]] std::string path(std::string_view suffix) const {
    return dir_.file(segment_file_name(kBase, suffix));
  }
  [[nodiscard]] static Bytes bytes_of(std::string_view text) { return as_bytes(text); }
  [[nodiscard]] static SealedFile sealed_of(std::string_view text) {
    return {std::ssize(text), base::hash128(bytes_of(text))};
  }
  /// A seal of the files as they are.
  [[nodiscard]] Seal seal_files() {
    Seal seal = make_seal();
    const auto status = value_of(posix_vfs().status(path(kLogSuffix)));
    seal.inode = status->inode;
    seal.modified_ms = status->modified_ms;
    seal.log = sealed_of(test::read_text(path(kLogSuffix)));
    seal.offset_index = value_of(hash_index_file(posix_vfs(), path(kOffsetIndexSuffix)));
    seal.time_index = value_of(hash_index_file(posix_vfs(), path(kTimeIndexSuffix)));
    seal.txn_index = value_of(hash_index_file(posix_vfs(), path(kTxnIndexSuffix)));
    return seal;
  }
  [[nodiscard]] std::string why_not(const Seal& seal) {
    return value_of(open_sealed(posix_vfs(), dir_.path(), seal)).why_not;
  }

  test::TempDir dir_{test::memory_directory()};
};

TEST_F(SealFileTest, IsReadWhereItIsAndNothingWhereItIsNot) {
  EXPECT_EQ(value_of(read_seal(posix_vfs(), dir_.path(), kBase)), std::nullopt);
  ASSERT_THAT(write_seal(posix_vfs(), dir_.path(), make_seal()), Succeeds());
  EXPECT_EQ(value_of(read_seal(posix_vfs(), dir_.path(), kBase)), make_seal());
  ASSERT_THAT(write_seal(posix_vfs(), dir_.path(), make_seal()), Succeeds()) << "over itself";
  EXPECT_EQ(value_of(read_seal(posix_vfs(), dir_.path(), kBase)), make_seal());
}

TEST_F(SealFileTest, OfAnotherSegmentIsRefused) {
  Seal other = make_seal();
  ASSERT_THAT(write_seal(posix_vfs(), dir_.path(), other), Succeeds());
  test::write_text(dir_.file(segment_file_name(Offset(5), kSealSuffix)),
                   test::read_text(path(kSealSuffix)));
  EXPECT_THAT(read_seal(posix_vfs(), dir_.path(), Offset(5)),
              FailsWith(ErrorCode::CORRUPT_MESSAGE, "base 31"));
}

TEST_F(SealFileTest, IsBelievedWhileTheFilesAreAsItSays) {
  test::write_text(path(kLogSuffix), "any bytes");
  test::write_text(path(kOffsetIndexSuffix), std::string(8, '\1'));
  const Seal seal = seal_files();
  const Unsealed opened = value_of(open_sealed(posix_vfs(), dir_.path(), seal));
  ASSERT_TRUE(opened.contents) << opened.why_not;
  EXPECT_EQ(opened.contents->bytes, 9);
  EXPECT_EQ(opened.contents->offset_index.entries.size(), 1u);
  EXPECT_TRUE(opened.contents->time_index.entries.empty());
  EXPECT_EQ(opened.contents->open_transactions, seal.open_transactions);
  EXPECT_TRUE(opened.contents->is_sealed);
}

TEST_F(SealFileTest, IsNotBelievedOverAnotherLog) {
  test::write_text(path(kLogSuffix), "any bytes");
  const Seal seal = seal_files();
  Seal other = seal;
  other.inode += 1;
  EXPECT_THAT(why_not(other), testing::HasSubstr("another file"));
  other = seal;
  other.modified_ms -= 1;
  EXPECT_THAT(why_not(other), testing::HasSubstr("written to"));
  test::append_to_file(path(kLogSuffix), bytes_of("more"));
  EXPECT_THAT(why_not(seal), testing::HasSubstr("written to"));
  std::filesystem::remove(path(kLogSuffix));
  EXPECT_NE(why_not(seal), "");
}

TEST_F(SealFileTest, IsNotBelievedOverAnIndexThatIsNotAsItWas) {
  test::write_text(path(kLogSuffix), "any bytes");
  for (const std::string_view suffix : {kOffsetIndexSuffix, kTimeIndexSuffix, kTxnIndexSuffix}) {
    test::write_text(path(suffix), std::string(suffix == kTxnIndexSuffix ? 0 : 24, '\1'));
  }
  const Seal seal = seal_files();
  ASSERT_EQ(why_not(seal), "");
  for (const std::string_view suffix : {kOffsetIndexSuffix, kTimeIndexSuffix}) {
    const std::string before = test::read_text(path(suffix));
    test::flip_byte(path(suffix), 23);
    EXPECT_THAT(why_not(seal), testing::HasSubstr("index")) << suffix;
    test::write_text(path(suffix), before.substr(1));
    EXPECT_THAT(why_not(seal), testing::HasSubstr("index")) << suffix;
    std::filesystem::remove(path(suffix));
    EXPECT_THAT(why_not(seal), testing::HasSubstr("index")) << suffix;
    test::write_text(path(suffix), before);
  }
  test::write_text(path(kTxnIndexSuffix), "x");
  EXPECT_THAT(why_not(seal), testing::HasSubstr("index"));
}

}  // namespace
}  // namespace oncelog::segment
