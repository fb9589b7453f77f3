// index_builder.h: the indexes of a segment made anew from its batches, and the stored ones checked
// against them on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/options.h"
#include "record/batch_header.h"
#include "segment/offset_index.h"
#include "segment/time_index.h"
#include "segment/txn_index.h"

namespace oncelog::segment {

/// Entries for memory, and whether the file says something else.
template <class Entry>
struct BuiltIndex {
  std::vector<Entry> entries{};
  bool is_file_stale = false;  ///< the file is missing or wrong: write it anew
  bool is_file_wrong = false;  ///< it held entries that are not true (not merely fewer)
};

/// A transaction that is open behind a segment's last batch.
struct OpenTransaction {
  ProducerId producer_id = kNoProducerId;
  Offset first_offset{};
  friend bool operator==(const OpenTransaction&, const OpenTransaction&) = default;
};

/// Runs over the headers of a segment's batches: over what the batches' own CRCs leave out, too.
[[nodiscard]] std::uint64_t extend_header_chain(std::uint64_t chain,
                                                const record::BatchHeader& header);

/// What a segment holds, as its batches say.
struct SegmentContents {
  std::int64_t bytes = 0;
  Timestamp max_timestamp = kNoTimestamp;
  Offset offset_of_max_timestamp{};
  std::optional<Timestamp> first_batch_timestamp{};
  std::int64_t bytes_since_index_entry = 0;
  std::uint64_t header_chain = 0;
  std::optional<base::Hash128> log_hash{};  ///< of the `.log`'s first `bytes`, if it is known
  std::vector<OpenTransaction> open_transactions{};
  bool is_sealed = false;  ///< a seal says all this, and its file is there
  BuiltIndex<OffsetIndexEntry> offset_index{};
  BuiltIndex<TimeIndexEntry> time_index{};
  BuiltIndex<TxnIndexEntry> txn_index{};
};

/// Fed the batches of a segment in order.
///
/// A stored offset index is true if every entry names a batch boundary and the last offset of a
/// batch at or behind it, before the next entry's position. A stored time index is true if it is a
/// part of the sequence of running maxima. A stored transaction index is true if it lists exactly
/// the aborted transactions with the LSOs found here: a search ends at an LSO, so a larger one
/// hides what was aborted behind it. It may be larger where no other transaction was open: a
/// follower knows the first one behind the marker already, if it came in the same append
/// (semantics 9.3). In a compacted log it may list more than is found here, up to what
/// note_abort has named: compaction keeps entries as they were (23.4.3).
class IndexBuilder {
 public:
  /// `log_begin`: base of the log's first segment; batches below it are gone.
  IndexBuilder(Offset base, const TopicConfig& config, Offset log_begin = Offset(0))
      : base_(base), config_(config), log_begin_(log_begin) {}

  /// Reads the index files; before the first batch. Unreadable ones count as missing.
  Result<void> load_stored(Vfs& vfs, const std::string& directory);

  void add_batch(const record::BatchHeader& header);
  /// Behind the batch of its marker.
  void add_aborted(const TxnIndexEntry& entry) { txn_.push_back(entry); }
  /// Behind the batch of any abort marker: the widest entry that the file may have for it. In a
  /// compacted log batches of its transaction may be gone; in others it is empty.
  void note_abort(const TxnIndexEntry& widest) { aborts_.push_back(widest); }
  [[nodiscard]] std::int64_t bytes() const { return contents_.bytes; }

  /// `is_clean_end`: the files are as a clean close left them. Then a true but sparser index (Kafka
  /// counts anew at each start) is kept, and so is an aborted transaction that the file says began
  /// below the first batch that is left.
  SegmentContents finish(bool is_clean_end);

 private:
  /// One stored index and how far it has been confirmed.
  template <class Entry>
  struct Stored {
    std::optional<std::vector<Entry>> entries{};
    bool has_partial_entry = false;
    bool is_wrong = false;
    std::size_t confirmed = 0;
  };
  [[nodiscard]] std::int64_t time_entries_max() const;
  /// Adds the running maximum if it is new and fewer than `entries_max` entries are there.
  void add_time_entry(std::int64_t entries_max);
  void check_stored_offset(const record::BatchHeader& header, std::int64_t position);
  void check_stored_time(TimeIndexEntry maximum);
  [[nodiscard]] bool is_stored_txn_true(bool is_clean_end) const;
  /// The widest entry for the marker of this one; null if there is no such marker.
  [[nodiscard]] const TxnIndexEntry* find_abort(const TxnIndexEntry& stored) const;
  [[nodiscard]] bool is_permitted(const TxnIndexEntry& stored) const;
  [[nodiscard]] bool is_stable_offset_true(Offset stored, std::size_t built_index) const;
  template <class Entry>
  static BuiltIndex<Entry> choose(Stored<Entry>& stored, std::vector<Entry>& built,
                                  bool keep_sparser);

  Offset base_;
  const TopicConfig& config_;
  const Offset log_begin_;
  SegmentContents contents_;
  std::vector<OffsetIndexEntry> offset_;
  std::vector<TimeIndexEntry> time_;
  std::vector<TxnIndexEntry> txn_;
  std::vector<TxnIndexEntry> aborts_;
  std::vector<Offset> next_transactions_;  ///< for each of txn_, as far as one has begun behind it
  Stored<OffsetIndexEntry> stored_offset_;
  Stored<TimeIndexEntry> stored_time_;
  Stored<TxnIndexEntry> stored_txn_;
  bool is_set_open_ = false;  ///< the current stored offset entry's set has begun
};

}  // namespace oncelog::segment
