// robustness_test.cc: bytes that are wrong anywhere never crash a reader, and never pass a check
// that covers them. Run it under the sanitizers.
#include <random>

#include "unit/record/check_fixture.h"

namespace oncelog::record {
namespace {

/// Reads all that can be read of these bytes, and throws it away.
void read_everything(Bytes bytes) {
  CommittedRecords committed(bytes, {{ProducerId(4000), Offset(100)}}, {.check_crcs = false});
  for (;;) {
    const auto record = committed.next();
    if (!record || !*record) break;
    (void)(*record)->headers();
  }
  BatchCursor cursor(bytes);
  for (;;) {
    const auto batch = cursor.next();
    if (!batch || !*batch) break;
    (void)(*batch)->control_record();
    (void)(*batch)->last_sequence();
    (void)(*batch)->next_offset();
    (void)(*batch)->check_crc();
  }
  (void)check_received_batches(bytes);
  for (const AppendOrigin origin : {AppendOrigin::kClient, AppendOrigin::kCoordinator}) {
    Topic topic{.origin = origin};
    (void)topic.check(bytes);
    topic.config.compression_type = Codec::kGzip;
    (void)topic.check(bytes);
  }
}

/// The same bytes with the CRC made right, where there is a batch: the checks behind it are
/// reached.
ByteList with_right_crc(ByteList bytes) {
  const Framing framing = frame_batch(bytes);
  if (framing.state != Framing::State::kWhole || framing.magic != kMagic) return bytes;
  const Bytes batch = Bytes(bytes).first(static_cast<std::size_t>(framing.size_bytes));
  BatchHeader header = header_of(batch);
  header.crc = batch_crc(header, batch.subspan(kHeaderBytes));
  encode_batch_header(header, std::span(bytes).first<kHeaderBytes>());
  return bytes;
}

std::vector<ByteList> examples() {
  std::vector<ByteList> batches = {kE1, kE2, kE3, kE4, kCommit, kAbortHorizon, kLeaderChange};
  for (int codec = 1; codec <= 4; ++codec) {
    batches.push_back(
        batch_of({"first", "second", std::string(200, 'x')}, {.codec = static_cast<Codec>(codec)}));
  }
  return batches;
}

TEST(Robustness, EveryCutOfABatchIsSurvived) {
  for (const ByteList& batch : examples()) {
    for (std::size_t count = 0; count <= batch.size(); ++count) {
      read_everything(ByteList(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(count)));
    }
  }
}

TEST(Robustness, EveryFlippedBitIsSurvivedAndSeenWhereTheCrcCovers) {
  for (const ByteList& batch : examples()) {
    for (std::size_t bit = 0; bit < batch.size() * 8; ++bit) {
      ByteList flipped = batch;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      read_everything(flipped);
      read_everything(with_right_crc(flipped));
      if (bit / 8 < 17) continue;
      CommittedRecords checked(flipped, {}, {});
      EXPECT_THAT(checked.next(), FailsWith(ErrorCode::CORRUPT_MESSAGE)) << bit;
    }
  }
}

TEST(Robustness, RandomDamageIsSurvived) {
  std::mt19937 random(3);
  const std::vector<ByteList> batches = examples();
  for (int round = 0; round < 5000; ++round) {
    ByteList bytes = batches[random() % batches.size()];
    for (auto changes = 1 + random() % 6; changes > 0; --changes) {
      const std::byte value =
          random() % 2 == 0 ? std::byte{0xff} : static_cast<std::byte>(random());
      bytes[random() % bytes.size()] = value;
    }
    read_everything(bytes);
    read_everything(with_right_crc(bytes));
  }
}

TEST(Robustness, HostileNumbersInEveryFieldAreSurvived) {
  for (const std::uint8_t fill :
       {std::uint8_t{0}, std::uint8_t{0x7f}, std::uint8_t{0x80}, std::uint8_t{0xff}}) {
    for (const ByteList& batch : examples()) {
      for (std::size_t begin = 0; begin < batch.size(); ++begin) {
        for (const std::size_t count : {2UZ, 4UZ, 8UZ}) {
          ByteList bytes = batch;
          for (std::size_t i = begin; i < std::min(begin + count, bytes.size()); ++i) {
            bytes[i] = i == begin ? std::byte{fill} : fill == 0x7f ? std::byte{0xff} : bytes[begin];
          }
          read_everything(with_right_crc(bytes));
        }
      }
    }
  }
}

}  // namespace
}  // namespace oncelog::record
