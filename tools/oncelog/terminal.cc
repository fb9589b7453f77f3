#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace oncelog::cli {

namespace {

using std::chrono::steady_clock;

/// Work that is done within the first one needs no word.
constexpr std::chrono::milliseconds kFirstDelay{500};
constexpr std::chrono::milliseconds kInterval{200};

constexpr std::string_view kRed = "\x1b[31m";
constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kClearLine = "\r\x1b[K";

bool is_terminal(Stream stream) {
  return ::isatty(stream == Stream::kOutput ? STDOUT_FILENO : STDERR_FILENO) == 1;
}

/// no-color.org: any value but the empty one.
bool wants_colours() {
  const char* const no_colour = std::getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

}  // namespace

std::optional<std::size_t> output_columns() {
  winsize size{};
  if (!is_terminal(Stream::kOutput)) return std::nullopt;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return std::nullopt;
  return size.ws_col;
}

bool output_is_file() {
  struct stat status{};
  return ::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
}

std::string red(std::string_view text, Stream stream) {
  if (!is_terminal(stream) || !wants_colours()) return std::string(text);
  return fmt::format("{}{}{}", kRed, text, kPlain);
}

std::string bytes_text(std::int64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double amount = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

ProgressLine::ProgressLine()
    : is_shown_(is_terminal(Stream::kErrors)), next_(steady_clock::now() + kFirstDelay) {}

bool ProgressLine::is_due() const { return is_shown_ && steady_clock::now() >= next_; }

void ProgressLine::show(std::string_view text) {
  if (!is_due()) return;
  fmt::print(stderr, "{}{}", kClearLine, text);
  has_text_ = true;
  next_ = steady_clock::now() + kInterval;
}

void ProgressLine::clear() {
  if (has_text_) fmt::print(stderr, "{}", kClearLine);
  has_text_ = false;
}

}  // namespace oncelog::cli
