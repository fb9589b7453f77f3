// bench_producers.cc: what do a checkpoint, an open and a close cost with 1 K, 100 K and 1 M
// producers?
//
//   bench_producers [--quick] [--runs=N] [--directory=PATH] [--only=WORD,...]
//
// One table of medians and ratios. Each run measures the things that are compared one behind the
// other, so that what else the machine does meets all of them. --quick leaves out 1 M; --only takes
// of memory, checkpoint, open, lookup, close, latency. The files lie in a folder below the given
// one, by default the current one, and are removed at the end.
#include <fcntl.h>
#include <lmdb.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "bench_support.h"
#include "oncelog/oncelog.h"
#include "snapshot/kafka_snapshot.h"
#include "snapshot/lmdb_snapshot_store.h"

namespace {

using namespace oncelog;
using namespace oncelog::bench;
using producer::ProducerEntry;

constexpr std::int64_t kChangedCount = 1000;  ///< producers of a small checkpoint
constexpr std::int64_t kBaseTimeMs = 1'700'000'000'000;
const TopicPartition kName{"bench", 0};

// ---- small things

void must_lmdb(int code) {
  if (code != MDB_SUCCESS) give_up(mdb_strerror(code));
}

using Nanoseconds = double;

/// A number of /proc/self's, in bytes where it says kB.
double number_of(const std::string& file, const std::string& word) {
  std::ifstream lines("/proc/self/" + file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(word + ":")) continue;
    return std::stod(line.substr(word.size() + 1)) * (line.ends_with("kB") ? 1024 : 1);
  }
  give_up("/proc/self/" + file + " has no " + word);
}

/// What writing something takes; the bytes given to write calls are the same on every machine.
struct Cost {
  Nanoseconds time = 0;
  double written_bytes = 0;
};

Cost cost_of(const std::function<void()>& body) {
  const double before = number_of("io", "wchar");
  Cost cost;
  cost.time = nanoseconds_of(body);
  cost.written_bytes = number_of("io", "wchar") - before;
  return cost;
}

using Ids = std::vector<std::int64_t>;

Ids ids_from(std::int64_t first, std::int64_t count) {
  Ids ids(static_cast<std::size_t>(count));
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

Ids all_ids_shuffled(std::int64_t count, std::mt19937_64& random) {
  Ids ids = ids_from(0, count);
  std::ranges::shuffle(ids, random);
  return ids;
}

/// Ascending, different.
Ids some_ids(std::int64_t among, std::int64_t count, std::mt19937_64& random) {
  Ids ids;
  const Ids all = ids_from(0, among);
  std::ranges::sample(all, std::back_inserter(ids), std::min(count, among), random);
  return ids;
}

Ids neighbouring_ids(std::int64_t among, std::int64_t count, std::mt19937_64& random) {
  const std::int64_t taken = std::min(count, among);
  return ids_from(std::uniform_int_distribution<std::int64_t>(0, among - taken)(random), taken);
}

// ---- the table

std::string with_unit(double value, const std::string& unit) {
  std::array<char, 64> text{};
  const char* form = value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s";
  std::snprintf(text.data(), text.size(), form, value, unit.c_str());
  return text.data();
}

/// Figures by row and by count of producers: columns.
class Table {
 public:
  explicit Table(std::vector<std::int64_t> counts) : counts_(std::move(counts)) {}

  void add(const std::string& row, std::int64_t count, double value) {
    figures_[{row, count}].push_back(value);
  }

  void add(const std::string& row, std::int64_t count, const Cost& cost) {
    add(row, count, cost.time);
    add(row + ": written", count, cost.written_bytes);
  }

  void print_heading(const std::string& heading) const {
    std::printf("\n%-66s", heading.c_str());
    for (const std::int64_t count : counts_) {
      const std::string title = count >= 1'000'000 ? std::to_string(count / 1'000'000) + " M"
                                                   : std::to_string(count / 1000) + " K";
      std::printf("%14s", title.c_str());
    }
    std::printf("\n");
  }
  /// Figures were added in the unit's `per_unit`-th parts.
  void print(const std::string& row, const std::string& unit, double per_unit = 1) {
    print_cells("  " + row,
                [&](std::int64_t count) { return with_unit(median(row, count) / per_unit, unit); },
                {row});
  }
  void print_ratio(const std::string& label, const std::string& of, const std::string& to) {
    print_cells(
        "  = " + label,
        [&](std::int64_t count) { return with_unit(median(of, count) / median(to, count), "x"); },
        {of, to});
  }

 private:
  double median(const std::string& row, std::int64_t count) {
    return quantile(figures_.at({row, count}), 0.5);
  }
  void print_cells(const std::string& label, const std::function<std::string(std::int64_t)>& cell,
                   const std::vector<std::string>& needed) const {
    std::printf("%-66s", label.c_str());
    for (const std::int64_t count : counts_) {
      const bool is_there = std::ranges::all_of(
          needed, [&](const std::string& row) { return figures_.contains({row, count}); });
      std::printf("%14s", is_there ? cell(count).c_str() : "-");
    }
    std::printf("\n");
    std::fflush(stdout);
  }

  std::vector<std::int64_t> counts_;
  std::map<std::pair<std::string, std::int64_t>, std::vector<double>> figures_;
};

struct Bench {
  std::string directory{};
  std::vector<std::int64_t> counts{};
  int runs = 5;
  std::mt19937_64 random{20240607};
  Table table;

  [[nodiscard]] std::string path(const std::string& name) const { return directory + "/" + name; }
  [[nodiscard]] std::string fresh(const std::string& name) const {
    std::filesystem::remove_all(path(name));
    std::filesystem::create_directories(path(name));
    return path(name);
  }
};

// ---- checkpoints, through the snapshot store and by hand

/// When producers were last seen: neighbours about the same time, as where ids are handed out in
/// order, or without order, as where all live long.
enum class Times { kById, kScattered };

/// A full window, as a producer that is in use has it.
ProducerEntry make_entry(std::int64_t id, std::int64_t version, Times times = Times::kById) {
  constexpr std::int64_t kSpreadMs = 10'000;
  const std::int64_t time_ms = times == Times::kById ? id / 100 : id * 7919 % kSpreadMs;
  ProducerEntry entry;
  entry.set_epoch(ProducerEpoch(0));
  entry.last_timestamp = Timestamp(kBaseTimeMs + version + time_ms);
  for (std::int32_t i = 0; i < 5; ++i) {
    entry.remember({Sequence(i), Offset(version + i), 0, entry.last_timestamp});
  }
  return entry;
}

struct StateFile {
  std::unique_ptr<snapshot::LmdbSnapshotStore> store{};
  std::unique_ptr<snapshot::PartitionSnapshots> partition{};

  static StateFile open(const std::string& directory) {
    StateFile file;
    file.store = must(snapshot::LmdbSnapshotStore::open(
        posix_vfs(), {.directory = directory, .walk_bytes_max = 0, .close_record = 0}));
    file.partition = must(file.store->open(kName, "topic"));
    return file;
  }

  struct SaveOptions {
    Times times = Times::kById;
    bool keeps_older = false;  ///< else only the newest checkpoint is kept
  };
  Cost save(const Ids& ids, std::int64_t version, SaveOptions options) const {
    std::vector<ProducerEntry> entries;
    std::vector<snapshot::ProducerChange> changes;
    entries.reserve(ids.size());
    for (const std::int64_t id : ids) {
      entries.push_back(make_entry(id, version, options.times));
      changes.push_back({ProducerId(id), &entries.back()});
    }
    return cost_of([&] {
      must(partition->save({Offset(version), snapshot::Anchor{Offset(version - 1)}, {}, {}, 0},
                           changes, Offset(options.keeps_older ? 0 : version)));
    });
  }
};

/// Kafka's way: all producers, each time.
Cost write_flat_file(const std::string& path, std::int64_t count) {
  std::filesystem::remove(path);
  const auto file = must(posix_vfs().open(path, OpenMode::kCreateNew));
  return cost_of([&] {
    snapshot::KafkaSnapshotWriter writer(*file);
    for (std::int64_t id = 0; id < count; ++id) must(writer.add(ProducerId(id), make_entry(id, 0)));
    must(writer.finish());
    must(file->sync());
  });
}

enum class Layout { kByProducer, kByCheckpoint };

/// Nothing but rows in LMDB: what a layout costs without reading before writing, hashes and the
/// index by time.
class BareRows {
 public:
  BareRows(const std::string& directory, Layout layout) : layout_(layout) {
    must_lmdb(mdb_env_create(&environment_));
    must_lmdb(mdb_env_set_mapsize(environment_, std::size_t{64} << 30));
    must_lmdb(mdb_env_open(environment_, (directory + "/rows").c_str(),
                           MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD, 0644));
    MDB_txn* transaction = begin(0);
    must_lmdb(mdb_dbi_open(transaction, nullptr, 0, &rows_));
    must_lmdb(mdb_txn_commit(transaction));
  }
  BareRows(const BareRows&) = delete;
  BareRows& operator=(const BareRows&) = delete;
  ~BareRows() { mdb_env_close(environment_); }

  /// Puts these producers at `version`; what they have at `shadowed` goes in the same transaction.
  Cost write(const Ids& ids, std::int64_t version, std::span<const std::int64_t> shadowed) {
    std::array<std::byte, 152> row{};
    return cost_of([&] {
      MDB_txn* transaction = begin(0);
      for (const std::int64_t before : shadowed) {
        for (const std::int64_t id : ids) {
          Key key = make_key(id, before);
          MDB_val at{key.size(), key.data()};
          if (const int code = mdb_del(transaction, rows_, &at, nullptr); code != MDB_NOTFOUND) {
            must_lmdb(code);
          }
        }
      }
      for (const std::int64_t id : ids) {
        Key key = make_key(id, version);
        MDB_val at{key.size(), key.data()};
        MDB_val value{row.size(), row.data()};
        must_lmdb(mdb_put(transaction, rows_, &at, &value, 0));
      }
      must_lmdb(mdb_txn_commit(transaction));
    });
  }

  /// A read transaction and a look-up for each; `live` are the checkpoints, newest first.
  Nanoseconds find(const Ids& ids, std::span<const std::int64_t> live) {
    MDB_txn* transaction = begin(MDB_RDONLY);
    MDB_cursor* cursor = nullptr;
    must_lmdb(mdb_cursor_open(transaction, rows_, &cursor));
    const Nanoseconds taken = nanoseconds_of([&] {
      for (const std::int64_t id : ids) {
        mdb_txn_reset(transaction);
        must_lmdb(mdb_txn_renew(transaction));
        must_lmdb(mdb_cursor_renew(transaction, cursor));
        if (!find_one(cursor, id, live)) give_up("a row is missing");
      }
    });
    mdb_cursor_close(cursor);
    mdb_txn_abort(transaction);
    return taken / static_cast<double>(ids.size());
  }

 private:
  using Key = std::array<std::byte, 24>;

  MDB_txn* begin(unsigned flags) {
    MDB_txn* transaction = nullptr;
    must_lmdb(mdb_txn_begin(environment_, nullptr, flags, &transaction));
    return transaction;
  }
  [[nodiscard]] Key make_key(std::int64_t id, std::int64_t version) const {
    const bool is_by_producer = layout_ == Layout::kByProducer;
    Key key{};
    base::store_be(std::span(key), is_by_producer ? 8 : 16, id);
    base::store_be(std::span(key), is_by_producer ? 16 : 8, ~version);
    return key;
  }
  [[nodiscard]] bool find_one(MDB_cursor* cursor, std::int64_t id,
                              std::span<const std::int64_t> live) const {
    MDB_val value{};
    for (const std::int64_t version : live) {
      Key key = make_key(id, version);
      MDB_val at{key.size(), key.data()};
      const bool is_by_producer = layout_ == Layout::kByProducer;
      const int code =
          mdb_cursor_get(cursor, &at, &value, is_by_producer ? MDB_SET_RANGE : MDB_SET);
      if (code == MDB_SUCCESS) return true;
      if (code != MDB_NOTFOUND) must_lmdb(code);
    }
    return false;
  }

  const Layout layout_;
  MDB_env* environment_ = nullptr;
  MDB_dbi rows_ = 0;
};

/// Checkpoints one behind the other in one file, which begins with all producers.
struct CheckpointCase {
  std::string row{};
  bool is_random = false;
  StateFile::SaveOptions options{};
  StateFile state{};
};

void measure_checkpoints(Bench& bench, std::int64_t count) {
  constexpr int kCheckpointsPerRun = 4;
  const Ids all = ids_from(0, count);
  std::array cases{
      CheckpointCase{"1,000 random", true}, CheckpointCase{"1,000 neighbouring"},
      CheckpointCase{
          "1,000 neighbouring, last times scattered", false, {.times = Times::kScattered}},
      CheckpointCase{"1,000 random, older checkpoints kept", true, {.keeps_older = true}}};
  for (CheckpointCase& one : cases) {
    one.state = StateFile::open(bench.fresh(one.row));
    one.state.save(all, 1, one.options);
  }
  std::int64_t version = 1'000'000;
  for (int run = 0; run < bench.runs; ++run) {
    bench.table.add("all, LMDB, fresh file", count,
                    StateFile::open(bench.fresh("all")).save(all, 1, {}));
    bench.table.add("all, flat file as Kafka", count, write_flat_file(bench.path("flat"), count));
    for (int i = 0; i < kCheckpointsPerRun; ++i) {
      version += 10'000;
      const Ids random = some_ids(count, kChangedCount, bench.random);
      const Ids near = neighbouring_ids(count, kChangedCount, bench.random);
      for (const CheckpointCase& one : cases) {
        bench.table.add(one.row, count,
                        one.state.save(one.is_random ? random : near, version, one.options));
      }
    }
    const Ids wanted = some_ids(count, 20'000, bench.random);
    const Nanoseconds taken = nanoseconds_of([&] {
      for (const std::int64_t id : wanted) {
        if (!must(cases[0].state.partition->find(ProducerId(id), Offset(version)))) give_up("lost");
      }
    });
    bench.table.add("look-up, snapshot store", count, taken / static_cast<double>(wanted.size()));
  }
}

/// perf.md's question: key (partition, producer, checkpoint) against (partition, checkpoint,
/// producer), of which one look-up per live checkpoint is asked and a merge when one goes.
void measure_layouts(Bench& bench, std::int64_t count) {
  constexpr std::int64_t kDeltas = 15;
  const Ids all = ids_from(0, count);
  const auto add = [&](const std::string& row, auto value) { bench.table.add(row, count, value); };
  BareRows by_producer(bench.fresh("by_producer"), Layout::kByProducer);
  by_producer.write(all, 1, {});
  BareRows by_producer_near(bench.fresh("by_producer_near"), Layout::kByProducer);
  by_producer_near.write(all, 1, {});
  for (int run = 0; run < bench.runs; ++run) {
    BareRows by_checkpoint(bench.fresh("by_checkpoint"), Layout::kByCheckpoint);
    by_checkpoint.write(all, 1, {});
    std::vector<std::int64_t> live{1};
    Ids changed;
    for (std::int64_t delta = 0; delta <= kDeltas; ++delta) {
      const Ids wanted = some_ids(count, 20'000, bench.random);
      if (live.size() == 1 || live.size() == 4 || live.size() == kDeltas + 1) {
        add("look-up, by checkpoint, " + std::to_string(live.size()) + " live",
            by_checkpoint.find(wanted, live));
      }
      if (delta == 0) {
        const std::array newest{std::numeric_limits<std::int64_t>::max()};
        add("look-up, by producer", by_producer.find(wanted, newest));
      }
      if (delta == kDeltas) break;
      const Ids random = some_ids(count, kChangedCount, bench.random);
      const Ids near = neighbouring_ids(count, kChangedCount, bench.random);
      // The row before goes, as where only the newest checkpoint is kept: here it has the same key.
      add("1,000 random, by producer", by_producer.write(random, 1, {}));
      add("1,000 neighbouring, by producer", by_producer_near.write(near, 1, {}));
      live.insert(live.begin(), delta + 2);
      add("1,000 random, by checkpoint", by_checkpoint.write(random, delta + 2, {}));
      changed.insert(changed.end(), random.begin(), random.end());
    }
    std::ranges::sort(changed);
    changed.erase(std::ranges::unique(changed).begin(), changed.end());
    live.pop_back();  // all deltas go into the oldest checkpoint
    const Cost merge = by_checkpoint.write(changed, 1, live);
    add("by checkpoint, merging 15 deltas, per delta",
        Cost{merge.time / kDeltas, merge.written_bytes / kDeltas});
  }
}

// ---- a store with many producers

/// A batch of one small record, prepared once; a client's work is left out of what is measured.
class Batch {
 public:
  Batch() {
    RecordBatchBuilder builder({.producer_id = ProducerId(0),
                                .producer_epoch = ProducerEpoch(0),
                                .base_sequence = Sequence(0)});
    must(builder.add({.timestamp = system_clock().now(), .value = as_bytes("0123456789")}));
    bytes_ = must(builder.build());
  }

  Bytes of(std::int64_t id, std::int32_t sequence) {
    constexpr std::size_t kCrcPosition = 17;
    constexpr std::size_t kCoveredPosition = 21;
    base::store_be(std::span(bytes_), 43, id);
    base::store_be(std::span(bytes_), 53, sequence);
    const std::uint32_t crc = base::crc32c(Bytes(bytes_).subspan(kCoveredPosition));
    base::store_be(std::span(bytes_), kCrcPosition, crc);
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;
};

StoreOptions quiet_options() {
  // Nothing is due by itself: what is measured is asked for.
  StoreOptions options;
  options.kafka_handover = false;
  options.state_walk_bytes_max = 0;
  options.checkpoint_interval_bytes = kUnlimited;
  options.checkpoint_interval_records = kUnlimited;
  options.recovery_point_interval_bytes = kUnlimited;
  return options;
}

/// One partition, level written, and what each of its producers sends next.
class Producers {
 public:
  Producers(std::string directory, std::int64_t count)
      : directory_(std::move(directory)), next_(static_cast<std::size_t>(count)) {}

  void open(const StoreOptions& options) {
    store_ = must(Store::open(directory_, options));
    PartitionOptions partition;
    partition.level = Level::kWritten;
    log_ = must(store_->open_partition(kName, partition));
    for (const std::string& warning : log_->recovery_report().warnings) give_up(warning);
  }
  void close() {
    log_.reset();
    must(store_->close());
    store_.reset();
  }
  /// One more append of a producer, timed by the caller.
  void append(std::int64_t id) { must(log_->append_as_leader(next_batch(id))); }
  Bytes next_batch(std::int64_t id) {
    if (id >= std::ssize(next_)) next_.resize(static_cast<std::size_t>(id) + 1);
    return batch_.of(id, next_[static_cast<std::size_t>(id)]++);
  }
  /// ns per append.
  Nanoseconds append_each(const Ids& ids) {
    const Nanoseconds all = nanoseconds_of([&] {
      for (const std::int64_t id : ids) append(id);
    });
    return all / static_cast<double>(ids.size());
  }
  /// All data goes but one batch; the producers stay.
  void drop_data() {
    must(log_->roll());
    must(log_->delete_records(Offset(-1)));
    must(log_->apply_retention());
    append(0);
  }
  /// One more than the largest id that has appended.
  [[nodiscard]] std::int64_t count() const { return std::ssize(next_); }
  [[nodiscard]] PartitionLog& log() const { return *log_; }
  [[nodiscard]] std::int64_t state_bytes() const {
    return static_cast<std::int64_t>(
        std::filesystem::file_size(directory_ + "/" + std::string(snapshot::kStateFile)));
  }
  void drop_state_cache() const {
    const std::string path = directory_ + "/" + std::string(snapshot::kStateFile);
    must(must(posix_vfs().open(path, OpenMode::kRead))->drop_cache(0));
  }

 private:
  std::string directory_;
  std::vector<std::int32_t> next_;
  Batch batch_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<PartitionLog> log_;
};

Producers make_producers(Bench& bench, std::int64_t count) {
  Producers producers(bench.fresh("store-" + std::to_string(count)), count);
  StoreOptions options;
  options.kafka_handover = false;
  producers.open(options);
  // The first one alone, for comparison; then the others, with the checkpoints that this takes.
  const Ids one(50'000, 0);
  bench.table.add("append, one producer", count, producers.append_each(one));
  bench.table.add("append, each producer once, checkpoints and all", count,
                  producers.append_each(ids_from(1, count - 1)));
  producers.drop_data();
  producers.close();
  bench.table.add(".state after that", count, static_cast<double>(producers.state_bytes()));
  return producers;
}

void measure_open(Bench& bench, std::int64_t count, Producers& producers) {
  struct Case {
    std::string row{};
    bool walks = false;
    bool is_cold = false;
    bool after_handover = false;
  };
  const std::array cases{
      Case{"open, above the walk limit"},
      Case{"open, above, .state not in the page cache", false, true},
      Case{"open, below: every page and row checked", true},
      Case{"open, above, after a close with kafka_handover", false, false, true}};
  for (const Case& one : cases) {
    StoreOptions options = quiet_options();
    options.kafka_handover = one.after_handover;
    producers.open(options);
    producers.append(0);
    producers.close();
    if (one.is_cold) producers.drop_state_cache();
    options.state_walk_bytes_max = one.walks ? kUnlimited : 0;
    options.kafka_handover = false;
    bench.table.add(one.row, count, nanoseconds_of([&] { producers.open(options); }));
    producers.close();
  }
}

void measure_lookups(Bench& bench, std::int64_t count, Producers& producers) {
  Ids some = some_ids(count, 50'000, bench.random);
  std::ranges::shuffle(some, bench.random);
  const auto add = [&](const std::string& row, double value) {
    bench.table.add(row, count, value);
  };
  producers.open(quiet_options());
  add("append, cold: first after open", producers.append_each(some));
  add("append, warm: changed since the checkpoint", producers.append_each(some));
  must(producers.log().checkpoint());
  add("append, warm: as the checkpoint has it", producers.append_each(some));
  add("append, a producer that is new",
      producers.append_each(ids_from(producers.count(), kChangedCount)));
  producers.close();
}

void measure_close(Bench& bench, std::int64_t count, Producers& producers) {
  for (const bool is_for_kafka : {false, true}) {
    StoreOptions options = quiet_options();
    options.kafka_handover = is_for_kafka;
    producers.open(options);
    producers.append_each(neighbouring_ids(count, kChangedCount, bench.random));
    bench.table.add(is_for_kafka ? "close, 1,000 changed, kafka_handover"
                                 : "close, 1,000 changed, no kafka_handover",
                    count, nanoseconds_of([&] { producers.close(); }));
    // Nothing of Kafka's is left for the next open.
    producers.open(quiet_options());
    producers.close();
  }
}

// ---- memory

/// Memory of its own and mapped pages, above what was there at the beginning.
struct Growth {
  double peak_own = 0;
  double own = 0;
  double in_use = 0;  ///< of its own: what the allocator has not got back
  double mapped = 0;
  double seconds = 0;
};

double allocated_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<double>(info.uordblks + info.hblkhd);
}

Growth growth_of(const std::function<void()>& body) {
  ::malloc_trim(0);
  const double in_use = allocated_bytes();
  const double own = number_of("status", "RssAnon");
  const double mapped = number_of("status", "RssFile");
  std::atomic<bool> is_done = false;
  Growth growth;
  std::thread sampler([&] {
    while (!is_done.load()) {
      growth.peak_own = std::max(growth.peak_own, number_of("status", "RssAnon") - own);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  growth.seconds = nanoseconds_of(body) / 1e9;
  is_done.store(true);
  sampler.join();
  growth.own = number_of("status", "RssAnon") - own;
  growth.mapped = number_of("status", "RssFile") - mapped;
  growth.in_use = allocated_bytes() - in_use;
  return growth;
}

/// In a process of its own, which has nothing left from before.
Growth in_child(const std::function<Growth()>& body) {
  std::array<int, 2> ends{};
  std::fflush(nullptr);
  if (::pipe(ends.data()) != 0) give_up("pipe");
  const pid_t child = ::fork();
  if (child < 0) give_up("fork");
  Growth growth;
  if (child == 0) {
    growth = body();
    const bool is_written = ::write(ends[1], &growth, sizeof growth) == sizeof growth;
    ::_exit(is_written ? 0 : 1);
  }
  ::close(ends[1]);
  const bool is_read = ::read(ends[0], &growth, sizeof growth) == sizeof growth;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!is_read || status != 0) give_up("a measurement of memory has failed");
  return growth;
}

void measure_memory(Bench& bench, std::int64_t count) {
  const auto add = [&](const std::string& what, const Growth& growth) {
    bench.table.add(what + ": own memory, after it", count, growth.own);
    bench.table.add(what + ": own memory, peak", count, growth.peak_own);
    bench.table.add(what + ": in use of it", count, growth.in_use);
    bench.table.add(what + ": mapped pages of .state", count, growth.mapped);
    bench.table.add(what + ": time", count, growth.seconds);
  };
  const std::string directory = bench.fresh("memory");
  const Ids shuffled = all_ids_shuffled(count, bench.random);
  StoreOptions options;  // limits as they are by default
  options.kafka_handover = false;
  // Each ends by _exit, behind a close: the next one opens what it left.
  const auto run = [&](std::int32_t sequence, const std::function<void(Producers&)>& work) {
    return in_child([&] {
      Producers producers(directory, count);
      for (std::int32_t i = 0; i < sequence; ++i) {
        for (const std::int64_t id : shuffled) std::ignore = producers.next_batch(id);
      }
      producers.open(options);
      const Growth growth = growth_of([&] { work(producers); });
      producers.close();
      return growth;
    });
  };
  const Ids ordered = ids_from(0, count);
  add("appended once, in order",
      run(0, [&](Producers& producers) { producers.append_each(ordered); }));
  add("reopened, find_producer of each", run(1, [&](Producers& producers) {
        for (const std::int64_t id : shuffled) {
          if (!must(producers.log().find_producer(ProducerId(id)))) give_up("forgotten");
        }
      }));
  add("reopened, appended once, random order",
      run(1, [&](Producers& producers) { producers.append_each(shuffled); }));
  add("the open after a close with kafka_handover", in_child([&] {
        Producers producers(directory, count);
        options.kafka_handover = true;
        producers.open(options);
        producers.close();
        const Growth growth = growth_of([&] { producers.open(options); });
        producers.close();
        return growth;
      }));
}

// ---- latency

struct Latencies {
  std::vector<double> appends{};
  std::vector<double> work{};
};

/// Appends of 100 K producers in turn, while another thread does `work` whenever all have changed.
Latencies append_beside(Producers& producers, std::int64_t count,
                        const std::function<void()>& work) {
  constexpr std::int64_t kAppends = 600'000;
  Latencies latencies;
  latencies.appends.reserve(kAppends);
  std::atomic<std::int64_t> appended = 0;
  std::thread other([&] {
    std::int64_t worked_at = 0;
    while (work && appended.load() < kAppends) {
      if (appended.load() - worked_at < count) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        continue;
      }
      worked_at = appended.load();
      latencies.work.push_back(nanoseconds_of(work));
    }
  });
  for (std::int64_t i = 0; i < kAppends; ++i) {
    const Bytes batch = producers.next_batch(i % count);
    latencies.appends.push_back(
        nanoseconds_of([&] { must(producers.log().append_as_leader(batch)); }));
    appended.store(i + 1, std::memory_order_relaxed);
  }
  other.join();
  return latencies;
}

void measure_latency(Bench& bench) {
  constexpr std::int64_t kCount = 100'000;
  Producers producers(bench.fresh("latency"), kCount);
  producers.open(quiet_options());
  producers.append_each(ids_from(0, kCount));
  must(producers.log().checkpoint());
  const std::array<std::pair<std::string, std::function<void()>>, 3> cases{
      {{"alone", {}},
       {"beside flushes", [&] { must(producers.log().flush()); }},
       {"beside checkpoints", [&] { must(producers.log().checkpoint()); }}}};
  for (int run = 0; run < bench.runs; ++run) {
    for (const auto& [row, work] : cases) {
      Latencies latencies = append_beside(producers, kCount, work);
      const auto add = [&](const std::string& what, double value) {
        bench.table.add("append " + row + ", " + what, kCount, value);
      };
      add("p50", quantile(latencies.appends, 0.5));
      add("p99", quantile(latencies.appends, 0.99));
      add("p99.9", quantile(latencies.appends, 0.999));
      add("worst", quantile(latencies.appends, 1));
      if (!latencies.work.empty()) add("that work", quantile(latencies.work, 0.5));
    }
  }
  producers.close();
}

// ---- all together

void print_memory(Bench& bench) {
  bench.table.print_heading("memory, producer_cache_bytes 64 MiB");
  for (const std::string what :
       {"appended once, in order", "reopened, find_producer of each",
        "reopened, appended once, random order", "the open after a close with kafka_handover"}) {
    for (const std::string part :
         {"own memory, peak", "own memory, after it", "in use of it", "mapped pages of .state"}) {
      bench.table.print(what + ": " + part, "MiB", 1 << 20);
    }
    bench.table.print(what + ": time", "s");
  }
}

void print_costs(Table& table, const std::vector<std::string>& rows) {
  for (const std::string& row : rows) table.print(row, "ms", 1e6);
  for (const std::string& row : rows) table.print(row + ": written", "KiB", 1024);
}

void print_checkpoints(Bench& bench) {
  Table& table = bench.table;
  const std::string all = "all, LMDB, fresh file";
  const std::string flat = "all, flat file as Kafka";
  const std::string random = "1,000 random";
  const std::string near = "1,000 neighbouring";
  table.print_heading("a checkpoint, synced");
  print_costs(table, {all, flat, random, near, near + ", last times scattered",
                      random + ", older checkpoints kept"});
  table.print_ratio("random cheaper than all (reach 25x at 1 M)", all, random);
  table.print_ratio("neighbouring cheaper than all (reach 300x at 1 M)", all, near);
  table.print_ratio("random cheaper than the flat file", flat, random);
  table.print_ratio("neighbouring cheaper than the flat file", flat, near);
  table.print_ratio("random: bytes of all to bytes", all + ": written", random + ": written");
  table.print_ratio("neighbouring: bytes of all to bytes", all + ": written", near + ": written");

  table.print_heading("layouts, bare rows in LMDB");
  print_costs(table, {random + ", by producer", near + ", by producer", random + ", by checkpoint",
                      "by checkpoint, merging 15 deltas, per delta"});
  table.print_ratio("random: snapshot store to bare rows", random, random + ", by producer");
  table.print_ratio("neighbouring: snapshot store to bare rows", near, near + ", by producer");
  for (const std::string row :
       {"look-up, snapshot store", "look-up, by producer", "look-up, by checkpoint, 1 live",
        "look-up, by checkpoint, 4 live", "look-up, by checkpoint, 16 live"}) {
    table.print(row, "ns");
  }
}

void print_stores(Bench& bench) {
  Table& table = bench.table;
  table.print_heading("a store");
  table.print("append, one producer", "ns");
  table.print("append, each producer once, checkpoints and all", "ns");
  table.print(".state after that", "MiB", 1 << 20);
  for (const std::string row :
       {"open, above the walk limit", "open, above, .state not in the page cache",
        "open, below: every page and row checked", "open, above, after a close with kafka_handover",
        "close, 1,000 changed, no kafka_handover", "close, 1,000 changed, kafka_handover"}) {
    table.print(row, "ms", 1e6);
  }
  for (const std::string row :
       {"append, cold: first after open", "append, warm: changed since the checkpoint",
        "append, warm: as the checkpoint has it", "append, a producer that is new"}) {
    table.print(row, "ns");
  }
  table.print_ratio("cold to warm", "append, cold: first after open",
                    "append, warm: as the checkpoint has it");
}

void print_latency(Bench& bench) {
  Table& table = bench.table;
  table.print_heading("appends in turn of 100 K producers, level written");
  for (const std::string what : {"p50", "p99", "p99.9", "worst"}) {
    for (const std::string row :
         {"append alone, ", "append beside flushes, ", "append beside checkpoints, "}) {
      table.print(row + what, "us", 1e3);
    }
    table.print_ratio(what + " beside checkpoints to alone", "append beside checkpoints, " + what,
                      "append alone, " + what);
  }
  table.print("append beside flushes, that work", "ms", 1e6);
  table.print("append beside checkpoints, that work", "ms", 1e6);
}

void measure_stores(Bench& bench, const std::function<bool(const std::string&)>& is_wanted) {
  std::map<std::int64_t, Producers> stores;
  for (const std::int64_t count : bench.counts) {
    stores.emplace(count, make_producers(bench, count));
  }
  const auto measure = [&](const std::string& word, auto what) {
    for (int run = 0; run < bench.runs && is_wanted(word); ++run) {
      for (auto& [count, producers] : stores) what(bench, count, producers);
    }
  };
  measure("open", measure_open);
  measure("close", measure_close);
  measure("lookup", measure_lookups);
  print_stores(bench);
}

void run_all(Bench& bench, const std::string& only) {
  const auto is_wanted = [&](const std::string& word) {
    return only.empty() || ("," + only + ",").contains("," + word + ",");
  };
  if (is_wanted("memory")) {
    for (const std::int64_t count : bench.counts) measure_memory(bench, count);
    print_memory(bench);
  }
  if (is_wanted("checkpoint")) {
    for (const std::int64_t count : bench.counts) measure_checkpoints(bench, count);
    for (const std::int64_t count : bench.counts) measure_layouts(bench, count);
    print_checkpoints(bench);
  }
  if (is_wanted("open") || is_wanted("close") || is_wanted("lookup")) {
    measure_stores(bench, is_wanted);
  }
  if (is_wanted("latency")) {
    measure_latency(bench);
    print_latency(bench);
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::string parent = ".";
  std::string only;
  int runs = 5;
  std::vector<std::int64_t> counts{1000, 100'000, 1'000'000};
  for (int i = 1; i < argument_count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--quick") {
      counts.pop_back();
    } else if (argument.starts_with("--runs=")) {
      runs = std::max(std::atoi(argument.c_str() + 7), 1);
    } else if (argument.starts_with("--directory=")) {
      parent = argument.substr(12);
    } else if (argument.starts_with("--only=")) {
      only = argument.substr(7);
    } else {
      give_up("unknown argument " + argument);
    }
  }
  const ScratchFolder folder(parent);
  Bench bench{folder.path(), counts, runs, std::mt19937_64{20240607}, Table(counts)};
  run_all(bench, only);
}
