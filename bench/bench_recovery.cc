// bench_recovery.cc: how fast are partitions recovered, against reading their files and taking the
// CRC-32C of every byte?
//
//   bench_recovery [--quick] [--runs=N] [--directory=PATH] [--partitions=N] [--threads=N]
//   [--batch=N]
//                  [--mib=N]
//
// For batches of 16 KiB (the row of the design), and reported for 128 B and 1 KiB, with producer
// ids. Each run opens all partitions of a store after an unclean end, with the recovery points
// taken back so that every byte is read, and does the same reading by itself; one behind the other,
// so that what else the machine does meets both. Both begin with the files out of the page cache,
// as far as the system lets go of them. Medians; the ratio is that of the loop's time to the
// open's. An open has a fixed part, a dozen syncs a partition: with few bytes that is what is
// measured. The files lie in a folder below the given one, by default the current one, and are
// removed at the end.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/crc32c.h"
#include "bench_support.h"
#include "oncelog/oncelog.h"

namespace {

using namespace oncelog;
using namespace oncelog::bench;
namespace fs = std::filesystem;

constexpr std::int64_t kDesignBatchBytes = 16 << 10;  ///< of the row in the design

struct Setup {
  std::string directory = ".";
  int partitions = 4;
  int threads = 0;
  int runs = 7;
  std::int64_t batch_bytes = 0;                ///< only this size; 0: all
  std::int64_t bytes = std::int64_t{1} << 30;  ///< of one store; an eighth for small batches
};

StoreOptions store_options() {
  StoreOptions options;
  // No segment is sealed: all of it is read.
  options.sealed_segment_bytes_min = std::int64_t{1} << 40;
  return options;
}

PartitionOptions partition_options() {
  PartitionOptions options;
  options.level = Level::kWritten;
  options.config.segment_bytes = 64 << 20;
  return options;
}

TopicPartition name_of(int index) { return {"bench", index}; }

/// A store that was not closed, with recovery points that say nothing.
void make_store(const std::string& path, const Setup& setup, std::int64_t batch_bytes) {
  const auto store = must(Store::open(path, store_options()));
  for (int i = 0; i < setup.partitions; ++i) {
    const auto log = must(store->open_partition(name_of(i), partition_options()));
    std::int32_t sequence = 0;
    for (std::int64_t written = 0; written < setup.bytes / setup.partitions;) {
      const auto batch = make_idempotent_batch(batch_bytes, sequence);
      const Appended appended = must(log->append_as_leader(batch));
      sequence += static_cast<std::int32_t>(appended.last_offset - appended.base_offset) + 1;
      written += std::ssize(batch);
    }
    must(log->flush());
  }
}

/// As a loss of power leaves it that has lost every checkpoint.
void forget_recovery_points(const std::string& path, const Setup& setup) {
  std::ofstream file(path + "/recovery-point-offset-checkpoint", std::ios::trunc);
  file << "0\n" << setup.partitions << "\n";
  for (int i = 0; i < setup.partitions; ++i) file << "bench " << i << " 0\n";
  fs::remove(path + "/.state");
}

std::vector<std::string> log_files(const std::string& path) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path().string());
  }
  return files;
}

/// What the open's device reads begin with.
void drop_caches(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) give_up(file);
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  }
}

std::atomic<std::uint32_t> crc_sum{0};  ///< so that no CRC is left out

void read_and_crc(const std::vector<std::string>& files, int threads) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < threads; ++i) {
    readers.emplace_back([&] {
      std::vector<std::byte> buffer(1 << 20);
      for (std::size_t at = next++; at < files.size(); at = next++) {
        const int descriptor = ::open(files[at].c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) give_up(files[at]);
        std::uint32_t crc = 0;
        for (ssize_t count = 1; (count = ::read(descriptor, buffer.data(), buffer.size())) > 0;) {
          crc ^= base::crc32c(Bytes(buffer).first(static_cast<std::size_t>(count)));
        }
        ::close(descriptor);
        crc_sum += crc;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
}

struct Times {
  double open = 0;  ///< nanoseconds
  double loop = 0;
  double bytes = 0;
};

Times measure(const Setup& setup, std::int64_t batch_bytes) {
  ScratchFolder folder(setup.directory);
  const std::string path = folder.next();
  make_store(path, setup, batch_bytes);
  const std::vector<std::string> files = log_files(path);
  Times times;
  for (const std::string& file : files) times.bytes += static_cast<double>(fs::file_size(file));
  std::vector<double> opens;
  std::vector<double> loops;
  for (int run = 0; run < setup.runs; ++run) {
    forget_recovery_points(path, setup);
    drop_caches(files);
    loops.push_back(nanoseconds_of([&] { read_and_crc(files, setup.threads); }));
    drop_caches(files);
    const auto store = must(Store::open(path, store_options()));
    std::vector<OpenedPartition> opened;
    std::vector<PartitionToOpen> wanted;
    for (int i = 0; i < setup.partitions; ++i) wanted.push_back({name_of(i), partition_options()});
    opens.push_back(nanoseconds_of(
        [&] { opened = store->open_partitions(wanted, {.thread_count = setup.threads}); }));
    std::int64_t read = 0;
    for (const OpenedPartition& one : opened) {
      const auto log = must(one.log);
      read += log->recovery_report().bytes_read;
      if (log->recovery_report().was_clean) give_up("a partition was not recovered");
    }
    if (read != static_cast<std::int64_t>(times.bytes)) give_up("not every byte was read");
  }
  times.open = median(opens);
  times.loop = median(loops);
  return times;
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  setup.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  CLI::App app("What the recovery of a store costs");
  app.add_flag_callback("--quick", [&] {
    setup.bytes = 32 << 20;
    setup.runs = 3;
  });
  bench::add_common_options(app, setup.directory, setup.runs);
  bench::add_mib_option(app, setup.bytes);
  app.add_option("--partitions", setup.partitions)->check(CLI::PositiveNumber);
  app.add_option("--batch", setup.batch_bytes, "Only this size, in bytes");
  app.add_option("--threads", setup.threads)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  std::printf("%d partitions, %d threads, %d runs; medians\n", setup.partitions, setup.threads,
              setup.runs);
  std::printf("%10s %8s %14s %14s %8s %8s\n", "batch", "MiB", "open MB/s", "read+CRC MB/s", "ratio",
              "wanted");
  const std::map<std::int64_t, const char*> rows{
      {128, "-"}, {1024, "-"}, {kDesignBatchBytes, ">= 0.8"}};
  for (const auto& [bytes, wanted] : rows) {
    if (setup.batch_bytes != 0 && setup.batch_bytes != bytes) continue;
    Setup row = setup;
    if (bytes < kDesignBatchBytes) row.bytes /= 8;
    const Times times = measure(row, bytes);
    std::printf("%10lld %8lld %14.0f %14.0f %8.2f %8s\n", static_cast<long long>(bytes),
                static_cast<long long>(row.bytes >> 20), times.bytes / times.open * 1e3,
                times.bytes / times.loop * 1e3, times.loop / times.open, wanted);
    std::fflush(stdout);
  }
  return 0;
}
