// log_machine_reopen.cc: epochs, ends, closing and opening again, and what may happen to the files
// in between.
#include <algorithm>
#include <filesystem>

#include "support/files.h"
#include "support/log_machine.h"

namespace oncelog::test {

namespace {

/// Names of the partition's files with one of these suffixes, ascending.
std::vector<std::string> files_with(const std::string& directory,
                                    const std::vector<std::string>& suffixes) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string path = entry.path().string();
    for (const std::string& suffix : suffixes) {
      if (path.ends_with(suffix)) found.push_back(path);
    }
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

void LogMachine::run_assign_epoch() {
  const auto epochs = model_.leader_epochs();
  LeaderEpoch epoch = epochs.empty() ? LeaderEpoch(0) : epochs.back().epoch + choice(0) % 3;
  if (is_rare(1, 8)) epoch = epoch - 2;
  const Result<void> seen = log_->assign_leader_epoch(epoch);
  if (epoch < LeaderEpoch(0)) {
    require(!seen && seen.error().code == ErrorCode::INVALID_REQUEST, "a negative leader epoch");
    return;
  }
  require_value(seen, "assign_leader_epoch");
  model_.assign_epoch(epoch);
}

void LogMachine::run_set_high_watermark() {
  if (options_.high_watermark == HighWatermarkPolicy::kDurable) return;
  Offset to = model_.log_end();
  if (choice(0) % 3 == 1) to = model_.log_start() + choice(1) - 1;
  if (choice(0) % 3 == 2) to = to + 2 - choice(1) % 12;
  const Offset seen = require_value(log_->set_high_watermark(to), "set_high_watermark");
  require_equal(seen, model_.set_high_watermark(to), "high watermark");
}

void LogMachine::run_raise_log_start() {
  const Offset start = model_.log_start();
  const std::int64_t room = model_.high_watermark() - start;
  FollowerAppendOptions options;
  options.leader_log_start =
      start + (is_rare(1, 16) ? room + 1 + choice(0) : choice(0) % (room / 3 + 2));
  const ModelAnswer expected = model_.append_as_follower({}, {}, options.leader_log_start);
  check_answer(log_->append_as_follower({}, options), expected);
}

void LogMachine::run_read() {
  const LogEnds ends = log_->ends();
  const std::int64_t length = ends.log_end - ends.log_start;
  Offset from = ends.log_start + (length == 0 ? 0 : choice(0) * length / 256);
  if (is_rare(1, 16)) from = ends.log_end;
  const std::int64_t bytes_max = is_rare(2, 3) ? choice(3) * 4 : 1 << 20;
  for (const Isolation isolation :
       {Isolation::kReadUncommitted, Isolation::kReadCommitted, Isolation::kReplica}) {
    comparison().check_read(from, isolation, bytes_max);
    comparison().check_budget(from, isolation, choice(3));
    for (const Offset outside : {ends.log_start - 1, ends.log_end + 1}) {
      const auto fetched = log_->fetch(outside, {.isolation = isolation});
      require(!fetched && fetched.error().code == ErrorCode::OFFSET_OUT_OF_RANGE,
              "a fetch outside of the log");
    }
  }
}

/// The batches of each producer, newest first, are duplicates as far as its window goes, and
/// refused beyond.
void LogMachine::run_probe_windows() {
  const std::vector<ModelBatch> batches = model_.batches();
  for (const auto& [id, producer] : model_.producers()) {
    int probed = 0;
    for (auto batch = batches.rbegin(); batch != batches.rend() && probed < 7; ++batch) {
      if (batch->producer_id != id || batch->marker || batch->base_sequence == kNoSequence)
        continue;
      ++probed;
      ModelBatch again = *batch;
      again.timestamp_type = TimestampType::kCreateTime;
      append(again, AppendOrigin::kClient);
    }
  }
}

void LogMachine::run_reopen(bool is_clean) {
  std::int64_t torn_bytes = 0;
  const std::shared_ptr<PartitionLog> old = log_;
  log_.reset();
  if (is_clean && is_rare(0, 4)) {
    require_value(store_->close_partition(name_), "close partition");
  } else {
    if (is_clean) require_value(store_->close(), "close store");
    store_.reset();
  }
  const auto refused = old->fetch(model_.log_start());
  require(!refused && refused.error().code == ErrorCode::MISUSE, "a closed log answers a fetch");
  const auto appended =
      old->append_marker({.producer_id = ProducerId(1), .producer_epoch = ProducerEpoch(0)});
  require(!appended && appended.error().code == ErrorCode::MISUSE, "a closed log takes a marker");
  if (!is_clean && choice(1) % 2 == 1) torn_bytes = tear_tail();
  if (choice(2) % 2 == 1) damage_indexes();
  if (!store_) open_store();
  open_partition();
  check_reopened(is_clean, torn_bytes);
}

std::int64_t LogMachine::tear_tail() {
  const std::string last = files_with(directory_.file("store/model-0"), {".log"}).back();
  std::vector<std::byte> tail;
  const auto& batches = model_.batches();
  const std::size_t length = 1 + choice(3) % 100;
  if (choice(4) % 3 == 0 && !batches.empty()) {  // the front of the next batch
    ModelBatch next = batches.back();
    next.base_offset = model_.log_end();
    tail = encode(next, true);
    tail.resize(std::min(length, tail.size() - 1));
  } else if (choice(4) % 3 == 1 && !batches.empty()) {  // a whole batch that was stored before
    tail = encode(batches[choice(3) % batches.size()], true);
  } else {
    for (std::size_t i = 0; i < length; ++i) {
      tail.push_back(static_cast<std::byte>(choice(5) * i + choice(3)));
    }
  }
  // Zeros behind a preallocated end are no damage.
  if (options_.config.preallocate) tail.back() = std::byte{1};
  append_to_file(last, tail);
  return std::ssize(tail);
}

void LogMachine::damage_indexes() {
  const auto files =
      files_with(directory_.file("store/model-0"), {".index", ".timeindex", ".txnindex"});
  for (std::size_t i = choice(6) % 3; i < files.size(); i += 1 + choice(6) % 4) {
    const std::string& path = files[i];
    std::string content = read_text(path);
    switch ((choice(7) + i) % 4) {
      case 0:
        std::filesystem::remove(path);
        break;
      case 1:
        write_text(path, content.substr(0, content.size() * (choice(7) % 8) / 8));
        break;
      case 2:
        for (std::size_t at = choice(7) % 8; at < content.size(); at += 5) content[at] ^= 0x15;
        write_text(path, content);
        break;
      default:
        write_text(path, content + content.substr(0, content.size() / 2) + "x");
        break;
    }
  }
}

void LogMachine::check_reopened(bool is_clean, std::int64_t torn_bytes) {
  const RecoveryReport& report = log_->recovery_report();
  ++tally_[is_clean ? "clean open" : torn_bytes > 0 ? "open with a torn tail" : "unclean open"];
  if (!report.files_rebuilt.empty()) ++tally_["open with indexes rebuilt"];
  require(report.was_clean == is_clean, "the report has the wrong kind of end");
  require(!report.was_created, "the partition was created anew");
  require(report.cuts.empty() == (torn_bytes == 0), "the report of what was cut");
  const LogEnds ends = log_->ends();
  const Offset before = model_.high_watermark();
  if (options_.high_watermark != HighWatermarkPolicy::kManual) {
    require_equal(ends.high_watermark, model_.log_end(), "high watermark after opening");
  } else if (is_clean) {
    require_equal(ends.high_watermark, before, "high watermark after a clean close");
  } else {
    require(
        model_.has_had_high_watermark(ends.high_watermark),
        "high watermark after a crash is " + show(ends.high_watermark) + ", where it never was");
  }
  model_.note_reopened(ends.high_watermark);
  require(model_.last_stable_offsets().contains(ends.last_stable_offset),
          "LSO after opening is " + show(ends.last_stable_offset));
  model_.settle_last_stable_offset(ends.last_stable_offset);
  model_.settle_leader_epochs(log_->leader_epochs());
  durable_end_ = model_.log_end();
  require_equal(ends.durable_end, durable_end_, "durable end after opening");
  for (const Problem& problem :
       require_value(verify_partition(directory_.file("store/model-0"), &vfs_), "verify")) {
    // Epochs that went back are a problem of whoever led, not of the files; and if the log start is
    // the end, an open drops the only epoch that is left (14.7), with whose batches below the start
    // verify has nothing to compare.
    const bool is_expected = model_.has_epochs_gone_back() || model_.leader_epochs().empty();
    if (is_expected && problem.problem.contains("leader epoch is")) continue;
    throw Disagreement("verify: " + problem.file + ": " + problem.problem);
  }
  check_everything();
  comparison().check_read(ends.log_start, Isolation::kReplica, 1 << 20);
  if (choice(0) % 2 == 0) run_probe_windows();
  if (options_.high_watermark == HighWatermarkPolicy::kManual && choice(3) % 2 == 0) {
    model_.set_high_watermark(before);
    require_value(log_->set_high_watermark(before), "set_high_watermark");
  }
}

}  // namespace oncelog::test
