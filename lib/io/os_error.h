// os_error.h: an errno as an Error.
#pragma once

#include <string_view>

#include "oncelog/error.h"

namespace oncelog::io {

/// STORAGE_FULL for no space and no quota, KAFKA_STORAGE_ERROR for all else: a directory that may
/// only be read is told by its `os_errno`.
[[nodiscard]] ErrorCode code_of_errno(int os_errno);

/// "<verb> <path>", the parts joined behind it, and the errno.
template <class... Parts>
[[nodiscard]] std::unexpected<Error> os_failure(int os_errno, std::string_view verb,
                                                std::string_view path, const Parts&... parts) {
  auto failure = fail(code_of_errno(os_errno), verb, " ", path, parts...);
  failure.error().os_errno = os_errno;
  return failure;
}

}  // namespace oncelog::io
