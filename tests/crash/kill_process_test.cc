// kill_process_test.cc: a process that appends from several threads is killed at random moments,
// again and again.
//
// The child reports each acknowledged append through a pipe. After each kill the parent opens the
// store that is left: acknowledged ⊆ recovered ⊆ submitted, nothing twice, and producers,
// transactions and reads are the oracle's, which is given what was recovered. ONCELOG_KILLS: how
// many kills, 36 by default. The seed is printed; ONCELOG_KILL_SEED replays it as far as a kill can
// be replayed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "support/log_comparison.h"
#include "support/log_machine.h"
#include "support/temp_dir.h"

namespace oncelog::test {

namespace {

constexpr int kProducers = 4;
constexpr int kKillsPerStore = 6;
constexpr int kBatchesPerTransaction = 3;
constexpr unsigned kRoundsMax = 150;  // of a producer in one life: the oracle is slow
constexpr std::int64_t kNow = 1'700'000'000'000;

/// What the child says of one acknowledged append. Small enough for a pipe to take it whole.
struct Acknowledged {
  std::int32_t producer = 0;
  std::int32_t sequence = 0;  ///< the first of the batch; −1 for a marker
  std::int64_t base_offset = 0;
  std::int64_t marker_count = 0;  ///< of this producer, with this one
  std::int64_t level = 0;
};

PartitionOptions partition_options() {
  PartitionOptions options;
  options.config.segment_bytes = 20'000;
  options.config.index_interval_bytes = 500;
  options.high_watermark = HighWatermarkPolicy::kLogEnd;
  return options;
}

/// Batches of a producer follow from their sequence alone, so that the parent knows what was
/// submitted.
ModelBatch batch_of(int producer, std::int32_t sequence, bool is_transactional) {
  ModelBatch batch;
  batch.producer_id = ProducerId(producer);
  batch.producer_epoch = ProducerEpoch(0);
  batch.base_sequence = Sequence(sequence);
  batch.is_transactional = is_transactional;
  batch.codec = static_cast<Codec>(sequence / 7 % 5);
  for (int i = 0; i <= sequence % 3; ++i) {
    batch.records.push_back({Timestamp(kNow + sequence), "p" + std::to_string(producer),
                             std::to_string(sequence + i) + std::string(50, '.')});
  }
  return batch;
}

MarkerType marker_of(std::int64_t count) {
  return count % 3 == 0 ? MarkerType::kAbort : MarkerType::kCommit;
}

/// Where a producer stands.
struct Progress {
  std::int32_t next_sequence = 0;
  std::int64_t markers = 0;
  std::int64_t batches_in_transaction = 0;
};

// ---- the child: no GoogleTest, no return

[[noreturn]] void give_up(const Error& error) {
  std::cerr << "child: " << error.text() << std::endl;
  ::_exit(1);
}

/// One producer: odd ones write transactions.
void produce(PartitionLog& log, int producer, Progress at, int pipe) {
  for (unsigned round = 0; round < kRoundsMax; ++round) {
    Acknowledged done{producer, at.next_sequence, 0, at.markers, 0};
    if (producer % 2 == 1 && at.batches_in_transaction == kBatchesPerTransaction) {
      const auto marked = log.append_marker({.type = marker_of(at.markers),
                                             .producer_id = ProducerId(producer),
                                             .producer_epoch = ProducerEpoch(0),
                                             .timestamp = Timestamp(kNow)});
      if (!marked) give_up(marked.error());
      at.batches_in_transaction = 0;
      done.sequence = -1;
      done.base_offset = marked->base_offset.value();
      done.marker_count = ++at.markers;
    } else {
      const ModelBatch batch = batch_of(producer, at.next_sequence, producer % 2 == 1);
      const Level level = round % 5 == 0 ? Level::kDurable : Level::kWritten;
      const auto appended = log.append_as_leader(encode(batch, false), {.level = level});
      if (!appended) give_up(appended.error());
      done.base_offset = appended->base_offset.value();
      done.level = static_cast<std::int64_t>(appended->level);
      at.next_sequence += static_cast<std::int32_t>(batch.records.size());
      ++at.batches_in_transaction;
    }
    if (::write(pipe, &done, sizeof done) != sizeof done) ::_exit(2);
  }
}

[[noreturn]] void run_child(const std::string& directory, const std::vector<Progress>& from,
                            int pipe) {
  auto store = Store::open(directory);
  if (!store) give_up(store.error());
  auto log = (*store)->open_partition({"killed", 0}, partition_options());
  if (!log) give_up(log.error());
  std::vector<std::thread> threads;
  for (int producer = 0; producer < kProducers; ++producer) {
    threads.emplace_back([&, producer] {
      produce(**log, producer, from[static_cast<std::size_t>(producer)], pipe);
    });
  }
  for (unsigned round = 0;; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    if (round % 3 == 0) {
      if (const auto rolled = (*log)->roll(); !rolled) give_up(rolled.error());
    } else if (const auto flushed = (*log)->flush(); !flushed) {
      give_up(flushed.error());
    }
  }
}

// ---- the parent

class Killer {
 public:
  explicit Killer(std::uint32_t seed) : random_(seed) {}

  /// Runs a child over what is there, kills it, and checks what it leaves. Answers how much it had
  /// acknowledged.
  std::size_t run_once() {
    std::array<int, 2> pipe{};
    if (::pipe(pipe.data()) != 0) throw Disagreement("pipe");
    const std::vector<Progress> before = progress_;
    const pid_t child = ::fork();
    if (child < 0) throw Disagreement("fork");
    if (child == 0) {
      ::close(pipe[0]);
      run_child(directory_.file("store"), before, pipe[1]);
    }
    ::close(pipe[1]);
    // Some die while they open the store, some when they have written for long.
    const auto longest_us = std::uint64_t{2000} << random_() / 16 % 7;
    const std::chrono::microseconds life(500 + random_() % longest_us);
    std::thread killer([&] {
      std::this_thread::sleep_for(life);
      ::kill(child, SIGKILL);
    });
    std::vector<Acknowledged> acknowledged;
    Acknowledged next;
    while (::read(pipe[0], &next, sizeof next) == sizeof next) acknowledged.push_back(next);
    killer.join();
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child gave up by itself");
    check(acknowledged);
    return acknowledged.size();
  }

 private:
  void check(const std::vector<Acknowledged>& acknowledged) {
    const auto store = require_value(Store::open(directory_.file("store")), "open store");
    const auto log =
        require_value(store->open_partition({"killed", 0}, partition_options()), "open partition");
    const std::vector<ModelBatch> recovered = read_all(*log);
    check_acknowledged(acknowledged, recovered);
    check_submitted(recovered);

    LogModel model(partition_options());
    model.append_as_follower(recovered, {}, {});
    model.note_reopened({.is_clean = false,
                         .producers_from = ProducersFrom::kHistory,
                         .bases = log->segments(),
                         .ends = log->ends()});
    LogComparison comparison(*log, model);
    comparison.check_state(
        {kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp, Timestamp(kNow + 50)});
    for (const Isolation isolation : {Isolation::kReadUncommitted, Isolation::kReadCommitted}) {
      comparison.check_read(Offset(0), isolation, 1 << 20);
    }
    const auto problems =
        require_value(verify_partition(directory_.file("store/killed-0")), "verify");
    for (const Problem& problem : problems)
      throw Disagreement(problem.file + ": " + problem.problem);
    retry_last_batches(*log, recovered);
    if (random_() % 3 == 0) require_value(store->close(), "close");
  }

  static std::vector<ModelBatch> read_all(const PartitionLog& log) {
    std::vector<ModelBatch> batches;
    Offset position{};
    while (position < log.ends().log_end) {
      const auto fetched =
          require_value(log.fetch(position, {.isolation = Isolation::kReplica}), "fetch");
      const auto bytes = require_value(fetched.read(), "read");
      BatchCursor cursor(bytes);
      while (const auto batch = require_value(cursor.next(), "batch")) {
        require_equal(batch->base_offset(), position, "a gap");
        batches.push_back(decode(*batch));
        position = batch->next_offset();
      }
    }
    return batches;
  }

  static ModelBatch decode(const RecordBatchView& batch) {
    require_value(batch.check_crc(), "CRC");
    ModelBatch decoded;
    decoded.base_offset = batch.base_offset();
    decoded.leader_epoch = batch.leader_epoch();
    decoded.codec = static_cast<Codec>(batch.codec_bits());
    decoded.is_transactional = batch.is_transactional();
    decoded.producer_id = batch.producer_id();
    decoded.producer_epoch = batch.producer_epoch();
    decoded.base_sequence = batch.base_sequence();
    if (batch.is_control()) {
      const auto control = require_value(batch.control_record(), "control record");
      decoded.marker = ModelMarker{control->is_abort() ? MarkerType::kAbort : MarkerType::kCommit,
                                   control->coordinator_epoch};
    }
    RecordReader reader = require_value(RecordReader::open(batch), "records");
    while (const auto record = require_value(reader.next(), "record")) {
      ModelRecord& read = decoded.records.emplace_back(ModelRecord{record->timestamp, {}, {}});
      if (batch.is_control()) continue;
      if (record->key) read.key = std::string(as_text(*record->key));
      if (record->value) read.value = std::string(as_text(*record->value));
    }
    return decoded;
  }

  /// What was acknowledged is there, at the offset that was said.
  static void check_acknowledged(const std::vector<Acknowledged>& acknowledged,
                                 const std::vector<ModelBatch>& recovered) {
    std::map<Offset, const ModelBatch*> by_offset;
    for (const ModelBatch& batch : recovered) by_offset[batch.base_offset] = &batch;
    for (const Acknowledged& done : acknowledged) {
      const auto found = by_offset.find(Offset(done.base_offset));
      const std::string what = "what was acknowledged at " + std::to_string(done.base_offset);
      require(found != by_offset.end(), what + " is lost");
      require_equal(found->second->producer_id, ProducerId(done.producer), what + ": its producer");
      require_equal(found->second->base_sequence, Sequence(done.sequence), what + ": its sequence");
    }
  }

  /// Every batch is one that its producer has sent, once, in order; then it is known where the next
  /// child goes on.
  void check_submitted(const std::vector<ModelBatch>& recovered) {
    progress_.assign(kProducers, {});
    for (const ModelBatch& batch : recovered) {
      require(batch.producer_id >= ProducerId(0) && batch.producer_id < ProducerId(kProducers),
              "a batch of nobody");
      const auto producer = static_cast<int>(batch.producer_id.value());
      Progress& at = progress_[static_cast<std::size_t>(producer)];
      if (batch.marker) {
        require(batch.marker->type == marker_of(at.markers), "a marker that was not sent");
        require_equal(at.batches_in_transaction, std::int64_t{kBatchesPerTransaction},
                      "batches in front of a marker");
        at.batches_in_transaction = 0;
        ++at.markers;
        continue;
      }
      require_equal(batch.base_sequence, Sequence(at.next_sequence), "sequence in the log");
      const ModelBatch sent = batch_of(producer, at.next_sequence, producer % 2 == 1);
      require(batch.records == sent.records && batch.is_transactional == sent.is_transactional,
              "a batch with other content than was sent");
      at.next_sequence += static_cast<std::int32_t>(batch.records.size());
      ++at.batches_in_transaction;
    }
  }

  /// The client whose answer was lost sends again: all of the last five are known.
  static void retry_last_batches(PartitionLog& log, const std::vector<ModelBatch>& recovered) {
    std::map<ProducerId, int> retried;
    for (auto batch = recovered.rbegin(); batch != recovered.rend(); ++batch) {
      if (batch->marker || retried[batch->producer_id]++ >= 5) continue;
      const auto again = require_value(log.append_as_leader(encode(*batch, false)), "retry");
      require(again.is_duplicate, "a retry is stored again");
      require_equal(again.base_offset, batch->base_offset, "offset of a retry");
    }
  }

  TempDir directory_;
  std::minstd_rand random_;
  std::vector<Progress> progress_ = std::vector<Progress>(kProducers);
};

std::int64_t from_environment(const char* name, std::int64_t by_default) {
  const char* value = std::getenv(name);
  return value == nullptr ? by_default : std::atoll(value);
}

TEST(KillProcess, WhatWasAcknowledgedIsThereOnce) {
  const auto kills = from_environment("ONCELOG_KILLS", 36);
  const auto seed = static_cast<std::uint32_t>(
      from_environment("ONCELOG_KILL_SEED", static_cast<std::int64_t>(std::random_device{}())));
  std::cout << "seed " << seed << '\n';
  std::size_t acknowledged = 0;
  for (std::int64_t done = 0; done < kills;) {
    Killer killer(seed + static_cast<std::uint32_t>(done));
    for (int i = 0; i < kKillsPerStore && done < kills; ++i, ++done) {
      SCOPED_TRACE("kill " + std::to_string(done));
      ASSERT_NO_THROW(acknowledged += killer.run_once());
    }
  }
  std::cout << kills << " kills, " << acknowledged << " acknowledged appends\n";
  EXPECT_GT(acknowledged, 0u);
}

}  // namespace

}  // namespace oncelog::test
