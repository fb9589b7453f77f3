#include "segment/header_walk.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "support/batches.h"
#include "support/files.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace oncelog::segment {
namespace {

using test::Buffer;
using test::FailsWith;
using test::make_batch;
using testing::ElementsAre;
using testing::HasSubstr;

class HeaderWalkTest : public testing::Test {
 protected:
  HeaderWalk walk(const Buffer& bytes) {
    test::write_file(path_, bytes);
    file_ = test::value_of(posix_vfs().open(path_, OpenMode::kRead));
    end_ = std::ssize(bytes);
    return {*file_, path_, 0, end_};
  }
  /// The error behind one good batch of these bytes, with the position where it must be.
  std::string error_behind_a_batch(const Buffer& bytes) {
    const Buffer good = make_batch({.base = 0});
    HeaderWalk walked = walk(test::join({good, bytes}));
    EXPECT_THAT(walked.next(), test::Succeeds());
    const auto header = walked.next();
    EXPECT_THAT(header,
                FailsWith(ErrorCode::CORRUPT_MESSAGE, "position " + std::to_string(good.size())));
    return header ? "" : header.error().context;
  }
  template <class T>
  static Buffer with_field(std::size_t position, T value) {
    Buffer batch = make_batch({.base = 1});
    base::store_be(std::span(batch), position, value);
    return batch;
  }

  test::TempDir dir_;
  std::string path_ = dir_.file("00000000000000000000.log");
  std::unique_ptr<File> file_;
  std::int64_t end_ = 0;
};

TEST_F(HeaderWalkTest, GivesEveryHeaderWithItsPosition) {
  std::vector<Buffer> batches;
  std::vector<std::int64_t> positions;
  std::int64_t position = 0;
  for (int i = 0; i < 300; ++i) {  // some smaller, some larger than one read of the walk
    batches.push_back(make_batch({.base = i, .value_bytes = i % 7 == 0 ? 5000u : 20u}));
    positions.push_back(position);
    position += std::ssize(batches.back());
  }
  HeaderWalk walked = walk(test::join(batches));
  for (int i = 0; i < 300; ++i) {
    const auto header = test::value_of(walked.next());
    ASSERT_TRUE(header);
    ASSERT_EQ(header->base_offset, Offset(i));
    ASSERT_EQ(walked.position(), positions[static_cast<std::size_t>(i)]);
  }
  EXPECT_FALSE(test::value_of(walked.next()));
}

TEST_F(HeaderWalkTest, BeginsAndEndsWhereItIsTold) {
  const Buffer one = make_batch({.base = 0});
  walk(test::join({one, make_batch({.base = 1}), make_batch({.base = 2})}));
  HeaderWalk walked(*file_, path_, std::ssize(one), 2 * std::ssize(one));
  EXPECT_EQ(test::value_of(walked.next())->base_offset, Offset(1));
  EXPECT_FALSE(test::value_of(walked.next()));
}

TEST_F(HeaderWalkTest, AnEmptyStretchHasNoHeader) {
  HeaderWalk walked = walk({});
  EXPECT_FALSE(test::value_of(walked.next()));
}

TEST_F(HeaderWalkTest, ImpossibleHeadersAreNamedWithFileAndPosition) {
  EXPECT_THAT(error_behind_a_batch(with_field(8, std::int32_t{48})), HasSubstr("length 48"));
  EXPECT_THAT(error_behind_a_batch(with_field(8, std::int32_t{-1})), HasSubstr("length -1"));
  EXPECT_THAT(error_behind_a_batch(with_field(8, std::int32_t{0x7FFFFFFF})), HasSubstr(path_));
  EXPECT_THAT(error_behind_a_batch(with_field(16, std::int8_t{1})), HasSubstr("magic 1"));
  EXPECT_THAT(error_behind_a_batch(with_field(16, std::int8_t{3})), HasSubstr("magic 3"));
  EXPECT_THAT(error_behind_a_batch(with_field(23, std::int32_t{-1})), HasSubstr("no batch"));
  EXPECT_THAT(error_behind_a_batch(Buffer(100)), HasSubstr("no batch"));
}

TEST_F(HeaderWalkTest, AShortStretchIsNoHeader) {
  EXPECT_THAT(error_behind_a_batch(Buffer(60)), HasSubstr("60 bytes"));
}

TEST_F(HeaderWalkTest, ABatchMustEndWithinTheStretch) {
  Buffer batch = make_batch({.base = 1});
  batch.pop_back();
  EXPECT_THAT(error_behind_a_batch(batch), HasSubstr("bytes left"));
}

TEST_F(HeaderWalkTest, AFileShorterThanTheStretchIsNamed) {
  const Buffer good = make_batch();
  walk(good);
  HeaderWalk walked(*file_, path_, 0, end_ + 200);
  EXPECT_THAT(walked.next(), test::Succeeds());
  EXPECT_THAT(walked.next(), FailsWith(ErrorCode::CORRUPT_MESSAGE, "ends at position"));
}

}  // namespace
}  // namespace oncelog::segment
