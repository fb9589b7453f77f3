// tail.cc: `oncelog tail`: the last records of a partition, and those that come.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "args.h"
#include "commands.h"
#include "following.h"
#include "partitions.h"
#include "record_rows.h"
#include "signals.h"

namespace oncelog::cli {

namespace {

struct TailFlags : PartitionFlags {
  std::int64_t records = 10;
  std::int64_t idle_ms = -1;
  bool follow = false;
};

class Tail {
 public:
  Tail(const TailFlags& flags, std::string path)
      : flags_(flags), path_(std::move(path)), rows_(output_, flags.json) {}

  int run() {
    const auto problems =
        find_last_records(path_, flags_.records, [this](const LocatedRecord& found) {
          next_ = found.record.offset + 1;
          return rows_.show(found);
        });
    if (!problems) return report(problems.error());
    const int damage = report_problems(*problems);
    const Result<void> followed = flags_.follow ? follow() : Result<void>{};
    rows_.finish();
    const int finished = output_.finish();
    return followed ? std::max(damage, finished) : report(followed.error());
  }

 private:
  Result<void> follow() {
    ONCELOG_TRY_ASSIGN(const auto reader, PartitionReader::open(path_));
    if (reader->ends().log_end < next_) {
      return fail(ErrorCode::CORRUPT_MESSAGE, path_, ": cannot be followed behind the damage at ",
                  reader->ends().log_end);
    }
    next_ = std::max(next_, reader->ends().log_start);
    if (flags_.records == 0) next_ = reader->ends().log_end;
    Following following(output_, flags_.idle_ms);
    while (output_.is_open() && !stop_requested()) {
      const Offset before = next_;
      ONCELOG_TRY(show_new(*reader));
      if (next_ > before) {
        following.note_progress();
        continue;
      }
      rows_.finish();
      if (!following.wait()) return {};
      ONCELOG_TRY(reader->refresh());
    }
    return {};
  }

  /// One fetch, from next_ on.
  Result<void> show_new(const PartitionReader& reader) {
    ONCELOG_TRY_ASSIGN(const Fetched fetched, reader.fetch(next_));
    ONCELOG_TRY_ASSIGN(const auto bytes, fetched.read());
    BatchCursor batches(bytes);
    while (true) {
      const std::int64_t position = fetched.region.position + batches.position();
      ONCELOG_TRY_ASSIGN(const auto batch, batches.next());
      if (!batch) return {};
      if (!batch->is_control()) ONCELOG_TRY(show_batch(*batch, fetched.region.path, position));
      next_ = std::max(next_, batch->next_offset());
    }
  }

  Result<void> show_batch(const RecordBatchView& batch, const std::string& file,
                          std::int64_t position) {
    ONCELOG_TRY_ASSIGN(RecordReader records, RecordReader::open(batch));
    while (true) {
      ONCELOG_TRY_ASSIGN(const auto record, records.next());
      if (!record) return {};
      if (record->offset >= next_ && !rows_.show({file, position, batch, *record})) return {};
    }
  }

  const TailFlags& flags_;
  const std::string path_;
  Output output_{};
  RecordRows rows_;
  Offset next_{};
};

int run_tail(const TailFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  if (partitions->size() > 1) return report_usage("tail: which partition of the store?");
  if (flags.follow) watch_stop_signals();
  return Tail(flags, partitions->front().path).run();
}

}  // namespace

void add_tail(CLI::App& app, Run& run) {
  CLI::App* const tail = app.add_subcommand(
      "tail", "Show the last records of a partition; with --follow those that come, too");
  const auto flags = std::make_shared<TailFlags>();
  add_partition_flags(*tail, *flags);
  tail->add_option("-n,--records", flags->records, "How many; default 10")
      ->check(CLI::NonNegativeNumber);
  tail->add_flag("--follow", flags->follow, "Go on with what is appended");
  tail->add_option("--idle-ms", flags->idle_ms, "With --follow: end when nothing came so long")
      ->check(CLI::NonNegativeNumber);
  tail->footer(
      "Shows records whether they are committed or not; `consume` shows what is.\n"
      "\n"
      "Examples:\n"
      "  oncelog tail /var/lib/kafka/data orders-0 -n 3\n"
      "  oncelog tail /tmp/store orders-0 --follow --json");
  tail->callback([&run, flags] { run = [flags] { return run_tail(*flags); }; });
}

}  // namespace oncelog::cli
