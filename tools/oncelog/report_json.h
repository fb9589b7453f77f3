// report_json.h: a map of a partition as the data of a page, short enough for many cells.
#pragma once

#include <string>

#include "oncelog/oncelog.h"
#include "render.h"

namespace oncelog::cli {

struct ReportedPartition {
  std::string name{};
  std::string path{};
  Timestamp now = kNoTimestamp;  ///< ages are measured up to it
  std::int64_t hanging_ms = 0;   ///< an open transaction older than this hangs
};

/// Cells are arrays, in the order of report_page.js's decode(), each number as small as it can be.
[[nodiscard]] Json json_partition(const ReportedPartition& partition, const PartitionMap& map);

}  // namespace oncelog::cli
