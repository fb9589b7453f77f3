#include "base/crc32c.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace oncelog::base {
namespace {

std::vector<std::byte> random_bytes(std::size_t count) {
  std::mt19937 random(42);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

TEST(Crc32c, HasTheCheckValueOfTheFormat) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c_extend_by_table(0, as_bytes("123456789")), 0xE3069283u);
}

TEST(Crc32c, OfNothingIsZero) {
  EXPECT_EQ(crc32c({}), 0u);
  EXPECT_EQ(crc32c_extend(0x1234, {}), 0x1234u);
}

TEST(Crc32c, ContinuesAtAnySplit) {
  const auto bytes = random_bytes(200);
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t split = 0; split <= bytes.size(); ++split) {
    const std::uint32_t front = crc32c(Bytes(bytes).first(split));
    EXPECT_EQ(crc32c_extend(front, Bytes(bytes).subspan(split)), whole) << split;
  }
}

TEST(Crc32c, TableAndHardwareAgreeAtEveryLengthAndAlignment) {
  const auto bytes = random_bytes(2000);
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t count = 0; count + begin < bytes.size(); count += 1 + count / 8) {
      const Bytes part = Bytes(bytes).subspan(begin, count);
      EXPECT_EQ(crc32c_extend(7, part), crc32c_extend_by_table(7, part)) << begin << ' ' << count;
    }
  }
}

}  // namespace
}  // namespace oncelog::base
