// error.h: errors are values with Kafka's exact names and numbers, or ours below −1.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace oncelog {

/// Kafka's protocol errors, spelled and numbered as Kafka does, and conditions for which Kafka has
/// no name (below −1).
enum class ErrorCode : std::int16_t {
  UNKNOWN_SERVER_ERROR = -1,
  NONE = 0,
  OFFSET_OUT_OF_RANGE = 1,
  CORRUPT_MESSAGE = 2,
  UNKNOWN_TOPIC_OR_PARTITION = 3,
  NOT_LEADER_OR_FOLLOWER = 6,
  REQUEST_TIMED_OUT = 7,
  MESSAGE_TOO_LARGE = 10,
  INVALID_TOPIC_EXCEPTION = 17,
  RECORD_LIST_TOO_LARGE = 18,
  INVALID_TIMESTAMP = 32,
  UNSUPPORTED_VERSION = 35,
  TOPIC_ALREADY_EXISTS = 36,
  INVALID_CONFIG = 40,
  INVALID_REQUEST = 42,
  POLICY_VIOLATION = 44,
  OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
  DUPLICATE_SEQUENCE_NUMBER = 46,
  INVALID_PRODUCER_EPOCH = 47,
  INVALID_TXN_STATE = 48,
  INVALID_PRODUCER_ID_MAPPING = 49,
  CONCURRENT_TRANSACTIONS = 51,
  TRANSACTION_COORDINATOR_FENCED = 52,
  KAFKA_STORAGE_ERROR = 56,
  UNKNOWN_PRODUCER_ID = 59,
  FENCED_LEADER_EPOCH = 74,
  UNKNOWN_LEADER_EPOCH = 75,
  UNSUPPORTED_COMPRESSION_TYPE = 76,
  OFFSET_NOT_AVAILABLE = 78,
  INVALID_RECORD = 87,
  PRODUCER_FENCED = 90,

  /// Another owner has the store open; the context names its process.
  STORE_IN_USE = -100,
  /// The verb would change something that was opened for reading only.
  READ_ONLY = -101,
  /// A sync, a rename or a directory sync failed; the context has the first cause. Reopen the
  /// partition.
  PARTITION_POISONED = -102,
  /// The time given for a wait has passed; what was written stays written.
  DEADLINE_EXCEEDED = -103,
  /// The caller broke a documented precondition.
  MISUSE = -104,
  /// No space is left on the device; the log goes on when there is some again.
  STORAGE_FULL = -105,
};

/// The name as Kafka (or, below −1, oncelog) spells it, e.g. "OUT_OF_ORDER_SEQUENCE_NUMBER".
[[nodiscard]] std::string_view kafka_name(ErrorCode code);

/// The nearest code that Kafka's protocol knows; codes from −1 up are themselves.
[[nodiscard]] ErrorCode kafka_code(ErrorCode code);

/// Why a verb refused or failed.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::UNKNOWN_SERVER_ERROR;
  int os_errno = 0;       ///< errno of the failed system call, 0 if none
  std::string context{};  ///< one line: verb, file, position, seen and expected

  /// "NAME: context", with the system's words for `os_errno` if there is one.
  [[nodiscard]] std::string text() const;
};

/// A value or an Error. Derived so that an ignored result is a warning.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

namespace detail {
[[nodiscard]] inline std::string to_part(std::string_view part) { return std::string(part); }
template <class T>
  requires std::is_integral_v<T>
[[nodiscard]] std::string to_part(T part) {
  return std::to_string(part);
}
template <class T>
  requires requires(T number) { number.value(); }
[[nodiscard]] std::string to_part(T part) {
  return std::to_string(part.value());
}
}  // namespace detail

/// An error whose context is the parts, joined; texts, integers and Numbers are parts.
template <class... Parts>
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, const Parts&... parts) {
  std::string context;
  ((context += detail::to_part(parts)), ...);
  return std::unexpected(Error{code, 0, std::move(context)});
}

}  // namespace oncelog

#define ONCELOG_DETAIL_JOIN2(a, b) a##b
#define ONCELOG_DETAIL_JOIN(a, b) ONCELOG_DETAIL_JOIN2(a, b)

// Names are counted, so that an expression may hold a lambda with macros of its own.

/// Returns the error of the expression from the enclosing function, if it has one.
#define ONCELOG_TRY(...) \
  ONCELOG_DETAIL_TRY(ONCELOG_DETAIL_JOIN(oncelog_result_, __COUNTER__), __VA_ARGS__)
#define ONCELOG_DETAIL_TRY(result, ...)                      \
  do {                                                       \
    if (auto result = (__VA_ARGS__); !(result)) [[unlikely]] \
      return std::unexpected(std::move(result).error());     \
  } while (false)

/// Declares or assigns `target` from the value of the expression, or returns its error.
#define ONCELOG_TRY_ASSIGN(target, ...) \
  ONCELOG_DETAIL_TRY_ASSIGN(ONCELOG_DETAIL_JOIN(oncelog_result_, __COUNTER__), target, __VA_ARGS__)
#define ONCELOG_DETAIL_TRY_ASSIGN(result, target, ...) \
  auto result = (__VA_ARGS__);                         \
  if (!(result)) [[unlikely]]                          \
    return std::unexpected(std::move(result).error()); \
  target = *std::move(result)
