#include "shell_request.h"

#include <algorithm>
#include <limits>

namespace oncelog::cli {

namespace {

template <class Int>
bool is_int(const Json& json, std::int64_t least = std::numeric_limits<Int>::min()) {
  if (!json.is_number_integer()) return false;
  constexpr auto kMost = static_cast<std::int64_t>(std::numeric_limits<Int>::max());
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    return value <= static_cast<std::uint64_t>(kMost) && static_cast<std::int64_t>(value) >= least;
  }
  const auto value = json.get<std::int64_t>();
  return value >= least && value <= kMost;
}

bool is_text_or_null(const Json& json) { return json.is_string() || json.is_null(); }

bool is_choice(const Json& json, std::string_view choices) {
  if (!json.is_string()) return false;
  const auto& word = json.get_ref<const std::string&>();
  return !word.contains('|') && choices.contains("|" + word + "|");
}

bool is_hex(const Json& json) {
  if (!json.is_string()) return false;
  const auto& text = json.get_ref<const std::string&>();
  return text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool is_config(const Json& json) {
  return json.is_object() && std::ranges::all_of(json, [](const Json& value) {
           return value.is_string() || value.is_number() || value.is_boolean();
         });
}

bool is_header(const Json& json) {
  return json.is_array() && json.size() == 2 && json[0].is_string() && is_text_or_null(json[1]);
}

bool is_record(const Json& json) {
  if (!json.is_object()) return false;
  for (const auto& [name, value] : json.items()) {
    if (name == "k" || name == "v") {
      if (!is_text_or_null(value)) return false;
    } else if (name == "ts") {
      if (!is_int<std::int64_t>(value)) return false;
    } else if (name == "h") {
      if (!value.is_array() || !std::ranges::all_of(value, is_header)) return false;
    } else {
      return false;
    }
  }
  return true;
}

/// What the field should have been, or nothing if it is right.
std::string_view expected_instead(const Json& json, const FieldRule& rule) {
  switch (rule.type) {
    case FieldType::kBool:
      return json.is_boolean() ? "" : "true or false";
    case FieldType::kInt16:
      return is_int<std::int16_t>(json) ? "" : "a 16-bit integer";
    case FieldType::kInt32:
      return is_int<std::int32_t>(json) ? "" : "a 32-bit integer";
    case FieldType::kInt64:
      return is_int<std::int64_t>(json) ? "" : "a 64-bit integer";
    case FieldType::kCount:
      return is_int<std::int32_t>(json, 0) ? "" : "a count";
    case FieldType::kBytes:
      return is_int<std::int64_t>(json, 0) ? "" : "a number of bytes";
    case FieldType::kOffsetOrEnd:
      return json == "end" || is_int<std::int64_t>(json) ? "" : "an offset or \"end\"";
    case FieldType::kText:
      return json.is_string() ? "" : "a string";
    case FieldType::kChoice:
      return is_choice(json, rule.choices) ? "" : rule.choices;
    case FieldType::kHex:
      return is_hex(json) ? "" : "lower-case hexadecimal";
    case FieldType::kConfig:
      return is_config(json) ? "" : "an object of plain values";
    case FieldType::kRecords:
      return json.is_array() && std::ranges::all_of(json, is_record)
                 ? ""
                 : "an array of objects with k, v, ts, h";
  }
  return "of a known type";
}

unsigned digit_value(char digit) {
  return static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

}  // namespace

std::int64_t Request::number(std::string_view name, std::int64_t fallback) const {
  return has(name) ? json_.at(name).get<std::int64_t>() : fallback;
}

bool Request::flag(std::string_view name, bool fallback) const {
  return has(name) ? json_.at(name).get<bool>() : fallback;
}

std::string Request::text(std::string_view name, std::string_view fallback) const {
  return has(name) ? json_.at(name).get<std::string>() : std::string(fallback);
}

std::vector<std::byte> Request::bytes(std::string_view name) const {
  const auto& hex = json_.at(name).get_ref<const std::string&>();
  std::vector<std::byte> bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::byte(digit_value(hex[2 * i]) << 4 | digit_value(hex[2 * i + 1]));
  }
  return bytes;
}

Result<void> check_fields(std::string_view op, const Json& json, std::span<const FieldRule> rules) {
  for (const auto& [name, value] : json.items()) {
    if (name == "op") continue;
    const auto rule = std::ranges::find(rules, std::string_view(name), &FieldRule::name);
    if (rule == rules.end()) {
      return fail(ErrorCode::INVALID_REQUEST, op, ": unknown field \"", name, "\"");
    }
    const std::string_view expected = expected_instead(value, *rule);
    if (!expected.empty()) {
      return fail(ErrorCode::INVALID_REQUEST, op, ": field \"", name, "\" must be ", expected);
    }
  }
  for (const FieldRule& rule : rules) {
    if (rule.is_required && !json.contains(rule.name)) {
      return fail(ErrorCode::INVALID_REQUEST, op, ": field \"", rule.name, "\" is missing");
    }
  }
  return {};
}

}  // namespace oncelog::cli
