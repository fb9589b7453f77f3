// log_machine_reopen.cc: closing and opening again, and what may happen to the files in between.
#include <algorithm>
#include <filesystem>
#include <utility>

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

void LogMachine::run_reopen(bool is_clean) {
  ReopenCase reopened{.is_clean = is_clean, .bases = log_->segments()};
  const bool is_torn = !is_clean && choice(1) % 2 == 1;
  // What the ring holds would be written over what is torn.
  if (is_torn) require_value(log_->drain(), "drain");
  const std::shared_ptr<PartitionLog> old = std::exchange(log_, nullptr);
  if (is_clean && is_rare(0, 4)) {
    require_value(store_->close_partition(name_), "close partition");
  } else {
    if (is_clean) require_value(store_->close(), "close store");
    store_.reset();
  }
  check_closed(*old);
  if (is_torn) reopened.torn_bytes = tear_tail();
  if (choice(2) % 2 == 1) damage_indexes();
  const bool is_state_wanted = state_mode_ == StateMode::kKept && !is_rare(8, 8);
  if (!store_ && has_state_store() && !is_state_wanted) {
    delete_state();
    reopened.is_state_deleted = true;
  }
  if (is_rare(9, 4)) choose_retention();
  if (!store_) open_store();
  open_partition();
  check_reopened(reopened);
}

void LogMachine::check_closed(PartitionLog& log) const {
  const auto is_misuse = [](const auto& refused) {
    return !refused && refused.error().code == ErrorCode::MISUSE;
  };
  require(is_misuse(log.fetch(model_.log_start())), "a closed log answers a fetch");
  require(is_misuse(log.append_marker(
              {.producer_id = ProducerId(1), .producer_epoch = ProducerEpoch(0)})),
          "a closed log takes a marker");
  require(is_misuse(log.truncate_to(Offset(0))), "a closed log is truncated");
  require(is_misuse(log.delete_records(Offset(-1))), "a closed log deletes records");
  require(is_misuse(log.apply_retention()), "a closed log applies retention");
  require(is_misuse(log.checkpoint()), "a closed log makes a checkpoint");
}

/// As an operator may who knows that the state is a shortcut; and Kafka's snapshots of it.
void LogMachine::delete_state() {
  std::filesystem::remove(directory_.file("store/.state"));
  std::filesystem::remove(directory_.file("store/.state-lock"));
  for (const std::string& path : files_with(partition_path(), {".snapshot"})) {
    std::filesystem::remove(path);
  }
}

void LogMachine::choose_retention() {
  options_.config.retention_bytes = choice(8) % 2 == 0 ? -1 : choice(7) * 20;
  options_.config.retention_ms = choice(8) % 3 == 0 ? -1 : choice(6) * 100;
}

std::int64_t LogMachine::tear_tail() {
  const std::string last = files_with(partition_path(), {".log"}).back();
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
  const auto files = files_with(partition_path(), {".index", ".timeindex", ".txnindex"});
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

void LogMachine::check_reopened(const ReopenCase& reopened) {
  const RecoveryReport& report = log_->recovery_report();
  const bool is_torn = reopened.torn_bytes > 0;
  ++tally_[reopened.is_clean ? "clean open" : is_torn ? "open with a torn tail" : "unclean open"];
  if (!report.files_rebuilt.empty()) ++tally_["open with indexes rebuilt"];
  if (reopened.is_state_deleted) ++tally_["open without the state"];
  // A store whose state is missing may be opened as somebody else's.
  require(report.was_clean == reopened.is_clean || reopened.is_state_deleted,
          "the report has the wrong kind of end");
  require(!report.was_created, "the partition was created anew");
  bool has_cut_bytes = false;  // an empty segment behind a gap may go, too
  for (const RecoveryCut& one : report.cuts) has_cut_bytes = has_cut_bytes || one.bytes > 0;
  require(has_cut_bytes == is_torn, "the report of what was cut");
  const Offset watermark_before = model_.high_watermark();
  check_ends_after_reopen(reopened);
  check_producers_after_reopen(reopened);
  const LogEnds ends = log_->ends();
  require(model_.last_stable_offsets().contains(ends.last_stable_offset),
          "LSO after opening is " + show(ends.last_stable_offset) + ", the oracle says " +
              show(*model_.last_stable_offsets().begin()));
  model_.settle_last_stable_offset(ends.last_stable_offset);
  model_.settle_leader_epochs(log_->leader_epochs());
  durable_end_ = model_.log_end();
  require_equal(ends.durable_end, durable_end_, "durable end after opening");
  check_files();
  check_everything();
  comparison().check_read(ends.log_start, Isolation::kReplica, 1 << 20);
  if (choice(0) % 2 == 0) run_probe_windows();
  if (options_.high_watermark == HighWatermarkPolicy::kManual && choice(3) % 2 == 0) {
    model_.set_high_watermark(watermark_before);
    require_value(log_->set_high_watermark(watermark_before), "set_high_watermark");
  }
}

void LogMachine::check_ends_after_reopen(const ReopenCase& reopened) {
  const LogEnds ends = log_->ends();
  const std::vector<Offset> bases = log_->segments();
  const auto [start, end] = *model_.ends_after_reopen(bases).begin();
  if (!model_.ends_after_reopen(bases).contains({ends.log_start, ends.log_end})) {
    require_equal(ends.log_start, start, "log start after opening");
    require_equal(ends.log_end, end, "log end after opening");
  }
  // Only a log whose end lies below its start gets a segment there; the others may go then.
  const bool is_moved = model_.end_in_files(reopened.bases) < model_.log_start();
  for (const Offset base : bases) {
    const bool is_old = std::ranges::find(reopened.bases, base) != reopened.bases.end();
    require(is_old || (is_moved && base == ends.log_start),
            "an open makes the segment " + show(base));
  }
  require(bases.front() == model_.first_base() || is_moved, "the first segment");
  if (options_.high_watermark != HighWatermarkPolicy::kManual) {
    require_equal(ends.high_watermark, ends.log_end, "high watermark after opening");
  } else if (log_->recovery_report().was_clean) {
    require_equal(ends.high_watermark,
                  std::clamp(model_.high_watermark(), ends.log_start, ends.log_end),
                  "high watermark after a clean close");
  } else {
    require(
        model_.has_had_high_watermark(ends.high_watermark, ends.log_start, ends.log_end),
        "high watermark after a crash is " + show(ends.high_watermark) + ", where it never was");
  }
}

/// Where producers come from, how much was read for that, and that the oracle knows.
void LogMachine::check_producers_after_reopen(const ReopenCase& reopened) {
  const RecoveryReport& report = log_->recovery_report();
  ModelReopening reopening{report.was_clean, ProducersFrom::kHistory, log_->segments(),
                           log_->ends()};
  if (has_state_store() && !reopened.is_state_deleted) {
    // Promise 5: nothing is replayed after a clean end, and nothing below a checkpoint.
    const Offset bound = report.was_clean ? model_.stored_end() : model_.replay_bound();
    const Offset replayed_from = report.replayed_from.value_or(Offset(0));
    std::string told;
    for (const std::string& warning : report.warnings) told += "; " + warning;
    require(replayed_from >= bound, "batches were replayed from " + show(replayed_from) +
                                        ", a checkpoint lies at " + show(bound) + told);
    require(replayed_from <= log_->ends().log_end, "a checkpoint behind the end");
    if (!report.was_clean) settle_expiries();
  } else {
    require(!report.replayed_from, "batches were replayed from a checkpoint that is not there");
    const bool has_snapshot =
        !has_state_store() && report.was_clean && store_options_.kafka_handover;
    reopening.producers_from = has_snapshot ? ProducersFrom::kLogAndSnapshot : ProducersFrom::kLog;
  }
  model_.note_reopened(reopening);
}

void LogMachine::check_files() {
  for (const Problem& problem :
       require_value(verify_partition(partition_path(), &vfs_), "verify")) {
    // Epochs that went back are a problem of whoever led, not of the files; and if the log start is
    // the end, an open drops the only epoch that is left (14.7), with whose batches below the start
    // verify has nothing to compare.
    const bool is_expected = model_.has_epochs_gone_back() || model_.leader_epochs().empty();
    if (is_expected && problem.problem.contains("leader epoch is")) continue;
    throw Disagreement("verify: " + problem.file + ": " + problem.problem);
  }
}

}  // namespace oncelog::test
