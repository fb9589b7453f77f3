#include "base/hash.h"

#include <gtest/gtest.h>

namespace oncelog::base {
namespace {

TEST(Hash, OfNothingHasThePublishedValues) {
  EXPECT_EQ(hash64({}), 0x2d06800538d394c2u);
  EXPECT_EQ(hash32({}), 0x02cc5d05u);
  EXPECT_EQ(hash128({}), (Hash128{0x99aa06d3014798d8u, 0x6001c324468d497fu}));
}

TEST(Hash, SeedChangesIt) { EXPECT_NE(hash64(as_bytes("a"), 1), hash64(as_bytes("a"))); }

TEST(Hasher128, GivesTheSameForParts) {
  Hasher128 hasher;
  hasher.add(as_bytes("once"));
  hasher.add({});
  hasher.add(as_bytes("log"));
  EXPECT_EQ(hasher.digest(), hash128(as_bytes("oncelog")));
}

}  // namespace
}  // namespace oncelog::base
