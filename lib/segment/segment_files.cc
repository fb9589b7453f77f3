// segment_files.cc: the files of a segment: made, opened, compared with memory, brought up to it,
// synced.
#include <algorithm>
#include <tuple>
#include <vector>

#include "segment/header_walk.h"
#include "segment/segment.h"

namespace oncelog::segment {

namespace {

/// The stored form of entries `[begin, end)` of an index.
template <class Index, class Encode>
std::vector<std::byte> encode_entries(const Index& index, std::int64_t begin, std::int64_t end,
                                      Encode encode_entry) {
  std::vector<std::byte> bytes;
  for (std::int64_t i = begin; i < end; ++i) encode_entry(bytes, index[i]);
  return bytes;
}

}  // namespace

Result<std::shared_ptr<Segment>> Segment::create(Vfs& vfs, const std::string& directory,
                                                 Offset base, const TopicConfig& config,
                                                 Timestamp now,
                                                 const std::shared_ptr<OpenFiles>& pool) {
  std::shared_ptr<Segment> segment(new Segment(vfs, directory, base, config, now, pool));
  // Leftovers of the same name would be taken for indexes of this segment (semantics 17.5).
  for (const std::string_view suffix :
       {kSealSuffix, kOffsetIndexSuffix, kTimeIndexSuffix, kTxnIndexSuffix}) {
    ONCELOG_TRY(vfs.remove(segment->path_of(suffix)));
  }
  const auto make_log = [&]() -> Result<void> {
    ONCELOG_TRY(segment->open_log(OpenMode::kCreate));
    ONCELOG_TRY(segment->log_->truncate(0));
    return config.preallocate ? segment->log_->preallocate(config.segment_bytes) : Result<void>{};
  };
  if (auto made = make_log(); !made) {
    // Left behind, it would be a segment for the next open.
    std::ignore = vfs.remove(segment->log_path_);
    return std::unexpected(std::move(made).error());
  }
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::open(Vfs& vfs, const std::string& directory, Offset base,
                                               const TopicConfig& config, Timestamp now,
                                               const SegmentContents& contents,
                                               std::string_view aside_suffix,
                                               const std::shared_ptr<OpenFiles>& pool) {
  std::shared_ptr<Segment> segment(new Segment(vfs, directory, base, config, now, pool));
  ONCELOG_TRY(segment->open_log(OpenMode::kWrite, aside_suffix));
  segment->adopt(contents);
  return segment;
}

Result<void> Segment::open_log(OpenMode mode, std::string_view aside_suffix) {
  const std::string path = log_path_ + std::string(aside_suffix);
  auto file = vfs_.open(path, mode);
  if (!file && pool_ && pool_->frees_descriptors(file.error())) file = vfs_.open(path, mode);
  if (!file) return std::unexpected(std::move(file).error());
  log_ = std::make_shared<LogFile>(
      std::make_shared<PooledFile>(&vfs_, log_path_, *std::move(file), pool_), log_path_);
  return {};
}

Result<std::shared_ptr<Segment>> Segment::cut_at(Offset to, const TopicConfig& config,
                                                 Timestamp now) const {
  IndexBuilder builder(base_, config);
  HeaderWalk walk(*log_, log_path_, 0, bytes());
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<record::BatchHeader> header, walk.next());
    if (!header || header->last_offset() >= to) break;
    builder.add_batch(*header);
  }
  for (std::size_t i = 0; i < txn_index_.size(); ++i) {
    TxnIndexEntry kept = txn_index_[i];
    if (kept.last_offset >= to) continue;
    // A search ends there: transactions that begin behind the cut were not looked at (9.3).
    kept.last_stable_offset = std::min(kept.last_stable_offset, to);
    builder.add_aborted(kept);
  }
  SegmentContents contents = builder.finish(false);
  // Built anew, an index may have an entry where the old one had none: the last time, at least.
  contents.offset_index.is_file_stale =
      offset_index_.count() > 0 || !contents.offset_index.entries.empty();
  contents.time_index.is_file_stale =
      time_index_.count() > 0 || !contents.time_index.entries.empty();
  contents.txn_index.is_file_stale = !txn_index_.empty();
  ONCELOG_TRY_ASSIGN(auto cut, open(vfs_, directory_, base_, config, now, contents, {}, pool_));
  cut->log_->succeed(*log_);
  return cut;
}

void Segment::adopt(const SegmentContents& contents) {
  const auto& offsets = contents.offset_index.entries;
  offset_index_.reserve(offsets.size());
  for (const OffsetIndexEntry& entry : offsets) offset_index_.adopt(entry);
  const auto& times = contents.time_index.entries;
  time_index_.reserve(times.size());
  for (const TimeIndexEntry& entry : times) time_index_.adopt(entry);
  const auto& aborted = contents.txn_index.entries;
  txn_index_.reserve(aborted.size());
  for (const TxnIndexEntry& entry : aborted) txn_index_.push_back(entry);

  const auto adopt_file = [](IndexFile& file, const auto& index) {
    file.is_stale = index.is_file_stale;
    file.entries_written = file.is_stale ? 0 : static_cast<std::int64_t>(index.entries.size());
  };
  adopt_file(offset_index_file_, contents.offset_index);
  adopt_file(time_index_file_, contents.time_index);
  adopt_file(txn_index_file_, contents.txn_index);

  max_timestamp_ms_.store(contents.max_timestamp.value());
  offset_of_max_timestamp_ = contents.offset_of_max_timestamp;
  first_batch_timestamp_ = contents.first_batch_timestamp;
  bytes_since_index_entry_ = contents.bytes_since_index_entry;
  header_chain_ = contents.header_chain;
  open_transactions_ = contents.open_transactions;
  hash_at_open_ = contents.log_hash;
  bytes_at_open_ = contents.bytes;
  bytes_.store(contents.bytes, std::memory_order_release);
}

Result<void> Segment::write_index(IndexFile& index, std::int64_t count, std::int64_t entry_bytes,
                                  Bytes new_entries) {
  if (index.entries_written == count && !index.is_stale) return {};
  if (!index.file) {
    ONCELOG_TRY_ASSIGN(index.file, vfs_.open(path_of(index.suffix), OpenMode::kCreate));
  }
  if (index.is_stale) {
    index.needs_sync = true;
    ONCELOG_TRY(index.file->truncate(0));
    index.is_stale = false;
  }
  index.needs_sync = true;
  const Bytes parts[] = {new_entries};
  ONCELOG_TRY(index.file->write_at(parts, index.entries_written * entry_bytes));
  index.entries_written = count;
  return {};
}

Result<void> Segment::write_indexes() {
  const std::int64_t offset_count = offset_index_.count();
  const std::int64_t time_count = time_index_.count();
  const std::int64_t txn_count = static_cast<std::int64_t>(txn_index_.size());
  const auto relative = [&](auto& out, const auto& entry) { encode(out, base_, entry); };
  if (offset_count == 0 && !offset_index_file_.is_stale) {
    // Kafka takes a segment without this file for damaged, also where it has nothing to hold.
    ONCELOG_TRY_ASSIGN(const auto file, vfs_.status(path_of(kOffsetIndexSuffix)));
    offset_index_file_.is_stale = !file;
  }
  ONCELOG_TRY(write_index(
      offset_index_file_, offset_count, kOffsetIndexEntryBytes,
      encode_entries(offset_index_, offset_index_file_.entries_written, offset_count, relative)));
  ONCELOG_TRY(write_index(
      time_index_file_, time_count, kTimeIndexEntryBytes,
      encode_entries(time_index_, time_index_file_.entries_written, time_count, relative)));
  std::vector<std::byte> txn_bytes;
  for (std::int64_t i = txn_index_file_.entries_written; i < txn_count; ++i) {
    encode(txn_bytes, txn_index_[static_cast<std::size_t>(i)]);
  }
  return write_index(txn_index_file_, txn_count, kTxnIndexEntryBytes, txn_bytes);
}

Result<void> Segment::sync() {
  ONCELOG_TRY(log_->sync());
  for (IndexFile* index : {&offset_index_file_, &time_index_file_, &txn_index_file_}) {
    if (!index->needs_sync) continue;
    ONCELOG_TRY(index->file->sync());
    index->needs_sync = false;
    index->file.reset();  // a descriptor for each would be too many; the next write opens it
  }
  return {};
}

Result<void> Segment::trim_log() {
  ONCELOG_TRY_ASSIGN(const std::int64_t file_bytes, log_->size());
  if (file_bytes == bytes() && !log_->has_reserve_behind(file_bytes)) return {};
  return log_->truncate(bytes());
}

Result<void> remove_seal(Vfs& vfs, const std::string& directory, Offset base) {
  return vfs.remove(directory + "/" + segment_file_name(base, kSealSuffix));
}

Result<void> remove_segment_files(Vfs& vfs, const std::string& directory, Offset base) {
  for (const std::string_view suffix :
       {kSealSuffix, kOffsetIndexSuffix, kTimeIndexSuffix, kTxnIndexSuffix, kLogSuffix}) {
    ONCELOG_TRY(vfs.remove(directory + "/" + segment_file_name(base, suffix)));
  }
  return {};
}

}  // namespace oncelog::segment
