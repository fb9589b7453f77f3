// error.cc: the names of errors, and their nearest kin on the wire.
#include "oncelog/error.h"

#include <system_error>

namespace oncelog {

std::string_view kafka_name(ErrorCode code) {
#define ONCELOG_NAME(name) \
  case ErrorCode::name:    \
    return #name
  switch (code) {
    ONCELOG_NAME(UNKNOWN_SERVER_ERROR);
    ONCELOG_NAME(NONE);
    ONCELOG_NAME(OFFSET_OUT_OF_RANGE);
    ONCELOG_NAME(CORRUPT_MESSAGE);
    ONCELOG_NAME(UNKNOWN_TOPIC_OR_PARTITION);
    ONCELOG_NAME(NOT_LEADER_OR_FOLLOWER);
    ONCELOG_NAME(REQUEST_TIMED_OUT);
    ONCELOG_NAME(MESSAGE_TOO_LARGE);
    ONCELOG_NAME(INVALID_TOPIC_EXCEPTION);
    ONCELOG_NAME(RECORD_LIST_TOO_LARGE);
    ONCELOG_NAME(INVALID_TIMESTAMP);
    ONCELOG_NAME(UNSUPPORTED_VERSION);
    ONCELOG_NAME(TOPIC_ALREADY_EXISTS);
    ONCELOG_NAME(INVALID_CONFIG);
    ONCELOG_NAME(INVALID_REQUEST);
    ONCELOG_NAME(POLICY_VIOLATION);
    ONCELOG_NAME(OUT_OF_ORDER_SEQUENCE_NUMBER);
    ONCELOG_NAME(DUPLICATE_SEQUENCE_NUMBER);
    ONCELOG_NAME(INVALID_PRODUCER_EPOCH);
    ONCELOG_NAME(INVALID_TXN_STATE);
    ONCELOG_NAME(INVALID_PRODUCER_ID_MAPPING);
    ONCELOG_NAME(CONCURRENT_TRANSACTIONS);
    ONCELOG_NAME(TRANSACTION_COORDINATOR_FENCED);
    ONCELOG_NAME(KAFKA_STORAGE_ERROR);
    ONCELOG_NAME(UNKNOWN_PRODUCER_ID);
    ONCELOG_NAME(FENCED_LEADER_EPOCH);
    ONCELOG_NAME(UNKNOWN_LEADER_EPOCH);
    ONCELOG_NAME(UNSUPPORTED_COMPRESSION_TYPE);
    ONCELOG_NAME(OFFSET_NOT_AVAILABLE);
    ONCELOG_NAME(INVALID_RECORD);
    ONCELOG_NAME(PRODUCER_FENCED);
    ONCELOG_NAME(STORE_IN_USE);
    ONCELOG_NAME(READ_ONLY);
    ONCELOG_NAME(PARTITION_POISONED);
    ONCELOG_NAME(DEADLINE_EXCEEDED);
    ONCELOG_NAME(MISUSE);
    ONCELOG_NAME(STORAGE_FULL);
  }
#undef ONCELOG_NAME
  return "UNKNOWN_SERVER_ERROR";  // a number from elsewhere, cast to the enum
}

ErrorCode kafka_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::STORE_IN_USE:
    case ErrorCode::PARTITION_POISONED:
    case ErrorCode::STORAGE_FULL:
      return ErrorCode::KAFKA_STORAGE_ERROR;
    case ErrorCode::READ_ONLY:
      return ErrorCode::POLICY_VIOLATION;
    case ErrorCode::DEADLINE_EXCEEDED:
      return ErrorCode::REQUEST_TIMED_OUT;
    case ErrorCode::MISUSE:
      return ErrorCode::INVALID_REQUEST;
    default:
      return code < ErrorCode::UNKNOWN_SERVER_ERROR ? ErrorCode::UNKNOWN_SERVER_ERROR : code;
  }
}

std::string Error::text() const {
  std::string text(kafka_name(code));
  if (!context.empty()) text += ": " + context;
  if (os_errno != 0) text += " (" + std::generic_category().message(os_errno) + ")";
  return text;
}

}  // namespace oncelog
