// partition_files.h: a partition directory written by hand, batch by batch.
#pragma once

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "oncelog/inspect.h"
#include "oncelog/record_builder.h"
#include "segment/offset_index.h"
#include "segment/segment_names.h"
#include "segment/time_index.h"
#include "segment/txn_index.h"
#include "support/temp_dir.h"

namespace oncelog::test {

using Buffer = std::vector<std::byte>;

/// What a batch is made of; records count up from the base offset and the timestamp.
struct BatchPlan {
  std::int64_t base = 0;
  int records = 1;
  std::int64_t timestamp = 1000;
  std::int64_t producer = -1;
  std::int16_t producer_epoch = 0;
  std::int32_t sequence = 0;
  bool is_transactional = false;
  std::int32_t leader_epoch = 0;
  Codec codec = Codec::kNone;
  std::size_t value_bytes = 4;
};

inline Buffer make_batch(const BatchPlan& plan) {
  BatchFields fields{.base_offset = Offset(plan.base),
                     .leader_epoch = LeaderEpoch(plan.leader_epoch),
                     .codec = plan.codec,
                     .is_transactional = plan.is_transactional};
  if (plan.producer >= 0) {
    fields.producer_id = ProducerId(plan.producer);
    fields.producer_epoch = ProducerEpoch(plan.producer_epoch);
    fields.base_sequence = Sequence(plan.sequence);
  }
  RecordBatchBuilder builder(fields);
  const std::string value(plan.value_bytes, 'v');
  for (int i = 0; i < plan.records; ++i) {
    EXPECT_TRUE(
        builder.add({.timestamp = Timestamp(plan.timestamp + i), .value = as_bytes(value)}));
  }
  return *builder.build();
}

inline Buffer make_marker(std::int64_t base, MarkerType type, std::int64_t producer,
                          std::int64_t timestamp = 1000) {
  return build_marker({.base_offset = Offset(base),
                       .leader_epoch = LeaderEpoch(0),
                       .type = type,
                       .producer_id = ProducerId(producer),
                       .producer_epoch = ProducerEpoch(0),
                       .timestamp = Timestamp(timestamp)});
}

inline Buffer transactional(std::int64_t base, std::int64_t producer, std::int32_t sequence = 0,
                            int records = 1) {
  return make_batch({.base = base,
                     .records = records,
                     .producer = producer,
                     .sequence = sequence,
                     .is_transactional = true});
}

inline Buffer join(std::initializer_list<Buffer> parts) {
  Buffer all;
  for (const Buffer& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class PartitionFiles {
 public:
  PartitionFiles() : path_(data_.file("t-0")) { std::filesystem::create_directory(path_); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  [[nodiscard]] std::string data_file(std::string_view name) const { return data_.file(name); }
  [[nodiscard]] std::string segment(std::int64_t base, std::string_view suffix = ".log") const {
    return file(segment::segment_file_name(Offset(base), suffix));
  }

  static void write(const std::string& path, const Buffer& bytes) {
    put(path, bytes, std::ios::trunc);
  }
  static void write(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static void append(const std::string& path, const Buffer& bytes) {
    put(path, bytes, std::ios::app);
  }
  void append(std::int64_t segment_base, const Buffer& bytes) const {
    append(segment(segment_base), bytes);
  }
  static Buffer read(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    const Bytes bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
  }
  static void flip(const std::string& path, std::size_t position, unsigned mask = 0x01) {
    Buffer bytes = read(path);
    bytes.at(position) ^= static_cast<std::byte>(mask);
    // In place: a new file of the same name would be a replacement.
    std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
    stream.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }

  void write_offset_index(std::int64_t base,
                          const std::vector<segment::OffsetIndexEntry>& entries) const {
    Buffer bytes;
    for (const auto& entry : entries) segment::encode(bytes, Offset(base), entry);
    write(segment(base, ".index"), bytes);
  }
  void write_time_index(std::int64_t base,
                        const std::vector<segment::TimeIndexEntry>& entries) const {
    Buffer bytes;
    for (const auto& entry : entries) segment::encode(bytes, Offset(base), entry);
    write(segment(base, ".timeindex"), bytes);
  }
  void write_txn_index(std::int64_t base,
                       const std::vector<segment::TxnIndexEntry>& entries) const {
    Buffer bytes;
    for (const auto& entry : entries) segment::encode(bytes, entry);
    write(segment(base, ".txnindex"), bytes);
  }

 private:
  static void put(const std::string& path, const Buffer& bytes, std::ios::openmode mode) {
    std::ofstream stream(path, std::ios::binary | mode);
    stream.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
  }

  TempDir data_;
  std::string path_;
};

}  // namespace oncelog::test
