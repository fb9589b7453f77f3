// file_scan.h: every batch and every damaged stretch of one `.log`, one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "inspect/scan_ahead.h"
#include "oncelog/inspect.h"
#include "oncelog/io.h"
#include "segment/batch_scan.h"

namespace oncelog::inspect {

struct FileScanOptions {
  int thread_count = 1;  ///< with the caller's; others are started where the file is worth it
  BatchExam exam{};      ///< what it finds becomes the damage of a batch that is given
};

/// From the file's front to an end. The stretches tile it.
class FileScan {
 public:
  FileScan(const File& file, const std::string& path, std::int64_t end,
           FileScanOptions options = {});

  /// Null at the end; valid until the next call. Errors are those of reading.
  Result<const ScannedBatch*> next();

 private:
  [[nodiscard]] bool may_scan_ahead() const;
  /// The next batch that other threads have checked; null where they stopped.
  const ScannedBatch* take_checked();
  Result<void> take_damage();

  const File& file_;
  const std::int64_t end_;
  const FileScanOptions options_;
  segment::BatchScan scan_;
  std::unique_ptr<ScanAhead> ahead_{};
  std::int64_t sound_bytes_;  ///< behind the last damage
  ScannedBatch found_{};
};

}  // namespace oncelog::inspect
