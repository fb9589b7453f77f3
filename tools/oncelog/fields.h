// fields.h: the named values of the library's listings, as JSON and as text.
#pragma once

#include <string>

#include "render.h"

namespace oncelog::cli {

/// An object. Bytes become hexadecimal, timestamps milliseconds.
[[nodiscard]] Json json_fields(const Fields& fields);
/// One value as it stands in a table: texts that could be taken for something else in quotes,
/// timestamps as dates, `-` for none.
[[nodiscard]] std::string text_of(const FieldValue& value);
/// name=value name=value
[[nodiscard]] std::string text_of(const Fields& fields);

}  // namespace oncelog::cli
