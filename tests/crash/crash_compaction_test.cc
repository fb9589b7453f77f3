// crash_compaction_test.cc: a round of compaction with a crash at every change that it makes to the
// disk, and every image that such a crash may leave.
//
// The oracle: what a committed reader makes of the log (the last value of each key), all producers
// and all ends are what they were before the round; every record that is left was there; a round
// behind the crash leaves what the undisturbed one has left.
//
// ONCELOG_CRASH_SUBSETS, ONCELOG_CRASH_SYSTEMATIC and ONCELOG_CRASH_NESTED_EVERY as in
// crash_every_op_test.cc.
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <map>

#include "oncelog/inspect.h"
#include "support/crash_images.h"
#include "support/crash_verbs.h"
#include "support/environment.h"
#include "support/log_comparison.h"
#include "support/log_facts.h"

namespace oncelog::test {

namespace {

constexpr std::int64_t kRetentionMs = 1000;

/// A store on a simulated disk.
class World {
 public:
  World(CrashedDisk disk, CrashOptions options, Timestamp now)
      : disk_(std::move(disk)), options_(std::move(options)), clock_(now) {
    disk_.files->set_clock(&clock_);
    options_.store.vfs = disk_.files.get();
    options_.store.snapshots = disk_.producers->store();
    options_.store.clock = &clock_;
    open();
  }

  void open() {
    store_ = require_value(Store::open(kCrashStore, options_.store), "open store");
    log_ = require_value(store_->open_partition(kCrashPartition, options_.partition), "open");
  }
  void close_and_lose_power() {
    require_value(store_->close(), "close");
    log_.reset();
    store_.reset();
    CrashedDisk left = copy_of(disk_, {});
    disk_ = std::move(left);
    disk_.files->set_clock(&clock_);
    options_.store.vfs = disk_.files.get();
    options_.store.snapshots = disk_.producers->store();
    open();
  }

  void put(std::int64_t id, bool is_transactional, const std::vector<Keyed>& records) {
    auto& sequence = sequences_[id];
    const auto bytes = make_keyed(records, {.is_transactional = is_transactional,
                                            .producer_id = id,
                                            .producer_epoch = 0,
                                            .sequence = sequence});
    sequence += static_cast<std::int32_t>(records.size());
    require_value(log_->append_as_leader(bytes), "append");
  }
  /// As a leader sent it that did not want keys.
  void receive(std::int64_t base, const std::vector<Keyed>& records) {
    require_value(log_->append_as_follower(make_keyed(records, {.base = base, .leader_epoch = 0})),
                  "append");
  }
  void end(std::int64_t id, MarkerType type) {
    require_value(log_->append_marker({.type = type,
                                       .producer_id = ProducerId(id),
                                       .producer_epoch = ProducerEpoch(0),
                                       .timestamp = Timestamp(1)}),
                  "marker");
  }
  void roll() { require_value(log_->roll(), "roll"); }
  void pass(std::int64_t ms) { clock_.set(clock_.now() + ms); }
  CompactionReport compact() { return require_value(log_->compact(), "compact"); }

  [[nodiscard]] PartitionLog& log() { return *log_; }
  [[nodiscard]] CrashedDisk& disk() { return disk_; }
  [[nodiscard]] Timestamp now() const { return clock_.now(); }

 private:
  CrashedDisk disk_;
  CrashOptions options_;
  ManualClock clock_;
  std::map<std::int64_t, std::int32_t> sequences_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

struct Story {
  std::string name{};
  std::function<void(World&)> prepare{};
  std::int32_t segment_bytes = 500;
};

/// Plain and transactional batches of five keys, in several segments.
void write_some(World& world, int round) {
  const std::string value = "v" + std::to_string(round);
  world.put(1, false, {{"a", value}, {"b", value}});
  world.put(2, true, {{"b", "aborted"}, {"c", "aborted"}});
  world.put(3, true, {{"c", value}, {"d", value}});
  world.put(1, false, {{"a", value + "'"}, {"e", std::nullopt}});
  world.end(2, MarkerType::kAbort);
  world.roll();
  world.put(4, false, {{"e", value}, {"b", value + "'"}});
  world.end(3, MarkerType::kCommit);
  world.put(1, false, {{"d", std::nullopt}});
  world.put(2, true, {{"a", "aborted"}});
  world.end(2, MarkerType::kAbort);
  world.roll();
}

std::vector<Story> stories() {
  return {
      {"FirstRound", [](World& world) { write_some(world, 0); }},
      {"OneGroup", [](World& world) { write_some(world, 0); }, 10'000},
      {"LaterRound",
       [](World& world) {
         write_some(world, 0);
         world.compact();
         write_some(world, 1);
         world.put(5, true, {{"a", "open"}});
       }},
      {"TombstonesAndMarkersGo",
       [](World& world) {
         write_some(world, 0);
         world.compact();
         write_some(world, 1);
         world.compact();
         world.pass(kRetentionMs);
         world.put(1, false, {{"z", "1"}});
         world.roll();
       },
       2000},
      {"TheLastBatchesGo",
       [](World& world) {
         world.put(1, false, {{"a", "1"}});
         world.roll();
         world.receive(1, {{std::nullopt, "1"}});
         world.receive(2, {{std::nullopt, "2"}, {std::nullopt, "3"}});
         require_value(world.log().truncate_to(Offset(3)), "truncate");  // inside the last batch
         world.roll();
       },
       10'000},
  };
}

class CompactionCrash {
 public:
  CompactionCrash(const Story& story, CrashPolicy policy) : options_(options_of(policy)) {
    TopicConfig& config = options_.partition.config;
    config.cleanup_compact = true;
    config.cleanup_delete = false;
    config.min_cleanable_dirty_ratio = 0;
    config.delete_retention_ms = kRetentionMs;
    config.segment_bytes = story.segment_bytes;
    if (policy == CrashPolicy::kManual) {
      options_.partition.high_watermark = HighWatermarkPolicy::kLogEnd;
    }
    CrashedDisk disk;
    disk.files = std::make_unique<sim::SimDisk>(
        sim::SimDiskOptions{.reuses_inode_numbers = options_.reuses_inode_numbers});
    disk.producers = std::make_unique<sim::MemSnapshotStore>(disk.files.get());
    World world(std::move(disk), options_, Timestamp(1'000'000));
    story.prepare(world);
    require_value(world.log().flush(), "flush");
    now_ = world.now();
    before_ = facts_of(world.log());
    world.disk().files->set_observer([&](const sim::SimCall& call) {
      points_.push_back({"before call " + std::to_string(call.number) + ", " +
                             std::string(sim::name_of(call.call)) + " " + call.path,
                         copy_of(world.disk()),
                         {}});
    });
    require(world.compact().was_due, "the round is not due");
    world.disk().files->set_observer({});
    points_.push_back({"at the end", copy_of(world.disk()), {}});
    left_ = stored_records(world.log());
    check(world.log(), CrashKind::kProcessDeath);
  }

  void check_all() {
    sim::ImageOptions choices;
    choices.subset_count =
        static_cast<std::size_t>(number_from_environment("ONCELOG_CRASH_SUBSETS", 6));
    choices.systematic_max =
        static_cast<std::size_t>(number_from_environment("ONCELOG_CRASH_SYSTEMATIC", 8));
    for (const CrashPoint& point : points_) {
      check_image(point, "the process died", copy_of(point.disk), CrashKind::kProcessDeath);
      for (const sim::CrashChoice& choice : point.disk.files->images(choices)) {
        check_image(point, sim::print_choice(choice), copy_of(point.disk, choice),
                    CrashKind::kPowerLoss);
      }
      ++choices.seed;
      const std::size_t commits = point.disk.producers->commit_count();
      for (const std::size_t back : {std::size_t{1}, std::size_t{2}, commits}) {
        if (back > commits) continue;
        CrashedDisk disk;
        disk.files = point.disk.files->after_process_death();
        disk.producers = point.disk.producers->rolled_back(commits - back, disk.files.get());
        check_image(point, std::to_string(back) + " commits older", std::move(disk),
                    CrashKind::kOldProducers);
      }
    }
    std::cout << points_.size() << " crash points, " << images_ << " images, " << nested_points_
              << " crash points during their opens\n";
  }

 private:
  void check(PartitionLog& log, CrashKind kind) const {
    const LogFacts now = facts_of(log);
    require_equal(now.ends.log_start, before_.ends.log_start, "log start");
    require_equal(now.ends.log_end, before_.ends.log_end, "log end");
    require_equal(now.ends.last_stable_offset, before_.ends.last_stable_offset, "LSO");
    require(now.newest == before_.newest, "the newest values are others");
    for (const std::string& record : now.records) {
      require(before_.records.contains(record), "a record that was not there: " + record);
    }
    if (kind != CrashKind::kOldProducers) {
      require(now.producers == before_.producers, "the producers are others");
    }
    for (const std::string& broken : log.check_invariants()) throw Disagreement(broken);
  }

  void check_image(const CrashPoint& point, const std::string& text, CrashedDisk disk,
                   CrashKind kind) {
    ++images_;
    const bool is_nested = images_ % number_from_environment("ONCELOG_CRASH_NESTED_EVERY", 50) == 0;
    if (is_nested) check_open(point, text, copy_of(disk), kind);
    check_left(point.text + ", " + text, std::move(disk), kind);
  }

  /// The open of an image is crashed itself.
  void check_open(const CrashPoint& point, const std::string& text, CrashedDisk disk,
                  CrashKind kind) {
    std::vector<CrashPoint> points;
    CrashOptions options = options_;
    ManualClock clock(now_);
    disk.files->set_clock(&clock);
    options.store.vfs = disk.files.get();
    options.store.snapshots = disk.producers->store();
    options.store.clock = &clock;
    disk.files->set_observer([&](const sim::SimCall& call) {
      points.push_back(
          {", then " + std::string(sim::name_of(call.call)) + " " + call.path, copy_of(disk), {}});
    });
    {
      const auto store = require_value(Store::open(kCrashStore, options.store), "open store");
      std::ignore = store->open_partition(kCrashPartition, options.partition);
    }
    sim::ImageOptions choices;
    choices.systematic_max = 4;
    for (const CrashPoint& nested : points) {
      ++nested_points_;
      const std::string where = point.text + ", " + text + nested.text;
      check_left(where, copy_of(nested.disk), kind);
      for (const sim::CrashChoice& choice : nested.disk.files->images(choices)) {
        check_left(where + ", " + sim::print_choice(choice), copy_of(nested.disk, choice), kind);
      }
    }
  }

  void check_left(const std::string& where, CrashedDisk disk, CrashKind kind) {
    try {
      World world(std::move(disk), options_, now_);
      check(world.log(), kind);
      const auto problems =
          require_value(verify_partition(kCrashDirectory, world.disk().files.get()), "verify");
      for (const Problem& one : problems) throw Disagreement(one.file + ": " + one.problem);
      world.compact();
      check(world.log(), kind);
      if (kind != CrashKind::kOldProducers) {
        require(stored_records(world.log()) == left_, "the next round leaves something else");
      }
      world.close_and_lose_power();
      require(world.log().recovery_report().was_clean, "the second open is unclean");
      require(world.log().recovery_report().files_rebuilt.empty(), "files were rebuilt");
      check(world.log(), kind);
    } catch (const std::exception& error) {
      ADD_FAILURE() << where << ": " << error.what();
    }
  }

  CrashOptions options_;
  Timestamp now_{};
  LogFacts before_;
  std::vector<std::string> left_;
  std::vector<CrashPoint> points_;
  std::int64_t images_ = 0;
  std::int64_t nested_points_ = 0;
};

class CrashCompaction : public testing::TestWithParam<std::tuple<Story, CrashPolicy>> {};

TEST_P(CrashCompaction, LosesNothingThatAReaderOrAProducerKnows) {
  const auto& [story, policy] = GetParam();
  CompactionCrash(story, policy).check_all();
}

INSTANTIATE_TEST_SUITE_P(Stories, CrashCompaction,
                         testing::Combine(testing::ValuesIn(stories()),
                                          testing::Values(CrashPolicy::kDurable,
                                                          CrashPolicy::kWritten,
                                                          CrashPolicy::kManual)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + name_of(std::get<1>(test.param));
                         });

}  // namespace

}  // namespace oncelog::test
