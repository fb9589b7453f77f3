#include "inspect/file_scan.h"

#include <optional>
#include <utility>

namespace oncelog::inspect {

namespace {

/// Fewer bytes are read by one thread before others have been started.
constexpr std::int64_t kAheadBytesMin = 4 << 20;
/// What other threads have read is lost at each damage: so many sound bytes must lie between two.
constexpr std::int64_t kSoundBytesMin = 4 << 20;

}  // namespace

FileScan::FileScan(const File& file, const std::string& path, std::int64_t end,
                   FileScanOptions options)
    : file_(file),
      end_(end),
      options_(std::move(options)),
      scan_(file, {.begin = 0, .end = end}),
      sound_bytes_(kSoundBytesMin) {
  found_.file = path;
}

Result<const ScannedBatch*> FileScan::next() {
  if (may_scan_ahead()) {
    ahead_ =
        std::make_unique<ScanAhead>(file_, ScanAhead::Options{.begin = scan_.position(),
                                                              .end = end_,
                                                              .thread_count = options_.thread_count,
                                                              .exam = options_.exam});
  }
  if (const ScannedBatch* const checked = take_checked()) return checked;
  ONCELOG_TRY_ASSIGN(found_.batch, scan_.next());
  if (found_.batch) {
    found_.position = scan_.batch_position();
    found_.bytes = std::ssize(found_.batch->bytes());
    found_.damage = options_.exam ? options_.exam(*found_.batch) : std::string();
    sound_bytes_ += found_.bytes;
    return &found_;
  }
  if (scan_.damage().empty()) return nullptr;
  ONCELOG_TRY(take_damage());
  return &found_;
}

bool FileScan::may_scan_ahead() const {
  return options_.thread_count > 1 && !ahead_ && sound_bytes_ >= kSoundBytesMin &&
         end_ - scan_.position() >= kAheadBytesMin;
}

const ScannedBatch* FileScan::take_checked() {
  if (!ahead_) return nullptr;
  const CheckedBatch* const checked = ahead_->next();
  if (checked == nullptr) {
    scan_.resume_at(ahead_->position());
    ahead_.reset();
    sound_bytes_ = 0;
    return nullptr;
  }
  found_.batch = checked->batch;
  found_.position = checked->position;
  found_.bytes = std::ssize(checked->batch.bytes());
  found_.damage = checked->finding;
  return &found_;
}

Result<void> FileScan::take_damage() {
  sound_bytes_ = 0;
  found_.position = scan_.position();
  found_.damage = scan_.damage();
  ONCELOG_TRY_ASSIGN(const std::optional<std::int64_t> next,
                     segment::find_next_batch(file_, found_.position + 1, end_));
  found_.bytes = next.value_or(end_) - found_.position;
  scan_.resume_at(next.value_or(end_));
  return {};
}

}  // namespace oncelog::inspect
