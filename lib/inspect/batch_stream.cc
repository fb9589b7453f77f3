#include "inspect/batch_stream.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "inspect/segment_scan.h"

namespace oncelog::inspect {

BatchStream::BatchStream(Vfs& vfs, std::vector<SegmentName> segments)
    : vfs_(&vfs), segments_(std::move(segments)) {
  if (!segments_.empty()) end_offset_ = segments_.front().base;
}

Result<BatchStream> BatchStream::open(Vfs& vfs, const std::string& directory) {
  ONCELOG_TRY_ASSIGN(auto segments, list_partition(vfs, directory));
  return BatchStream(vfs, std::move(segments));
}

Result<const ScannedBatch*> BatchStream::next() {
  while (index_ < segments_.size()) {
    if (!scan_) ONCELOG_TRY(open_segment());
    if (scan_) {
      ONCELOG_TRY_ASSIGN(const bool is_found, scan_on());
      if (is_found) return &found_;
    }
    if (index_ + 1 == segments_.size()) break;  // segment() stays the last one
    scan_.reset();
    ++index_;
  }
  return nullptr;
}

Result<void> BatchStream::open_segment() {
  const SegmentName& name = segments_[index_];
  auto opened = vfs_->open(name.path, OpenMode::kRead);
  if (!opened && opened.error().os_errno == ENOENT) return {};
  if (!opened) return std::unexpected(std::move(opened).error());
  file_ = *std::move(opened);
  ONCELOG_TRY_ASSIGN(file_bytes_, file_->size());
  scan_ = std::make_unique<FileScan>(*file_, name.path, file_bytes_);
  end_offset_ = std::max(end_offset_, name.base);
  return {};
}

Result<bool> BatchStream::scan_on() {
  ONCELOG_TRY_ASSIGN(const ScannedBatch* const found, scan_->next());
  if (found == nullptr) return false;
  found_ = *found;
  if (found_.batch) {
    check_offsets();
    return true;
  }
  if (found_.position + found_.bytes < file_bytes_ || index_ + 1 < segments_.size()) return true;
  // Where the file has grown since, somebody was just writing what looks torn.
  ONCELOG_TRY_ASSIGN(const std::int64_t bytes_now, file_->size());
  if (bytes_now > file_bytes_) return false;
  ONCELOG_TRY_ASSIGN(const bool is_zero, is_all_zero(*file_, found_.position, file_bytes_));
  return !is_zero;
}

void BatchStream::check_offsets() {
  const Offset base = found_.batch->base_offset();
  if (base < end_offset_) {
    found_.damage = "base offset " + std::to_string(base.value()) + " goes back, the log was at " +
                    std::to_string(end_offset_.value());
    return;
  }
  end_offset_ = found_.batch->next_offset();
}

std::string damage_text(const ScannedBatch& found) {
  if (found.batch) return found.damage;
  return found.damage + "; " + std::to_string(found.bytes) + " bytes are passed over";
}

Result<void> walk_batches(BatchStream& batches, ProblemList& problems, const BatchWalk& visit) {
  while (true) {
    ONCELOG_TRY_ASSIGN(const ScannedBatch* const found, batches.next());
    if (found == nullptr) return {};
    if (!found->damage.empty()) problems.add(found->file, found->position, damage_text(*found));
    if (found->batch && !visit(batches.segment(), *found)) return {};
  }
}

}  // namespace oncelog::inspect
