#include "segment/index_builder.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "segment/segment_names.h"

namespace oncelog::segment {

namespace {

/// An index file, nothing if it is missing. One that is larger than any index of this log can be is
/// given as too short.
Result<std::optional<std::vector<std::byte>>> read_index_file(Vfs& vfs, const std::string& path,
                                                              std::int64_t bytes_max) {
  ONCELOG_TRY_ASSIGN(const std::optional<FileStatus> status, vfs.status(path));
  if (!status || status->is_directory) return std::nullopt;
  ONCELOG_TRY_ASSIGN(const std::unique_ptr<File> file, vfs.open(path, OpenMode::kRead));
  const std::int64_t bytes_wanted = status->bytes > bytes_max ? 1 : status->bytes;
  std::vector<std::byte> bytes(static_cast<std::size_t>(bytes_wanted));
  ONCELOG_TRY_ASSIGN(const std::size_t read, file->read_at(bytes, 0));
  bytes.resize(read);
  return bytes;
}

/// An index that a broker has not trimmed, as long as Kafka's default for `segment.index.bytes`.
constexpr std::int64_t kUntrimmedBytesMax = 10 << 20;

}  // namespace

Result<void> IndexBuilder::load_stored(Vfs& vfs, const std::string& directory) {
  const auto path = [&](std::string_view suffix) {
    return directory + "/" + segment_file_name(base_, suffix);
  };
  // At most one entry for each batch, and no batch is smaller than its header.
  ONCELOG_TRY_ASSIGN(const auto log, vfs.status(path(kLogSuffix)));
  const std::int64_t batches_max = (log ? log->bytes : 0) / kBatchHeaderBytes + 1;
  const std::int64_t bytes_max = std::max({batches_max * kTxnIndexEntryBytes, kUntrimmedBytesMax,
                                           static_cast<std::int64_t>(config_.segment_index_bytes)});
  const auto read = [&](std::string_view suffix) {
    return read_index_file(vfs, path(suffix), bytes_max);
  };
  ONCELOG_TRY_ASSIGN(const auto offset_bytes, read(kOffsetIndexSuffix));
  if (offset_bytes) {
    stored_offset_.entries = decode_offset_index(*offset_bytes, base_);
    stored_offset_.has_partial_entry = offset_bytes->size() % kOffsetIndexEntryBytes != 0;
  }
  ONCELOG_TRY_ASSIGN(const auto time_bytes, read(kTimeIndexSuffix));
  if (time_bytes) {
    stored_time_.entries = decode_time_index(*time_bytes, base_);
    stored_time_.has_partial_entry = time_bytes->size() % kTimeIndexEntryBytes != 0;
  }
  ONCELOG_TRY_ASSIGN(const auto txn_bytes, read(kTxnIndexSuffix));
  if (txn_bytes) {
    auto entries = decode_txn_index(*txn_bytes);
    stored_txn_.is_wrong = !entries;
    stored_txn_.entries = entries ? *std::move(entries) : std::vector<TxnIndexEntry>{};
    stored_txn_.has_partial_entry = txn_bytes->size() % kTxnIndexEntryBytes != 0;
  }
  return {};
}

std::uint64_t extend_header_chain(std::uint64_t chain, const record::BatchHeader& header) {
  std::array<std::byte, 20> fields;
  base::store_be(std::span(fields), 0, header.base_offset.value());
  base::store_be(std::span(fields), 8, header.batch_length);
  base::store_be(std::span(fields), 12, header.leader_epoch.value());
  base::store_be(std::span(fields), 16, header.crc);
  return base::hash64(fields, chain);
}

void IndexBuilder::add_batch(const record::BatchHeader& header) {
  const std::int64_t position = contents_.bytes;
  contents_.header_chain = extend_header_chain(contents_.header_chain, header);
  if (!contents_.first_batch_timestamp) contents_.first_batch_timestamp = header.max_timestamp;
  check_stored_offset(header, position);
  if (header.max_timestamp > contents_.max_timestamp) {
    contents_.max_timestamp = header.max_timestamp;
    contents_.offset_of_max_timestamp = header.last_offset();
    check_stored_time({header.max_timestamp, header.last_offset()});
  }
  const std::int64_t offset_entries_max = config_.segment_index_bytes / kOffsetIndexEntryBytes;
  if (contents_.bytes_since_index_entry > config_.index_interval_bytes &&
      static_cast<std::int64_t>(offset_.size()) < offset_entries_max) {
    offset_.push_back({header.last_offset(), position});
    add_time_entry(time_entries_max() - 1);
    contents_.bytes_since_index_entry = 0;
  }
  if (header.is_transactional() && !header.is_control()) {
    next_transactions_.resize(txn_.size(), header.base_offset);
  }
  contents_.bytes_since_index_entry += header.size_bytes();
  contents_.bytes += header.size_bytes();
}

std::int64_t IndexBuilder::time_entries_max() const {
  return config_.segment_index_bytes / kTimeIndexEntryBytes;
}

void IndexBuilder::add_time_entry(std::int64_t entries_max) {
  const Timestamp last = time_.empty() ? kNoTimestamp : time_.back().timestamp;
  if (contents_.max_timestamp <= last || std::ssize(time_) >= entries_max) return;
  time_.push_back({contents_.max_timestamp, contents_.offset_of_max_timestamp});
}

void IndexBuilder::check_stored_offset(const record::BatchHeader& header, std::int64_t position) {
  if (!stored_offset_.entries || stored_offset_.is_wrong) return;
  const auto& entries = *stored_offset_.entries;
  if (stored_offset_.confirmed == entries.size()) return;
  const OffsetIndexEntry& entry = entries[stored_offset_.confirmed];
  if (!is_set_open_) {
    if (position < entry.position) return;
    is_set_open_ = position == entry.position;
    if (!is_set_open_) stored_offset_.is_wrong = true;
  }
  if (header.last_offset() < entry.offset) return;
  if (header.last_offset() > entry.offset) stored_offset_.is_wrong = true;
  ++stored_offset_.confirmed;
  is_set_open_ = false;
}

void IndexBuilder::check_stored_time(TimeIndexEntry maximum) {
  if (!stored_time_.entries || stored_time_.is_wrong) return;
  const auto& entries = *stored_time_.entries;
  if (stored_time_.confirmed == entries.size()) return;
  const TimeIndexEntry& entry = entries[stored_time_.confirmed];
  if (entry == maximum) {
    ++stored_time_.confirmed;
  } else if (entry.timestamp <= maximum.timestamp) {
    stored_time_.is_wrong = true;
  }
}

const TxnIndexEntry* IndexBuilder::find_abort(const TxnIndexEntry& stored) const {
  const auto found =
      std::ranges::lower_bound(aborts_, stored.last_offset, {}, &TxnIndexEntry::last_offset);
  const bool is_there = found != aborts_.end() && found->last_offset == stored.last_offset &&
                        found->producer_id == stored.producer_id;
  return is_there ? &*found : nullptr;
}

/// Entries that are too wide in these bounds cost a reader nothing: between the producer's marker
/// before and this one nothing of it is left that is not aborted.
bool IndexBuilder::is_permitted(const TxnIndexEntry& stored) const {
  const TxnIndexEntry* const widest = find_abort(stored);
  return widest != nullptr && widest->first_offset <= stored.first_offset &&
         stored.first_offset < stored.last_offset &&
         stored.last_stable_offset <= widest->last_stable_offset;
}

bool IndexBuilder::is_stored_txn_true(bool is_clean_end) const {
  const auto has_begun_before_log = [&](const TxnIndexEntry& stored) {
    return is_clean_end && stored.first_offset < log_begin_;
  };
  auto built = txn_.begin();
  for (const TxnIndexEntry& stored : *stored_txn_.entries) {
    const bool is_built = built != txn_.end() && built->last_offset == stored.last_offset;
    if (!is_built) {
      // All of its data is gone, only the marker is left.
      const bool has_marker = find_abort(stored) != nullptr;
      if (!(has_begun_before_log(stored) && has_marker) && !is_permitted(stored)) return false;
      continue;
    }
    if (is_permitted(stored) && stored.first_offset <= built->first_offset) {
      ++built;
      continue;
    }
    const auto built_index = static_cast<std::size_t>(built - txn_.begin());
    if (stored.producer_id != built->producer_id ||
        !is_stable_offset_true(stored.last_stable_offset, built_index) ||
        (stored.first_offset != built->first_offset && !has_begun_before_log(stored))) {
      return false;
    }
    ++built;
  }
  return built == txn_.end();
}

bool IndexBuilder::is_stable_offset_true(Offset stored, std::size_t built_index) const {
  const TxnIndexEntry& built = txn_[built_index];
  if (stored == built.last_stable_offset) return true;
  const bool was_other_open = built.last_stable_offset <= built.last_offset;
  return !was_other_open && stored > built.last_stable_offset &&
         built_index < next_transactions_.size() && stored <= next_transactions_[built_index];
}

template <class Entry>
BuiltIndex<Entry> IndexBuilder::choose(Stored<Entry>& stored, std::vector<Entry>& built,
                                       bool keep_sparser) {
  if (!stored.entries) {
    const bool is_missing = !built.empty();
    return {std::move(built), is_missing, false};
  }
  const bool is_true =
      !stored.is_wrong && !stored.has_partial_entry && stored.confirmed == stored.entries->size();
  const bool is_dense_enough = keep_sparser && !built.empty()
                                   ? stored.entries->size() * 2 >= built.size()
                                   : stored.entries->size() >= built.size();
  if (is_true && is_dense_enough) return {std::move(*stored.entries), false, false};
  return {std::move(built), true, !is_true};
}

SegmentContents IndexBuilder::finish(bool is_clean_end) {
  add_time_entry(time_entries_max());  // as at a roll: readers take the last for the largest time
  contents_.offset_index = choose(stored_offset_, offset_, is_clean_end);
  contents_.time_index = choose(stored_time_, time_, is_clean_end);
  if (stored_txn_.entries) {
    if (!stored_txn_.is_wrong && is_stored_txn_true(is_clean_end)) {
      stored_txn_.confirmed = stored_txn_.entries->size();
    } else {
      stored_txn_.is_wrong = true;
    }
  }
  contents_.txn_index = choose(stored_txn_, txn_, false);
  return std::move(contents_);
}

}  // namespace oncelog::segment
