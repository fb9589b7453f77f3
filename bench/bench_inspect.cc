// bench_inspect.cc: how fast are segments verified and dumped, against reading the file and taking
// the CRC-32C of every byte with all cores?
//
//   bench_inspect [--quick] [--runs=N] [--directory=PATH] [--mib=N] [--batch=N] [--threads=N]
//                 [--oncelog=COMMAND]
//
// One partition, with a segment for each GiB and a half, for batches of 16 KiB (the row that the
// numbers are wanted of), and reported for 1 KiB and 128 B. The walks of the library (`scan`: every
// batch visited, `verify` without and with the records, of a segment as Kafka leaves it and of one
// with our seal, a hash over all of it), and the command as people call it, its output thrown away.
// Each run does them all one behind the other, beginning with the floor, with the file in the page
// cache. Medians; the ratio is that of the floor's time to theirs. The files lie in a folder below
// the given one and are removed at the end.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "bench_support.h"
#include "oncelog/oncelog.h"

namespace {

using namespace oncelog;
using namespace oncelog::bench;
namespace fs = std::filesystem;

constexpr std::int64_t kWantedBatchBytes = 16 << 10;

struct Setup {
  std::string directory = ".";
  std::string command{};
  int threads = 0;
  int runs = 7;
  std::int64_t batch_bytes = 0;                ///< only this size; 0: all
  std::int64_t bytes = std::int64_t{1} << 30;  ///< an eighth for small batches
};

/// The partition's directory.
std::string make_partition(const std::string& path, std::int64_t bytes, std::int64_t batch_bytes) {
  const auto store = must(Store::open(path));
  PartitionOptions options;
  options.level = Level::kWritten;
  options.config.segment_bytes = (1 << 30) + (1 << 29);
  const auto log = must(store->open_partition({"bench", 0}, options));
  std::int32_t sequence = 0;
  for (std::int64_t written = 0; written < bytes;) {
    const auto batch = make_idempotent_batch(batch_bytes, sequence);
    const Appended appended = must(log->append_as_leader(batch));
    sequence += static_cast<std::int32_t>(appended.last_offset - appended.base_offset) + 1;
    written += std::ssize(batch);
  }
  must(store->close());
  return path + "/bench-0";
}

std::atomic<std::uint32_t> crc_sum{0};  ///< so that no CRC is left out

/// Bytes of a file read to where they lie in a page: some processors copy the faster for it.
struct alignas(4096) Piece {
  std::array<std::byte, 256 << 10> bytes;
};

/// Each thread takes the next 256 KiB: small enough to be in its cache when the CRC is taken.
void read_and_crc_file(const std::string& file, int threads) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) give_up(file);
  std::atomic<std::int64_t> next{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < threads; ++i) {
    readers.emplace_back([&] {
      const auto piece = std::make_unique<Piece>();
      auto& bytes = piece->bytes;
      std::uint32_t crc = 0;
      ssize_t count = 1;
      while (count > 0) {
        count = ::pread(descriptor, bytes.data(), bytes.size(), next++ * std::ssize(bytes));
        crc ^=
            base::crc32c(Bytes(bytes).first(static_cast<std::size_t>(std::max(count, ssize_t{0}))));
      }
      crc_sum += crc;
    });
  }
  for (std::thread& reader : readers) reader.join();
  ::close(descriptor);
}

std::vector<std::string> segments_of(const std::string& partition) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(partition)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path());
  }
  return files;
}

void read_and_crc(const std::string& partition, int threads) {
  for (const std::string& file : segments_of(partition)) read_and_crc_file(file, threads);
}

void run_command(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed != 0 || ::waitpid(child, &status, 0) != child || status != 0) {
    give_up(words[0] + " " + words[1] + " failed");
  }
}

struct Row {
  const char* name;
  bool is_wanted;  ///< at 0.8, of 16 KiB
  std::function<void()> body;
  std::vector<double> times{};
};

void verify(const std::string& partition, VerifyOptions options) {
  if (!must(verify_partition(partition, nullptr, options)).empty()) give_up("a problem was found");
}

/// The same files under other names, without the seal.
std::string without_seal(const std::string& partition, const std::string& path) {
  fs::create_directories(path + "/bench-0");
  for (const auto& entry : fs::directory_iterator(partition)) {
    if (entry.path().extension() == ".seal") continue;
    fs::create_hard_link(entry.path(), path + "/bench-0/" + entry.path().filename().string());
  }
  return path + "/bench-0";
}

std::vector<Row> make_rows(const Setup& setup, const std::string& partition,
                           const std::string& sealed) {
  const auto visit = [](const ScannedBatch& found) {
    if (!found.damage.empty()) give_up("damage was found");
    return true;
  };
  std::vector<Row> rows;
  rows.push_back({"read and CRC-32C", false, [=] { read_and_crc(partition, setup.threads); }});
  rows.push_back(
      {"scan", true, [=] { must(scan_batches(partition, visit, nullptr, setup.threads)); }});
  rows.push_back({"verify, no records", true, [=] {
                    verify(partition, {.check_records = false, .thread_count = setup.threads});
                  }});
  rows.push_back({"verify", false, [=] { verify(partition, {.thread_count = setup.threads}); }});
  rows.push_back({"verify, no records, sealed", false, [=] {
                    verify(sealed, {.check_records = false, .thread_count = setup.threads});
                  }});
  rows.push_back({"scan, one thread", false, [=] { must(scan_batches(partition, visit)); }});
  if (setup.command.empty()) return rows;
  const auto command = [&](const char* name, bool is_wanted, std::vector<std::string> words) {
    words.insert(words.begin(), setup.command);
    rows.push_back({name, is_wanted, [words] { run_command(words); }});
  };
  command("oncelog verify --no-records", true, {"verify", partition, "--no-records"});
  command("oncelog verify", false, {"verify", partition});
  command("oncelog dump", true, {"dump", partition});
  command("oncelog dump --json", false, {"dump", partition, "--json"});
  return rows;
}

void measure(const Setup& setup, std::int64_t batch_bytes) {
  ScratchFolder folder(setup.directory);
  const std::string sealed = make_partition(folder.next(), setup.bytes, batch_bytes);
  const std::string partition = without_seal(sealed, folder.next());
  double bytes = 0;
  for (const std::string& file : segments_of(partition)) {
    bytes += static_cast<double>(fs::file_size(file));
  }
  std::vector<Row> rows = make_rows(setup, partition, sealed);
  for (int run = 0; run < setup.runs; ++run) {
    for (Row& row : rows) row.times.push_back(nanoseconds_of(row.body));
  }
  const double floor = median(rows.front().times);
  std::printf("batches of %lld bytes, %.0f MiB\n", static_cast<long long>(batch_bytes),
              bytes / (1 << 20));
  for (const Row& row : rows) {
    const bool is_wanted = row.is_wanted && batch_bytes == kWantedBatchBytes;
    std::printf("  %-28s %8.0f MB/s %8.2f %8s\n", row.name, bytes / median(row.times) * 1e3,
                floor / median(row.times), is_wanted ? ">= 0.8" : "-");
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  setup.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  CLI::App app("What verify and dump cost");
  app.add_flag_callback("--quick", [&] {
    setup.bytes = 256 << 20;
    setup.runs = 3;
  });
  bench::add_common_options(app, setup.directory, setup.runs);
  bench::add_mib_option(app, setup.bytes);
  app.add_option("--batch", setup.batch_bytes, "Only this size, in bytes");
  app.add_option("--threads", setup.threads)->check(CLI::PositiveNumber);
  app.add_option("--oncelog", setup.command, "The command; without it the library alone")
      ->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  std::printf("%d threads, %d runs; medians, and the ratio to the first\n", setup.threads,
              setup.runs);
  for (const std::int64_t bytes : {kWantedBatchBytes, std::int64_t{1024}, std::int64_t{128}}) {
    if (setup.batch_bytes != 0 && setup.batch_bytes != bytes) continue;
    Setup row = setup;
    if (bytes < kWantedBatchBytes) row.bytes /= 8;
    measure(row, bytes);
  }
  return 0;
}
