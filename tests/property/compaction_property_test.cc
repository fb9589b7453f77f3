// Over random histories with several rounds of compaction, with truncations and deletions between
// them: what a committed reader makes of the log, its producers and its ends are the same before a
// round, behind it, and after an open.
//
// RC_PARAMS="max_success=… max_size=…" makes a run longer; each run prints its seed.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <filesystem>
#include <ostream>

#include "oncelog/clock.h"
#include "oncelog/inspect.h"
#include "oncelog/store.h"
#include "support/files.h"
#include "support/log_facts.h"
#include "support/temp_dir.h"

namespace oncelog::test {
namespace {

constexpr std::int64_t kProducers = 4;
constexpr std::int64_t kRetentionMs = 1000;

enum class Step : std::uint8_t {
  kPut,
  kPutInTransaction,
  kCommit,
  kAbort,
  kRoll,
  kCompact,
  kCompactWithFewKeys,
  kPass,
  kExpire,
  kTruncate,
  kDeleteRecords,
  kClose,
  kCrash,
};

void showValue(Step step, std::ostream& out) {
  constexpr std::array kNames{"put",
                              "put in a transaction",
                              "commit",
                              "abort",
                              "roll",
                              "compact",
                              "compact a bit",
                              "pass",
                              "expire",
                              "truncate",
                              "delete records",
                              "close",
                              "crash"};
  out << kNames[static_cast<std::size_t>(step)];
}

class History {
 public:
  explicit History(std::int32_t segment_bytes) {
    options_.level = Level::kWritten;
    options_.high_watermark = HighWatermarkPolicy::kLogEnd;
    TopicConfig& config = options_.config;
    config.segment_bytes = segment_bytes;
    config.index_interval_bytes = 100;
    config.cleanup_compact = true;
    config.retention_ms = -1;  // delete_records is allowed, time removes nothing
    config.min_cleanable_dirty_ratio = 0;
    config.delete_retention_ms = kRetentionMs;
    store_options_.clock = &clock_;
    store_options_.sealed_segment_bytes_min = 300;
    store_options_.append_ring_bytes = 4096;
    open();
  }

  void run(Step step) {
    const auto id = *rc::gen::inRange<std::int64_t>(1, kProducers + 1);
    switch (step) {
      case Step::kPut:
        return put(id, is_open_[id]);
      case Step::kPutInTransaction:
        return put(id, true);
      case Step::kCommit:
        return end(id, MarkerType::kCommit);
      case Step::kAbort:
        return end(id, MarkerType::kAbort);
      case Step::kRoll:
        return require_value(log_->roll(), "roll");
      case Step::kCompact:
        return compact({});
      case Step::kCompactWithFewKeys:
        return compact({.key_map_bytes_max = 24 * 4});
      case Step::kPass:
        return clock_.set(clock_.now() + kRetentionMs / 2);
      case Step::kExpire:
        clock_.set(clock_.now() + 90'000'000);
        for (const ProducerId one : require_value(log_->expire_producers(), "expire")) {
          sequences_.erase(one.value());
          epochs_[one.value()] += 1;  // or a replay would take its next batches for old ones
        }
        require_value(log_->checkpoint(), "checkpoint");  // an expiry is not in the log
        return;
      case Step::kTruncate:
        require_value(log_->truncate_to(any_end()), "truncate");
        return note_producers();
      case Step::kDeleteRecords:
        return delete_records(std::min(any_offset(), log_->ends().high_watermark));
      case Step::kClose:
        return reopen(true);
      case Step::kCrash:
        return reopen(false);
    }
  }

  void finish() {
    compact({});
    reopen(true);
    reopen(false);
    const auto problems = require_value(verify_partition(dir_.file("store/t-0")), "verify");
    for (const Problem& one : problems) throw Disagreement(one.file + ": " + one.problem);
  }

 private:
  void open() {
    store_ = require_value(Store::open(dir_.file("store"), store_options_), "open store");
    log_ = require_value(store_->open_partition({"t", 0}, options_), "open");
  }

  void put(std::int64_t id, bool is_transactional) {
    std::vector<Keyed> records(*rc::gen::inRange<std::size_t>(1, 4));
    for (Keyed& record : records) {
      const char key = static_cast<char>('a' + *rc::gen::inRange(0, 6));
      record.key = std::string(1, key);
      if (*rc::gen::inRange(0, 4) != 0) record.value = std::to_string(count_++);
      record.timestamp = 1000 + *rc::gen::inRange(0, 100);
    }
    auto& sequence = sequences_[id];
    const auto codec = *rc::gen::element(Codec::kNone, Codec::kNone, Codec::kLz4);
    require_value(log_->append_as_leader(make_keyed(records, {.codec = codec,
                                                              .is_transactional = is_transactional,
                                                              .producer_id = id,
                                                              .producer_epoch = epochs_[id],
                                                              .sequence = sequence})),
                  "append");
    sequence += static_cast<std::int32_t>(records.size());
    is_open_[id] = is_transactional;
  }

  void delete_records(Offset before) {
    require_value(log_->delete_records(before), "delete_records");
    require_value(log_->apply_retention(), "retention");
  }

  [[nodiscard]] Offset any_offset() const {
    const LogEnds ends = log_->ends();
    return Offset(*rc::gen::inRange(ends.log_start.value(), ends.log_end.value() + 1));
  }

  /// Inside of a batch, or behind offsets that a round has emptied, the end would lie elsewhere
  /// behind an open (15.4).
  [[nodiscard]] Offset any_end() const {
    std::vector<Offset> ends{log_->ends().log_end};
    for (const Buffer& batch : stored_batches(*log_)) ends.push_back(view_of(batch).next_offset());
    return ends[*rc::gen::inRange<std::size_t>(0, ends.size())];
  }

  /// What each may write next, as the log knows it.
  void note_producers() {
    sequences_.clear();
    is_open_.clear();
    for (const ProducerInfo& one : require_value(log_->producers(), "producers")) {
      sequences_[one.producer_id.value()] = one.last_sequence.value() + 1;
      epochs_[one.producer_id.value()] = one.epoch.value();
      is_open_[one.producer_id.value()] = one.transaction_first_offset.has_value();
    }
  }

  void end(std::int64_t id, MarkerType type) {
    if (!sequences_.contains(id)) return;
    require_value(log_->append_marker({.type = type,
                                       .producer_id = ProducerId(id),
                                       .producer_epoch = ProducerEpoch(epochs_[id]),
                                       .timestamp = clock_.now()}),
                  "marker");
    is_open_[id] = false;
  }

  void compare(const LogFacts& before) const {
    const LogFacts now = facts_of(*log_);
    require_equal(now.ends.log_start, before.ends.log_start, "log start");
    require_equal(now.ends.last_stable_offset, before.ends.last_stable_offset, "LSO");
    require_equal(now.ends.log_end, before.ends.log_end, "log end");
    require(now.newest == before.newest, "the newest values are others");
    require(now.producers == before.producers, "the producers are others");
    for (const std::string& record : now.records) {
      require(before.records.contains(record), "a record that was not there: " + record);
    }
    for (const std::string& broken : log_->check_invariants()) throw Disagreement(broken);
  }

  void compact(const CompactionOptions& options) {
    const LogFacts before = facts_of(*log_);
    const CompactionReport report = require_value(log_->compact(options), "compact");
    require(!report.was_interrupted, "the round was interrupted");
    compare(before);
  }

  void reopen(bool is_clean) {
    const LogFacts before = facts_of(*log_);
    if (is_clean) require_value(store_->close(), "close");
    log_.reset();
    store_.reset();
    open();
    compare(before);
    const RecoveryReport& report = log_->recovery_report();
    require(report.warnings.empty(),
            "warned: " + (report.warnings.empty() ? "" : report.warnings[0]));
    const std::string rebuilt = report.files_rebuilt.empty() ? "" : report.files_rebuilt[0];
    require(!is_clean || rebuilt.empty(), "rebuilt: " + rebuilt);
  }

  TempDir dir_;
  ManualClock clock_{Timestamp(1'000'000)};
  StoreOptions store_options_{};
  PartitionOptions options_{};
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
  std::map<std::int64_t, std::int32_t> sequences_;
  std::map<std::int64_t, std::int16_t> epochs_;
  std::map<std::int64_t, bool> is_open_;
  int count_ = 0;
};

RC_GTEST_PROP(CompactionProperty, ReadersAndProducersNoticeNothing, ()) {
  const auto segment_bytes = *rc::gen::inRange(200, 1500);
  History history(segment_bytes);
  const auto steps = *rc::gen::container<std::vector<Step>>(
      rc::gen::weightedElement<Step>({{30, Step::kPut},
                                      {25, Step::kPutInTransaction},
                                      {8, Step::kCommit},
                                      {8, Step::kAbort},
                                      {5, Step::kRoll},
                                      {8, Step::kCompact},
                                      {3, Step::kCompactWithFewKeys},
                                      {4, Step::kPass},
                                      {1, Step::kExpire},
                                      {2, Step::kTruncate},
                                      {2, Step::kDeleteRecords},
                                      {2, Step::kClose},
                                      {2, Step::kCrash}}));
  for (const Step step : steps) history.run(step);
  history.finish();
}

}  // namespace
}  // namespace oncelog::test
