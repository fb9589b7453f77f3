// bench.cc: `oncelog bench`: what appends cost on this disk, beside the least that anybody could
// pay for the same bytes, measured in turns in the same run.
//
// The floor of level `written` is a pwrite of each batch, that of `durable` a pwrite and an
// fdatasync. Both sides are timed call by call, with the same clock; making the next batch is not.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "args.h"
#include "commands.h"
#include "confirm.h"
#include "render.h"
#include "signals.h"
#include "table.h"
#include "terminal.h"

namespace oncelog::cli {

namespace {

using std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::array<std::size_t, 3> kBatchBytes = {128, 1024, 16384};
/// Both sides take so many turns, so that a disk that slows down does so for both.
constexpr int kTurns = 4;

struct BenchFlags {
  std::string directory = "oncelog-bench";
  double seconds = 1;
  std::int64_t bytes = 64 << 20;
  bool json = false;
};

/// Times of calls, within 2 % of each, in a few KiB however many there are.
class Times {
 public:
  void add(std::chrono::nanoseconds time) {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 1));
    ++counts_[bucket_of(ns)];
    ++count_;
    sum_ns_ += ns;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double mean_ns() const {
    return static_cast<double>(sum_ns_) / static_cast<double>(count_);
  }
  /// The time that this part of the calls did not exceed.
  [[nodiscard]] double percentile_ns(double part) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(count_)));
    std::uint64_t seen = 0;
    std::size_t bucket = 0;
    while (bucket + 1 < counts_.size() && (seen += counts_[bucket]) < wanted) ++bucket;
    return middle_of(bucket);
  }

 private:
  static constexpr unsigned kStepBits = 6;  // 64 buckets for each power of two
  static constexpr std::uint64_t kSteps = 1U << kStepBits;

  static std::size_t bucket_of(std::uint64_t ns) {
    if (ns < kSteps) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - kStepBits - 1;
    return (shift + 1) * kSteps + ((ns >> shift) - kSteps);
  }
  static double middle_of(std::size_t bucket) {
    if (bucket < kSteps) return static_cast<double>(bucket);
    const std::size_t shift = bucket / kSteps - 1;
    return std::ldexp(static_cast<double>(kSteps + bucket % kSteps) + 0.5, static_cast<int>(shift));
  }

  std::array<std::uint64_t, 59 * kSteps> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
};

/// When a turn is over.
class TurnEnd {
 public:
  explicit TurnEnd(const BenchFlags& flags)
      : bytes_left_(flags.bytes / kTurns),
        deadline_(steady_clock::now() +
                  std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::duration<double>(flags.seconds / kTurns))) {}
  /// To be asked behind each call.
  [[nodiscard]] bool is_reached(std::size_t bytes) {
    bytes_left_ -= static_cast<std::int64_t>(bytes);
    return bytes_left_ <= 0 || steady_clock::now() >= deadline_ || stop_requested();
  }

 private:
  std::int64_t bytes_left_;
  const steady_clock::time_point deadline_;
};

/// What an idempotent producer sends: batches of one record, and of just so many bytes.
class BatchSource {
 public:
  explicit BatchSource(std::size_t bytes) : bytes_(bytes) {}

  Result<std::vector<std::byte>> next() {
    ONCELOG_TRY_ASSIGN(auto batch, build());
    // The lengths inside grow with the record: the second try has those of the first.
    for (int tries = 0; batch.size() != bytes_ && tries < 3; ++tries) {
      value_.resize(value_.size() + bytes_ - batch.size(), 'v');
      ONCELOG_TRY_ASSIGN(batch, build());
    }
    sequence_ = sequence_ + 1;
    return batch;
  }

 private:
  Result<std::vector<std::byte>> build() {
    RecordBatchBuilder builder({.producer_id = ProducerId(1),
                                .producer_epoch = ProducerEpoch(0),
                                .base_sequence = sequence_});
    ONCELOG_TRY(builder.add({.timestamp = system_clock().now(), .value = as_bytes(value_)}));
    return builder.build();
  }

  const std::size_t bytes_;
  std::string value_{};
  Sequence sequence_{0};
};

/// The file that the floor is measured on.
class FloorFile {
 public:
  explicit FloorFile(std::string path) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  }
  ~FloorFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    ::unlink(path_.c_str());
  }
  FloorFile(const FloorFile&) = delete;
  FloorFile& operator=(const FloorFile&) = delete;

  Result<void> append(Bytes bytes, Level level) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), position_);
    const bool is_whole = written == static_cast<ssize_t>(bytes.size());
    if (!is_whole || (level == Level::kDurable && ::fdatasync(descriptor_) != 0)) {
      return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, errno, "write " + path_});
    }
    position_ += written;
    return {};
  }

 private:
  const std::string path_;
  int descriptor_ = -1;
  std::int64_t position_ = 0;
};

struct Measured {
  std::size_t bytes = 0;
  Level level = Level::kWritten;
  Times appends{};
  Times floor{};
};

/// One turn: as many calls as its time and bytes allow, each timed.
template <class Append>
Result<void> take_turn(const BenchFlags& flags, BatchSource& source, Times& times,
                       const Append& append) {
  TurnEnd end(flags);
  while (true) {
    ONCELOG_TRY_ASSIGN(const auto batch, source.next());
    const auto begin = steady_clock::now();
    ONCELOG_TRY(append(batch));
    times.add(steady_clock::now() - begin);
    if (end.is_reached(batch.size())) return {};
  }
}

Result<void> measure(const BenchFlags& flags, Store& store, Measured& measured) {
  const TopicPartition name{"bench", 0};
  PartitionOptions options;
  options.level = measured.level;
  ONCELOG_TRY_ASSIGN(const auto log, store.create_partition(name, options));
  BatchSource source(measured.bytes);
  BatchSource floor_source(measured.bytes);
  {
    FloorFile floor(flags.directory + "/floor");
    for (int turn = 0; turn < kTurns && !stop_requested(); ++turn) {
      ONCELOG_TRY(take_turn(flags, floor_source, measured.floor, [&](const auto& batch) {
        return floor.append(batch, measured.level);
      }));
      ONCELOG_TRY(take_turn(flags, source, measured.appends,
                            [&](const auto& batch) { return log->append_as_leader(batch); }));
    }
  }
  return store.delete_partition(name);
}

std::string time_text(double ns) {
  if (ns < 1000) return fmt::format("{:.0f}ns", ns);
  if (ns < 1e6) return fmt::format("{:.2f}us", ns / 1e3);
  return fmt::format("{:.2f}ms", ns / 1e6);
}

double bytes_per_second(std::size_t bytes, const Times& times) {
  return static_cast<double>(bytes) / times.mean_ns() * 1e9;
}

class Report {
 public:
  Report(Output& output, bool is_json)
      : output_(output),
        is_json_(is_json),
        table_(output, {{"batch bytes"},
                        {"level", Align::kLeft},
                        {"appends"},
                        {"p50"},
                        {"p99"},
                        {"MB/s"},
                        {"floor p50"},
                        {"floor p99"},
                        {"floor MB/s"},
                        {"times the floor"}}) {}

  void show(const Measured& measured) {
    const char* const level = measured.level == Level::kDurable ? "durable" : "written";
    const double ratio = measured.appends.mean_ns() / measured.floor.mean_ns();
    if (is_json_) {
      Json line = {{"batch_bytes", measured.bytes}, {"level", level}};
      line["append"] = json_times(measured.bytes, measured.appends);
      line["floor"] = json_times(measured.bytes, measured.floor);
      line["times_the_floor"] = ratio;
      output_.write(json_line(line) + "\n");
      return;
    }
    std::vector<std::string> cells = {std::to_string(measured.bytes), level,
                                      std::to_string(measured.appends.count())};
    for (const Times* times : {&measured.appends, &measured.floor}) {
      cells.push_back(time_text(times->percentile_ns(0.5)));
      cells.push_back(time_text(times->percentile_ns(0.99)));
      cells.push_back(fmt::format("{:.1f}", bytes_per_second(measured.bytes, *times) / 1e6));
    }
    cells.push_back(fmt::format("{:.2f}", ratio));
    table_.add(std::move(cells));
  }

  void finish() { table_.finish(); }

 private:
  static Json json_times(std::size_t bytes, const Times& times) {
    return {{"calls", times.count()},
            {"mean_ns", times.mean_ns()},
            {"p50_ns", times.percentile_ns(0.5)},
            {"p99_ns", times.percentile_ns(0.99)},
            {"bytes_per_second", bytes_per_second(bytes, times)}};
  }

  Output& output_;
  const bool is_json_;
  Table table_;
};

/// Everything that the benchmark writes; it goes with the object.
class BenchFolder {
 public:
  explicit BenchFolder(std::string path) : path_(std::move(path)) {}
  ~BenchFolder() {
    std::error_code ignored;  // what cannot be removed is there to be seen
    fs::remove_all(path_ + "/store", ignored);
    fs::remove(path_ + "/floor", ignored);
    if (is_made_) fs::remove(path_, ignored);
  }
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;

  Result<void> make() {
    ONCELOG_TRY_ASSIGN(const auto status, posix_vfs().status(path_));
    ONCELOG_TRY(posix_vfs().create_directory(path_));
    is_made_ = !status.has_value();
    return {};
  }

 private:
  const std::string path_;
  bool is_made_ = false;
};

Result<void> run_all(const BenchFlags& flags, Report& report) {
  BenchFolder folder(flags.directory);
  ONCELOG_TRY(folder.make());
  ONCELOG_TRY_ASSIGN(const auto store, Store::open(flags.directory + "/store"));
  ProgressLine line;
  for (const Level level : {Level::kWritten, Level::kDurable}) {
    for (const std::size_t bytes : kBatchBytes) {
      line.show(fmt::format("{} B, {}", bytes, level == Level::kDurable ? "durable" : "written"));
      const auto measured = std::make_unique<Measured>(Measured{bytes, level, {}, {}});
      ONCELOG_TRY(measure(flags, *store, *measured));
      if (stop_requested()) return {};
      report.show(*measured);
    }
  }
  return store->close();
}

int run_bench(const BenchFlags& flags) {
  const auto status = posix_vfs().status(flags.directory);
  if (!status) return report(status.error());
  if (*status) {
    const auto names = posix_vfs().list(flags.directory);
    if (!names) return report(names.error());
    if (!names->empty()) {
      return report_refusal(flags.directory +
                            " is not empty; a benchmark needs a folder for itself");
    }
  }
  watch_stop_signals();  // what was written goes, however it ends
  Output output;
  Report rows(output, flags.json);
  const Result<void> done = run_all(flags, rows);
  rows.finish();
  if (!done) {
    output.flush();
    return report(done.error());
  }
  return output.finish();
}

}  // namespace

void add_bench(CLI::App& app, Run& run) {
  CLI::App* const bench = app.add_subcommand(
      "bench", "Measure appends on a disk, beside plain writes of the same bytes");
  const auto flags = std::make_shared<BenchFlags>();
  bench->add_option("DIR", flags->directory,
                    "An empty folder on that disk, or one to be made; default oncelog-bench");
  bench->add_option("--seconds", flags->seconds, "Time for each figure, at most; default 1")
      ->check(CLI::PositiveNumber);
  bench->add_option("--bytes", flags->bytes, "Bytes for each figure, at most; default 64 MiB")
      ->check(CLI::PositiveNumber);
  bench->add_flag("--json", flags->json, "One JSON object a line");
  bench->footer(
      "One idempotent producer appends batches of one record, one behind the other: at level\n"
      "written (survives the end of the process) and durable (survives the loss of power). The\n"
      "floor is, in turns with them, a pwrite of the same bytes for each batch, and for durable\n"
      "an fdatasync. Times are those of the calls; `times the floor` compares their means. All\n"
      "that was written is removed; at most two times --bytes are there at once.\n"
      "\n"
      "Examples:\n"
      "  oncelog bench /var/lib/kafka/bench\n"
      "  oncelog bench /mnt/disk2/bench --seconds 10 --bytes 1073741824 --json");
  bench->callback([&run, flags] { run = [flags] { return run_bench(*flags); }; });
}

}  // namespace oncelog::cli
