#include "batch_row.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "args.h"
#include "render.h"

namespace oncelog::cli {

namespace {

std::string kind_of(const RecordBatchView& batch) {
  if (!batch.is_control()) return batch.is_transactional() ? "txn" : "data";
  const Json control = json_control(batch);
  return control.is_string() ? control.get<std::string>() : "control";
}

}  // namespace

std::string_view BatchRow::line(const ScannedBatch& scanned) {
  const RecordBatchView& batch = *scanned.batch;
  size_ = 0;
  add_right(scanned.position, 10);
  add_right(scanned.bytes, 9);
  add_right(batch.base_offset().value(), 11);
  add_right(batch.last_offset().value(), 11);
  add_right(batch.record_count(), 7);
  add_right(batch.producer_id().value(), 11);
  add_right(batch.producer_epoch().value(), 6);
  add_right(batch.base_sequence().value(), 11);
  add(" ");
  add_left(kind_of(batch), 7);
  add_right(batch.leader_epoch().value(), 7);
  add(" ");
  add_left(codec_name(batch.codec_bits()), 7);
  add(" ");
  add_time(batch.max_timestamp());
  add("\n");
  return {line_.data(), size_};
}

/// Behind one blank at least, where there is something in front of it.
void BatchRow::add_right(std::int64_t number, std::size_t width) {
  std::array<char, std::numeric_limits<std::int64_t>::digits10 + 2> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  const std::size_t blank_min = size_ == 0 ? 0 : 1;
  add_blanks(std::max(width, text.size() + blank_min) - text.size());
  add(text);
}

void BatchRow::add_left(std::string_view text, std::size_t width) {
  add(text);
  add_blanks(std::max(width, text.size()) - text.size());
}

void BatchRow::add(std::string_view text) {
  std::ranges::copy(text, line_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += text.size();
}

void BatchRow::add_blanks(std::size_t count) {
  std::fill_n(line_.begin() + static_cast<std::ptrdiff_t>(size_), count, ' ');
  size_ += count;
}

/// Neighbours are often of the same second: only its milliseconds are new then.
void BatchRow::add_time(Timestamp timestamp) {
  constexpr std::int64_t kMsOfSecond = 1000;
  const std::int64_t ms = timestamp.value();
  if (ms < 0) return add(timestamp_text(timestamp));
  if (ms / kMsOfSecond != second_) {
    second_ = ms / kMsOfSecond;
    second_text_ = timestamp_text(Timestamp(second_ * kMsOfSecond));
  }
  // A time beyond the last year that has a text is its number.
  if (!second_text_.ends_with("Z")) return add(timestamp_text(timestamp));
  add(second_text_);
  char* const digits = line_.data() + size_ - std::string_view("000Z").size();
  const std::int64_t part = ms % kMsOfSecond;
  digits[0] = static_cast<char>('0' + part / 100);
  digits[1] = static_cast<char>('0' + part / 10 % 10);
  digits[2] = static_cast<char>('0' + part % 10);
}

}  // namespace oncelog::cli
