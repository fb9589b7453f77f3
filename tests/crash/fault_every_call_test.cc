// fault_every_call_test.cc: one run of every verb, again and again, each time with another I/O call
// failing.
//
// A client repeats what was refused, as clients do, and opens the store again when the partition is
// poisoned or will not open. In the end everything has been stored exactly once, and every answer
// is the oracle's.
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <iostream>

#include "support/log_comparison.h"
#include "support/log_machine.h"
#include "support/temp_dir.h"

namespace oncelog::test {

namespace {

constexpr std::int64_t kNow = 1'700'000'000'000;

/// The client has tried often enough.
class GivenUp : public std::exception {};
constexpr int kFailuresMax = 12;

/// A client that knows what it has sent, and the log that it sends to.
class StubbornClient {
 public:
  explicit StubbornClient(FaultVfs& vfs)
      : vfs_(vfs), clock_(Timestamp(kNow)), options_(partition_options()), model_(options_) {
    vfs_.plan().set_skips_syncs(true);
    store_options_.vfs = &vfs_;
    store_options_.clock = &clock_;
  }

  static PartitionOptions partition_options() {
    PartitionOptions options;
    options.config.segment_bytes = 600;
    options.config.index_interval_bytes = 100;
    options.level = Level::kWritten;
    options.high_watermark = HighWatermarkPolicy::kLogEnd;
    return options;
  }

  /// Every verb, with rolls, transactions, both kinds of end, and recovery.
  void run() {
    restart();
    append(1, false);
    append(2, true);
    append(1, false, Level::kDurable);
    marker(2, MarkerType::kAbort);
    assign_epoch(2);
    for (int i = 0; i < 5; ++i) append(1, false, i % 2 == 0 ? Level::kDurable : Level::kWritten);
    roll();
    append(2, true);
    flush();
    raise_log_start(2);
    append(1, false);
    close();
    restart();
    append(2, true);
    marker(2, MarkerType::kCommit);
    assign_epoch(4);
    append(1, false);
    crash();
    restart();
    for (int i = 0; i < 4; ++i) append(3, i % 2 == 0);
    flush();
    append(1, false);
  }

  /// The store again, on a disk that is sound by now.
  void check_reopened() {
    failures_ = 0;
    crash();
    restart();
    require_equal(failures_, 0, "failures of a sound disk");
    check();
    for (const Problem& problem :
         require_value(verify_partition(directory_.file("store/faults-0"), &vfs_), "verify")) {
      throw Disagreement("verify: " + problem.file + ": " + problem.problem);
    }
  }

  void check() {
    vfs_.plan().set_paused(true);
    LogComparison comparison(*log_, model_);
    comparison.check_state({kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp, Timestamp(kNow)});
    for (const Isolation isolation :
         {Isolation::kReplica, Isolation::kReadUncommitted, Isolation::kReadCommitted}) {
      comparison.check_read(log_->ends().log_start, isolation, 200);
    }
    vfs_.plan().set_paused(false);
  }

 private:
  /// Whether an error is one that a failing disk may give; the log must not have grown if it says
  /// so.
  void note_failure(const Error& error, Offset end_before) {
    if (++failures_ == kFailuresMax) throw GivenUp();
    require(!error.context.empty(), "an error without context");
    require(error.code == ErrorCode::STORAGE_FULL || error.code == ErrorCode::KAFKA_STORAGE_ERROR ||
                error.code == ErrorCode::PARTITION_POISONED,
            "not the error of a disk: " + error.text());
    if (error.code == ErrorCode::PARTITION_POISONED) {
      crash();
      restart();
    } else {
      require_equal(log_->ends().log_end, end_before, "log end after " + error.text());
    }
  }

  /// Until it succeeds.
  template <class Verb>
  auto insist(Verb verb) {
    while (true) {
      const Offset end = log_->ends().log_end;
      auto result = verb();
      if (result) return require_value(std::move(result), "");
      note_failure(result.error(), end);
    }
  }

  void restart() {
    while (true) {
      auto store = Store::open(directory_.file("store"), store_options_);
      if (store) {
        store_ = *std::move(store);
        auto log = store_->open_partition({"faults", 0}, options_);
        if (log) {
          log_ = *log;
          break;
        }
        require(!log.error().context.empty(), "an error without context");
        require(log.error().code != ErrorCode::PARTITION_POISONED, log.error().text());
      } else {
        require(!store.error().context.empty(), "an error without context");
      }
      if (++failures_ >= kFailuresMax) throw GivenUp();
      // Either the same store tries again, or a new one.
      if (store_ && failures_ % 2 == 1) {
        auto log = store_->open_partition({"faults", 0}, options_);
        if (log) {
          log_ = *log;
          break;
        }
      }
      store_.reset();
    }
    note_recovered();
  }

  /// What was under way when the log was lost may have been stored or not.
  void note_recovered() {
    const Offset end = log_->ends().log_end;
    if (pending_ && end == model_.log_end() + std::ssize(pending_->records)) store(*pending_);
    require_equal(log_->ends().log_end, model_.log_end(), "log end after an open");
    if (pending_epoch_ && log_->leader_epochs() != model_.leader_epochs())
      model_.assign_epoch(*pending_epoch_);
    model_.note_reopened({.is_clean = log_->recovery_report().was_clean,
                          .bases = log_->segments(),
                          .ends = log_->ends()});
    if (log_->ends().log_start != model_.log_start() && pending_start_) {
      model_.append_as_follower({}, {}, pending_start_);
    }
    options_.leader_epoch = model_.leader_epoch();
    check();
  }

  void crash() {
    log_.reset();
    store_.reset();
  }

  void close() {
    const auto closed = store_->close();
    if (!closed) require(!closed.error().context.empty(), "an error without context");
    crash();
  }

  ModelAnswer store(const ModelBatch& batch) {
    return model_.append_as_leader(
        batch, batch.marker ? AppendOrigin::kCoordinator : AppendOrigin::kClient,
        std::ssize(encode(batch, false)), clock_.now());
  }

  void append(int producer, bool is_transactional, Level level = Level::kWritten) {
    ModelBatch batch;
    batch.producer_id = ProducerId(producer);
    batch.producer_epoch = ProducerEpoch(0);
    batch.base_sequence = Sequence(sequences_[producer]);
    batch.is_transactional = is_transactional;
    for (int i = 0; i < 2; ++i) {
      batch.records.push_back(
          {Timestamp(kNow + sequences_[producer]), "key", std::string(20, 'v')});
    }
    if (model_.producers()[batch.producer_id].transaction_first_offset)
      batch.is_transactional = true;
    sequences_[producer] += 2;
    const std::vector<std::byte> bytes = encode(batch, false);
    pending_ = batch;
    const Appended seen = insist([&] { return log_->append_as_leader(bytes, {.level = level}); });
    const ModelAnswer expected = store(batch);
    require_equal(seen.base_offset, expected.base_offset, "base offset");
    require_equal(seen.is_duplicate, expected.is_duplicate, "is_duplicate");
    pending_.reset();
    check();
  }

  void marker(int producer, MarkerType type) {
    ModelBatch marker;
    marker.producer_id = ProducerId(producer);
    marker.producer_epoch = ProducerEpoch(0);
    marker.marker = ModelMarker{type, CoordinatorEpoch(0)};
    marker.is_transactional = true;
    marker.records = {{Timestamp(kNow), {}, {}}};
    pending_ = marker;
    insist([&] {
      return log_->append_marker({.type = type,
                                  .producer_id = marker.producer_id,
                                  .producer_epoch = marker.producer_epoch,
                                  .timestamp = Timestamp(kNow)});
    });
    store(marker);
    pending_.reset();
    check();
  }

  void assign_epoch(int epoch) {
    pending_epoch_ = LeaderEpoch(epoch);
    insist([&] { return log_->assign_leader_epoch(LeaderEpoch(epoch)); });
    model_.assign_epoch(LeaderEpoch(epoch));
    pending_epoch_.reset();
    options_.leader_epoch = LeaderEpoch(epoch);
    check();
  }

  void raise_log_start(int start) {
    pending_start_ = Offset(start);
    insist([&] { return log_->append_as_follower({}, {.leader_log_start = Offset(start)}); });
    model_.append_as_follower({}, {}, Offset(start));
    pending_start_.reset();
    check();
  }

  void roll() {
    insist([&] { return log_->roll(); });
    check();
  }

  void flush() {
    insist([&] { return log_->flush(); });
    check();
  }

  FaultVfs& vfs_;
  ManualClock clock_;
  TempDir directory_{memory_directory()};
  StoreOptions store_options_;
  PartitionOptions options_;
  LogModel model_;
  std::map<int, std::int32_t> sequences_;
  std::optional<ModelBatch> pending_;
  std::optional<LeaderEpoch> pending_epoch_;
  std::optional<Offset> pending_start_;
  int failures_ = 0;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

std::int64_t count_calls() {
  FaultVfs vfs(posix_vfs());
  StubbornClient client(vfs);
  client.run();
  const std::int64_t calls = vfs.plan().call_count();
  client.check_reopened();
  return calls;
}

/// Which error, and whether all calls behind it fail, too.
struct Disk {
  int os_errno = EIO;
  bool is_lasting = false;
};

class EveryCall : public testing::TestWithParam<Disk> {};

TEST_P(EveryCall, MayFailAndNothingIsLostOrStoredTwice) {
  const std::int64_t calls = count_calls();
  int points = 0;
  for (std::int64_t nth = 1; nth <= calls; ++nth) {
    SCOPED_TRACE("call " + std::to_string(nth) + " of " + std::to_string(calls));
    FaultVfs vfs(posix_vfs());
    vfs.plan().add(
        {.nth = nth, .is_lasting = GetParam().is_lasting, .os_errno = GetParam().os_errno});
    try {
      StubbornClient client(vfs);
      try {
        client.run();
      } catch (const GivenUp&) {
        EXPECT_TRUE(GetParam().is_lasting);
      }
      vfs.plan().clear();
      client.check_reopened();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    points += vfs.plan().struck_count() > 0 ? 1 : 0;
  }
  std::cout << points << " calls failed in turn\n";
  EXPECT_GT(points, calls / 2);
}

INSTANTIATE_TEST_SUITE_P(Faults, EveryCall,
                         testing::Values(Disk{EIO, false}, Disk{ENOSPC, false}, Disk{EIO, true},
                                         Disk{ENOSPC, true}),
                         [](const auto& test) {
                           return std::string(test.param.os_errno == EIO ? "Eio" : "Enospc") +
                                  (test.param.is_lasting ? "ForGood" : "Once");
                         });

}  // namespace

}  // namespace oncelog::test
