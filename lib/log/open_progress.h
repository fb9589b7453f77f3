// open_progress.h: how far the open of one partition is, for somebody who looks on.
#pragma once

#include <atomic>
#include <cstdint>

namespace oncelog::log {

/// Written by the thread that opens, read by any. Bytes that are read anew count again.
struct OpenProgress {
  std::atomic<std::int64_t> bytes_read{0};
  std::atomic<std::int64_t> bytes_sealed{0};  ///< not read: their seals say what they hold
  std::atomic<std::int64_t> segments_done{0};
};

}  // namespace oncelog::log
