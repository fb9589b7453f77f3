#include "support/crash_images.h"

#include <algorithm>
#include <exception>

#include "support/log_comparison.h"

namespace oncelog::test {

namespace {

constexpr std::size_t kFailuresMax = 5;

}  // namespace

void CrashImages::check(const std::vector<CrashPoint>& points) {
  for (const CrashPoint& point : points) {
    ++tally_.points;
    ++budget_.choices.seed;
    check_point(point, CrashKind::kProcessDeath, 0);
    check_old_producers(point);
    if (tally_.failures.size() >= kFailuresMax) return;
  }
}

void CrashImages::check_point(const CrashPoint& point, CrashKind kind, int depth) {
  seen_.clear();
  check_image(point, copy_of(point.disk), kind, "the process died", depth);
  for (const sim::CrashChoice& choice : point.disk.files->images(budget_.choices)) {
    check_image(point, copy_of(point.disk, choice), CrashKind::kPowerLoss,
                "image " + sim::print_choice(choice), depth);
    if (tally_.failures.size() >= kFailuresMax) return;
  }
}

/// A state file that was lost, or restored from a copy, beside files that are whole.
void CrashImages::check_old_producers(const CrashPoint& point) {
  const std::size_t commits = point.disk.producers->commit_count();
  for (const std::size_t back : {std::size_t{1}, std::size_t{2}, commits}) {
    if (back == 0 || back > commits) continue;
    CrashedDisk disk;
    disk.files = point.disk.files->after_process_death();
    disk.producers = point.disk.producers->rolled_back(commits - back, disk.files.get());
    check_image(
        point, std::move(disk), CrashKind::kOldProducers,
        "the process died, and the producers are " + std::to_string(back) + " commits older",
        budget_.nested_depth);
  }
}

void CrashImages::check_image(const CrashPoint& point, CrashedDisk disk, CrashKind kind,
                              const std::string& text, int depth) {
  // Images that differ in nothing that could be read or lost are looked at once.
  const bool is_new = seen_.insert(disk.files->fingerprint()).second;
  if (!is_new && kind == CrashKind::kPowerLoss) return;
  ++tally_.images;
  const bool is_nested = depth < budget_.nested_depth && tally_.images % budget_.nested_every == 0;
  CrashedDisk again;
  if (is_nested) again = copy_of(disk);
  try {
    ReopenedLog(std::move(disk), options_, *point.expected, kind).check_goes_on();
  } catch (const std::exception& error) {
    std::string unsynced;
    for (const std::string& one : point.disk.files->unsynced()) unsynced += "\n    " + one;
    tally_.failures.push_back(point.text + ", " + text + ": " + error.what() + "\n  unsynced were" +
                              (unsynced.empty() ? " no changes" : unsynced));
    return;
  }
  if (is_nested) check_open(point, std::move(again), kind, text, depth);
}

/// The store is opened once more, and crashes on the way.
void CrashImages::check_open(const CrashPoint& point, CrashedDisk disk, CrashKind kind,
                             const std::string& text, int depth) {
  std::vector<CrashPoint> points;
  CrashOptions options = options_;
  options.store.vfs = disk.files.get();
  options.store.snapshots = disk.producers->store();
  options.partition.create_if_missing = false;
  disk.files->set_observer([&](const sim::SimCall& call) {
    points.push_back({point.text + ", " + text + ", then " + std::string(sim::name_of(call.call)) +
                          " " + call.path,
                      copy_of(disk), point.expected});
  });
  {
    const auto store = require_value(Store::open(kCrashStore, options.store), "open store");
    std::ignore = store->open_partition(kCrashPartition, options.partition);
  }
  const auto seen = seen_;
  for (const CrashPoint& nested : points) {
    ++tally_.nested_points;
    check_point(nested, kind, depth + 1);
    if (tally_.failures.size() >= kFailuresMax) break;
  }
  seen_ = seen;
}

}  // namespace oncelog::test
