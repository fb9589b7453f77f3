// bench_store.cc: what does a store of many partitions cost: to open, to keep, to append to, to
// take away from?
//
//   bench_store [--quick] [--runs=N] [--directory=PATH] [--partitions=N] [--segments=N]
//               [--descriptors=N]
//
// Open: all partitions after a clean close, and after an end without one, against opening, reading
// the status of and closing each of their files once. Close: all of them, clean. Plan: what is due
// in all of them, where nothing is. Memory: what an open, idle partition adds to the process.
// Append: 1 KiB at level `written`, one partition after the other, against all to one. Retention:
// the removal of all but the last segment of one partition, against the removal of as many sets of
// files of the same names. Medians; where there is a floor the ratio is that of the times. The
// files lie in a folder below the given one, by default the current one, and are removed at the
// end.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "bench_support.h"
#include "oncelog/oncelog.h"

namespace {

using namespace oncelog;
using bench::give_up;
using bench::median;
using bench::must;
using bench::nanoseconds_of;
namespace fs = std::filesystem;

struct Setup {
  std::string directory = ".";
  int partitions = 1000;
  int segments = 10'000;
  int runs = 5;
  rlim_t descriptors = 0;  ///< 0: as many as the system lets us have
};

void limit_descriptors(const Setup& setup) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("getrlimit");
  limit.rlim_cur = setup.descriptors == 0 ? limit.rlim_max : setup.descriptors;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("setrlimit");
}

PartitionOptions partition_options() {
  PartitionOptions options;
  options.level = Level::kWritten;
  options.config.retention_ms = -1;
  return options;
}

TopicPartition name_of(int index) { return {"bench", index}; }

std::vector<std::byte> make_batch() {
  RecordBatchBuilder builder{};
  const std::string value(1000, 'v');
  must(builder.add({.timestamp = Timestamp(1'700'000'000'000), .value = as_bytes(value)}));
  return must(builder.build());
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  if (!(file >> total >> resident)) give_up("/proc/self/statm");
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::vector<PartitionToOpen> all_of(const Setup& setup) {
  std::vector<PartitionToOpen> wanted;
  for (int i = 0; i < setup.partitions; ++i) wanted.push_back({name_of(i), partition_options()});
  return wanted;
}

std::vector<std::shared_ptr<PartitionLog>> open_all(Store& store, const Setup& setup) {
  std::vector<std::shared_ptr<PartitionLog>> logs;
  for (auto& one : store.open_partitions(all_of(setup))) logs.push_back(must(std::move(one.log)));
  return logs;
}

/// What no open of these files can do without.
double touch_all_files(const std::string& path) {
  return nanoseconds_of([&] {
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (!entry.is_regular_file()) continue;
      const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      struct stat found{};
      if (descriptor < 0 || ::fstat(descriptor, &found) != 0) give_up(entry.path());
      ::close(descriptor);
    }
  });
}

void print_row(const char* what, double value, const char* unit, double ratio = 0) {
  std::printf("%-52s %12.2f %-12s", what, value, unit);
  if (ratio > 0) std::printf(" %8.1f x the floor", ratio);
  std::printf("\n");
  std::fflush(stdout);
}

/// In a process of its own: what it leaves in the heap would hide what the first open takes.
void make_store(const Setup& setup, const std::string& path) {
  const pid_t child = ::fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    const auto store = must(Store::open(path));
    for (const auto& log : open_all(*store, setup)) must(log->append_as_leader(make_batch()));
    must(store->close());
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) give_up("the store was not made");
}

void measure_opens(const Setup& setup, const std::string& path) {
  std::vector<double> clean;
  std::vector<double> unclean;
  std::vector<double> closes;
  std::vector<double> floors;
  std::vector<double> plans;
  std::vector<double> bytes;
  make_store(setup, path);
  for (int run = 0; run < setup.runs; ++run) {
    floors.push_back(touch_all_files(path));
    {
      const auto store = must(Store::open(path));
      const std::int64_t before = resident_bytes();
      std::vector<std::shared_ptr<PartitionLog>> logs;
      clean.push_back(nanoseconds_of([&] { logs = open_all(*store, setup); }));
      bytes.push_back(static_cast<double>(resident_bytes() - before));
      if (!logs.front()->recovery_report().was_clean) give_up("the end was not clean");
      plans.push_back(nanoseconds_of([&] {
        if (!store->plan().jobs.empty()) give_up("something is due");
      }));
      for (const auto& log : logs) must(log->append_as_leader(make_batch()));
    }
    const auto store = must(Store::open(path));
    std::vector<std::shared_ptr<PartitionLog>> logs;
    unclean.push_back(nanoseconds_of([&] { logs = open_all(*store, setup); }));
    if (logs.front()->recovery_report().was_clean) give_up("the end was clean");
    closes.push_back(nanoseconds_of([&] { must(store->close()); }));
  }
  const double count = setup.partitions;
  const double floor = median(floors);
  print_row("floor: open, stat and close each file, us/partition", floor / count / 1e3, "us");
  print_row("open after a clean close", median(clean) / count / 1e3, "us", median(clean) / floor);
  print_row("open after no close", median(unclean) / count / 1e3, "us", median(unclean) / floor);
  print_row("close, each partition with one new batch", median(closes) / count / 1e3, "us",
            median(closes) / floor);
  print_row("plan, nothing due", median(plans) / count / 1e3, "us");
  print_row("memory of an idle partition (the first run's)", bytes.front() / count / 1024, "KiB");
}

void measure_appends(const Setup& setup, const std::string& path) {
  const auto store = must(Store::open(path));
  const auto logs = open_all(*store, setup);
  const auto batch = make_batch();
  const int appends = setup.partitions * 20;
  std::vector<double> to_one;
  std::vector<double> to_all;
  for (int run = 0; run < setup.runs; ++run) {
    to_one.push_back(nanoseconds_of([&] {
      for (int i = 0; i < appends; ++i) must(logs.front()->append_as_leader(batch));
    }));
    to_all.push_back(nanoseconds_of([&] {
      for (int i = 0; i < appends; ++i) {
        must(logs[static_cast<std::size_t>(i) % logs.size()]->append_as_leader(batch));
      }
    }));
  }
  print_row("append of 1 KiB, all to one partition", median(to_one) / appends, "ns");
  print_row("append of 1 KiB, to one partition after the other", median(to_all) / appends, "ns",
            median(to_all) / median(to_one));
}

void fill_segments(PartitionLog& log, const Setup& setup) {
  const auto batch = make_batch();
  for (int i = 0; i < setup.segments; ++i) must(log.append_as_leader(batch));
}

void measure_retention(const Setup& setup, const std::string& path) {
  std::vector<double> removals;
  std::vector<double> floors;
  for (int run = 0; run < setup.runs; ++run) {
    StoreOptions options;
    options.recovery_point_interval_bytes = kUnlimited;
    options.append_ring_bytes = 0;
    const auto store = must(Store::open(path + "/store", options));
    PartitionOptions partition = partition_options();
    partition.config.segment_bytes = 1100;  // of one batch
    partition.config.retention_bytes = 1100;
    const auto log = must(store->open_partition(name_of(0), partition));
    fill_segments(*log, setup);
    must(log->flush());
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path + "/store/bench-0")) {
      names.push_back(entry.path().filename().string());
    }
    const std::string copies = path + "/copies";
    fs::create_directory(copies);
    for (const std::string& name : names) {
      std::ofstream file(copies + "/" + name);
      if (name.ends_with(".log")) file << std::string(1000, 'v');
    }
    std::size_t removed = 0;
    removals.push_back(nanoseconds_of([&] { removed = must(log->apply_retention()).size(); }));
    if (removed + 2 < static_cast<std::size_t>(setup.segments)) give_up("segments were kept");
    floors.push_back(nanoseconds_of([&] {
      for (const std::string& name : names) ::unlink((copies + "/" + name).c_str());
    }));
    fs::remove_all(path + "/store");
    fs::remove_all(copies);
  }
  print_row("floor: unlink the files of a segment", median(floors) / setup.segments / 1e3, "us");
  print_row("retention, of a segment", median(removals) / setup.segments / 1e3, "us",
            median(removals) / median(floors));
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  CLI::App app("What a store of many partitions costs");
  app.add_flag_callback("--quick", [&] {
    setup.partitions = 100;
    setup.segments = 500;
    setup.runs = 3;
  });
  bench::add_common_options(app, setup.directory, setup.runs);
  app.add_option("--partitions", setup.partitions)->check(CLI::PositiveNumber);
  app.add_option("--segments", setup.segments)->check(CLI::PositiveNumber);
  app.add_option("--descriptors", setup.descriptors, "0: as many as the system lets us have");
  CLI11_PARSE(app, argc, argv);
  limit_descriptors(setup);
  std::printf("%d partitions, %d segments, %d runs; medians\n", setup.partitions, setup.segments,
              setup.runs);
  const std::string path = setup.directory + "/bench_store." + std::to_string(::getpid());
  fs::remove_all(path);
  fs::create_directory(path);
  measure_opens(setup, path + "/many");
  measure_appends(setup, path + "/many");
  measure_retention(setup, path);
  fs::remove_all(path);
  return 0;
}
