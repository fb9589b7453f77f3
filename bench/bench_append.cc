// bench_append.cc: what does an append cost beyond the system call that stores its bytes?
//
// Three loops over the same batch, level `written`, one appender: a bare pwrite of the bytes to a
// growing file; an append without a producer; an append of an idempotent producer. Compare them
// within one run: machines differ, ratios less.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "bench_support.h"
#include "oncelog/oncelog.h"

namespace {

using namespace oncelog;
using namespace oncelog::bench;

/// Bytes after which a loop starts a new file or log, so that a long run does not fill the disk.
constexpr std::int64_t kFileBytesMax = std::int64_t{512} << 20;

std::string parent() { return std::filesystem::temp_directory_path().string(); }

void bare_pwrite(benchmark::State& state) {
  const std::vector<std::byte> batch = make_record_batch(state.range(0), {});
  const ScratchFolder directory(parent());
  const int file = ::open((directory.path() + "/log").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  off_t position = 0;
  for (auto _ : state) {
    if (position > kFileBytesMax) {
      state.PauseTiming();
      if (::ftruncate(file, 0) != 0) std::abort();
      position = 0;
      state.ResumeTiming();
    }
    if (::pwrite(file, batch.data(), batch.size(), position) < 0) std::abort();
    position += static_cast<off_t>(batch.size());
  }
  ::close(file);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.size()));
}

/// Appends until the log is large, then begins another one; `sequence` is patched into a prepared
/// batch of each kind.
void append(benchmark::State& state, bool is_idempotent) {
  BatchFields fields;
  if (is_idempotent)
    fields = {.producer_id = ProducerId(7),
              .producer_epoch = ProducerEpoch(0),
              .base_sequence = Sequence(0)};
  // Building a batch is the client's work: so many are prepared, and each log takes them once.
  const std::int64_t prepared_count =
      std::min<std::int64_t>(kFileBytesMax / state.range(0), 1 << 14);
  std::vector<std::vector<std::byte>> batches;
  for (std::int32_t i = 0; i < prepared_count; ++i) {
    if (is_idempotent) fields.base_sequence = Sequence(i);
    batches.push_back(make_record_batch(state.range(0), fields));
  }
  std::size_t next = batches.size();
  std::optional<ScratchFolder> directory;
  std::unique_ptr<Store> store;
  std::shared_ptr<PartitionLog> log;
  for (auto _ : state) {
    if (next == batches.size()) {
      state.PauseTiming();
      log.reset();
      store.reset();
      directory.emplace(parent());
      store = must(Store::open(directory->path()));
      PartitionOptions options;
      options.level = Level::kWritten;
      options.config.max_message_bytes = 2 << 20;
      log = must(store->open_partition({"bench", 0}, options));
      next = 0;
      state.ResumeTiming();
    }
    must(log->append_as_leader(batches[next++]));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batches[0].size()));
}

void append_plain(benchmark::State& state) { append(state, false); }
void append_idempotent(benchmark::State& state) { append(state, true); }

BENCHMARK(bare_pwrite)->Arg(128)->Arg(1024)->Arg(16384)->Arg(1 << 20);
BENCHMARK(append_plain)->Arg(128)->Arg(1024)->Arg(16384)->Arg(1 << 20);
BENCHMARK(append_idempotent)->Arg(128)->Arg(1024)->Arg(16384)->Arg(1 << 20);

}  // namespace

BENCHMARK_MAIN();
