#include "fields.h"

#include <algorithm>
#include <variant>

namespace oncelog::cli {

namespace {

template <class... Visits>
struct Overloaded : Visits... {
  using Visits::operator()...;
};

Json json_value(const FieldValue& value) {
  return std::visit(Overloaded{[](std::monostate) { return Json(nullptr); },
                               [](Timestamp timestamp) { return Json(timestamp.value()); },
                               [](const FieldBytes& bytes) { return Json(to_hex(bytes)); },
                               [](const FieldList& list) {
                                 Json array = Json::array();
                                 for (const FieldValue& element : list)
                                   array.push_back(json_value(element));
                                 return array;
                               },
                               [](const Fields& fields) { return json_fields(fields); },
                               [](const auto& plain) { return Json(plain); }},
                    value.value);
}

/// Of letters, digits and what stands in names and addresses.
bool is_plain(const std::string& text) {
  return !text.empty() && text != "-" && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("._-/:@#+").contains(c);
  });
}

}  // namespace

Json json_fields(const Fields& fields) {
  Json object = Json::object();
  for (const Field& field : fields) object[std::string(field.name)] = json_value(field.value);
  return object;
}

std::string text_of(const FieldValue& value) {
  return std::visit(
      Overloaded{[](std::monostate) { return std::string("-"); },
                 [](bool truth) { return std::string(truth ? "yes" : "no"); },
                 [](Timestamp timestamp) { return timestamp_text(timestamp); },
                 [](const std::string& text) { return is_plain(text) ? text : json_line(text); },
                 [](const FieldBytes& bytes) { return bytes.empty() ? "\"\"" : to_hex(bytes); },
                 [](const FieldList& list) {
                   std::string text;
                   for (const FieldValue& element : list) {
                     text += (text.empty() ? "" : ", ") + text_of(element);
                   }
                   return "[" + text + "]";
                 },
                 [](const Fields& fields) { return "{" + text_of(fields) + "}"; },
                 [](auto number) { return std::to_string(number); }},
      value.value);
}

std::string text_of(const Fields& fields) {
  std::string text;
  for (const Field& field : fields) {
    if (!text.empty()) text += ' ';
    text.append(field.name).append("=").append(text_of(field.value));
  }
  return text;
}

}  // namespace oncelog::cli
