// fuzz_txn_index.cc: the bytes of a transaction index. The rules:
// - decoding is bounded by the file, and refuses it only for an entry of another version;
// - what was decoded is encoded to the same bytes.
//
// The input: the file.
#include <algorithm>

#include "base/bytes.h"
#include "fuzz/target.h"
#include "segment/txn_index.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  const Bytes file = fuzz::bytes_of(data, size);
  const auto entries = segment::decode_txn_index(file);
  constexpr std::size_t kEntryBytes = segment::kTxnIndexEntryBytes;
  bool has_other_version = false;
  for (std::size_t at = 0; at + kEntryBytes <= file.size(); at += kEntryBytes) {
    has_other_version |= base::load_be<std::int16_t>(file, at) != segment::kTxnIndexVersion;
  }
  ONCELOG_ASSERT(entries.has_value() != has_other_version);
  if (!entries) {
    ONCELOG_ASSERT(entries.error().code == ErrorCode::UNSUPPORTED_VERSION);
    return 0;
  }
  ONCELOG_ASSERT(entries->size() == file.size() / kEntryBytes, entries->size());
  fuzz::Buffer encoded;
  for (const auto& entry : *entries) segment::encode(encoded, entry);
  ONCELOG_ASSERT(std::ranges::equal(encoded, file.first(encoded.size())));
  return 0;
}
