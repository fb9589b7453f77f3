#include "oncelog/error.h"

#include <gtest/gtest.h>
#include <cerrno>

#include "oncelog/types.h"

namespace oncelog {
namespace {

TEST(ErrorCode, HasKafkasNames) {
  EXPECT_EQ(kafka_name(ErrorCode::NONE), "NONE");
  EXPECT_EQ(kafka_name(ErrorCode::UNKNOWN_SERVER_ERROR), "UNKNOWN_SERVER_ERROR");
  EXPECT_EQ(kafka_name(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  EXPECT_EQ(kafka_name(ErrorCode::STORAGE_FULL), "STORAGE_FULL");
}

TEST(ErrorCode, NamesNumbersFromElsewhereUnknown) {
  EXPECT_EQ(kafka_name(static_cast<ErrorCode>(12345)), "UNKNOWN_SERVER_ERROR");
}

TEST(ErrorCode, KeepsKafkasNumbersOnTheWire) {
  EXPECT_EQ(kafka_code(ErrorCode::NONE), ErrorCode::NONE);
  EXPECT_EQ(kafka_code(ErrorCode::UNKNOWN_SERVER_ERROR), ErrorCode::UNKNOWN_SERVER_ERROR);
  EXPECT_EQ(kafka_code(ErrorCode::INVALID_RECORD), ErrorCode::INVALID_RECORD);
}

TEST(ErrorCode, SendsItsOwnConditionsAsTheNearestOfKafka) {
  EXPECT_EQ(kafka_code(ErrorCode::STORE_IN_USE), ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(kafka_code(ErrorCode::PARTITION_POISONED), ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(kafka_code(ErrorCode::STORAGE_FULL), ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(kafka_code(ErrorCode::READ_ONLY), ErrorCode::POLICY_VIOLATION);
  EXPECT_EQ(kafka_code(ErrorCode::DEADLINE_EXCEEDED), ErrorCode::REQUEST_TIMED_OUT);
  EXPECT_EQ(kafka_code(ErrorCode::MISUSE), ErrorCode::INVALID_REQUEST);
  EXPECT_EQ(kafka_code(static_cast<ErrorCode>(-999)), ErrorCode::UNKNOWN_SERVER_ERROR);
}

TEST(Error, SaysNameAndContext) {
  const Error error = fail(ErrorCode::INVALID_RECORD, "append: ", 3, " of ", Offset(7)).error();
  EXPECT_EQ(error.text(), "INVALID_RECORD: append: 3 of 7");
}

TEST(Error, SaysTheSystemsWords) {
  const Error error{ErrorCode::STORAGE_FULL, ENOSPC, "write"};
  EXPECT_EQ(error.text(), "STORAGE_FULL: write (No space left on device)");
}

TEST(Error, SaysTheNameAloneWithoutContext) {
  EXPECT_EQ((Error{.code = ErrorCode::READ_ONLY}.text()), "READ_ONLY");
}

TEST(Number, WrapsInsteadOfOverflowing) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(Offset(kMax) + 1, Offset(kMin));
  EXPECT_EQ(Offset(kMin) - 1, Offset(kMax));
  EXPECT_EQ(Offset(kMin) - Offset(kMax), 1);
  EXPECT_EQ(ProducerEpoch(32767) + std::int16_t{1}, ProducerEpoch(-32768));
}

}  // namespace
}  // namespace oncelog
