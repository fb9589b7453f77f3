// scan_batches.cc: every batch and every damaged stretch, for dumps.
#include <cerrno>

#include "base/threads.h"
#include "inspect/segment_list.h"
#include "inspect/segment_scan.h"
#include "oncelog/inspect.h"

namespace oncelog {

Result<void> scan_batches(const std::string& path, const BatchVisitor& visit, Vfs* vfs,
                          int thread_count) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  const inspect::StretchVisitor visit_stretch = [&](const ScannedBatch& found) -> Result<bool> {
    return visit(found);
  };
  const inspect::FileScanOptions options{.thread_count = base::threads_wanted(thread_count)};
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, disk.status(path));
  if (!status || !status->is_directory) {
    ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, disk.open(path, OpenMode::kRead));
    ONCELOG_TRY(inspect::scan_segment(*file, path, visit_stretch, options));
    return {};
  }
  ONCELOG_TRY_ASSIGN(const auto segments, inspect::list_partition(disk, path));
  for (const inspect::SegmentName& segment : segments) {
    const auto file = disk.open(segment.path, OpenMode::kRead);
    // Retention may have removed it since the directory was listed.
    if (!file && file.error().os_errno == ENOENT) continue;
    if (!file) return std::unexpected(file.error());
    ONCELOG_TRY_ASSIGN(const bool goes_on,
                       inspect::scan_segment(**file, segment.path, visit_stretch, options));
    if (!goes_on) break;
  }
  return {};
}

}  // namespace oncelog
