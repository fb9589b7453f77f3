// types.h: the numbers of a partition log, each a type of its own, so that two of different meaning
// never meet in one signature.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace oncelog {

/// A number that mixes only with numbers of its own kind. `Tag` names the kind.
template <class Tag, class Rep>
class Number {
 public:
  using rep = Rep;

  constexpr Number() = default;
  constexpr explicit Number(Rep value) : value_(value) {}

  [[nodiscard]] constexpr Rep value() const { return value_; }

  friend constexpr auto operator<=>(Number, Number) = default;
  // Sums wrap: operands come from bytes that may be wrong, and signed overflow is undefined.
  friend constexpr Number operator+(Number number, Rep step) {
    return Number(static_cast<Rep>(unsigned_of(number.value_) + unsigned_of(step)));
  }
  friend constexpr Number operator-(Number number, Rep step) {
    return Number(static_cast<Rep>(unsigned_of(number.value_) - unsigned_of(step)));
  }
  friend constexpr Rep operator-(Number a, Number b) {
    return static_cast<Rep>(unsigned_of(a.value_) - unsigned_of(b.value_));
  }

 private:
  static constexpr auto unsigned_of(Rep value) {
    return static_cast<std::make_unsigned_t<Rep>>(value);
  }

  Rep value_{};
};

/// Number of a record in its partition, from 0. Ranges of offsets are half open, `[begin, end)`.
using Offset = Number<struct OffsetTag, std::int64_t>;
/// Id that a producer got from its coordinator; −1 is none, 0 is a valid id.
using ProducerId = Number<struct ProducerIdTag, std::int64_t>;
/// Incarnation of a producer id, 0 to 32767; −1 is none.
using ProducerEpoch = Number<struct ProducerEpochTag, std::int16_t>;
/// Number of a record among those of its producer and epoch, 0 to 2^31−1, then 0 again; −1 is none.
using Sequence = Number<struct SequenceTag, std::int32_t>;
/// Term of a partition leader, from 0; −1 is none.
using LeaderEpoch = Number<struct LeaderEpochTag, std::int32_t>;
/// Leader epoch of the transaction-state partition that decided a transaction; −1 is none.
using CoordinatorEpoch = Number<struct CoordinatorEpochTag, std::int32_t>;
/// Milliseconds since 1970-01-01 UTC; −1 is none.
using Timestamp = Number<struct TimestampTag, std::int64_t>;

inline constexpr Offset kNoOffset{-1};
inline constexpr ProducerId kNoProducerId{-1};
inline constexpr ProducerEpoch kNoProducerEpoch{-1};
inline constexpr Sequence kNoSequence{-1};
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr CoordinatorEpoch kNoCoordinatorEpoch{-1};
inline constexpr Timestamp kNoTimestamp{-1};

using Bytes = std::span<const std::byte>;

/// The bytes of a text, without a copy; they live as long as the text.
[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The text in some bytes, without a copy and without a check of its encoding.
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// One partition of a topic; its directory is named `<topic>-<partition>`.
struct TopicPartition {
  std::string topic{};
  std::int32_t partition{};

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

/// What a reader may see (semantics 11.1).
enum class Isolation : std::uint8_t {
  kReadUncommitted,  ///< up to the high watermark
  kReadCommitted,    ///< up to the last stable offset, with the list of aborted transactions
  kReplica,          ///< up to the log end, as a follower fetches
};

/// Who appends (semantics 0.4): decides which checks a batch must pass.
enum class AppendOrigin : std::uint8_t {
  kClient,       ///< a producer: all checks
  kCoordinator,  ///< markers and coordinator records: sequences are not checked
};

/// What survives once an append has been answered.
enum class Level : std::uint8_t {
  kWritten,  ///< the end of the process
  kDurable,  ///< the loss of power
};

/// Codec of a batch; the values are the attribute bits 0 to 2.
enum class Codec : std::uint8_t { kNone = 0, kGzip = 1, kSnappy = 2, kLz4 = 3, kZstd = 4 };

/// Whose clock the timestamps of a batch show; the values are attribute bit 3.
enum class TimestampType : std::uint8_t { kCreateTime = 0, kLogAppendTime = 1 };

/// How a transaction ended; the values are the control record types.
enum class MarkerType : std::uint8_t { kAbort = 0, kCommit = 1 };

}  // namespace oncelog
