#include "record/legacy_message.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <vector>

#include "base/bytes.h"

namespace oncelog::record {
namespace {

/// A message of magic 0 or 1 without its prefix: CRC-32, magic, attributes, null key, value "v".
std::vector<std::byte> message_of(std::int8_t magic) {
  std::vector<std::byte> bytes(magic == 0 ? 15 : 23);
  const std::span out(bytes);
  base::store_be(out, 4, magic);
  const std::size_t key = magic == 0 ? 6 : 14;
  base::store_be(out, key, std::int32_t{-1});
  base::store_be(out, key + 4, std::int32_t{1});
  out[key + 8] = std::byte{'v'};
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data() + 4), bytes.size() - 4);
  base::store_be(out, 0, static_cast<std::uint32_t>(crc));
  return bytes;
}

TEST(LegacyMessage, IsRecognisedInBothOldFormats) {
  EXPECT_TRUE(is_legacy_message(message_of(0)));
  EXPECT_TRUE(is_legacy_message(message_of(1)));
}

TEST(LegacyMessage, IsNotWhatCarriesALaterMagic) { EXPECT_FALSE(is_legacy_message(message_of(2))); }

TEST(LegacyMessage, IsNotRecognisedWithOneByteChanged) {
  for (std::size_t i = 0; i < message_of(0).size(); ++i) {
    std::vector<std::byte> message = message_of(0);
    message[i] ^= std::byte{0x10};
    EXPECT_FALSE(is_legacy_message(message)) << "byte " << i;
  }
}

TEST(LegacyMessage, IsNotWhatIsTooShortOrZero) {
  EXPECT_FALSE(is_legacy_message({}));
  EXPECT_FALSE(is_legacy_message(std::vector<std::byte>(13)));
  EXPECT_FALSE(is_legacy_message(std::vector<std::byte>(64)));
}

}  // namespace
}  // namespace oncelog::record
