// shell_request.h: one request of the shell: a JSON object that was checked against the table of
// its op, so that the ops read fields without looking at types again.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/oncelog.h"
#include "render.h"

namespace oncelog::cli {

enum class FieldType : std::uint8_t {
  kBool,
  kInt16,
  kInt32,
  kInt64,
  kCount,        ///< an int32 from 0
  kBytes,        ///< an int64 from 0
  kOffsetOrEnd,  ///< an int64 or "end"
  kText,
  kChoice,   ///< one of the words in `choices`
  kHex,      ///< lower-case, whole bytes
  kConfig,   ///< an object of strings, numbers and booleans
  kRecords,  ///< an array of {"k","v","ts","h"}
};

/// A field that a request may or must have.
struct FieldRule {
  std::string_view name{};
  FieldType type = FieldType::kText;
  bool is_required = false;
  std::string_view choices{};  ///< words, each between two bars: "|a|b|"
};

/// Reads fields of a request whose types are known to be right.
class Request {
 public:
  /// `json` must outlive this object and have passed check_fields().
  explicit Request(const Json& json) : json_(json) {}

  [[nodiscard]] bool has(std::string_view name) const { return json_.contains(name); }
  [[nodiscard]] std::int64_t number(std::string_view name, std::int64_t fallback = 0) const;
  [[nodiscard]] bool flag(std::string_view name, bool fallback) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view fallback = {}) const;
  [[nodiscard]] std::vector<std::byte> bytes(std::string_view name) const;  ///< of a kHex field
  [[nodiscard]] const Json& at(std::string_view name) const { return json_.at(name); }

 private:
  const Json& json_;
};

/// INVALID_REQUEST if a field is unknown, missing or of a wrong type.
Result<void> check_fields(std::string_view op, const Json& json, std::span<const FieldRule> rules);

}  // namespace oncelog::cli
