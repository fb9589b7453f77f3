#include "io/os_error.h"

#include <cerrno>

namespace oncelog::io {

ErrorCode code_of_errno(int os_errno) {
  const bool is_full = os_errno == ENOSPC || os_errno == EDQUOT;
  return is_full ? ErrorCode::STORAGE_FULL : ErrorCode::KAFKA_STORAGE_ERROR;
}

}  // namespace oncelog::io
