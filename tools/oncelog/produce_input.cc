#include "produce_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "signals.h"

namespace oncelog::cli {

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

}  // namespace

LineInput::LineInput(std::vector<std::string> files) : files_(std::move(files)) {
  if (files_.empty()) files_.emplace_back("-");
}

LineInput::~LineInput() {
  if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
}

Result<std::optional<std::string>> LineInput::next() {
  while (!stop_requested()) {
    if (auto line = take_line()) return line;
    if (descriptor_ < 0 && file_index_ == files_.size()) return std::optional<std::string>();
    if (descriptor_ < 0) ONCELOG_TRY(open_next_file());
    ONCELOG_TRY(fill());
  }
  return std::optional<std::string>();
}

std::optional<std::string> LineInput::take_line() {
  const bool is_ended = descriptor_ < 0;
  auto end = buffer_.find('\n', scanned_);
  if (end == std::string::npos) {
    scanned_ = buffer_.size();
    if (!is_ended || begin_ == buffer_.size()) return {};
    end = buffer_.size();
  }
  std::string line = buffer_.substr(begin_, end - begin_);
  begin_ = std::min(end + 1, buffer_.size());
  scanned_ = begin_;
  ++line_count_;
  return line;
}

Result<void> LineInput::open_next_file() {
  name_ = files_[file_index_++];
  descriptor_ = name_ == "-" ? STDIN_FILENO : ::open(name_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ >= 0) return {};
  return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, errno, "open " + name_});
}

Result<void> LineInput::fill() {
  buffer_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  const std::size_t filled = buffer_.size();
  buffer_.resize(filled + kReadBytes);
  const ssize_t count = ::read(descriptor_, buffer_.data() + filled, kReadBytes);
  const int os_errno = errno;
  buffer_.resize(filled + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0 && os_errno != EINTR) {
    return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, os_errno, "read " + name_});
  }
  if (count == 0) {
    if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
    descriptor_ = -1;
  }
  return {};
}

}  // namespace oncelog::cli
