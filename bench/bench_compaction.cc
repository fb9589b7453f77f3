// bench_compaction.cc: how fast is a compaction, compared with reading and writing the same bytes?
//
//   bench_compaction [--quick] [--runs=N] [--directory=PATH] [--mib=N] [--record=BYTES]
//
// A log of so many MiB, in batches of 16 KiB, in which each key comes twice: half of the records
// go. The floor reads the segments once, a MiB at a time, and writes and syncs half of the bytes; a
// compaction must read the keys before it can say what stays. Medians of the ratios; each run is
// made of new files, out of a warm cache.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
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

constexpr std::int64_t kBatchBytes = 16 << 10;

struct Setup {
  std::string directory = ".";
  std::int64_t bytes = std::int64_t{1} << 30;
  std::int64_t record_bytes = 1000;
  int runs = 5;
};

PartitionOptions partition_options() {
  PartitionOptions options;
  options.level = Level::kWritten;
  options.config.cleanup_compact = true;
  options.config.cleanup_delete = false;
  options.config.segment_bytes = 64 << 20;
  options.config.min_cleanable_dirty_ratio = 0;
  return options;
}

/// Keys in an order that no index of them could foresee.
std::string key_of(std::int64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(number) * 0x9e3779b97f4a7c15ULL);
  return text;
}

/// Answers how many bytes of batches there are.
std::int64_t fill(PartitionLog& log, const Setup& setup) {
  const std::string value(static_cast<std::size_t>(setup.record_bytes), 'v');
  const std::int64_t per_batch = std::max<std::int64_t>(kBatchBytes / setup.record_bytes, 1);
  const std::int64_t batches = setup.bytes / (per_batch * setup.record_bytes);
  const std::int64_t keys = std::max<std::int64_t>(batches * per_batch / 2, 1);
  std::int64_t written = 0;
  for (std::int64_t i = 0; i < batches; ++i) {
    RecordBatchBuilder builder{};
    for (std::int64_t j = 0; j < per_batch; ++j) {
      const std::string key = key_of((i * per_batch + j) % keys);
      must(builder.add({.timestamp = Timestamp(1'700'000'000'000),
                        .key = as_bytes(key),
                        .value = as_bytes(value)}));
    }
    const auto batch = must(builder.build());
    must(log.append_as_leader(batch));
    written += std::ssize(batch);
  }
  must(log.roll());
  return written;
}

void read_and_write_half(const std::string& from, const std::string& to) {
  std::vector<char> buffer(1 << 20);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (out < 0) give_up(to);
  bool is_kept = false;
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.path().extension() != ".log") continue;
    const int in = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (in < 0) give_up(entry.path());
    while (true) {
      const ssize_t count = ::read(in, buffer.data(), buffer.size());
      if (count < 0) give_up("read");
      if (count == 0) break;
      is_kept = !is_kept;
      if (is_kept && ::write(out, buffer.data(), static_cast<std::size_t>(count)) != count) {
        give_up("write");
      }
    }
    ::close(in);
  }
  if (::fdatasync(out) != 0) give_up("fdatasync");
  ::close(out);
}

void run_all(const Setup& setup) {
  bench::ScratchFolder folder(setup.directory);
  std::vector<double> ratios;
  std::vector<double> rates;
  for (int run = 0; run < setup.runs; ++run) {
    const std::string path = folder.next();
    const auto store = must(Store::open(path));
    const auto log = must(store->open_partition({"bench", 0}, partition_options()));
    const std::int64_t bytes = fill(*log, setup);
    const double floor =
        nanoseconds_of([&] { read_and_write_half(path + "/bench-0", path + "/copy"); });
    CompactionReport report;
    const double taken = nanoseconds_of([&] { report = must(log->compact()); });
    const double kept = static_cast<double>(report.bytes_after) / static_cast<double>(bytes);
    if (!report.was_due || kept < 0.45 || kept > 0.6) give_up("half of the bytes should be left");
    ratios.push_back(taken / floor);
    rates.push_back(static_cast<double>(bytes) / taken * 1e9 / (1 << 20));
    std::printf(
        "run %d: %.0f MiB of %lld B records: floor %.0f ms, compaction %.0f ms, %lld keys\n",
        run + 1, static_cast<double>(bytes) / (1 << 20), static_cast<long long>(setup.record_bytes),
        floor / 1e6, taken / 1e6, static_cast<long long>(report.keys));
    must(store->close());
    std::filesystem::remove_all(path);
  }
  std::printf("compaction: %.0f MiB/s, %.2f x the time of reading all and writing half\n",
              median(rates), median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  Setup setup;
  CLI::App app("What a compaction costs");
  app.add_flag_callback("--quick", [&] {
    setup.bytes = std::int64_t{128} << 20;
    setup.runs = 3;
  });
  bench::add_common_options(app, setup.directory, setup.runs);
  bench::add_mib_option(app, setup.bytes);
  app.add_option("--record", setup.record_bytes, "Bytes of a value")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  run_all(setup);
  return 0;
}
