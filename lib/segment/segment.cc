// segment.cc: appending to a segment and finding batches in it. Its files: segment_files.cc.
#include "segment/segment.h"

#include <algorithm>
#include <limits>
#include <random>

#include "base/assert.h"
#include "segment/header_walk.h"

namespace oncelog::segment {

namespace {

constexpr std::int64_t kRelativeOffsetMax = std::numeric_limits<std::int32_t>::max();

/// Semantics 17.3: what a segment takes off its age, by chance.
std::int64_t draw_jitter_ms(const TopicConfig& config) {
  const std::int64_t jitter_max = std::min(config.segment_jitter_ms, config.segment_ms);
  if (jitter_max <= 0) return 0;
  std::random_device random;
  return std::uniform_int_distribution<std::int64_t>(0, jitter_max - 1)(random);
}

}  // namespace

Segment::Segment(Vfs& vfs, const std::string& directory, Offset base, const TopicConfig& config,
                 Timestamp now, const std::shared_ptr<OpenFiles>& pool)
    : vfs_(vfs),
      directory_(directory),
      base_(base),
      log_path_(path_of(kLogSuffix)),
      index_interval_bytes_(config.index_interval_bytes),
      jitter_ms_(draw_jitter_ms(config)),
      created_(now),
      pool_(pool),
      offset_index_(base, config.segment_index_bytes / kOffsetIndexEntryBytes),
      time_index_(base, config.segment_index_bytes / kTimeIndexEntryBytes) {
  set_roll_limits(config);
}

void Segment::set_roll_limits(const TopicConfig& config) noexcept {
  segment_bytes_max_ = config.segment_bytes;
  const std::int64_t limit_ms = config.cleanup_compact
                                    ? std::min(config.segment_ms, config.max_compaction_lag_ms)
                                    : config.segment_ms;
  roll_after_ms_ = limit_ms - jitter_ms_;
}

std::optional<Timestamp> Segment::aged_at() const {
  if (bytes() == 0) return std::nullopt;
  const std::int64_t begin = std::max(first_batch_timestamp_.value_or(created_), created_).value();
  std::int64_t aged = 0;
  const bool is_never = __builtin_add_overflow(begin, roll_after_ms_, &aged) || aged == kUnlimited;
  return is_never ? std::nullopt : std::optional(Timestamp(aged + 1));
}

std::string Segment::path_of(std::string_view suffix) const {
  return directory_ + "/" + segment_file_name(base_, suffix);
}

bool Segment::is_due_to_roll(const IncomingBatches& incoming) const {
  if (bytes() > segment_bytes_max_ - incoming.bytes) return true;
  if (bytes() > 0) {
    const std::int64_t waited_ms = first_batch_timestamp_ && *first_batch_timestamp_ >= Timestamp(0)
                                       ? incoming.max_timestamp - *first_batch_timestamp_
                                       : incoming.now - created_;
    if (waited_ms > roll_after_ms_) return true;
  }
  return offset_index_.is_full() || time_index_.is_full() || !can_hold(incoming.last_offset);
}

bool Segment::can_hold(Offset last_offset) const {
  return last_offset >= base_ && last_offset - base_ <= kRelativeOffsetMax;
}

void Segment::reserve(std::size_t batches, std::size_t aborted) {
  offset_index_.reserve(batches);
  time_index_.reserve(batches + 1);  // one more for finish_time_index
  txn_index_.reserve(aborted);
}

Result<void> Segment::use_ring(const std::shared_ptr<AppendRing>& ring) {
  if (!ring) return {};
  ONCELOG_TRY_ASSIGN(const std::optional<record::BatchHeader> last, last_batch());
  std::optional<RingEntry> anchor;
  if (last) anchor = ring_entry_of(*last, bytes() - last->size_bytes());
  log_->use_ring(ring, base_, anchor);
  return {};
}

void Segment::apply_batch(const record::BatchHeader& header) noexcept {
  const std::int64_t position = bytes();
  header_chain_ = extend_header_chain(header_chain_, header);
  if (!first_batch_timestamp_) first_batch_timestamp_ = header.max_timestamp;
  if (header.max_timestamp > max_timestamp()) {
    offset_of_max_timestamp_ = header.last_offset();
    max_timestamp_ms_.store(header.max_timestamp.value(), std::memory_order_release);
  }
  if (bytes_since_index_entry_ > index_interval_bytes_ && !offset_index_.is_full()) {
    offset_index_.append({header.last_offset(), position});
    time_index_.append_if_later({max_timestamp(), offset_of_max_timestamp_});
    bytes_since_index_entry_ = 0;
  }
  bytes_since_index_entry_ += header.size_bytes();
  bytes_.store(position + header.size_bytes(), std::memory_order_release);
}

void Segment::finish_time_index() {
  time_index_.reserve(1);
  time_index_.append_if_later({max_timestamp(), offset_of_max_timestamp_});
}

Result<std::optional<LocatedBatch>> Segment::walk_to(Offset target, OffsetIndexEntry from,
                                                     std::int64_t end_position) const {
  HeaderWalk walk(*log_, log_path_, from.position, end_position);
  bool is_first = true;
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<record::BatchHeader> header, walk.next());
    if (!header) return std::nullopt;
    if (is_first && from.position > 0 && header->base_offset > from.offset) {
      return fail(ErrorCode::CORRUPT_MESSAGE, log_path_, ": index entry for offset ", from.offset,
                  " names position ", from.position, ", where offset ", header->base_offset, " is");
    }
    is_first = false;
    if (header->last_offset() >= target) return LocatedBatch{walk.position(), *header};
  }
}

Result<std::optional<LocatedBatch>> Segment::find_batch(Offset target,
                                                        std::int64_t end_position) const {
  OffsetIndexEntry from = offset_index_.floor(target);
  if (from.position > end_position) from = {base_, 0};  // the reader sees less than the index knows
  auto found = walk_to(target, from, end_position);
  // A wrong entry must not cost a reader its answer: the log itself has it.
  if (!found && found.error().code == ErrorCode::CORRUPT_MESSAGE && from.position > 0) {
    return walk_to(target, {base_, 0}, end_position);
  }
  return found;
}

Result<std::optional<record::BatchHeader>> Segment::last_batch() const {
  std::optional<record::BatchHeader> last;
  const std::int64_t entries = offset_index_.count();
  const std::int64_t from = entries == 0 ? 0 : offset_index_[entries - 1].position;
  HeaderWalk walk(*log_, log_path_, from, bytes());
  while (true) {
    ONCELOG_TRY_ASSIGN(const std::optional<record::BatchHeader> header, walk.next());
    if (!header) return last;
    last = header;
  }
}

}  // namespace oncelog::segment
