// examples.h: the worked examples of the format as bytes, and what tests make batches with.
#pragma once

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
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
    "000000000000000000 00003affffffff 02e99b8dd800000000000000000 18bcf"
    "e56800 0000018bcfe56800ffffffffff ffffffffffffffffff00000001100000 00026b027600");
inline const ByteList kE1Stored = from_hex(
    "000000000000002a0000003a00000007 02e99b8dd80000000000000000018bcf"
    "e568000000018bcfe56800ffffffffff ffffffffffffffffff00000001100000 00026b027600");
// E2: transactional, sequences that wrap, a tombstone, headers.
inline const ByteList kE2 = from_hex(
    "00000000000000640000005300000003 02527b05a00010000000020000018bcf"
    "e568000000018bcfe568050000000000 000fa000027ffffffe00000003100000"
    "00026102310 00e000a020262010020 00 06040261043232040268027802 6e01");
// E3: E2 after compaction, after the next one, and without a horizon.
inline const ByteList kE3 = from_hex(
    "00000000000000640000005000000003 02808ee5040050000000020000018bd5"
    "0bc47b0000018bcfe568050000000000 000fa000027ffffffe000000021400eb"
    "f1b252020262010026 00eff1b2520402 61043232040268027802 6e01");
inline const ByteList kE3Later = from_hex(
    "00000000000000640000004500000003 02cb706fb60050000000020000018bd5"
    "0bc47b0000018bcfe568030000000000 000fa000027ffffffe000000012600ef"
    "f1b252040261043232040268027802 6e 01");
inline const ByteList kE3NoHorizon = from_hex(
    "00000000000000640000004200000003 021bf8092a0010000000020000018bcf"
    "e568030000018bcfe568030000000000 000fa000027ffffffe00000001200000"
    "040261043232040268027802 6e01");
// E4: no record left.
inline const ByteList kE4 = from_hex(
    "00000000000000640000003100000003 0257b65e2900100000000 2ffffffffff"
    "ffffff0000018bcfe568050000000000 000fa000027ffffffe00000000");
// E5: markers, one with a delete horizon, one emptied.
inline const ByteList kCommit = from_hex(
    "00000000000000670000004200000003 02000ec8160030000000000000018bcf"
    "e568090000018bcfe568090000000000 000fa00002ffffffff00000001200000"
    "0008000000010c000000000 00500");
inline const ByteList kAbort = from_hex(
    "00000000000000670000004200000003 02f4301e5e0030000000000000018bcf"
    "e568090000018bcfe568090000000000 000fa00002ffffffff00000001200000"
    "0008000000000c000000000 00500");
inline const ByteList kAbortHorizon = from_hex(
    "00000000000000670000004500000003 02e168984000700000000000 00018bd5"
    "0bc47b0000018bcfe568090000000000 000fa00002ffffffff000000012600e3"
    "f1b252000800000000 0c00000000000500");
inline const ByteList kAbortEmptied = from_hex(
    "00000000000000670000003100000003 0224e86bd0003000000000ffffffffff"
    "ffffff0000018bcfe568090000000000 000fa00002ffffffff00000000");
// A raft control batch: leader change.
inline const ByteList kLeaderChange = from_hex(
    "00000000000000000000005e00000001 021735ab2b0020000000000000018bcf"
    "e568000000018bcfe56800ffffffffff ffffffffffffffffff00000001580000"
    "00080000000244000000000001040000 00010000000002000000000300030000"
    "0001000000000200000 0");

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

inline BatchHeader header_of(Bytes batch) { return decode_batch_header(batch.first<kHeaderBytes>()); }

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
