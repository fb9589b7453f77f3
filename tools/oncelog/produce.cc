// produce.cc: `oncelog produce`: lines in, records out, each exactly once, however often the
// process is ended and started again in between.
#include "produce.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "args.h"
#include "commands.h"
#include "render.h"
#include "signals.h"

namespace oncelog::cli {

namespace {

/// The file of --stats: one JSON object a line, each written at once. Without a name: nothing.
class StatsFile {
 public:
  ~StatsFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  Result<void> open(const std::string& name) {
    if (name.empty()) return {};
    descriptor_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor_ >= 0) return {};
    return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, errno, "open " + name});
  }

  Result<void> write(const Json& event) {
    if (descriptor_ < 0) return {};
    const std::string line = json_line(event) + "\n";
    const ssize_t written = ::write(descriptor_, line.data(), line.size());
    if (written == static_cast<ssize_t>(line.size())) return {};
    return std::unexpected(Error{ErrorCode::KAFKA_STORAGE_ERROR, errno, "write statistics"});
  }

 private:
  int descriptor_ = -1;
};

Json json_counts(std::string_view event, const ProduceCounts& counts) {
  return {{"event", event},
          {"resumed_at_line", counts.resumed_at_line},
          {"retried_batches", counts.retried_batches},
          {"duplicates", counts.duplicates},
          {"lines", counts.lines},
          {"batches", counts.batches},
          {"committed", counts.committed_transactions},
          {"aborted", counts.aborted_transactions}};
}

void print_summary(const ProduceFlags& flags, const ProduceCounts& counts, Offset end) {
  fmt::print(stderr,
             "oncelog: produce {}: {}: from line {}, {} retry answered as duplicate, {} lines in "
             "{} batches, {} transactions committed, {} aborted, log end {}\n",
             flags.partition, stop_requested() ? "stopped" : "done", counts.resumed_at_line + 1,
             counts.duplicates, counts.lines, counts.batches, counts.committed_transactions,
             counts.aborted_transactions, end.value());
}

Result<StoredProgress> find_progress(const PartitionLog& log, const ProduceFlags& flags,
                                     LineInput& input) {
  if (flags.not_idempotent) return StoredProgress{};
  if (flags.append) return read_producer_state(log, ProducerId(flags.producer_id));
  return read_progress(log, flags, input);
}

Result<void> produce_lines(PartitionLog& log, const ProduceFlags& flags, StatsFile& stats) {
  LineInput input(flags.files);
  ONCELOG_TRY_ASSIGN(StoredProgress progress, find_progress(log, flags, input));
  LineProducer producer(log, flags, input, std::move(progress));
  ONCELOG_TRY(producer.resume());
  Json start =
      json_counts(producer.counts().resumed_at_line > 0 ? "resume" : "start", producer.counts());
  const RecoveryReport& recovery = log.recovery_report();
  start["recovered"] = !recovery.was_clean && !recovery.was_created;
  start["truncated_bytes"] = recovery.bytes_cut;
  ONCELOG_TRY(stats.write(start));

  const Result<void> outcome = producer.run();
  Json end = json_counts("end", producer.counts());
  end["stopped"] = stop_requested();
  end["error"] = outcome ? Json(nullptr) : Json(kafka_name(outcome.error().code));
  end["log_end"] = log.ends().log_end.value();
  ONCELOG_TRY(stats.write(end));
  ONCELOG_TRY(outcome);
  print_summary(flags, producer.counts(), log.ends().log_end);
  return {};
}

Result<void> open_and_produce(const ProduceFlags& flags) {
  const auto name = parse_partition_name(flags.partition);
  if (!name) {
    return fail(ErrorCode::INVALID_CONFIG, "PARTITION ", flags.partition,
                ": expected a topic and a number, as in orders-0");
  }
  PartitionOptions options;
  options.level = flags.level == "written" ? Level::kWritten : Level::kDurable;
  ONCELOG_TRY(set_config(options.config, flags.config));
  ONCELOG_TRY(options.check());
  StatsFile stats;
  ONCELOG_TRY(stats.open(flags.stats));

  StoreOptions store_options;
  store_options.append_ring_bytes = 0;  // consumers in other processes follow the files
  ONCELOG_TRY_ASSIGN(const auto store, Store::open(flags.directory, store_options));
  ONCELOG_TRY_ASSIGN(const auto log, store->open_partition(*name, options));
  Result<void> outcome = produce_lines(*log, flags, stats);
  const Result<void> closed = store->close();
  return outcome ? closed : outcome;
}

int run_produce(const ProduceFlags& flags) {
  if (flags.not_idempotent && (flags.transaction_records > 0 || flags.append)) {
    return report_usage("--not-idempotent goes neither with --txn-every nor with --append");
  }
  if (flags.abort_every == 1 || (flags.abort_every > 0 && flags.transaction_records == 0)) {
    return report_usage("--abort-every: at least 2, and only with --txn-every");
  }
  if (flags.key_separator.size() > 1) return report_usage("--key-separator: one character");
  watch_stop_signals();
  const Result<void> outcome = open_and_produce(flags);
  return outcome ? kExitDone : report(outcome.error());
}

void add_sending_flags(CLI::App& produce, ProduceFlags& flags) {
  produce.add_option("--batch-records", flags.batch_records, "Records in a batch, 100")
      ->check(CLI::PositiveNumber);
  produce.add_option("--batch-bytes", flags.batch_bytes, "Plain bytes in a batch, 524288")
      ->check(CLI::PositiveNumber);
  produce.add_option("--codec", flags.codec, "none, gzip, snappy, lz4 or zstd")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}));
  produce
      .add_option("--level", flags.level,
                  "What an answered batch survives: written (the end of the process) or durable "
                  "(the loss of power; default)")
      ->check(CLI::IsMember({"written", "durable"}));
  produce
      .add_option("--txn-every", flags.transaction_records,
                  "Records in a transaction; 0: no transactions (default)")
      ->check(CLI::NonNegativeNumber);
  produce
      .add_option("--abort-every", flags.abort_every,
                  "Abort every Nth transaction on purpose and send its lines again in the next")
      ->check(CLI::NonNegativeNumber);
  produce.add_option("--delay-us", flags.delay_us, "Sleep after each batch, for demonstrations")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

void add_produce(CLI::App& app, Run& run) {
  CLI::App* const produce = app.add_subcommand(
      "produce",
      "Append lines as records, each exactly once: started again, it goes on where it was cut");
  const auto flags = std::make_shared<ProduceFlags>();
  produce->add_option("DIR", flags->directory, "Store directory, made if it is missing")
      ->required();
  produce->add_option("PARTITION", flags->partition, "Partition, e.g. orders-0")->required();
  produce->add_option("FILES", flags->files, "Files of lines; standard input without any");
  produce->add_option("--key-separator", flags->key_separator,
                      "Character between key and value; a line without it has no key");
  add_sending_flags(*produce, *flags);
  produce->add_option("--producer-id", flags->producer_id, "Tag of this stream of lines, 1")
      ->check(CLI::NonNegativeNumber);
  produce->add_flag("--not-idempotent", flags->not_idempotent,
                    "Without producer id: nothing is compared, a repeated run appends again");
  produce->add_flag("--append", flags->append,
                    "The input is new lines behind what is stored; an open transaction is aborted");
  produce
      ->add_option("--config", flags->config, "NAME=VALUE of the topic, e.g. segment.bytes=1048576")
      ->allow_extra_args(false);
  produce->add_option("--stats", flags->stats,
                      "Append a JSON line at the start and at the end to this file");
  produce->footer(
      "Example:\n  oncelog produce /tmp/store orders-0 orders.txt --txn-every 500 --codec lz4");
  produce->callback([&run, flags] { run = [flags] { return run_produce(*flags); }; });
}

}  // namespace oncelog::cli
