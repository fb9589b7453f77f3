#include "render.h"

#include <fmt/compile.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "args.h"

namespace oncelog::cli {

namespace {

constexpr std::size_t kOutputBufferBytes = 64 * 1024;

}  // namespace

Output::~Output() { flush(); }

bool Output::write(std::string_view text) {
  buffer_ += text;
  return buffer_.size() < kOutputBufferBytes ? is_open() : flush();
}

bool Output::flush() {
  std::string_view rest = buffer_;
  while (is_open() && !rest.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      os_errno_ = errno;
    }
  }
  buffer_.clear();
  return is_open();
}

int Output::finish() {
  flush();
  if (is_open() || os_errno_ == EPIPE) return kExitDone;
  return report(Error{ErrorCode::KAFKA_STORAGE_ERROR, os_errno_, "write standard output"});
}

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_text(const std::optional<Bytes>& bytes) {
  return bytes ? Json(std::string(as_text(*bytes))) : Json(nullptr);
}

Json json_headers(const RecordView& record) {
  Json headers = Json::array();
  for (const RecordHeader& header : record.headers()) {
    headers.push_back(Json::array({std::string(header.key), json_text(header.value)}));
  }
  return headers;
}

std::string to_hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

Json json_control(const RecordBatchView& batch) {
  if (!batch.is_control()) return nullptr;
  const auto control = batch.control_record();
  if (!control || !*control) return nullptr;  // malformed, or its record was compacted away
  if (!(*control)->is_marker()) return (*control)->type;
  return (*control)->is_abort() ? "abort" : "commit";
}

Json json_batch(const RecordBatchView& batch) {
  return {{"base", batch.base_offset().value()},
          {"last", batch.last_offset().value()},
          {"pid", batch.producer_id().value()},
          {"epoch", batch.producer_epoch().value()},
          {"seq", batch.base_sequence().value()},
          {"count", batch.record_count()},
          {"txn", batch.is_transactional()},
          {"control", json_control(batch)},
          {"leader_epoch", batch.leader_epoch().value()},
          {"codec", codec_name(batch.codec_bits())}};
}

const char* state_text(TransactionState state) {
  switch (state) {
    case TransactionState::kCommitted:
      return "committed";
    case TransactionState::kAborted:
      return "aborted";
    case TransactionState::kOpen:
      break;
  }
  return "open";
}

std::string timestamp_text(Timestamp timestamp) {
  const std::int64_t ms = timestamp.value();
  constexpr std::int64_t kLastMs = 253'402'300'799'999;  // the end of the year 9999
  if (ms < 0 || ms > kLastMs) return std::to_string(ms);
  const std::chrono::sys_time<std::chrono::milliseconds> time{std::chrono::milliseconds(ms)};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z"),
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::string duration_text(std::int64_t duration_ms) {
  const std::int64_t seconds = duration_ms / 1000;
  if (duration_ms < 1000) return fmt::format("{}ms", duration_ms);
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h{:02}m", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{}d{}h", seconds / 86400, seconds / 3600 % 24);
}

}  // namespace oncelog::cli
