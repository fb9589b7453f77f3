// log_comparison.h: every answer of a log against the oracle's.
#pragma once

#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "oncelog/partition_log.h"
#include "support/log_model.h"

namespace oncelog::test {

/// The oracle and the log do not agree.
class Disagreement : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class T>
[[nodiscard]] std::string show(const T& value) {
  if constexpr (requires { value.value(); }) {
    return std::to_string(value.value());
  } else if constexpr (std::is_same_v<T, ErrorCode>) {
    return std::string(kafka_name(value));
  } else {
    return std::to_string(value);
  }
}

inline void require(bool is_right, const std::string& what) {
  if (!is_right) throw Disagreement(what);
}

template <class T>
void require_equal(const T& seen, const T& expected, const std::string& what) {
  if (seen == expected) return;
  throw Disagreement(what + " is " + show(seen) + ", the oracle says " + show(expected));
}

template <class T>
T require_value(Result<T> result, const std::string& what) {
  if (!result) throw Disagreement(what + ": " + result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// Each producer with all that is known of it, in words.
[[nodiscard]] std::vector<std::string> texts_of(const std::vector<ProducerInfo>& producers);

/// Compares; throws Disagreement.
class LogComparison {
 public:
  LogComparison(const PartitionLog& log, LogModel& model) : log_(log), model_(model) {}

  /// Ends, producers, epochs, aborted transactions, segments, look-ups by these times, invariants.
  void check_state(const std::vector<Timestamp>& times);
  /// After a crash or a truncation: finds the checkpoint that the producers come from, among those
  /// that they may come from, by the expiries that it contains: all of them, where that fits.
  void settle_expiries();
  /// All records and batches from `from` on, in fetches of `bytes_max`.
  void check_read(Offset from, Isolation isolation, std::int64_t bytes_max);
  /// Whatever else the log holds, the records of [from, until) are there; `until` is a batch's end.
  void check_records(Offset from, Offset until);
  /// How much one fetch answers, with and without the right to one whole batch (11.5, 11.7).
  void check_budget(Offset from, Isolation isolation, std::int64_t bytes_max);

 private:
  void check_ends();
  void check_producers();
  void check_epochs();
  void check_aborted_index();
  void check_segments();
  void check_list_offsets(const std::vector<Timestamp>& times);
  Offset check_batches(Bytes bytes, Offset from, Offset bound);
  void check_aborted_list(const std::vector<AbortedTransaction>& seen, Offset from, Offset until);

  const PartitionLog& log_;
  LogModel& model_;
};

}  // namespace oncelog::test
