// examples.h: the worked examples of the format as bytes, and what tests make batches with.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/record.h"
#include "oncelog/record_builder.h"
#include "record/batch_header.h"

namespace oncelog::record {

using ByteList = std::vector<std::byte>;

inline constexpr Timestamp kTime{1'700'000'000'000};

/// Bytes of hexadecimal digits; everything else between them is skipped.
inline ByteList from_hex(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  ByteList bytes;
  std::size_t high = text.npos;
  for (const char letter : text) {
    const std::size_t digit = kDigits.find(letter);
    if (digit == text.npos) continue;
    if (high == text.npos) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(high * 16 + digit));
      high = text.npos;
    }
  }
  return bytes;
}

inline std::string to_hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<std::size_t>(byte) >> 4];
    text += kDigits[std::to_integer<std::size_t>(byte) & 15];
  }
  return text;
}

inline ByteList copy_of(Bytes bytes) { return ByteList(bytes.begin(), bytes.end()); }

MATCHER_P(FailsWith, code, "") {
  if (arg) {
    *result_listener << "a success";
    return false;
  }
  *result_listener << arg.error().text();
  return arg.error().code == code;
}

MATCHER(Succeeds, "") {
  if (!arg) *result_listener << arg.error().text();
  return arg.has_value();
}

// E1: a client's smallest batch, and as a leader stores it.
inline const ByteList kE1 = from_hex(
    "00000000000000000000003affffffff02e99b8dd80000000000000000018bcf"
    "e568000000018bcfe56800ffffffffffffffffffffffffffff00000001100000"
    "00026b027600");
inline const ByteList kE1Stored = from_hex(
    "000000000000002a0000003a0000000702e99b8dd80000000000000000018bcf"
    "e568000000018bcfe56800ffffffffffffffffffffffffffff00000001100000"
    "00026b027600");
// E2: transactional, sequences that wrap, a tombstone, headers.
inline const ByteList kE2 = from_hex(
    "0000000000000064000000530000000302527b05a00010000000020000018bcf"
    "e568000000018bcfe568050000000000000fa000027ffffffe00000003100000"
    "0002610231000e000a02026201002000060402610432320402680278026e01");
// E3: E2 after compaction, after the next one, and without a horizon.
inline const ByteList kE3 = from_hex(
    "0000000000000064000000500000000302808ee5040050000000020000018bd5"
    "0bc47b0000018bcfe568050000000000000fa000027ffffffe000000021400eb"
    "f1b25202026201002600eff1b2520402610432320402680278026e01");
inline const ByteList kE3Later = from_hex(
    "0000000000000064000000450000000302cb706fb60050000000020000018bd5"
    "0bc47b0000018bcfe568030000000000000fa000027ffffffe000000012600ef"
    "f1b2520402610432320402680278026e01");
inline const ByteList kE3NoHorizon = from_hex(
    "00000000000000640000004200000003021bf8092a0010000000020000018bcf"
    "e568030000018bcfe568030000000000000fa000027ffffffe00000001200000"
    "0402610432320402680278026e01");
// E4: no record left.
inline const ByteList kE4 = from_hex(
    "000000000000006400000031000000030257b65e29001000000002ffffffffff"
    "ffffff0000018bcfe568050000000000000fa000027ffffffe00000000");
// E5: markers, one with a delete horizon, one emptied.
inline const ByteList kCommit = from_hex(
    "0000000000000067000000420000000302000ec8160030000000000000018bcf"
    "e568090000018bcfe568090000000000000fa00002ffffffff00000001200000"
    "0008000000010c00000000000500");
inline const ByteList kAbort = from_hex(
    "0000000000000067000000420000000302f4301e5e0030000000000000018bcf"
    "e568090000018bcfe568090000000000000fa00002ffffffff00000001200000"
    "0008000000000c00000000000500");
inline const ByteList kAbortHorizon = from_hex(
    "0000000000000067000000450000000302e16898400070000000000000018bd5"
    "0bc47b0000018bcfe568090000000000000fa00002ffffffff000000012600e3"
    "f1b2520008000000000c00000000000500");
inline const ByteList kAbortEmptied = from_hex(
    "000000000000006700000031000000030224e86bd0003000000000ffffffffff"
    "ffffff0000018bcfe568090000000000000fa00002ffffffff00000000");
// A raft control batch: leader change.
inline const ByteList kLeaderChange = from_hex(
    "00000000000000000000005e00000001021735ab2b0020000000000000018bcf"
    "e568000000018bcfe56800ffffffffffffffffffffffffffff00000001580000"
    "0008000000024400000000000104000000010000000002000000000300030000"
    "00010000000002000000");

/// A batch of this header and these record bytes as they are, with the right length and CRC.
inline ByteList raw_batch(BatchHeader header, Bytes record_bytes) {
  header.batch_length =
      static_cast<std::int32_t>(kHeaderBytes - kBatchPrefixBytes + record_bytes.size());
  header.crc = batch_crc(header, record_bytes);
  ByteList bytes(kHeaderBytes);
  encode_batch_header(header, std::span(bytes).first<kHeaderBytes>());
  bytes.insert(bytes.end(), record_bytes.begin(), record_bytes.end());
  return bytes;
}

/// The header of a client's batch of so many records, without a producer.
inline BatchHeader client_header(std::int32_t record_count) {
  BatchHeader header;
  header.last_offset_delta = record_count - 1;
  header.record_count = record_count;
  header.base_timestamp = kTime;
  header.max_timestamp = kTime;
  return header;
}

inline BatchHeader header_of(Bytes batch) {
  return decode_batch_header(batch.first<kHeaderBytes>());
}

/// A batch with these values, null keys, all at kTime.
inline ByteList batch_of(const std::vector<std::string>& values, BatchFields fields = {}) {
  RecordBatchBuilder builder(fields);
  for (const std::string& value : values) {
    EXPECT_THAT(builder.add({.timestamp = kTime, .value = as_bytes(value)}), Succeeds());
  }
  Result<ByteList> batch = builder.build();
  EXPECT_THAT(batch, Succeeds());
  return batch.value_or(ByteList());
}

}  // namespace oncelog::record
