#include "inspect/index_checks.h"

#include <algorithm>

#include "log/checkpoint.h"

namespace oncelog::inspect {

namespace {
/// More than any index of a log of 2^31 − 1 bytes can need.
constexpr std::int64_t kIndexBytesMax = std::int64_t{1} << 30;

std::string text_of(const segment::OffsetIndexEntry& entry) {
  return "entry (offset " + std::to_string(entry.offset.value()) + ", position " +
         std::to_string(entry.position) + ")";
}

std::string text_of(const segment::TimeIndexEntry& entry) {
  return "entry (timestamp " + std::to_string(entry.timestamp.value()) + ", offset " +
         std::to_string(entry.offset.value()) + ")";
}

/// Bytes without the all-zero entries at the end.
std::size_t bytes_before_zero_tail(Bytes bytes, std::size_t entry_bytes) {
  std::size_t end = bytes.size();
  while (end >= entry_bytes &&
         std::ranges::all_of(bytes.subspan(end - entry_bytes, entry_bytes),
                             [](std::byte byte) { return byte == std::byte{0}; })) {
    end -= entry_bytes;
  }
  return end;
}
}  // namespace

std::vector<std::byte> load_entries(const IndexSource& source, std::int64_t entry_bytes,
                                    ProblemList& problems) {
  const auto text = log::read_small_file(source.vfs, source.path, kIndexBytesMax);
  if (!text) {
    problems.add(source.path, 0, text.error().text());
    return {};
  }
  const Bytes file = as_bytes(text->has_value() ? std::string_view(**text) : std::string_view());
  const std::size_t partial_bytes = file.size() % static_cast<std::size_t>(entry_bytes);
  Bytes whole = file.first(file.size() - partial_bytes);
  if (partial_bytes > 0) {
    problems.add(source.path, std::ssize(whole),
                 std::to_string(partial_bytes) + " bytes behind the last entry are no entry");
  }
  if (source.is_active) {
    whole = whole.first(bytes_before_zero_tail(whole, static_cast<std::size_t>(entry_bytes)));
  }
  return {whole.begin(), whole.end()};
}

OffsetIndexCheck::OffsetIndexCheck(const IndexSource& source, ProblemList& problems)
    : problems_(problems), path_(source.path) {
  const auto bytes = load_entries(source, segment::kOffsetIndexEntryBytes, problems);
  std::int64_t file_position = 0;
  for (const auto& entry : segment::decode_offset_index(bytes, source.base)) {
    const Entry placed{entry, file_position};
    file_position += segment::kOffsetIndexEntryBytes;
    if (entry.offset < source.base || entry.position < 0) {
      report(placed, " has a negative number");
    } else if (!entries_.empty() && (entry.offset <= entries_.back().entry.offset ||
                                     entry.position <= entries_.back().entry.position)) {
      report(placed, " is not above the entry before it");
    } else {
      entries_.push_back(placed);
    }
  }
}

void OffsetIndexCheck::report(const Entry& entry, std::string_view what) {
  problems_.add(path_, entry.file_position, text_of(entry.entry).append(what));
}

bool OffsetIndexCheck::is_next_before(std::int64_t position) const {
  return next_ < entries_.size() && entries_[next_].entry.position < position;
}

void OffsetIndexCheck::close_set() {
  if (is_set_open_ && !is_set_damaged_) {
    report(entries_[next_ - 1], ": no batch from there to the next entry ends with this offset");
  }
  is_set_open_ = false;
  is_set_damaged_ = false;
}

void OffsetIndexCheck::add_batch(std::int64_t position, const RecordBatchView& batch) {
  while (is_next_before(position)) {
    close_set();
    report(entries_[next_++], ": no batch begins there");
  }
  if (next_ < entries_.size() && entries_[next_].entry.position == position) {
    close_set();
    is_set_open_ = true;
    ++next_;
  }
  if (is_set_open_ && entries_[next_ - 1].entry.offset == batch.last_offset()) {
    is_set_open_ = false;
  }
}

void OffsetIndexCheck::add_damage(std::int64_t begin, std::int64_t end) {
  while (is_next_before(begin)) {
    close_set();
    report(entries_[next_++], ": no batch begins there");
  }
  is_set_damaged_ = is_set_open_;
  while (is_next_before(end)) {
    close_set();
    // A batch may have begun there, and its set may go on behind the damage.
    is_set_open_ = true;
    is_set_damaged_ = true;
    ++next_;
  }
}

void OffsetIndexCheck::finish() {
  close_set();
  for (; next_ < entries_.size(); ++next_) report(entries_[next_], ": no batch begins there");
}

TimeIndexCheck::TimeIndexCheck(const IndexSource& source, ProblemList& problems)
    : problems_(problems), path_(source.path) {
  const auto bytes = load_entries(source, segment::kTimeIndexEntryBytes, problems);
  std::int64_t file_position = 0;
  for (const auto& entry : segment::decode_time_index(bytes, source.base)) {
    const Entry placed{entry, file_position};
    file_position += segment::kTimeIndexEntryBytes;
    if (!entries_.empty() && entry.timestamp <= entries_.back().entry.timestamp) {
      problems_.add(path_, placed.file_position,
                    text_of(entry) + " is not above the entry before it");
    } else {
      entries_.push_back(placed);
    }
  }
}

void TimeIndexCheck::report_next(std::string_view what) {
  const Entry& entry = entries_[next_++];
  if (!is_damaged_) problems_.add(path_, entry.file_position, text_of(entry.entry).append(what));
}

void TimeIndexCheck::add_batch(const RecordBatchView& batch) {
  if (batch.max_timestamp() <= max_timestamp_) return;
  max_timestamp_ = batch.max_timestamp();
  while (next_ < entries_.size() && entries_[next_].entry.timestamp < max_timestamp_) {
    report_next(": no batch is the first to reach this timestamp");
  }
  if (next_ == entries_.size() || entries_[next_].entry.timestamp != max_timestamp_) return;
  if (entries_[next_].entry.offset != batch.last_offset()) {
    report_next(": the first batch with this timestamp ends with offset " +
                std::to_string(batch.last_offset().value()));
  } else {
    ++next_;
  }
}

void TimeIndexCheck::finish() {
  while (next_ < entries_.size()) report_next(": no batch reaches this timestamp");
}

}  // namespace oncelog::inspect
