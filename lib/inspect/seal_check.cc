#include "inspect/seal_check.h"

#include <algorithm>

#include "segment/segment_names.h"

namespace oncelog::inspect {

Result<SealCheck> SealCheck::open(Vfs& vfs, const SegmentName& name, bool is_last,
                                  ProblemList& problems) {
  SealCheck check;
  const std::string path = sibling_path(name, segment::kSealSuffix);
  const std::string directory = name.path.substr(0, name.path.find_last_of('/'));
  auto seal = segment::read_seal(vfs, directory, name.base);
  if (!seal) {
    if (seal.error().os_errno != 0) return std::unexpected(std::move(seal).error());
    problems.add(path, 0, seal.error().text() + "; without it the segment is read");
    return check;
  }
  ONCELOG_TRY_ASSIGN(const auto status, vfs.status(name.path));
  // Another file in its place is a copy, or Kafka's cleaner has been here.
  if (!*seal || !status || status->inode != (*seal)->inode) return check;
  if (status->bytes == (*seal)->log.bytes) {
    check.speaks_ = true;
    check.expected_ = (*seal)->log.hash;
    check.begin_ = (*seal)->base_offset;
    check.end_ = (*seal)->next_offset;
  } else if (!is_last && status->modified_ms == (*seal)->modified_ms) {
    problems.add(name.path, std::min(status->bytes, (*seal)->log.bytes),
                 "the file has " + std::to_string(status->bytes) + " bytes, its seal says " +
                     std::to_string((*seal)->log.bytes));
  }
  return check;
}

void SealCheck::finish(const SegmentName& name, ProblemList& problems) const {
  if (!speaks_ || hasher_.digest() == expected_) return;
  problems.add(name.path, 0,
               "every batch has its CRC, but the file is not what its seal says: a base offset, "
               "length or leader epoch between offsets " +
                   std::to_string(begin_.value()) + " and " + std::to_string(end_.value()) +
                   " was changed");
}

}  // namespace oncelog::inspect
