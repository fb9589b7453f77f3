#include "inspect/segment_scan.h"

#include <algorithm>
#include <vector>

#include "segment/batch_scan.h"

namespace oncelog::inspect {

Result<bool> scan_segment(const File& file, const std::string& path, const StretchVisitor& visit) {
  ONCELOG_TRY_ASSIGN(const std::int64_t end, file.size());
  segment::BatchScan scan(file, {.begin = 0, .end = end});
  ScannedBatch found;
  found.file = path;
  while (true) {
    ONCELOG_TRY_ASSIGN(found.batch, scan.next());
    if (!found.batch && scan.damage().empty()) return true;
    if (found.batch) {
      found.position = scan.batch_position();
      found.bytes = std::ssize(found.batch->bytes());
      found.damage.clear();
    } else {
      found.position = scan.position();
      found.damage = scan.damage();
      ONCELOG_TRY_ASSIGN(const std::optional<std::int64_t> next,
                         segment::find_next_batch(file, found.position + 1, end));
      found.bytes = next.value_or(end) - found.position;
      scan.resume_at(next.value_or(end));
    }
    ONCELOG_TRY_ASSIGN(const bool goes_on, visit(found));
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
