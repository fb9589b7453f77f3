// segment_scan.h: every batch and every damaged stretch of one `.log`.
#pragma once

#include <functional>
#include <string>

#include "inspect/file_scan.h"
#include "oncelog/inspect.h"
#include "oncelog/io.h"

namespace oncelog::inspect {

/// Return false to end the scan.
using StretchVisitor = std::function<Result<bool>(const ScannedBatch&)>;

/// Visits the file from its front to its end as it is now; answers false if the visitor ended it.
Result<bool> scan_segment(const File& file, const std::string& path, const StretchVisitor& visit,
                          FileScanOptions options = {});

/// Whether `[begin, end)` holds zeros only, as a preallocated file does behind its last batch.
Result<bool> is_all_zero(const File& file, std::int64_t begin, std::int64_t end);

}  // namespace oncelog::inspect
