#include "compaction/batch_filter.h"

#include <vector>

#include "record/batch_rebuild.h"

namespace oncelog::compaction {

using record::BatchHeader;

namespace {

std::optional<Timestamp> delete_horizon_of(const BatchHeader& header) {
  if (!header.has_delete_horizon()) return std::nullopt;
  return header.base_timestamp;
}

}  // namespace

/// The records that stay; their views live as long as the reader.
struct BatchFilter::Contents {
  std::optional<RecordReader> reader{};
  std::vector<RecordView> kept{};
  bool needs_horizon = false;  ///< for a tombstone, or a marker that has outlived its data
};

bool BatchFilter::keeps(const BatchHeader& header, const RecordView& record) const {
  if (header.is_control() || record.offset >= rules_.coverage_end) return true;
  if (!record.key || record.offset < keys_.find(*record.key)) return false;
  const auto horizon = delete_horizon_of(header);
  return record.value || !horizon || rules_.now < *horizon;
}

Result<BatchFilter::Contents> BatchFilter::read_contents(const RecordBatchView& batch,
                                                         const BatchHeader& header,
                                                         FilteredBatch& filtered) {
  Contents contents;
  bool discards = false;
  if (header.is_control()) {
    ONCELOG_TRY_ASSIGN(const auto control, batch.control_record());
    const auto verdict = transactions_.read_marker(header, control);
    filtered.aborted = verdict.aborted;
    contents.needs_horizon = verdict.is_removable;
    const auto horizon = delete_horizon_of(header);
    discards = verdict.is_removable && horizon && *horizon <= rules_.now;
  } else {
    discards = transactions_.read_data(header);
  }
  if (discards || header.record_count == 0) return contents;
  ONCELOG_TRY_ASSIGN(contents.reader, RecordReader::open(batch, rules_.limits));
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<RecordView> record, contents.reader->next());
    if (!record) return contents;
    if (!keeps(header, *record)) continue;
    contents.kept.push_back(*record);
    contents.needs_horizon |= !record->value;
  }
}

Result<FilteredBatch> BatchFilter::filter(const RecordBatchView& batch) {
  const BatchHeader header = record::header_of(batch);
  FilteredBatch filtered;
  ONCELOG_TRY_ASSIGN(const Contents contents, read_contents(batch, header, filtered));
  if (contents.kept.empty()) {
    bool keeps_header = header.next_offset() == rules_.round_end;
    if (!keeps_header && header.has_producer_id()) {
      ONCELOG_TRY_ASSIGN(keeps_header, is_last_of_producer_(header));
    }
    if (!keeps_header) return filtered;
    filtered.fate = FilteredBatch::Fate::kRebuilt;
    filtered.rebuilt = record::empty_batch(header);
    return filtered;
  }
  filtered.records_kept = std::ssize(contents.kept);
  auto horizon = delete_horizon_of(header);
  const bool sets_horizon = contents.needs_horizon && !horizon;
  if (!sets_horizon && filtered.records_kept == header.record_count) {
    filtered.fate = FilteredBatch::Fate::kUnchanged;
    return filtered;
  }
  if (sets_horizon) horizon = rules_.now + rules_.delete_retention_ms;
  filtered.fate = FilteredBatch::Fate::kRebuilt;
  ONCELOG_TRY_ASSIGN(filtered.rebuilt, record::rebuild_batch(header, contents.kept, horizon));
  return filtered;
}

}  // namespace oncelog::compaction
