#include "segment/txn_index.h"

#include "base/bytes.h"

namespace oncelog::segment {

void encode(std::vector<std::byte>& out, const TxnIndexEntry& entry) {
  const std::size_t begin = out.size();
  out.resize(begin + kTxnIndexEntryBytes);
  const std::span bytes(out);
  base::store_be(bytes, begin, kTxnIndexVersion);
  base::store_be(bytes, begin + 2, entry.producer_id.value());
  base::store_be(bytes, begin + 10, entry.first_offset.value());
  base::store_be(bytes, begin + 18, entry.last_offset.value());
  base::store_be(bytes, begin + 26, entry.last_stable_offset.value());
}

Result<std::vector<TxnIndexEntry>> decode_txn_index(Bytes file) {
  std::vector<TxnIndexEntry> entries(file.size() / kTxnIndexEntryBytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t begin = i * kTxnIndexEntryBytes;
    const auto version = base::load_be<std::int16_t>(file, begin);
    if (version != kTxnIndexVersion) {
      return fail(ErrorCode::UNSUPPORTED_VERSION, "transaction index: entry ", i, " at position ",
                  begin, " has version ", version, ", expected ", kTxnIndexVersion);
    }
    entries[i] = {ProducerId(base::load_be<std::int64_t>(file, begin + 2)),
                  Offset(base::load_be<std::int64_t>(file, begin + 10)),
                  Offset(base::load_be<std::int64_t>(file, begin + 18)),
                  Offset(base::load_be<std::int64_t>(file, begin + 26))};
  }
  return entries;
}

}  // namespace oncelog::segment
