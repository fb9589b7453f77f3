#include "inspect/segment_scan.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace oncelog::inspect {

Result<bool> scan_segment(const File& file, const std::string& path, const StretchVisitor& visit,
                          FileScanOptions options) {
  ONCELOG_TRY_ASSIGN(const std::int64_t end, file.size());
  FileScan scan(file, path, end, std::move(options));
  while (true) {
    ONCELOG_TRY_ASSIGN(const ScannedBatch* const found, scan.next());
    if (found == nullptr) return true;
    ONCELOG_TRY_ASSIGN(const bool goes_on, visit(*found));
    if (!goes_on) return false;
  }
}

Result<bool> is_all_zero(const File& file, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kReadBytes = 1 << 16;
  std::vector<std::byte> buffer;
  while (begin < end) {
    buffer.resize(static_cast<std::size_t>(std::min(kReadBytes, end - begin)));
    ONCELOG_TRY_ASSIGN(const std::size_t count, file.read_at(buffer, begin));
    const Bytes bytes = Bytes(buffer).first(count);
    if (!std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; })) {
      return false;
    }
    if (count < buffer.size()) break;
    begin += static_cast<std::int64_t>(count);
  }
  return true;
}

}  // namespace oncelog::inspect
