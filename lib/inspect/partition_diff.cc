// partition_diff.cc: two copies of a partition, file by file and batch by batch.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "inspect/batch_stream.h"
#include "oncelog/inspect_partition.h"

namespace oncelog {

namespace {

using inspect::BatchStream;

/// Size of each file of a directory, by name.
Result<std::map<std::string, std::int64_t>> list_files(Vfs& vfs, const std::string& directory) {
  std::map<std::string, std::int64_t> files;
  ONCELOG_TRY_ASSIGN(const auto names, vfs.list(directory));
  for (const std::string& name : names) {
    ONCELOG_TRY_ASSIGN(const auto status, vfs.status(inspect::join_path(directory, name)));
    if (status && !status->is_directory) files[name] = status->bytes;
  }
  return files;
}

/// Where the first byte differs or one file ends; nothing if they are the same.
Result<std::optional<std::int64_t>> first_difference(Vfs& vfs, const std::string& first,
                                                     const std::string& second) {
  constexpr std::size_t kReadBytes = 1 << 16;
  ONCELOG_TRY_ASSIGN(const auto a, vfs.open(first, OpenMode::kRead));
  ONCELOG_TRY_ASSIGN(const auto b, vfs.open(second, OpenMode::kRead));
  std::vector<std::byte> bytes_a(kReadBytes);
  std::vector<std::byte> bytes_b(kReadBytes);
  for (std::int64_t position = 0;;) {
    ONCELOG_TRY_ASSIGN(const std::size_t count_a, a->read_at(bytes_a, position));
    ONCELOG_TRY_ASSIGN(const std::size_t count_b, b->read_at(bytes_b, position));
    const auto seen_a = Bytes(bytes_a).first(count_a);
    const auto seen_b = Bytes(bytes_b).first(count_b);
    const auto differs = std::ranges::mismatch(seen_a, seen_b).in1 - seen_a.begin();
    if (count_a != count_b || differs != std::ssize(seen_a)) return position + differs;
    if (count_a == 0) return std::nullopt;
    position += static_cast<std::int64_t>(count_a);
  }
}

Result<std::vector<FileDifference>> compare_files(Vfs& vfs, const std::string& first,
                                                  const std::string& second) {
  ONCELOG_TRY_ASSIGN(auto files, list_files(vfs, first));
  ONCELOG_TRY_ASSIGN(const auto others, list_files(vfs, second));
  std::map<std::string, FileDifference> all;
  for (const auto& [name, bytes] : files) all[name].first_bytes = bytes;
  for (const auto& [name, bytes] : others) all[name].second_bytes = bytes;
  std::vector<FileDifference> differences;
  for (auto& [name, difference] : all) {
    difference.name = name;
    if (difference.first_bytes && difference.second_bytes) {
      ONCELOG_TRY_ASSIGN(difference.position, first_difference(vfs, inspect::join_path(first, name),
                                                               inspect::join_path(second, name)));
      if (!difference.position) continue;
    }
    differences.push_back(std::move(difference));
  }
  return differences;
}

std::string values(std::string_view field, std::int64_t first, std::int64_t second) {
  return std::string(field) + " is " + std::to_string(first) + " and " + std::to_string(second);
}

/// The first field in which two headers differ; the CRC last, as it follows from the others.
std::string header_difference(const RecordBatchView& a, const RecordBatchView& b) {
  const std::array<std::tuple<std::string_view, std::int64_t, std::int64_t>, 12> fields{{
      {"base offset", a.base_offset().value(), b.base_offset().value()},
      {"last offset", a.last_offset().value(), b.last_offset().value()},
      {"leader epoch", a.leader_epoch().value(), b.leader_epoch().value()},
      {"producer id", a.producer_id().value(), b.producer_id().value()},
      {"producer epoch", a.producer_epoch().value(), b.producer_epoch().value()},
      {"base sequence", a.base_sequence().value(), b.base_sequence().value()},
      {"record count", a.record_count(), b.record_count()},
      {"codec", a.codec_bits(), b.codec_bits()},
      {"attributes", a.attributes(), b.attributes()},
      {"base timestamp", a.base_timestamp().value(), b.base_timestamp().value()},
      {"max timestamp", a.max_timestamp().value(), b.max_timestamp().value()},
      {"size in bytes", std::ssize(a.bytes()), std::ssize(b.bytes())},
  }};
  for (const auto& [name, first, second] : fields) {
    if (first != second) return values(name, first, second);
  }
  if (a.crc() != b.crc()) return values("CRC", a.crc(), b.crc());
  return "record bytes differ";
}

bool same(const std::optional<Bytes>& a, const std::optional<Bytes>& b) {
  return a.has_value() == b.has_value() && (!a || std::ranges::equal(*a, *b));
}

std::string record_difference(const RecordView& a, const RecordView& b) {
  if (a.offset != b.offset) return values("offset", a.offset.value(), b.offset.value());
  if (a.timestamp != b.timestamp) {
    return values("timestamp", a.timestamp.value(), b.timestamp.value());
  }
  if (!same(a.key, b.key)) return "keys differ";
  if (!same(a.value, b.value)) return "values differ";
  const bool has_same_headers =
      a.header_count == b.header_count && std::ranges::equal(a.header_bytes, b.header_bytes);
  return has_same_headers ? "" : "headers differ";
}

/// Sets the first record that differs; leaves it empty if all are the same, or unreadable.
Result<void> compare_records(const RecordBatchView& a, const RecordBatchView& b,
                             LogDifference& difference) {
  ONCELOG_TRY_ASSIGN(RecordReader first, RecordReader::open(a));
  ONCELOG_TRY_ASSIGN(RecordReader second, RecordReader::open(b));
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto record_a, first.next());
    ONCELOG_TRY_ASSIGN(const auto record_b, second.next());
    if (!record_a && !record_b) return {};
    std::string what = record_a && record_b ? record_difference(*record_a, *record_b)
                       : record_a           ? "only the first has it"
                                            : "only the second has it";
    if (what.empty()) continue;
    difference.record = (record_a ? *record_a : *record_b).offset;
    difference.what = std::move(what);
    return {};
  }
}

void describe(const ScannedBatch& a, const ScannedBatch& b, LogDifference& difference) {
  if (!a.batch || !b.batch) {
    difference.what = a.batch   ? "the second is damaged: " + b.damage
                      : b.batch ? "the first is damaged: " + a.damage
                                : "both are damaged: " + a.damage + "; " + b.damage;
    return;
  }
  difference.what = header_difference(*a.batch, *b.batch);
  if (a.batch->base_offset() != b.batch->base_offset()) return;
  // A CRC and a size follow from the records: those say more.
  const Result<void> compared = compare_records(*a.batch, *b.batch, difference);
  if (!compared) difference.what += "; " + compared.error().text();
}

/// Whether both are the same bytes. Damaged stretches are: their files are compared, too.
bool same_stretch(const ScannedBatch& a, const ScannedBatch& b) {
  if (a.batch && b.batch) return std::ranges::equal(a.batch->bytes(), b.batch->bytes());
  return !a.batch && !b.batch && a.bytes == b.bytes && a.damage == b.damage;
}

LogDifference difference_between(const ScannedBatch* a, const ScannedBatch* b) {
  LogDifference difference;
  for (const ScannedBatch* const one : {a, b}) {
    if (one == nullptr || !one->batch) continue;
    const Offset base = one->batch->base_offset();
    difference.batch = difference.batch ? std::min(*difference.batch, base) : base;
  }
  if (a != nullptr) {
    difference.first_file = a->file;
    difference.first_position = a->position;
  }
  if (b != nullptr) {
    difference.second_file = b->file;
    difference.second_position = b->position;
  }
  if (a != nullptr && b != nullptr) {
    describe(*a, *b, difference);
  } else {
    difference.what = a != nullptr ? "the second has ended" : "the first has ended";
  }
  return difference;
}

Result<std::optional<LogDifference>> compare_logs(Vfs& vfs, const std::string& first,
                                                  const std::string& second) {
  ONCELOG_TRY_ASSIGN(BatchStream batches_a, BatchStream::open(vfs, first));
  ONCELOG_TRY_ASSIGN(BatchStream batches_b, BatchStream::open(vfs, second));
  while (true) {
    ONCELOG_TRY_ASSIGN(const ScannedBatch* const a, batches_a.next());
    ONCELOG_TRY_ASSIGN(const ScannedBatch* const b, batches_b.next());
    if (a == nullptr && b == nullptr) return std::nullopt;
    if (a == nullptr || b == nullptr || !same_stretch(*a, *b)) return difference_between(a, b);
  }
}

}  // namespace

Result<PartitionDifference> compare_partitions(const std::string& first, const std::string& second,
                                               Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  PartitionDifference difference;
  ONCELOG_TRY_ASSIGN(difference.log, compare_logs(disk, first, second));
  ONCELOG_TRY_ASSIGN(difference.files, compare_files(disk, first, second));
  return difference;
}

}  // namespace oncelog
