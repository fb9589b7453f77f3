// matchers.h: GoogleMock matchers for Result.
#pragma once

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "oncelog/error.h"

namespace oncelog::test {

MATCHER(Succeeds, "") {
  if (!arg) *result_listener << arg.error().text();
  return arg.has_value();
}

/// An error of this code.
MATCHER_P(FailsWith, code, "fails with " + std::string(kafka_name(code))) {
  if (arg) {
    *result_listener << "a success";
    return false;
  }
  *result_listener << arg.error().text();
  return arg.error().code == code;
}

/// An error of this code whose context has this text.
MATCHER_P2(FailsWith, code, part,
           "fails with " + std::string(kafka_name(code)) + " naming " + std::string(part)) {
  if (arg) {
    *result_listener << "a success";
    return false;
  }
  *result_listener << arg.error().text();
  return arg.error().code == code && arg.error().context.find(part) != std::string::npos;
}

/// The value of a Result that has one; else the test ends here with the error's text.
template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error("expected a value: " + result.error().text());
  return *std::move(result);
}

}  // namespace oncelog::test
