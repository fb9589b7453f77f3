// log_machine_cuts.cc: what takes something away: truncation, deletion, retention, expiry; and
// checkpoints, from which producers come back.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "support/files.h"
#include "support/log_machine.h"

namespace oncelog::test {

namespace {

/// Of the whole batches at a file's front; zeros of a preallocated file follow.
std::int64_t batch_bytes_in(const std::string& content) {
  constexpr std::size_t kPrefix = 12;  // base offset and length
  std::size_t end = 0;
  while (content.size() - end >= kPrefix) {
    std::size_t length = 0;
    for (std::size_t i = end + 8; i < end + kPrefix; ++i) {
      length = length * 256 + static_cast<unsigned char>(content[i]);
    }
    if (length == 0) break;
    end += kPrefix + length;
  }
  require(end <= content.size(), "a segment does not end with a whole batch");
  return static_cast<std::int64_t>(end);
}

Timestamp modification_time(const std::string& path) {
  using std::chrono::file_clock;
  const auto time = file_clock::to_sys(std::filesystem::last_write_time(path)).time_since_epoch();
  return Timestamp(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

}  // namespace

// ---- truncation

Offset LogMachine::choose_truncation_point() const {
  const auto& batches = model_.batches();
  switch (choice(2) % 8) {
    case 5:
      return model_.log_start() + choice(1) % 3 - 1;
    case 6:
      return model_.log_end() + choice(1) % 3;
    case 7:
      return is_rare(0, 4) ? model_.first_base() - 1 - choice(1) % 4 : model_.first_base();
    default:
      break;
  }
  if (batches.empty()) return model_.log_end() - choice(1) % 2;
  // The newest are the likeliest.
  const std::size_t back = choice(0) % (choice(2) % 2 == 0 ? 4u : 256u) % batches.size();
  const ModelBatch& batch = batches[batches.size() - 1 - back];
  return batch.base_offset + choice(1) % (std::ssize(batch.records) + 1);
}

void LogMachine::run_truncate() {
  const Offset to = choose_truncation_point();
  const Result<Truncated> seen = log_->truncate_to(to);
  if (to < Offset(0)) return require(!seen, "a truncation to a negative offset");  // 15.1
  const Truncated truncated = require_value(seen, "truncate_to");
  require_equal(truncated.has_cut, to < model_.log_end(), "has_cut");
  const bool is_full = to < model_.first_base();
  if (has_state_store() && truncated.has_replayed_all && !is_full) {
    require(!model_.has_checkpoint_for_truncation(to),
            "a truncation forgot producers although a checkpoint lies below it");
  }
  model_.truncate_to(to);
  durable_end_ = std::min(durable_end_, model_.log_end());
  if (!truncated.has_cut || is_full) return;
  ++tally_[truncated.has_replayed_all ? "truncation by replay" : "truncation to a checkpoint"];
  if (truncated.has_replayed_all || !has_state_store()) {
    model_.note_replayed();
  } else {
    settle_expiries();
  }
}

void LogMachine::run_truncate_fully() {
  Offset at = model_.log_end();
  if (choice(0) % 4 == 1) at = at + choice(1);
  if (choice(0) % 4 == 2) at = Offset(choice(1) % 8);
  if (choice(0) % 4 == 3) at = model_.log_start() + choice(1) % 4;
  if (is_rare(2, 31)) at = Offset(-1);
  const Result<void> seen = log_->truncate_fully_and_start_at(at);
  if (at < Offset(0)) return require(!seen, "a log that begins at a negative offset");
  require_value(seen, "truncate_fully_and_start_at");
  model_.truncate_fully_and_start_at(at);
  durable_end_ = std::min(durable_end_, model_.log_end());
}

// ---- deletion

void LogMachine::run_delete_records() {
  const Offset start = model_.log_start();
  const std::int64_t room = model_.high_watermark() - start;
  Offset before(-1);  // the watermark
  if (choice(0) % 4 != 0) before = start + choice(1) % (room / 3 + 2);
  if (is_rare(2, 8)) before = start - 1 - choice(1) % 3;
  if (is_rare(2, 9)) before = start + room + 1 + choice(1) % 3;
  const ErrorCode expected = model_.delete_records(before);
  const Result<Offset> seen = log_->delete_records(before);
  require_equal(seen ? ErrorCode::NONE : seen.error().code, expected, "delete_records");
  if (seen) require_equal(*seen, model_.log_start(), "log start that delete_records answers");
}

std::vector<ModelSegment> LogMachine::segments_on_disk() const {
  require_value(log_->drain(), "drain");
  std::vector<ModelSegment> segments;
  for (const Offset base : log_->segments()) {
    std::string digits = show(base);
    digits.insert(0, 20 - digits.size(), '0');
    const std::string path = partition_path() + "/" + digits + ".log";
    segments.push_back({base, batch_bytes_in(read_text(path)), modification_time(path)});
  }
  return segments;
}

void LogMachine::run_apply_retention() {
  const std::vector<ModelSegment> before = segments_on_disk();
  const ModelRetention limits{options_.config.retention_bytes, options_.config.retention_ms};
  const std::vector<Offset> removed = model_.apply_retention(before, limits, clock_.now());
  const auto seen = require_value(log_->apply_retention(), "apply_retention");
  require(seen == removed, "apply_retention removes " + std::to_string(seen.size()) +
                               " segments, the oracle " + std::to_string(removed.size()));
  if (!removed.empty()) ++tally_["retention that removes"];
  std::vector<Offset> left;
  for (const ModelSegment& segment : before) {
    if (segment.base >= model_.first_base()) left.push_back(segment.base);
  }
  if (left.empty()) left.push_back(model_.log_end());
  require(log_->segments() == left, "segments that retention leaves");
}

// ---- producers

void LogMachine::run_expire_producers() {
  if (is_rare(0, 2)) clock_.set(Timestamp(clock_.now().value() + choice(1) * 20));
  const std::vector<ProducerId> expected = model_.expire_producers(clock_.now());
  const auto seen = require_value(log_->expire_producers(), "expire_producers");
  require(seen == expected, "expire_producers forgets " + std::to_string(seen.size()) +
                                " producers, the oracle " + std::to_string(expected.size()));
  if (!expected.empty()) ++tally_["expiry"];
}

void LogMachine::settle_expiries() {
  const std::size_t before = model_.expiry_count();
  comparison().settle_expiries();
  if (model_.expiry_count() < before) ++tally_["expiry that came back"];
}

void LogMachine::run_checkpoint() {
  const Offset seen = require_value(log_->checkpoint(), "checkpoint");
  note_durable(std::max(durable_end_, model_.stored_end()));
  require_equal(seen, model_.stored_end(), "offset of the checkpoint");
  model_.note_checkpoint(seen, seen);
}

}  // namespace oncelog::test
