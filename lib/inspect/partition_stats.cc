// partition_stats.cc: what the segments of a partition hold, counted.
//
// With keys everything is read three times: once for the transactions that were aborted, once for
// the newest offset of each key, once to count. Hashes of keys stand for keys, as in a compaction.
#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "compaction/decided_transactions.h"
#include "compaction/key_map.h"
#include "inspect/batch_replay.h"
#include "inspect/batch_stream.h"
#include "oncelog/inspect_partition.h"
#include "record/batch_header.h"
#include "record/compression.h"
#include "record/record_codec.h"

namespace oncelog {

namespace {

using compaction::DecidedTransactions;
using inspect::BatchStream;
using inspect::ProblemList;
using inspect::SegmentName;

/// Which records a later one of the same key, or an abort, makes superfluous.
class KeySurvey {
 public:
  explicit KeySurvey(std::int64_t bytes_max) : newest_(bytes_max) {}

  Result<void> read(Vfs& vfs, const std::vector<SegmentName>& segments) {
    ProblemList passed_over;  // whoever counts reports them
    inspect::BatchReplay replay;
    BatchStream first(vfs, segments);
    ONCELOG_TRY(inspect::walk_batches(first, passed_over,
                                      [&](const SegmentName& name, const ScannedBatch& found) {
                                        replay.apply(*found.batch, name.base);
                                        return true;
                                      }));
    for (const AbortedTransactionEntry& entry : replay.aborted()) {
      aborted_.push_back(
          {entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset});
    }
    begin_pass();
    BatchStream second(vfs, segments);
    ONCELOG_TRY(inspect::walk_batches(second, passed_over,
                                      [&](const SegmentName&, const ScannedBatch& found) {
                                        add_keys(*found.batch);
                                        return true;
                                      }));
    begin_pass();
    return {};
  }

  /// To be asked once for every batch, in order.
  [[nodiscard]] bool is_aborted(const RecordBatchView& batch) {
    const record::BatchHeader header = record::header_of(batch);
    if (!batch.is_control()) return pass_->read_data(header);
    if (const auto control = batch.control_record()) (void)pass_->read_marker(header, *control);
    return false;
  }
  [[nodiscard]] bool is_superseded(const RecordView& record) const {
    return record.key && newest_.find(*record.key) > record.offset;
  }
  [[nodiscard]] std::int64_t key_count() const { return newest_.key_count(); }
  [[nodiscard]] bool has_covered_all() const { return has_covered_all_; }

 private:
  void begin_pass() {
    pass_ = std::make_unique<DecidedTransactions>();
    pass_->add_aborted(aborted_);
  }

  void add_keys(const RecordBatchView& batch) {
    if (is_aborted(batch) || batch.is_control()) return;
    auto reader = RecordReader::open(batch);
    if (!reader) return;
    while (true) {
      const auto record = reader->next();
      if (!record || !*record) return;
      if ((*record)->key && !newest_.put(*(*record)->key, (*record)->offset)) {
        has_covered_all_ = false;
      }
    }
  }

  compaction::KeyMap newest_;
  std::vector<segment::TxnIndexEntry> aborted_;
  std::unique_ptr<DecidedTransactions> pass_{};
  bool has_covered_all_ = true;
};

/// Bytes of a record as it is stored uncompressed; its deltas are small enough to leave out.
std::int64_t bytes_of(const RecordView& record) {
  return record::record_size_bytes({.timestamp_delta = 0,
                                    .offset_delta = 0,
                                    .key = record.key,
                                    .value = record.value,
                                    .header_count = record.header_count,
                                    .header_bytes = record.header_bytes});
}

class StatsCount {
 public:
  StatsCount(Vfs& vfs, std::vector<SegmentName> segments, const SegmentStatsVisitor& visit)
      : vfs_(vfs), segments_(std::move(segments)), visit_(visit) {}

  Result<PartitionStats> run(const StatsOptions& options) {
    if (options.with_keys) {
      keys_ = std::make_unique<KeySurvey>(options.key_map_bytes_max);
      ONCELOG_TRY(keys_->read(vfs_, segments_));
    }
    PartitionStats stats;
    stats.total.base = segments_.front().base;
    BatchStream batches(vfs_, segments_);
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      current_ = {.file = segments_[i].path, .base = segments_[i].base};
      producers_.clear();
      ONCELOG_TRY(count_segment(batches, i));
      current_.producer_count = std::ssize(producers_);
      add_to_total(stats.total);
      if (!visit_(current_)) break;
    }
    stats.total.producer_count = std::ssize(all_producers_);
    if (keys_) {
      stats.key_count = keys_->key_count();
      stats.has_covered_all_keys = keys_->has_covered_all();
    }
    stats.problems = std::move(problems_).take();
    return stats;
  }

 private:
  /// Takes what the stream gives as long as it lies in this segment.
  Result<void> count_segment(BatchStream& batches, std::size_t index) {
    while (true) {
      if (!std::exchange(has_next_, false)) {
        ONCELOG_TRY_ASSIGN(next_, batches.next());
      }
      if (next_ == nullptr) return {};
      if (batches.segment().base != segments_[index].base) {
        has_next_ = true;
        return {};
      }
      count(*next_);
    }
  }

  void count(const ScannedBatch& found) {
    if (!found.damage.empty()) problems_.add(found.file, found.position, found.damage);
    if (!found.batch) {
      current_.damaged_bytes += found.bytes;
      return;
    }
    const RecordBatchView& batch = *found.batch;
    current_.bytes += found.bytes;
    ++current_.batch_count;
    current_.last_offset = batch.last_offset();
    if (batch.producer_id() > kNoProducerId) {
      producers_.insert(batch.producer_id());
      all_producers_.insert(batch.producer_id());
    }
    take_first_timestamp(
        current_, batch.has_delete_horizon() ? batch.max_timestamp() : batch.base_timestamp());
    current_.last_timestamp = std::max(current_.last_timestamp, batch.max_timestamp());
    const bool is_aborted = keys_ && keys_->is_aborted(batch);
    if (batch.is_control()) {
      ++current_.control_batch_count;
      return;
    }
    count_data(found, is_aborted);
  }

  void count_data(const ScannedBatch& found, bool is_aborted) {
    const RecordBatchView& batch = *found.batch;
    const std::int64_t stored = std::ssize(batch.record_bytes());
    current_.record_count += batch.record_count();
    current_.transactional_batch_count += batch.is_transactional() ? 1 : 0;
    ++current_.codec_batch_counts[batch.codec_bits()];
    std::int64_t plain = stored;
    if (batch.codec_bits() != 0 && stored > 0) {
      const auto bytes = record::decompress(batch.codec_bits(), batch.record_bytes(), {});
      if (!bytes) {
        problems_.add(found.file, found.position, bytes.error().text());
        return;
      }
      plain = std::ssize(bytes->bytes());
    }
    current_.stored_record_bytes += stored;
    current_.plain_record_bytes += plain;
    if (keys_) count_superseded(found, is_aborted, plain);
  }

  void count_superseded(const ScannedBatch& found, bool is_aborted, std::int64_t plain) {
    auto reader = RecordReader::open(*found.batch);
    std::int64_t superseded = 0;
    while (reader) {
      const auto record = reader->next();
      if (!record) problems_.add(found.file, found.position, record.error().text());
      if (!record || !*record) break;
      if (!is_aborted && !keys_->is_superseded(**record)) continue;
      ++current_.superseded_record_count;
      superseded += bytes_of(**record);
    }
    const double stored = static_cast<double>(std::ssize(found.batch->record_bytes()));
    const double share =
        static_cast<double>(superseded) / static_cast<double>(std::max<std::int64_t>(plain, 1));
    current_.superseded_bytes += static_cast<std::int64_t>(stored * std::min(share, 1.0));
  }

  static void take_first_timestamp(SegmentStats& stats, Timestamp timestamp) {
    if (timestamp <= kNoTimestamp) return;
    const bool is_first =
        stats.first_timestamp == kNoTimestamp || timestamp < stats.first_timestamp;
    if (is_first) stats.first_timestamp = timestamp;
  }

  void add_to_total(SegmentStats& total) const {
    total.bytes += current_.bytes;
    total.damaged_bytes += current_.damaged_bytes;
    total.batch_count += current_.batch_count;
    total.record_count += current_.record_count;
    total.control_batch_count += current_.control_batch_count;
    total.transactional_batch_count += current_.transactional_batch_count;
    for (std::size_t i = 0; i < total.codec_batch_counts.size(); ++i) {
      total.codec_batch_counts[i] += current_.codec_batch_counts[i];
    }
    if (current_.last_offset) total.last_offset = current_.last_offset;
    take_first_timestamp(total, current_.first_timestamp);
    total.last_timestamp = std::max(total.last_timestamp, current_.last_timestamp);
    total.stored_record_bytes += current_.stored_record_bytes;
    total.plain_record_bytes += current_.plain_record_bytes;
    total.superseded_record_count += current_.superseded_record_count;
    total.superseded_bytes += current_.superseded_bytes;
  }

  Vfs& vfs_;
  const std::vector<SegmentName> segments_;
  const SegmentStatsVisitor& visit_;
  std::unique_ptr<KeySurvey> keys_{};
  ProblemList problems_;
  SegmentStats current_{};
  std::set<ProducerId> producers_;
  std::set<ProducerId> all_producers_;
  const ScannedBatch* next_ = nullptr;  ///< of the segment that follows, if has_next_
  bool has_next_ = false;
};

}  // namespace

Result<PartitionStats> collect_stats(const std::string& directory, const StatsOptions& options,
                                     const SegmentStatsVisitor& visit, Vfs* vfs) {
  Vfs& disk = vfs != nullptr ? *vfs : posix_vfs();
  ONCELOG_TRY_ASSIGN(auto segments, inspect::list_partition(disk, directory));
  return StatsCount(disk, std::move(segments), visit).run(options);
}

}  // namespace oncelog
