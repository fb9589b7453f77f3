// inspect_fields.h: what the entries of a file say, as named values: for whoever shows them and
// need not know them.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "oncelog/types.h"

namespace oncelog {

struct Field;
struct FieldValue;
using Fields = std::vector<Field>;
using FieldList = std::vector<FieldValue>;

/// Bytes that are no text: hashes, ids, what could not be decoded.
using FieldBytes = std::vector<std::byte>;

/// A number, a text, or others of these.
struct FieldValue {
  /// Nothing: the entry says that there is none.
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, Timestamp, std::string,
               FieldBytes, FieldList, Fields>
      value;

  // Defined below, where a Field is complete. Not explicit: a list of fields reads as a table.
  FieldValue();
  FieldValue(Timestamp timestamp);
  FieldValue(std::string text);
  FieldValue(std::string_view text);
  FieldValue(FieldBytes bytes);
  FieldValue(FieldList list);
  FieldValue(Fields fields);
  template <std::integral T>
  FieldValue(T number);
  template <class Tag, class Rep>
  FieldValue(Number<Tag, Rep> number);
  template <class T>
  FieldValue(const std::optional<T>& present);
};

struct Field {
  std::string_view name{};  ///< of a constant
  FieldValue value{};
};

inline FieldValue::FieldValue() = default;
inline FieldValue::FieldValue(Timestamp timestamp) : value(timestamp) {}
inline FieldValue::FieldValue(std::string text) : value(std::move(text)) {}
inline FieldValue::FieldValue(std::string_view text) : value(std::string(text)) {}
inline FieldValue::FieldValue(FieldBytes bytes) : value(std::move(bytes)) {}
inline FieldValue::FieldValue(FieldList list) : value(std::move(list)) {}
inline FieldValue::FieldValue(Fields fields) : value(std::move(fields)) {}

template <std::integral T>
FieldValue::FieldValue(T number) {
  if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::uint64_t>) {
    value = number;
  } else {
    value = static_cast<std::int64_t>(number);
  }
}

template <class Tag, class Rep>
FieldValue::FieldValue(Number<Tag, Rep> number) : FieldValue(number.value()) {}

template <class T>
FieldValue::FieldValue(const std::optional<T>& present) {
  if (present) *this = FieldValue(*present);
}

}  // namespace oncelog
