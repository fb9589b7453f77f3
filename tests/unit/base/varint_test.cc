#include "base/varint.h"

#include <gtest/gtest.h>
#include <initializer_list>
#include <limits>

namespace oncelog::base {
namespace {

using ByteList = std::vector<std::byte>;

ByteList bytes_of(std::initializer_list<int> values) {
  ByteList bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

struct Example {
  std::int64_t value;
  ByteList bytes;
};

const std::vector<Example> kVarints = {
    {0, bytes_of({0x00})},
    {-1, bytes_of({0x01})},
    {1, bytes_of({0x02})},
    {-2, bytes_of({0x03})},
    {63, bytes_of({0x7e})},
    {-64, bytes_of({0x7f})},
    {64, bytes_of({0x80, 0x01})},
    {-65, bytes_of({0x81, 0x01})},
    {8191, bytes_of({0xfe, 0x7f})},
    {-8192, bytes_of({0xff, 0x7f})},
    {8192, bytes_of({0x80, 0x80, 0x01})},
    {2147483647, bytes_of({0xfe, 0xff, 0xff, 0xff, 0x0f})},
    {-2147483648LL, bytes_of({0xff, 0xff, 0xff, 0xff, 0x0f})},
};

const std::vector<Example> kVarlongs = {
    {-86400123, bytes_of({0xf5, 0xf1, 0xb2, 0x52})},
    {std::numeric_limits<std::int64_t>::max(),
     bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})},
    {std::numeric_limits<std::int64_t>::min(),
     bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})},
};

TEST(Varint, WritesAndReadsTheTableOfTheFormat) {
  for (const Example& example : kVarints) {
    const auto value = static_cast<std::int32_t>(example.value);
    ByteList out;
    encode_varint(value, out);
    EXPECT_EQ(out, example.bytes) << value;
    EXPECT_EQ(varint_bytes(value), example.bytes.size()) << value;
    ByteCursor cursor{Bytes(example.bytes)};
    EXPECT_EQ(decode_varint(cursor), value);
    EXPECT_TRUE(cursor.ok);
    EXPECT_EQ(cursor.left(), 0u);
  }
}

TEST(Varlong, WritesAndReadsTheTableOfTheFormat) {
  for (const auto& examples : {kVarints, kVarlongs}) {
    for (const Example& example : examples) {
      ByteList out;
      encode_varlong(example.value, out);
      EXPECT_EQ(out, example.bytes) << example.value;
      EXPECT_EQ(varlong_bytes(example.value), example.bytes.size()) << example.value;
      ByteCursor cursor{Bytes(example.bytes)};
      EXPECT_EQ(decode_varlong(cursor), example.value);
      EXPECT_TRUE(cursor.ok);
    }
  }
}

TEST(Varint, ReadsFormsLongerThanNeeded) {
  const ByteList bytes = bytes_of({0x80, 0x80, 0x80, 0x80, 0x00, 0x82, 0x80, 0x00});
  ByteCursor cursor{Bytes(bytes)};
  EXPECT_EQ(decode_varint(cursor), 0);
  EXPECT_EQ(decode_varint(cursor), 1);
  EXPECT_TRUE(cursor.ok);
  EXPECT_EQ(cursor.left(), 0u);
}

TEST(Varint, RefusesASixthByte) {
  const ByteList bytes = bytes_of({0xff, 0xff, 0xff, 0xff, 0x8f, 0x00});
  ByteCursor cursor{Bytes(bytes)};
  EXPECT_EQ(decode_varint(cursor), 0);
  EXPECT_FALSE(cursor.ok);
  EXPECT_EQ(cursor.left(), 0u);
}

TEST(Varlong, RefusesAnEleventhByte) {
  ByteList bytes(10, std::byte{0x80});
  bytes.push_back(std::byte{0});
  ByteCursor cursor{Bytes(bytes)};
  EXPECT_EQ(decode_varlong(cursor), 0);
  EXPECT_FALSE(cursor.ok);
}

TEST(Varint, RefusesEveryBrokenOffForm) {
  for (const Example& example : kVarints) {
    for (std::size_t count = 0; count < example.bytes.size(); ++count) {
      ByteCursor cursor(Bytes(example.bytes).first(count));
      (void)decode_varint(cursor);
      EXPECT_FALSE(cursor.ok) << example.value << " cut to " << count;
    }
  }
}

TEST(ByteCursor, FailsOnlyOnceAndThenHasNothingLeft) {
  ByteCursor cursor;
  EXPECT_EQ(decode_varint(cursor), 0);
  EXPECT_EQ(decode_varlong(cursor), 0);
  EXPECT_FALSE(cursor.ok);
}

}  // namespace
}  // namespace oncelog::base
