// bench_levels.cc: what does an append cost at each level, against the least that could be done for
// its bytes?
//
//   bench_levels [--quick] [--runs=N] [--directory=PATH]
//
// `written`, one appender, batches of 128 B to 1 MiB, against three loops over the same bytes: the
// append with a file system that stores nothing (the checks), a bare pwrite per batch, and a copy
// into a mapping whose pages were touched before (no log could be faster, or safe). And the price
// of a producer id. `durable`, 1, 8 and 64 appenders: against the pwrite of as many batches and one
// fdatasync, made by one thread (the group), and by as many threads as there are appenders, which
// meet at a barrier for each fdatasync (no log that threads wait for could be faster); on one
// partition, and on a partition each, whose syncs the file system may join or not: beside it, what
// one syncfs for all of them would take. All of a row is measured in turn, run by run, so that what
// else the machine does meets each; medians of the runs, and of the appends p50, p99, p99.9 and the
// worst of all. The files lie in a folder below the given one, by default the current one, and are
// removed behind each loop.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "bench_support.h"
#include "oncelog/oncelog.h"

namespace {

using namespace oncelog;
using namespace oncelog::bench;
using SteadyClock = std::chrono::steady_clock;
using Batch = std::vector<std::byte>;

std::int64_t now_ns() { return SteadyClock::now().time_since_epoch().count(); }

struct Setup {
  std::string directory = ".";
  int runs = 7;
  bool is_quick = false;
};

/// A file system of one partition's appends that stores nothing: what is left is the checks.
class NowhereFile final : public File {
 public:
  Result<std::size_t> read_at(std::span<std::byte>, std::int64_t) const override { return 0; }
  Result<void> write_at(std::span<const Bytes>, std::int64_t) override { return {}; }
  [[nodiscard]] Result<std::int64_t> size() const override { return 0; }
  Result<void> truncate(std::int64_t) override { return {}; }
  Result<void> preallocate(std::int64_t) override { return {}; }
  Result<void> sync() override { return {}; }
  Result<void> drop_cache(std::int64_t) override { return {}; }
  [[nodiscard]] int native_handle() const override { return -1; }
};

/// The machine's files, but for `.log`s.
class NowhereVfs final : public Vfs {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    if (path.ends_with(".log")) return std::make_unique<NowhereFile>();
    return under_.open(path, mode);
  }
  Result<std::optional<FileStatus>> status(const std::string& path) override {
    return under_.status(path);
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return under_.list(directory);
  }
  Result<void> remove(const std::string& path) override { return under_.remove(path); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return under_.rename(from, to);
  }
  Result<void> create_directory(const std::string& path) override {
    return under_.create_directory(path);
  }
  Result<void> remove_directory(const std::string& path) override {
    return under_.remove_directory(path);
  }
  Result<void> sync_directory(const std::string& path) override {
    return under_.sync_directory(path);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return under_.lock(path);
  }

 private:
  Vfs& under_ = posix_vfs();
};

std::vector<Batch> make_batches(std::int64_t bytes, int count, std::int64_t producer_id) {
  std::vector<Batch> batches;
  for (std::int32_t i = 0; i < count; ++i) {
    BatchFields fields;
    if (producer_id >= 0) {
      fields = {.producer_id = ProducerId(producer_id),
                .producer_epoch = ProducerEpoch(0),
                .base_sequence = Sequence(i)};
    }
    batches.push_back(make_record_batch(bytes, fields));
  }
  return batches;
}

/// What the appends of one way of storing took, each, over all runs.
struct Times {
  std::vector<double> run_ns{};  ///< of each run, per append
  std::vector<std::int64_t> each{};

  [[nodiscard]] double median() const { return bench::median(run_ns); }
  [[nodiscard]] double part(double share) const {
    return static_cast<double>(quantile(each, share));
  }
};

/// `store(i)` stores batch i. What was written before is on the disk by then, and no throttle on
/// the loop that happens to come next.
template <class Store>
void time_each(Times& times, int count, const Store& store) {
  ::sync();
  const std::int64_t begin = now_ns();
  std::int64_t before = begin;
  for (int i = 0; i < count; ++i) {
    store(i);
    const std::int64_t after = now_ns();
    times.each.push_back(after - before);
    before = after;
  }
  times.run_ns.push_back(static_cast<double>(before - begin) / count);
}

class RawFile {
 public:
  explicit RawFile(const std::string& path)
      : descriptor_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) give_up("cannot make " + path);
  }
  ~RawFile() { ::close(descriptor_); }
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;
  /// Also by several threads at once.
  void write(const Batch& batch) {
    const off_t at = end_.fetch_add(static_cast<off_t>(batch.size()), std::memory_order_relaxed);
    if (::pwrite(descriptor_, batch.data(), batch.size(), at) < 0) give_up("pwrite");
  }
  void sync() const {
    if (::fdatasync(descriptor_) != 0) give_up("fdatasync");
  }
  void sync_file_system() const {
    if (::syncfs(descriptor_) != 0) give_up("syncfs");
  }

 private:
  int descriptor_;
  std::atomic<off_t> end_{0};
};

struct OpenLog {
  std::unique_ptr<Store> store{};
  std::vector<std::shared_ptr<PartitionLog>> logs{};
};

OpenLog open_logs(const std::string& path, Level level, int partitions, Vfs* vfs) {
  StoreOptions store_options;
  store_options.vfs = vfs;
  if (level == Level::kWritten) {
    // A sync each 64 MiB is what a short recovery costs, not the append.
    store_options.recovery_point_interval_bytes = kUnlimited;
    store_options.checkpoint_interval_bytes = kUnlimited;
  }
  OpenLog open{must(Store::open(path, store_options)), {}};
  PartitionOptions options;
  options.level = level;
  options.config.max_message_bytes = 2 << 20;
  for (int i = 0; i < partitions; ++i) {
    open.logs.push_back(must(open.store->open_partition({"bench", i}, options)));
  }
  return open;
}

// ---- written

void time_appends(Times& times, ScratchFolder& folder, const std::vector<Batch>& batches,
                  Vfs* vfs) {
  folder.clear();
  const OpenLog open = open_logs(folder.next(), Level::kWritten, 1, vfs);
  time_each(times, static_cast<int>(batches.size()), [&](int i) {
    must(open.logs[0]->append_as_leader(batches[static_cast<std::size_t>(i)]));
  });
}

void time_pwrites(Times& times, ScratchFolder& folder, const std::vector<Batch>& batches) {
  folder.clear();
  RawFile file(folder.next());
  time_each(times, static_cast<int>(batches.size()),
            [&](int i) { file.write(batches[static_cast<std::size_t>(i)]); });
}

void time_mapping(Times& times, const std::vector<Batch>& batches) {
  constexpr std::size_t kMapBytes = 4 << 20;
  void* const map =
      ::mmap(nullptr, kMapBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) give_up("mmap");
  std::memset(map, 1, kMapBytes);
  std::size_t at = 0;
  time_each(times, static_cast<int>(batches.size()), [&](int i) {
    const Batch& batch = batches[static_cast<std::size_t>(i)];
    if (at + batch.size() > kMapBytes) at = 0;
    std::memcpy(static_cast<std::byte*>(map) + at, batch.data(), batch.size());
    at += batch.size();
  });
  ::munmap(map, kMapBytes);
}

void run_written(const Setup& setup, ScratchFolder& folder) {
  std::printf("written, one appender; times of one append in ns\n");
  std::printf("%9s %9s %9s %9s %9s | %8s %8s %8s | %9s %8s | %7s %8s %9s %9s\n", "bytes", "append",
              "checks", "pwrite", "mapping", "/checks", "pwrite/", "/mapping", "with id", "+ns",
              "p50", "p99", "p99.9", "worst");
  NowhereVfs nowhere;
  for (const std::int64_t bytes : {128, 512, 1024, 16 << 10, 128 << 10, 1 << 20}) {
    const std::int64_t total = setup.is_quick ? 16 << 20 : 128 << 20;
    const int count = static_cast<int>(std::clamp<std::int64_t>(total / bytes, 64, 200'000));
    const std::vector<Batch> plain = make_batches(bytes, count, -1);
    const std::vector<Batch> tagged = make_batches(bytes, count, 7);
    Times append;
    Times checks;
    Times pwrite;
    Times mapping;
    Times with_id;
    for (int run = 0; run < setup.runs; ++run) {
      time_appends(append, folder, plain, nullptr);
      time_appends(checks, folder, plain, &nowhere);
      time_pwrites(pwrite, folder, plain);
      time_mapping(mapping, plain);
      time_appends(with_id, folder, tagged, nullptr);
    }
    std::printf(
        "%9zu %9.0f %9.0f %9.0f %9.0f | %8.2f %8.2f %8.2f | %9.0f %8.0f | %7.0f %8.0f "
        "%9.0f %9.0f\n",
        plain[0].size(), append.median(), checks.median(), pwrite.median(), mapping.median(),
        append.median() / checks.median(), pwrite.median() / append.median(),
        append.median() / mapping.median(), with_id.median(), with_id.median() - append.median(),
        append.part(0.5), append.part(0.99), append.part(0.999), append.part(1));
    std::fflush(stdout);
  }
}

// ---- durable

/// So many threads, each of which calls `body(thread, i)` for i below `count`; ns per round of all.
template <class Body>
void time_threads(Times& times, int threads, int count, const Body& body) {
  ::sync();
  const std::int64_t begin = now_ns();
  {
    std::vector<std::jthread> running;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (int i = 0; i < count; ++i) body(t, i);
      });
    }
  }
  times.run_ns.push_back(static_cast<double>(now_ns() - begin) / count);
}

/// Every appender appends batches of its own, one after the other, to its partition.
void time_group(Times& times, const OpenLog& open, const std::vector<std::vector<Batch>>& batches) {
  std::vector<std::vector<std::int64_t>> each(batches.size());
  const int count = static_cast<int>(batches[0].size());
  time_threads(times, static_cast<int>(batches.size()), count, [&](int thread, int i) {
    const auto appender = static_cast<std::size_t>(thread);
    PartitionLog& log = *open.logs[appender % open.logs.size()];
    const std::int64_t before = now_ns();
    must(log.append_as_leader(batches[appender][static_cast<std::size_t>(i)]));
    each[appender].push_back(now_ns() - before);
  });
  for (const auto& one : each) times.each.insert(times.each.end(), one.begin(), one.end());
}

/// What one appender each would take for the same bytes without a log.
class DurableFloors {
 public:
  Times one_thread{};  ///< writes all of the group, then one fdatasync
  Times meeting{};     ///< a thread each, one fdatasync where they meet
  Times files{};       ///< a thread and a file each
  Times syncfs{};      ///< a file each, one syncfs by one thread

  void run(ScratchFolder& folder, int appenders, int count, const Batch& batch) {
    run_one_file(folder, appenders, count, batch);
    run_meeting(folder, appenders, count, batch);
    run_files(folder, appenders, count, batch);
  }

 private:
  void run_one_file(ScratchFolder& folder, int appenders, int count, const Batch& batch) {
    folder.clear();
    RawFile group(folder.next());
    time_each(one_thread, count, [&](int) {
      for (int a = 0; a < appenders; ++a) group.write(batch);
      group.sync();
    });
  }

  void run_meeting(ScratchFolder& folder, int appenders, int count, const Batch& batch) {
    folder.clear();
    RawFile shared(folder.next());
    std::barrier all_written(appenders, [&shared]() noexcept { shared.sync(); });
    time_threads(meeting, appenders, count, [&](int, int) {
      shared.write(batch);
      all_written.arrive_and_wait();
    });
  }

  void run_files(ScratchFolder& folder, int appenders, int count, const Batch& batch) {
    folder.clear();
    std::vector<std::unique_ptr<RawFile>> own;
    for (int a = 0; a < appenders; ++a) own.push_back(std::make_unique<RawFile>(folder.next()));
    time_threads(files, appenders, count, [&](int a, int) {
      own[static_cast<std::size_t>(a)]->write(batch);
      own[static_cast<std::size_t>(a)]->sync();
    });
    time_each(syncfs, count, [&](int) {
      for (auto& file : own) file->write(batch);
      own[0]->sync_file_system();
    });
  }
};

void run_durable(const Setup& setup, ScratchFolder& folder, std::int64_t bytes) {
  std::printf("\ndurable, batches of %lld bytes; us for one batch of each appender\n",
              static_cast<long long>(bytes));
  std::printf("%9s %9s %10s %9s %9s %9s %9s | %8s %8s %8s | %8s %8s %8s %8s\n", "appenders",
              "one log", "a log each", "floor", "threads", "files", "syncfs", "/floor", "/threads",
              "logs/one", "p50", "p99", "p99.9", "worst");
  for (const int appenders : {1, 8, 64}) {
    const int count = setup.is_quick ? 20 : 100;
    std::vector<std::vector<Batch>> batches;
    for (int a = 0; a < appenders; ++a) batches.push_back(make_batches(bytes, count, 100 + a));
    Times one_log;
    Times log_each;
    DurableFloors floors;
    for (int run = 0; run < setup.runs; ++run) {
      folder.clear();
      time_group(one_log, open_logs(folder.next(), Level::kDurable, 1, nullptr), batches);
      folder.clear();
      time_group(log_each, open_logs(folder.next(), Level::kDurable, appenders, nullptr), batches);
      floors.run(folder, appenders, count, batches[0][0]);
    }
    constexpr double kUs = 1e-3;
    std::printf(
        "%9d %9.0f %10.0f %9.0f %9.0f %9.0f %9.0f | %8.2f %8.2f %8.2f | %8.0f %8.0f %8.0f %8.0f\n",
        appenders, one_log.median() * kUs, log_each.median() * kUs,
        floors.one_thread.median() * kUs, floors.meeting.median() * kUs,
        floors.files.median() * kUs, floors.syncfs.median() * kUs,
        one_log.median() / floors.one_thread.median(), one_log.median() / floors.meeting.median(),
        log_each.median() / one_log.median(), one_log.part(0.5) * kUs, one_log.part(0.99) * kUs,
        one_log.part(0.999) * kUs, one_log.part(1) * kUs);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  CLI::App app("What an append costs at each level");
  app.add_flag_callback("--quick", [&] {
    setup.is_quick = true;
    setup.runs = 3;
  });
  bench::add_common_options(app, setup.directory, setup.runs);
  CLI11_PARSE(app, argc, argv);
  ScratchFolder folder(setup.directory);
  run_written(setup, folder);
  run_durable(setup, folder, 1024);
  run_durable(setup, folder, 16 << 10);
}
