// simulation_test.cc: long seeded lives of one partition: random verbs, some of them on a disk with
// random faults, a crash at a random change of the disk, a random image of what it left, recovery,
// and on. Behind a fault that a verb has met, a life may also go on with a reopen.
//
// ONCELOG_SIM_SEED and ONCELOG_SIM_STEPS choose another run; a seed that ever failed stands in
// seeds.txt, with a word why, and is run each time.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <random>
#include <set>
#include <sstream>

#include "segment/segment_names.h"
#include "support/crash_images.h"
#include "support/environment.h"
#include "support/log_comparison.h"

namespace oncelog::test {

namespace {

struct SimulationTally {
  std::int64_t verbs = 0;
  std::int64_t crashes = 0;
  std::int64_t refusals = 0;  ///< verbs that met a fault
  std::int64_t reopens = 0;
  std::int64_t nested = 0;
};

/// One life after the other, each from the disk that the one before left.
class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {
    TopicConfig& config = options_.partition.config;
    config.segment_bytes = 450 + pick(4) * 250;
    config.index_interval_bytes = 1 + pick(3) * 100;
    config.preallocate = pick(6) == 0;
    config.retention_bytes = pick(3) == 0 ? 600 : -1;
    const bool is_durable = pick(2) == 0;
    options_.partition.level = is_durable ? Level::kDurable : Level::kWritten;
    options_.partition.high_watermark =
        is_durable ? HighWatermarkPolicy::kDurable : HighWatermarkPolicy::kLogEnd;
    options_.store.checkpoint_interval_records = pick(2) == 0 ? 5 : 1'000'000;
    options_.store.kafka_handover = pick(2) == 0;
    options_.store.sealed_segment_bytes_min = pick(3) == 0 ? 1 << 20 : 0;
    options_.reuses_inode_numbers = pick(2) == 0;
    world_ = std::make_unique<CrashWorld>(options_);
  }

  SimulationTally run(std::int64_t steps) {
    world_->open();
    try {
      while (tally_.verbs < steps) live(1 + pick(25));
    } catch (const std::exception& error) {
      throw Disagreement(std::string(error.what()) + "\n  the faults of the last life were \"" +
                         faults_ + "\", its last verbs" + recent_);
    }
    return tally_;
  }

 private:
  int pick(int count) { return static_cast<int>(random_() % static_cast<std::uint64_t>(count)); }

  void run_verb() {
    ++tally_.verbs;
    const LogModel& model = world_->model();
    const int kind = pick(100);
    recent_ += " " + std::to_string(kind) + " at " + show(model.log_end()) + ";";
    if (recent_.size() > 400) recent_.erase(0, 200);
    if (kind < 50) return world_->append(1 + pick(3), pick(3) == 0, pick_level(), 1 + pick(4));
    if (kind < 62) return end_transaction();
    if (kind < 70) return world_->roll();
    if (kind < 76) return world_->flush();
    if (kind < 82) return world_->checkpoint();
    if (kind < 86) return world_->append_received(1 + pick(3), epoch_ += pick(2), pick(3) * 2);
    if (kind < 90) return world_->truncate_to(pick_offset());
    if (kind < 94) {
      return world_->delete_records(
          model.log_start() +
          pick(1 + static_cast<int>(model.high_watermark() - model.log_start())));
    }
    if (kind < 97) return world_->apply_retention();
    world_->close();
    world_->open();
  }

  std::optional<Level> pick_level() {
    const int level = pick(4);
    if (level > 1) return std::nullopt;
    return level == 0 ? Level::kWritten : Level::kDurable;
  }

  /// A batch's begin, most often one of the newest.
  Offset pick_offset() {
    const auto& batches = world_->model().batches();
    if (batches.empty()) return world_->model().log_end();
    const std::size_t back = static_cast<std::size_t>(pick(pick(4) == 0 ? 100 : 4));
    const Offset to = batches[batches.size() - 1 - back % batches.size()].base_offset;
    return std::max(to, world_->model().log_start());
  }

  void end_transaction() {
    const ModelProducers producers = world_->model().producers();
    for (const auto& [id, producer] : producers) {
      if (!producer.transaction_first_offset) continue;
      return world_->marker(static_cast<int>(id.value()),
                            pick(2) == 0 ? MarkerType::kCommit : MarkerType::kAbort);
    }
  }

  /// So many verbs, then a crash somewhere in the last one, and a process that finds what is left.
  void live(int verbs) {
    faults_.clear();
    if (pick(3) == 0) {
      const std::vector<sim::Fault> faults = sim::random_faults(random_());
      faults_ = sim::print_faults(faults);
      world_->add_faults(faults);
    }
    try {
      for (int i = 1; i < verbs; ++i) run_verb();
      world_->record_points();
      run_verb();
    } catch (const Refusal& refusal) {
      recent_ += std::string(" refused: ") + refusal.what() + ";";
      ++tally_.refusals;
      world_->check_refused(refusal);
      if (pick(2) == 0 && world_->reopen()) {
        ++tally_.reopens;
        world_->take_points();
        return;
      }
    }
    end_life();
  }

  void end_life() {
    std::vector<CrashPoint> points = world_->take_points();
    CrashPoint point =
        std::move(points[static_cast<std::size_t>(pick(static_cast<int>(points.size())))]);
    ++tally_.crashes;
    recent_ += " crash;";
    const CrashKind kind = pick(3) == 0 ? CrashKind::kProcessDeath : CrashKind::kPowerLoss;
    text_ = point.text;
    CrashedDisk left = crash(point.disk, kind);
    if (has_hole(left, *point.expected)) left = copy_of(point.disk);
    // Perhaps the process that finds it dies on the way, too.
    while (pick(4) == 0) {
      ++tally_.nested;
      left = crash_while_opening(std::move(left), kind);
      if (has_hole(left, *point.expected)) left = copy_of(point.disk);
    }
    try {
      world_ = std::make_unique<CrashWorld>(options_, std::move(left), *point.expected, kind);
    } catch (const Disagreement& disagreement) {
      throw Disagreement(text_ + ": " + disagreement.what());
    }
  }

  CrashedDisk crash(const CrashedDisk& disk, CrashKind kind) {
    if (kind == CrashKind::kProcessDeath) return copy_of(disk);
    const auto choices = disk.files->images(
        {.exhaustive_max = 3, .subset_count = 4, .torn_count = 6, .seed = random_()});
    const sim::CrashChoice& choice =
        choices[static_cast<std::size_t>(pick(static_cast<int>(choices.size())))];
    text_ += ", image " + sim::print_choice(choice);
    return copy_of(disk, choice);
  }

  /// A removal was kept and an earlier one lost: a segment is missing in the middle, below the log
  /// start. The oracle knows no history that goes on from there.
  static bool has_hole(const CrashedDisk& left, const Expectation& expected) {
    std::set<Offset> bases;
    const auto names = left.files->list(kCrashDirectory);
    if (!names) return false;
    for (const std::string& name : *names) {
      if (const auto base = segment::offset_of_file_name(name, segment::kLogSuffix)) {
        bases.insert(*base);
      }
    }
    return std::ranges::any_of(expected.first_bases, [&](Offset base) {
      return !bases.contains(base) && !bases.empty() && base > *bases.begin();
    });
  }

  CrashedDisk crash_while_opening(CrashedDisk disk, CrashKind kind) {
    const std::int64_t at = 1 + pick(20);
    disk.files->stop_at(at);
    StoreOptions store_options = options_.store;
    const ManualClock clock(world_->now());
    store_options.vfs = disk.files.get();
    store_options.clock = const_cast<ManualClock*>(&clock);
    store_options.snapshots = disk.producers->store();
    {
      const auto store = Store::open(kCrashStore, store_options);
      if (store) std::ignore = (*store)->open_partition(kCrashPartition, options_.partition);
    }
    text_ += ", opened up to change " + std::to_string(at);
    return crash(disk, kind);
  }

  std::mt19937_64 random_;
  CrashOptions options_;
  std::unique_ptr<CrashWorld> world_;
  SimulationTally tally_;
  int epoch_ = 0;
  std::string text_;
  std::string faults_;  ///< of this life's disk
  std::string recent_;  ///< verbs by the number that chose them, for who must reduce a run
};

void run_seed(std::uint64_t seed, std::int64_t steps) {
  try {
    const SimulationTally tally = Simulation(seed).run(steps);
    std::cout << "seed " << seed << ": " << tally.verbs << " verbs, " << tally.crashes
              << " crashes, " << tally.refusals << " verbs that met a fault, " << tally.reopens
              << " reopens behind one, " << tally.nested << " during the open behind one\n";
  } catch (const std::exception& error) {
    ADD_FAILURE() << "ONCELOG_SIM_SEED=" << seed << " ONCELOG_SIM_STEPS=" << steps << ": "
                  << error.what();
  }
}

TEST(Simulation, LosesNothingThatWasAcknowledged) {
  const auto seed = static_cast<std::uint64_t>(number_from_environment("ONCELOG_SIM_SEED", 1));
  const std::int64_t steps = number_from_environment("ONCELOG_SIM_STEPS", 400);
  const std::int64_t seeds = number_from_environment("ONCELOG_SIM_SEEDS", 6);
  for (std::int64_t i = 0; i < seeds && !testing::Test::HasFailure(); ++i) {
    run_seed(seed + static_cast<std::uint64_t>(i), steps);
  }
}

/// Lines of "<seed> <steps> <why>"; # begins a comment.
TEST(Simulation, SeedsThatFailedOnceHold) {
  std::ifstream file(ONCELOG_CRASH_SEEDS);
  ASSERT_TRUE(file) << ONCELOG_CRASH_SEEDS;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    std::istringstream words(line);
    std::uint64_t seed = 0;
    std::int64_t steps = 0;
    ASSERT_TRUE(words >> seed >> steps) << line;
    run_seed(seed, steps);
  }
}

}  // namespace

}  // namespace oncelog::test
