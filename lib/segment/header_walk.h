// header_walk.h: the headers of the batches in a stretch of a `.log`, without reading their
// records.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "record/batch_header.h"

namespace oncelog::segment {

/// Walks `[begin, end)`; both are batch boundaries. Reads a few KiB at a time.
class HeaderWalk {
 public:
  HeaderWalk(const File& file, const std::string& path, std::int64_t begin, std::int64_t end)
      : file_(file), path_(path), next_position_(begin), end_(end) {}

  /// The next header, or nothing at `end`. CORRUPT_MESSAGE with file and position if there is none.
  Result<std::optional<record::BatchHeader>> next();
  /// Where the batch given last begins.
  [[nodiscard]] std::int64_t position() const { return position_; }

 private:
  static constexpr std::size_t kReadBytes = 4096;

  const File& file_;
  const std::string& path_;
  std::int64_t position_ = 0;
  std::int64_t next_position_;
  std::int64_t end_;
  std::int64_t buffer_begin_ = 0;
  std::int64_t buffered_bytes_ = 0;
  std::array<std::byte, kReadBytes> buffer_;
};

}  // namespace oncelog::segment
