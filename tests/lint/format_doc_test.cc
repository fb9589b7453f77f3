// format_doc_test.cc: runs the hex blocks of lib/FORMAT.md: decoded, encoded back, raised in
// version, flipped byte by byte.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "log/checkpoint.h"
#include "oncelog/record.h"
#include "oncelog/record_builder.h"
#include "record/batch_header.h"
#include "segment/append_ring.h"
#include "segment/offset_index.h"
#include "segment/seal.h"
#include "segment/time_index.h"
#include "segment/txn_index.h"
#include "snapshot/kafka_snapshot.h"
#include "snapshot/state_rows.h"
#include "store/clean_record.h"
#include "store/kept_options.h"
#include "support/temp_dir.h"

namespace oncelog {
namespace {

using ByteVector = std::vector<std::byte>;

struct Block {
  std::string kind{};
  int line = 0;
  ByteVector bytes{};
  std::int64_t base = 0;
  std::size_t key_bytes = 0;          ///< of a row: what stands before its value
  bool is_text = false;               ///< no checksum: flips are not tried
  std::set<std::size_t> uncovered{};  ///< flips here need not be refused
  std::optional<std::pair<std::size_t, std::size_t>> version{};  ///< position, bytes
};

std::set<std::size_t> parse_ranges(const std::string& text) {
  std::set<std::size_t> positions;
  std::stringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t dash = part.find('-');
    const std::size_t first = std::stoul(part.substr(0, dash));
    const std::size_t last = dash == std::string::npos ? first : std::stoul(part.substr(dash + 1));
    for (std::size_t i = first; i <= last; ++i) positions.insert(i);
  }
  return positions;
}

Block parse_opening(const std::string& line, int number) {
  Block block;
  block.line = number;
  std::stringstream words(line.substr(6, line.find('#') - 6));  // behind "```hex"
  words >> block.kind;
  for (std::string word; words >> word;) {
    const std::string name = word.substr(0, word.find('='));
    const std::string value = word.substr(word.find('=') + 1);
    if (name == "base") block.base = std::stoll(value);
    if (name == "key") block.key_bytes = std::stoul(value);
    if (name == "uncovered" && value == "text") block.is_text = true;
    if (name == "uncovered" && value != "text") block.uncovered = parse_ranges(value);
    if (name == "version") {
      block.version = {std::stoul(value), std::stoul(value.substr(value.find(':') + 1))};
    }
  }
  return block;
}

std::vector<Block> read_blocks() {
  std::ifstream file(ONCELOG_SOURCE_DIR "/lib/FORMAT.md");
  std::vector<Block> blocks;
  bool is_inside = false;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with("```hex ")) {
      blocks.push_back(parse_opening(line, number));
      is_inside = true;
    } else if (line.starts_with("```")) {
      is_inside = false;
    } else if (is_inside) {
      std::stringstream words(line.substr(6, line.find('#') - 6));
      for (std::string word; words >> word;) {
        blocks.back().bytes.push_back(static_cast<std::byte>(std::stoi(word, nullptr, 16)));
      }
    }
  }
  return blocks;
}

template <class Entry, class... Base>
ByteVector encode_all(const std::vector<Entry>& entries, Base... base) {
  ByteVector out;
  for (const Entry& entry : entries) segment::encode(out, base..., entry);
  return out;
}

/// Reads the batch as a consumer would and builds it anew.
std::optional<ByteVector> transcode_batch(const ByteVector& bytes) {
  const auto view = RecordBatchView::parse(bytes);
  if (!view || view->bytes().size() != bytes.size() || !view->check_crc()) return {};
  auto reader = RecordReader::open(*view);
  if (!reader) return {};
  if (view->record_count() == 0) {
    ByteVector header(record::kHeaderBytes);
    record::encode_batch_header(
        record::decode_batch_header(view->bytes().first<record::kHeaderBytes>()),
        std::span(header).first<record::kHeaderBytes>());
    return header;
  }
  RecordBatchBuilder builder({.base_offset = view->base_offset(),
                              .leader_epoch = view->leader_epoch(),
                              .is_transactional = view->is_transactional(),
                              .producer_id = view->producer_id(),
                              .producer_epoch = view->producer_epoch(),
                              .base_sequence = view->base_sequence()});
  while (true) {
    const auto record = reader->next();
    if (!record) return {};
    if (!*record) break;
    std::vector<NewRecord::Header> headers;
    for (const RecordHeader& header : (*record)->headers()) {
      headers.push_back({header.key, header.value});
    }
    if (!builder.add({(*record)->timestamp, (*record)->key, (*record)->value, headers})) return {};
  }
  auto built = builder.build();
  return built ? std::optional(*built) : std::nullopt;
}

std::optional<ByteVector> transcode_marker(const ByteVector& bytes) {
  const auto view = RecordBatchView::parse(bytes);
  if (!view || view->bytes().size() != bytes.size() || !view->check_crc()) return {};
  const auto control = view->control_record();
  if (!control || !*control || !(*control)->is_marker()) return {};
  return build_marker({.base_offset = view->base_offset(),
                       .leader_epoch = view->leader_epoch(),
                       .type = (*control)->is_abort() ? MarkerType::kAbort : MarkerType::kCommit,
                       .producer_id = view->producer_id(),
                       .producer_epoch = view->producer_epoch(),
                       .coordinator_epoch = (*control)->coordinator_epoch,
                       .timestamp = view->max_timestamp()});
}

/// Through a real file, by the functions that the log uses.
template <class Read, class Write>
std::optional<ByteVector> transcode_file(const ByteVector& bytes, Read read, Write write) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/file";
  std::ofstream(path, std::ios::binary) << as_text(bytes);
  const auto content = read(posix_vfs(), path);
  if (!content || !write(posix_vfs(), path, *content)) return {};
  std::stringstream written;
  written << std::ifstream(path, std::ios::binary).rdbuf();
  const std::string text = written.str();
  const Bytes view = as_bytes(text);
  return ByteVector(view.begin(), view.end());
}

/// A row of the producer state: its key and its value, each made anew from what the other says.
std::optional<ByteVector> transcode_row(const Block& block, const ByteVector& bytes) {
  using namespace snapshot;
  const Bytes key = Bytes(bytes).first(block.key_bytes);
  const Bytes value = Bytes(bytes).subspan(block.key_bytes);
  Row again(key.begin(), key.end());
  Row encoded;
  if (block.kind == "state-store") {
    const auto row = decode_store(key, value);
    if (!row) return {};
    again = store_key();
    encoded = encode(again, *row);
  } else if (block.kind == "state-partition") {
    const auto row = decode_partition(key, value);
    if (!row) return {};
    encoded = encode(again, *row);
  } else if (block.kind == "state-checkpoint") {
    const auto row = decode_checkpoint(key, value);
    if (!row) return {};
    again = checkpoint_key(*life_of_key(key), row->offset);
    encoded = encode(again, *row);
  } else {
    const auto row = decode_producer(key, value);
    const auto parts = parse_producer_key(key);
    if (!row || !parts) return {};
    again = producer_key(parts->life, parts->id, parts->at);
    encoded = encode(again, *row ? &**row : nullptr);
  }
  again.insert(again.end(), encoded.begin(), encoded.end());
  return again;
}

/// Decodes and encodes; nothing if the bytes are refused.
std::optional<ByteVector> transcode(const Block& block, const ByteVector& bytes) {
  const Offset base(block.base);
  if (block.kind == "record-batch") return transcode_batch(bytes);
  if (block.kind == "control-batch") return transcode_marker(bytes);
  if (block.kind == "offset-index") {
    return encode_all(segment::decode_offset_index(bytes, base), base);
  }
  if (block.kind == "time-index") return encode_all(segment::decode_time_index(bytes, base), base);
  if (block.kind == "transaction-index") {
    const auto entries = segment::decode_txn_index(bytes);
    return entries ? std::optional(encode_all(*entries)) : std::nullopt;
  }
  if (block.kind == "producer-snapshot") {
    const auto entries = snapshot::decode_kafka_snapshot(bytes);
    return entries ? std::optional(snapshot::encode_kafka_snapshot(*entries)) : std::nullopt;
  }
  if (block.kind.starts_with("state-")) return transcode_row(block, bytes);
  if (block.kind == "seal") {
    const auto seal = segment::decode_seal(bytes);
    return seal ? std::optional(segment::encode(*seal)) : std::nullopt;
  }
  if (block.kind == "ring-fill") {
    const auto fill = segment::decode_ring_fill(bytes);
    if (!fill) return std::nullopt;
    const auto header = segment::encode(*fill);
    return ByteVector(header.begin(), header.end());
  }
  if (block.kind == "clean-record") {
    const auto record = store::decode_clean_record(bytes);
    return record ? std::optional(store::encode_clean_record(*record)) : std::nullopt;
  }
  if (block.kind == "partition-options") {
    const auto kept = store::decode_kept_options(as_text(bytes));
    if (!kept) return std::nullopt;
    const std::string text = store::encode_kept_options(*kept);
    return ByteVector(as_bytes(text).begin(), as_bytes(text).end());
  }
  if (block.kind == "leader-epochs") {
    return transcode_file(bytes, log::read_leader_epochs, log::write_leader_epochs);
  }
  if (block.kind == "offset-checkpoint") {
    return transcode_file(bytes, log::read_offset_checkpoint, log::write_offset_checkpoint);
  }
  if (block.kind == "partition-metadata") {
    return transcode_file(bytes, log::read_topic_id, log::write_topic_id);
  }
  ADD_FAILURE() << "line " << block.line << ": unknown kind " << block.kind;
  return {};
}

TEST(FormatDoc, HasABlockForEveryKindOfFile) {
  std::set<std::string> kinds;
  for (const Block& block : read_blocks()) kinds.insert(block.kind);
  const std::set<std::string> expected = {"clean-record",
                                          "control-batch",
                                          "leader-epochs",
                                          "offset-checkpoint",
                                          "offset-index",
                                          "partition-metadata",
                                          "partition-options",
                                          "producer-snapshot",
                                          "record-batch",
                                          "ring-fill",
                                          "seal",
                                          "state-checkpoint",
                                          "state-partition",
                                          "state-producer",
                                          "state-store",
                                          "time-index",
                                          "transaction-index"};
  EXPECT_EQ(kinds, expected);
}

TEST(FormatDoc, EveryBlockIsEncodedBackToTheSameBytes) {
  for (const Block& block : read_blocks()) {
    const auto encoded = transcode(block, block.bytes);
    ASSERT_TRUE(encoded) << "line " << block.line << " is refused";
    EXPECT_EQ(*encoded, block.bytes) << "line " << block.line;
  }
}

TEST(FormatDoc, TheNextVersionOfEveryBlockIsRefused) {
  for (const Block& block : read_blocks()) {
    if (!block.version) continue;
    ByteVector bytes = block.bytes;
    const auto [position, count] = *block.version;
    std::byte& lowest = bytes[position + count - 1];
    lowest = static_cast<std::byte>(static_cast<int>(lowest) + 1);
    EXPECT_FALSE(transcode(block, bytes)) << "line " << block.line;
  }
}

TEST(FormatDoc, FlipsAreRefusedExactlyWhereAChecksumCovers) {
  for (const Block& block : read_blocks()) {
    if (block.is_text) continue;
    for (std::size_t i = 0; i < block.bytes.size(); ++i) {
      ByteVector bytes = block.bytes;
      bytes[i] ^= std::byte{0xFF};
      EXPECT_EQ(transcode(block, bytes).has_value(), block.uncovered.contains(i))
          << "line " << block.line << " position " << i;
    }
  }
}

}  // namespace
}  // namespace oncelog
