// render.h: what leaves the command: bytes to standard output, hexadecimal, JSON, the kinds of
// batches.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "oncelog/oncelog.h"

namespace oncelog::cli {

/// JSON whose members stay in the order in which they were set.
using Json = nlohmann::ordered_json;

/// Standard output, buffered here, so that a failed write is seen. A reader that went away is no
/// error: the program then ends quietly.
class Output {
 public:
  Output() = default;
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// False once nothing can be written any more.
  bool write(std::string_view text);
  bool flush();
  [[nodiscard]] bool is_open() const { return os_errno_ == 0; }
  /// The exit status of a program that did all it had to: 0, or 3 if its output could not be
  /// written.
  [[nodiscard]] int finish();

 private:
  std::string buffer_{};
  int os_errno_ = 0;
};

/// One line of JSON, without the line end; bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string json_line(const Json& json);
/// A key or a value as JSON: a string or null.
[[nodiscard]] Json json_text(const std::optional<Bytes>& bytes);
/// Lower-case hexadecimal without blanks.
[[nodiscard]] std::string to_hex(Bytes bytes);
/// The headers of a record: an array of `[key, value]`, a value being a string or null.
[[nodiscard]] Json json_headers(const RecordView& record);
/// Null, "commit", "abort", or the number of another control record.
[[nodiscard]] Json json_control(const RecordBatchView& batch);
/// What the header of a batch says, in the words of the shell protocol.
[[nodiscard]] Json json_batch(const RecordBatchView& batch);
/// "open", "committed" or "aborted".
[[nodiscard]] const char* state_text(TransactionState state);
/// 2023-11-14T22:13:20.000Z
[[nodiscard]] std::string timestamp_text(Timestamp timestamp);
/// 850ms, 59s, 14m59s, 23h59m, 3d4h: two units at most.
[[nodiscard]] std::string duration_text(std::int64_t duration_ms);
/// A number, or `-`; as JSON the number or null.
template <class Number>
[[nodiscard]] std::string number_text(const std::optional<Number>& number) {
  return number ? std::to_string(number->value()) : "-";
}
template <class Number>
[[nodiscard]] Json json_number(const std::optional<Number>& number) {
  return number ? Json(number->value()) : Json(nullptr);
}
[[nodiscard]] inline std::string number_text(const std::optional<std::int64_t>& number) {
  return number ? std::to_string(*number) : "-";
}
[[nodiscard]] inline Json json_number(const std::optional<std::int64_t>& number) {
  return number ? Json(*number) : Json(nullptr);
}

}  // namespace oncelog::cli
