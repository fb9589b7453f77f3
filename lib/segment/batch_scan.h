// batch_scan.h: walks the batches of a file. Recovery, dump, verify and readers share it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/io.h"
#include "oncelog/record.h"

namespace oncelog::segment {

/// Up to and with magic: what tells a batch's length and kind, in all versions.
inline constexpr std::int64_t kFrameBytes = 17;

/// The bytes of the whole batch that begins with these kFrameBytes, where `bytes_left` bytes are
/// left from its front, or what is wrong with them: in the order in which Kafka looks
/// (formats 1.6).
[[nodiscard]] std::expected<std::int64_t, std::string> framed_bytes(Bytes frame,
                                                                    std::int64_t bytes_left);
/// The batch in exactly the bytes that its frame tells, or what is wrong with it.
[[nodiscard]] std::expected<RecordBatchView, std::string> check_batch(Bytes bytes, bool check_crc);

/// Reads whole batches one behind the other out of `[begin, end)` of a file, with large reads.
///
/// Invariant: position() is where the last batch ended; damage() says why there is no next one, or
/// is empty. A batch longer than the bytes up to `end` is damage and allocates nothing.
class BatchScan {
 public:
  struct Options {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    bool check_crc = true;
    std::int64_t read_bytes = 1 << 20;
  };
  BatchScan(const File& file, Options options);

  /// The next batch, or nothing at the end or before damage. Valid until the next call. Errors are
  /// those of reading.
  Result<std::optional<RecordBatchView>> next();

  /// Goes on behind damage, at a position that find_next_batch has found.
  void resume_at(std::int64_t position);

  /// Where the next batch begins, would begin, or is damaged.
  [[nodiscard]] std::int64_t position() const { return position_; }
  /// Where the batch given last begins.
  [[nodiscard]] std::int64_t batch_position() const { return batch_position_; }
  /// Empty if the batches end exactly at `end`.
  [[nodiscard]] const std::string& damage() const { return damage_; }

 private:
  /// Up to `bytes` bytes at position(); fewer if the file ends before.
  Result<Bytes> load(std::int64_t bytes);

  const File& file_;
  Options options_;
  std::int64_t position_;
  std::int64_t batch_position_ = -1;
  std::string damage_;
  std::vector<std::byte> buffer_;
  std::int64_t buffer_begin_ = 0;  ///< file position of buffer_'s first byte
  std::int64_t buffered_bytes_ = 0;
};

/// The first position in `[begin, end)` at which a whole batch with a right CRC begins, or nothing.
///
/// The cost is bounded: a position is a candidate if its 61 bytes could be a header. CRCs are taken
/// of 16 MiB and four times the bytes searched so far, and besides, where the next batch or the end
/// follows behind the candidate, of 16 MiB and four times the whole stretch. Candidates beyond that
/// are passed over: a batch of more than 16 MiB between two damaged ones may not be found.
Result<std::optional<std::int64_t>> find_next_batch(const File& file, std::int64_t begin,
                                                    std::int64_t end);

}  // namespace oncelog::segment
