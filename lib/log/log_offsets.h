// log_offsets.h: log start <= LSO <= high watermark <= log end, how each may move, and how readers
// see all of them at once.
#pragma once

#include <atomic>
#include <optional>

#include "oncelog/partition_log.h"
#include "oncelog/types.h"

namespace oncelog::log {

/// The ends, and where the log end lies in the files.
struct Positioned {
  LogEnds ends{};
  Offset end_segment_base{};
  std::int64_t end_position = 0;  ///< in that segment
};

/// The master copy. Not thread-safe: the writer lock guards it.
///
/// Invariant: log_start <= last_stable_offset <= high_watermark <= log_end. The log end goes back
/// only by truncation, the high watermark only where its owner lowers it, the LSO with either.
class LogOffsets {
 public:
  LogOffsets() = default;
  LogOffsets(Offset log_start, Offset log_end);

  [[nodiscard]] Offset log_start() const { return log_start_; }
  [[nodiscard]] Offset last_stable_offset() const { return last_stable_offset_; }
  [[nodiscard]] Offset high_watermark() const { return high_watermark_; }
  [[nodiscard]] Offset log_end() const { return log_end_; }

  /// After an append; never back.
  void advance_log_end(Offset to);
  /// Clamped to [log start, log end] (13.3).
  void set_high_watermark(Offset to);
  /// To an offset in [log start, high watermark]; the caller has checked (16.1).
  void raise_log_start(Offset to);
  /// The log ends at `to`, at or below the end; log start and high watermark come down with it
  /// (15.3).
  void truncate(Offset to);
  /// LSO from the earliest undecided transaction, if there is one (7.1, 7.2).
  void set_first_unstable(std::optional<Offset> first_unstable);

 private:
  void check() const;

  Offset log_start_{};
  Offset last_stable_offset_{};
  Offset high_watermark_{};
  Offset log_end_{};
};

/// One writer publishes, any thread reads a consistent copy without a lock: a sequence lock whose
/// fields are atomics.
class PublishedOffsets {
 public:
  void publish(const Positioned& now);
  [[nodiscard]] Positioned read() const;
  /// The log end alone.
  [[nodiscard]] Offset log_end() const { return Offset(log_end_.load(std::memory_order_acquire)); }

 private:
  std::atomic<std::uint64_t> version_{0};  ///< odd while a writer is in between
  std::atomic<std::int64_t> log_start_{0};
  std::atomic<std::int64_t> last_stable_offset_{0};
  std::atomic<std::int64_t> high_watermark_{0};
  std::atomic<std::int64_t> log_end_{0};
  std::atomic<std::int64_t> end_segment_base_{0};
  std::atomic<std::int64_t> end_position_{0};
};

}  // namespace oncelog::log
