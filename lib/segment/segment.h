// segment.h: one `.log` and its three indexes as one value: append, find, seal, sync.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "oncelog/error.h"
#include "oncelog/io.h"
#include "oncelog/options.h"
#include "record/batch_header.h"
#include "segment/index_builder.h"
#include "segment/log_file.h"
#include "segment/offset_index.h"
#include "segment/segment_names.h"
#include "segment/time_index.h"
#include "segment/txn_index.h"

namespace oncelog::segment {

struct Seal;

/// What a roll decision looks at (semantics 17.1).
struct IncomingBatches {
  std::int64_t bytes = 0;
  Timestamp max_timestamp = kNoTimestamp;
  Offset last_offset{};
  Timestamp now{};
};

/// A batch and where it lies.
struct LocatedBatch {
  std::int64_t position = 0;
  record::BatchHeader header{};
};

/// One segment.
///
/// Invariant: the first bytes() bytes of the `.log` are whole batches in ascending offset order,
/// and the indexes in memory agree with them; the index files hold a prefix of what is in memory.
/// Threads: "find" and the getters from any thread, without a lock; "append" under the log's writer
/// lock; "files" under the log's file lock. Removed files stay readable while the object lives.
class Segment {
 public:
  /// Makes an empty `.log`. Nothing is synced.
  static Result<std::shared_ptr<Segment>> create(Vfs& vfs, const std::string& directory,
                                                 Offset base, const TopicConfig& config,
                                                 Timestamp now,
                                                 const std::shared_ptr<OpenFiles>& pool = {});
  /// Opens a `.log` whose batches have been read. Stale index files are written anew by
  /// write_indexes. With `aside_suffix` behind its name the `.log` is still to be renamed, and the
  /// indexes are as `contents` says.
  static Result<std::shared_ptr<Segment>> open(Vfs& vfs, const std::string& directory, Offset base,
                                               const TopicConfig& config, Timestamp now,
                                               const SegmentContents& contents,
                                               std::string_view aside_suffix = {},
                                               const std::shared_ptr<OpenFiles>& pool = {});

  // ---- any thread
  [[nodiscard]] Offset base_offset() const { return base_; }
  [[nodiscard]] const std::string& log_path() const { return log_path_; }
  /// All batches, those that are in the append ring, too.
  [[nodiscard]] std::shared_ptr<File> log_file() const { return log_; }
  /// What holds the bytes up to `end`: the `.log` alone, with its descriptor, unless some of them
  /// are in the append ring.
  [[nodiscard]] Result<std::shared_ptr<File>> file_up_to(std::int64_t end) const {
    if (end <= log_->ring_begin()) return log_->file();
    return std::shared_ptr<File>(log_);
  }
  /// Its files are about to go: the `.log` is not opened again, but is kept open for who holds it.
  /// Whoever finds it closed finds a newer list of segments, too.
  void retire() const { log_->pooled_file().retire(log_.use_count() > 1); }
  [[nodiscard]] bool is_retired() const { return log_->pooled_file().is_retired(); }
  /// Its `.log` has its name, and lies on stable storage as it is: it may be closed while nobody
  /// uses it.
  void note_stored() const { log_->pooled_file().note_stored(); }
  [[nodiscard]] std::int64_t bytes() const { return bytes_.load(std::memory_order_acquire); }
  [[nodiscard]] Timestamp max_timestamp() const {
    return Timestamp(max_timestamp_ms_.load(std::memory_order_acquire));
  }
  [[nodiscard]] const OffsetIndex& offset_index() const { return offset_index_; }
  [[nodiscard]] const TimeIndex& time_index() const { return time_index_; }
  [[nodiscard]] const TxnIndex& txn_index() const { return txn_index_; }
  /// Whether its seal is there: then its files change no more.
  [[nodiscard]] bool is_sealed() const { return is_sealed_.load(std::memory_order_acquire); }
  /// The first batch whose last offset is at or above `target`, among those that end at or before
  /// `end_position`. An index entry that does not fit the log is passed over.
  Result<std::optional<LocatedBatch>> find_batch(Offset target, std::int64_t end_position) const;

  /// The last batch, or nothing if the segment is empty.
  Result<std::optional<record::BatchHeader>> last_batch() const;
  /// The segment as it will be once it is cut at offset `to`: another object over the same files,
  /// which trim_log and write_indexes then bring down to it. Requires the writer lock.
  Result<std::shared_ptr<Segment>> cut_at(Offset to, const TopicConfig& config,
                                          Timestamp now) const;

  /// Before the object that cut_at made cuts the file: readers of this one get nothing from there
  /// on any more, and not what is appended there.
  void end_reads_at(std::int64_t position) { log_->end_reads_at(position); }

  // ---- append: writer lock
  [[nodiscard]] bool is_due_to_roll(const IncomingBatches& incoming) const;
  /// Size and age at which it rolls are these from now on; its share of chance stays (17.3).
  void set_roll_limits(const TopicConfig& config) noexcept;
  /// When the wall clock will have passed its age, counted from its first record or, if that is
  /// older, from when this object was made; nothing if it is empty or never will.
  [[nodiscard]] std::optional<Timestamp> aged_at() const;
  /// Allocates what applying so many batches and aborted transactions needs.
  void reserve(std::size_t batches, std::size_t aborted);
  /// Small appends go to this ring from now on, if there is one. Before the segment is published.
  Result<void> use_ring(const std::shared_ptr<AppendRing>& ring);
  /// Puts these batches behind bytes(), into the `.log` or the ring. On an error they are not
  /// there; PARTITION_POISONED if that is not certain.
  Result<void> write(std::span<const record::BatchHeader> headers, std::span<const Bytes> parts,
                     Level level) {
    return log_->append(headers, parts, bytes(), level);
  }
  /// What the ring holds is in the `.log` when this returns without an error.
  Result<void> drain() { return log_->drain(); }
  [[nodiscard]] bool is_drained() const { return log_->is_drained(); }
  /// The time from which an empty segment's age counts: the largest of its first batch, also where
  /// that came in a set of several (17.2 as Kafka 4.0 does it, which a reopening finds, too).
  void begin_roll_time_if_empty(Timestamp max_timestamp) noexcept {
    if (!first_batch_timestamp_) first_batch_timestamp_ = max_timestamp;
  }
  /// Takes a batch that has been written (or found) at bytes() into the indexes; cannot fail.
  void apply_batch(const record::BatchHeader& header) noexcept;
  void apply_aborted(const TxnIndexEntry& entry) noexcept { txn_index_.push_back(entry); }
  /// The last time-index entry, at a roll and at a clean close.
  void finish_time_index();
  /// Transactions that are open behind the last batch, at a roll and at a clean close.
  void set_open_transactions(std::vector<OpenTransaction> open) noexcept {
    open_transactions_ = std::move(open);
  }
  /// Of the batches that were appended, or found by the open (SegmentContents::header_chain).
  [[nodiscard]] std::uint64_t header_chain() const { return header_chain_; }
  /// Max timestamp of the first batch, from which a segment's age counts (17.2); nothing if empty.
  [[nodiscard]] std::optional<Timestamp> first_batch_timestamp() const {
    return first_batch_timestamp_;
  }
  /// Offsets that the index cannot express, relative to its base (formats 6).
  [[nodiscard]] bool can_hold(Offset last_offset) const;

  // ---- files: file lock; the ring has been drained
  /// Brings the index files up to memory, without a sync.
  Result<void> write_indexes();
  /// Log and index files, as far as they are written, are on stable storage when this returns.
  Result<void> sync();
  /// Cuts a preallocated or torn file to bytes(), and gives back what was set aside behind them.
  Result<void> trim_log();

  // ---- seal: a segment that is appended to no more, under the log's maintenance lock
  /// What a seal of the files says; nothing if an index file is not what memory says. Reads the
  /// `.log`, unless the open has. CORRUPT_MESSAGE if that is not what was appended.
  Result<std::optional<Seal>> describe_files() const;
  void set_sealed() { is_sealed_.store(true, std::memory_order_release); }

 private:
  Segment(Vfs& vfs, const std::string& directory, Offset base, const TopicConfig& config,
          Timestamp now, const std::shared_ptr<OpenFiles>& pool);
  Result<void> open_log(OpenMode mode, std::string_view aside_suffix = {});
  void adopt(const SegmentContents& contents);
  Result<std::optional<LocatedBatch>> walk_to(Offset target, OffsetIndexEntry from,
                                              std::int64_t end_position) const;
  [[nodiscard]] std::string path_of(std::string_view suffix) const;

  /// One index file: how many entries of memory it holds.
  struct IndexFile {
    std::string_view suffix{};
    std::unique_ptr<File> file{};
    std::int64_t entries_written = 0;
    bool is_stale = false;  ///< holds something else: rewrite from the start
    bool needs_sync = false;
  };
  Result<base::Hash128> check_log() const;
  Result<void> write_index(IndexFile& index, std::int64_t count, std::int64_t entry_bytes,
                           Bytes new_entries);

  // ---- set once
  Vfs& vfs_;
  const std::string directory_;
  const Offset base_;
  const std::string log_path_;
  const std::int64_t index_interval_bytes_;
  const std::int64_t jitter_ms_;
  const Timestamp created_;
  const std::shared_ptr<OpenFiles> pool_;  ///< null: files stay open
  std::shared_ptr<LogFile> log_;

  // ---- appended under the writer lock, read by anyone
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> max_timestamp_ms_{-1};
  OffsetIndex offset_index_;
  TimeIndex time_index_;
  TxnIndex txn_index_;
  std::atomic<bool> is_sealed_{false};

  // ---- writer lock
  std::int32_t segment_bytes_max_ = 0;
  std::int64_t roll_after_ms_ = 0;
  std::int64_t bytes_since_index_entry_ = 0;
  Offset offset_of_max_timestamp_{};
  std::optional<Timestamp> first_batch_timestamp_{};
  std::uint64_t header_chain_ = 0;
  std::vector<OpenTransaction> open_transactions_;

  // ---- set by the open
  std::optional<base::Hash128> hash_at_open_{};
  std::int64_t bytes_at_open_ = 0;

  // ---- file lock
  IndexFile offset_index_file_{kOffsetIndexSuffix};
  IndexFile time_index_file_{kTimeIndexSuffix};
  IndexFile txn_index_file_{kTxnIndexSuffix};
};

/// Removes a seal. Nothing is synced.
Result<void> remove_seal(Vfs& vfs, const std::string& directory, Offset base);
/// Removes a `.log` and what lies beside it, the `.log` last. Nothing is synced.
Result<void> remove_segment_files(Vfs& vfs, const std::string& directory, Offset base);

}  // namespace oncelog::segment
