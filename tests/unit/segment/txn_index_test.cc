#include "segment/txn_index.h"

#include <gmock/gmock.h>

#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::segment {
namespace {

using test::FailsWith;
using testing::ElementsAre;
using testing::IsEmpty;

/// The worked example of the format.
constexpr TxnIndexEntry kEntry{ProducerId(4000), Offset(100), Offset(103), Offset(104)};
constexpr const char* kExample =
    "00000000000000000fa0000000000000006400000000000000670000000000000068";

TEST(TxnIndex, TheExampleOfTheFormatEncodes) {
  std::vector<std::byte> bytes;
  encode(bytes, kEntry);
  EXPECT_EQ(test::to_hex(bytes), kExample);
}

TEST(TxnIndex, TheExampleOfTheFormatDecodes) {
  EXPECT_THAT(*decode_txn_index(test::from_hex(kExample)), ElementsAre(kEntry));
}

TEST(TxnIndex, APartialEntryAtTheEndIsIgnored) {
  const auto whole = test::from_hex(kExample);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THAT(*decode_txn_index(Bytes(whole).first(bytes)), IsEmpty());
    auto longer = whole;
    longer.insert(longer.end(), whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_THAT(*decode_txn_index(longer), ElementsAre(kEntry));
  }
}

TEST(TxnIndex, AnyOtherVersionIsRefusedByName) {
  for (const char* version : {"0001", "0100", "ffff", "7fff"}) {
    auto bytes = test::from_hex(kExample);
    const auto second = test::from_hex(std::string(version) + std::string(kExample).substr(4));
    bytes.insert(bytes.end(), second.begin(), second.end());
    EXPECT_THAT(decode_txn_index(bytes),
                FailsWith(ErrorCode::UNSUPPORTED_VERSION, "entry 1 at position 34"))
        << version;
  }
}

}  // namespace
}  // namespace oncelog::segment
