// produce_input.h: lines from files or from standard input, as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oncelog/error.h"

namespace oncelog::cli {

/// Lines of the files in their order, or of standard input if there are none. A last line without
/// a line end is a line.
class LineInput {
 public:
  explicit LineInput(std::vector<std::string> files);
  ~LineInput();
  LineInput(const LineInput&) = delete;
  LineInput& operator=(const LineInput&) = delete;

  /// The next line without its line end; nothing at the end, or when the process was told to stop.
  Result<std::optional<std::string>> next();
  /// Lines given so far.
  [[nodiscard]] std::int64_t line_count() const { return line_count_; }

 private:
  Result<void> open_next_file();
  Result<void> fill();
  std::optional<std::string> take_line();

  std::vector<std::string> files_;
  std::size_t file_index_ = 0;  ///< of the file to open next
  int descriptor_ = -1;         ///< −1: the next file must be opened, or all are read
  std::string name_{};
  std::string buffer_{};
  std::size_t begin_ = 0;    ///< in the buffer, of what was not given yet
  std::size_t scanned_ = 0;  ///< in the buffer, up to where there is no line end
  std::int64_t line_count_ = 0;
};

}  // namespace oncelog::cli
