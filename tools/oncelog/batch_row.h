// batch_row.h: a batch as a line of columns.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "oncelog/inspect.h"

namespace oncelog::cli {

/// Makes one line after the other in the same place. By std::to_chars: a dump goes through a
/// segment as fast as its lines are made (DECISIONS 64).
class BatchRow {
 public:
  static constexpr std::string_view kHeading =
      "  position    bytes       base       last  count        pid epoch        seq kind    leader "
      "codec   max timestamp\n";

  /// With the line end; valid until the next call. There is a batch.
  std::string_view line(const ScannedBatch& scanned);

 private:
  void add_right(std::int64_t number, std::size_t width);
  void add_left(std::string_view text, std::size_t width);
  void add(std::string_view text);
  void add_blanks(std::size_t count);
  void add_time(Timestamp timestamp);

  /// Twelve columns of at most 24 characters, and what stands between them.
  std::array<char, 512> line_{};
  std::size_t size_ = 0;
  std::int64_t second_ = -1;   ///< of `second_text_`
  std::string second_text_{};  ///< the text of its first millisecond
};

}  // namespace oncelog::cli
