// written_log.h: what a test has written to a partition, and what the partition must therefore
// hold.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "oncelog/partition_log.h"
#include "support/keyed_batches.h"

namespace oncelog::test {

/// Said by the producer's id, so that a reader knows, too, how its transactions end.
[[nodiscard]] inline bool is_to_abort(ProducerId id) { return id.value() % 3 == 0; }

/// A batch that was acknowledged.
struct Written {
  Offset base{};
  Offset last{};
  ProducerId producer_id = kNoProducerId;
  bool is_transactional = false;
  std::optional<MarkerType> marker{};
  std::vector<Keyed> records{};
  Buffer sent{};
};

/// A partition as the writer knows it.
struct Mixed {
  TopicPartition name{};
  bool is_compacted = false;
  std::vector<Written> written{};  ///< by offset; without what was truncated
};

/// Offset, key and value of a record.
using Line = std::tuple<Offset, std::string, std::string>;

[[nodiscard]] inline std::vector<Line> lines_of(const Written& batch) {
  std::vector<Line> lines;
  for (std::size_t i = 0; i < batch.records.size(); ++i) {
    const Keyed& record = batch.records[i];
    lines.emplace_back(batch.base + static_cast<std::int64_t>(i), *record.key, *record.value);
  }
  return lines;
}

/// All data that a log holds from its start on; anew where the start moves meanwhile, as the
/// store's thread may make it.
[[nodiscard]] inline std::vector<Line> stored_lines(const PartitionLog& log) {
  std::vector<Line> lines;
  for (Offset from = log.ends().log_start; from < log.ends().log_end;) {
    const auto fetched = log.fetch(from, {.isolation = Isolation::kReplica});
    if (!fetched && fetched.error().code == ErrorCode::OFFSET_OUT_OF_RANGE) {
      lines.clear();
      from = log.ends().log_start;
      continue;
    }
    const Buffer bytes = value_of(value_of(fetched).read());
    if (bytes.empty()) break;
    BatchCursor cursor(bytes);
    while (const auto batch = value_of(cursor.next())) {
      from = batch->next_offset();
      if (batch->is_control() || batch->record_count() == 0) continue;
      RecordReader reader = value_of(RecordReader::open(*batch));
      while (const auto record = value_of(reader.next())) {
        lines.emplace_back(record->offset, as_text(*record->key), as_text(*record->value));
      }
    }
  }
  return lines;
}

/// What a compaction must leave: of each key the last value that was not aborted, if a compaction
/// may have seen the transaction's end.
[[nodiscard]] inline std::map<std::string, Line> last_values(const std::vector<Written>& written,
                                                             Offset log_start) {
  std::map<std::string, Line> last;
  for (const Written& batch : written) {
    if (batch.is_transactional && is_to_abort(batch.producer_id)) continue;
    for (Line& line : lines_of(batch)) {
      if (std::get<0>(line) >= log_start) last[std::get<1>(line)] = std::move(line);
    }
  }
  return last;
}

}  // namespace oncelog::test
