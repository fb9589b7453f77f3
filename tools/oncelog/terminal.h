// terminal.h: what is there for people at a terminal only: widths, colours, progress. Files and
// pipes never see any of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace oncelog::cli {

/// How wide the terminal is that standard output goes to; nothing if it goes elsewhere.
[[nodiscard]] std::optional<std::size_t> output_columns();

/// Whether standard output goes to a file: a pipe may end at the terminal, behind a pager.
[[nodiscard]] bool output_is_file();

enum class Stream : unsigned char { kOutput, kErrors };
/// Red where the stream is a terminal and NO_COLOR is not set; else the text as it is.
[[nodiscard]] std::string red(std::string_view text, Stream stream);

/// "12 B", "3.4 MiB", "1.2 GiB".
[[nodiscard]] std::string bytes_text(std::int64_t bytes);

/// One line on standard error that is written over, several times a second at most, and goes when
/// the object does. Nothing where standard error is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Whether a text would be shown now: to be asked first where making it costs something.
  [[nodiscard]] bool is_due() const;
  void show(std::string_view text);
  /// So that other lines may follow.
  void clear();

 private:
  const bool is_shown_;
  bool has_text_ = false;
  std::chrono::steady_clock::time_point next_;
};

}  // namespace oncelog::cli
