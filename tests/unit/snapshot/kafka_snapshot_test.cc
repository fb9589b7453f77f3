#include "snapshot/kafka_snapshot.h"

#include <gmock/gmock.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "support/batches.h"
#include "support/matchers.h"

namespace oncelog::snapshot {
namespace {

using producer::ProducerEntry;
using test::Buffer;
using test::FailsWith;
using testing::IsEmpty;

constexpr Timestamp kTime{1'700'000'000'000};

/// The worked examples of the format.
constexpr const char* kEmptyExample = "000148674bc700000000";
constexpr const char* kExample =
    "00019b24fbc700000002000000000000"
    "0fa00002000000000000000000000066"
    "000000020000018bcfe5680900000005"
    "ffffffffffffffff0000000000000fa1"
    "00000000000900000000000000780000"
    "00000000018bcfe56814ffffffff0000"
    "000000000076";

ProducerEntries example_entries() {
  ProducerEntry idle;
  idle.epoch = ProducerEpoch(2);
  idle.coordinator_epoch = CoordinatorEpoch(5);
  idle.last_timestamp = kTime + 9;
  idle.remember({Sequence(0), Offset(102), 2, kTime + 9});
  ProducerEntry open;
  open.epoch = ProducerEpoch(0);
  open.last_timestamp = kTime + 20;
  open.remember({Sequence(9), Offset(120), 0, kTime + 20});
  open.transaction_first_offset = Offset(118);
  return {{ProducerId(4000), idle}, {ProducerId(4001), open}};
}

/// Makes the CRC right again.
Buffer sealed(Buffer file) {
  base::store_be(std::span(file), 2, base::crc32c(Bytes(file).subspan(6)));
  return file;
}

TEST(KafkaSnapshot, TheExampleOfTheFormatEncodes) {
  EXPECT_EQ(test::to_hex(encode_kafka_snapshot(example_entries())), kExample);
}

TEST(KafkaSnapshot, TheExampleOfTheFormatDecodes) {
  EXPECT_EQ(test::value_of(decode_kafka_snapshot(test::from_hex(kExample))), example_entries());
}

TEST(KafkaSnapshot, AnEmptySnapshotIsTenBytes) {
  EXPECT_EQ(test::to_hex(encode_kafka_snapshot({})), kEmptyExample);
  EXPECT_THAT(test::value_of(decode_kafka_snapshot(test::from_hex(kEmptyExample))), IsEmpty());
}

TEST(KafkaSnapshot, OnlyTheLastBatchOfTheWindowIsKept) {
  auto entries = example_entries();
  entries[0].second.remember({Sequence(1), Offset(130), 0, kTime + 30});
  entries[0].second.last_timestamp = kTime + 30;
  const auto decoded = test::value_of(decode_kafka_snapshot(encode_kafka_snapshot(entries)));
  EXPECT_EQ(decoded[0].second.window().size(), 1u);
  EXPECT_EQ(decoded[0].second.last_batch()->last_offset, Offset(130));
}

TEST(KafkaSnapshot, ABatchGetsTheTimestampOfItsEntry) {
  auto entries = example_entries();
  entries[0].second.last_timestamp = kTime + 77;  // a marker came later
  const auto decoded = test::value_of(decode_kafka_snapshot(encode_kafka_snapshot(entries)));
  EXPECT_EQ(decoded[0].second.last_batch()->timestamp, kTime + 77);
}

TEST(KafkaSnapshot, AnEntryWithoutABatchSurvives) {
  ProducerEntry marker_only;
  marker_only.epoch = ProducerEpoch(3);
  marker_only.coordinator_epoch = CoordinatorEpoch(1);
  marker_only.last_timestamp = kTime;
  const ProducerEntries entries{{ProducerId(0), marker_only}};
  const Buffer file = encode_kafka_snapshot(entries);
  EXPECT_EQ(base::load_be<std::int32_t>(file, 10 + 10), -1);  // last sequence
  EXPECT_EQ(base::load_be<std::int64_t>(file, 10 + 14), -1);  // last offset
  EXPECT_EQ(base::load_be<std::int32_t>(file, 10 + 22), 0);   // offset delta
  EXPECT_EQ(base::load_be<std::int64_t>(file, 10 + 38), -1);  // transaction
  EXPECT_EQ(test::value_of(decode_kafka_snapshot(file)), entries);
}

TEST(KafkaSnapshot, EveryFlippedBitIsRefused) {
  for (const char* example : {kExample, kEmptyExample}) {
    const Buffer whole = test::from_hex(example);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      Buffer file = whole;
      file[bit / 8] ^= std::byte{1} << (bit % 8);
      const auto code = bit < 16 ? ErrorCode::UNSUPPORTED_VERSION : ErrorCode::CORRUPT_MESSAGE;
      EXPECT_THAT(decode_kafka_snapshot(file), FailsWith(code)) << "bit " << bit;
    }
  }
}

TEST(KafkaSnapshot, ACutFileIsRefused) {
  const Buffer whole = test::from_hex(kExample);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THAT(decode_kafka_snapshot(Bytes(whole).first(bytes)),
                FailsWith(ErrorCode::CORRUPT_MESSAGE))
        << bytes << " bytes";
  }
}

TEST(KafkaSnapshot, AFileWithAStaleTailIsRefused) {
  Buffer file = test::from_hex(kEmptyExample);
  file.push_back({});
  EXPECT_THAT(decode_kafka_snapshot(file), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

TEST(KafkaSnapshot, AnotherVersionIsRefusedByName) {
  for (const int version : {0, 2, -1, 256}) {
    Buffer file = test::from_hex(kExample);
    base::store_be(std::span(file), 0, static_cast<std::int16_t>(version));
    EXPECT_THAT(decode_kafka_snapshot(file),
                FailsWith(ErrorCode::UNSUPPORTED_VERSION, "version " + std::to_string(version)));
  }
}

TEST(KafkaSnapshot, ACountThatDoesNotFitTheLengthIsRefusedThoughTheCrcIsRight) {
  for (const std::int32_t count : {0, 1, 3, -1, 0x7FFFFFFF}) {
    Buffer file = test::from_hex(kExample);
    base::store_be(std::span(file), 6, count);
    EXPECT_THAT(decode_kafka_snapshot(sealed(file)),
                FailsWith(ErrorCode::CORRUPT_MESSAGE, std::to_string(count) + " entries"));
  }
  Buffer longer = test::from_hex(kExample);
  longer.push_back({});
  EXPECT_THAT(decode_kafka_snapshot(sealed(longer)), FailsWith(ErrorCode::CORRUPT_MESSAGE));
}

}  // namespace
}  // namespace oncelog::snapshot
