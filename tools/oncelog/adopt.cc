// adopt.cc: `oncelog adopt`: takes a data directory of Kafka over, or, with --release, gives a
// store to Kafka: opens all of its partitions once, says what that recovered, and closes cleanly.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "args.h"
#include "commands.h"
#include "confirm.h"
#include "overlay_vfs.h"
#include "partitions.h"
#include "render.h"
#include "terminal.h"

namespace oncelog::cli {

namespace {

struct AdoptFlags {
  std::string directory{};
  bool is_release = false;
  bool is_dry_run = false;
  bool is_confirmed = false;
  bool json = false;
};

/// One opening of all partitions, on the disk or on an overlay of it.
class Adoption {
 public:
  Adoption(const AdoptFlags& flags, Output& output, bool is_rehearsal)
      : flags_(flags), output_(output), is_rehearsal_(is_rehearsal) {}

  /// Answers the exit status: 5 if a partition was refused, 1 if bytes were cut.
  Result<int> run() {
    OverlayVfs overlay;
    StoreOptions options;
    options.create_if_missing = false;
    options.kafka_handover = true;
    if (is_rehearsal_) options.vfs = &overlay;
    ONCELOG_TRY_ASSIGN(const auto store, Store::open(flags_.directory, options));
    ONCELOG_TRY_ASSIGN(const auto opened, open_all(*store));
    for (const OpenedPartition& partition : opened) ONCELOG_TRY(show(partition));
    if (!is_rehearsal_) {
      ONCELOG_TRY(store->close());
      if (flags_.is_release) ONCELOG_TRY(check_released());
    }
    show_end(opened.size());
    return status_;
  }

 private:
  /// With a watermark that stays where it is: nobody here knows what a cluster has replicated.
  static Result<std::vector<OpenedPartition>> open_all(Store& store) {
    PartitionOptions options;
    options.level = Level::kWritten;
    options.high_watermark = HighWatermarkPolicy::kManual;
    options.create_if_missing = false;
    ProgressLine line;
    OpenManyOptions many;
    many.on_progress = [&line](const RecoveryProgress& done) {
      if (!line.is_due()) return;
      line.show(fmt::format("{} of {} in {} of {} partitions, {}/s", bytes_text(done.bytes_done),
                            bytes_text(done.bytes_total), done.partitions_done,
                            done.partitions_total,
                            bytes_text(static_cast<std::int64_t>(done.bytes_per_second()))));
    };
    return store.open_all_partitions(options, many);
  }

  Result<void> show(const OpenedPartition& opened) {
    const std::string name = partition_name(opened.name);
    if (!opened.log) {
      status_ = kExitRefused;
      show_refusal(name, opened.log.error());
      return {};
    }
    const PartitionLog& log = **opened.log;
    if (log.recovery_report().bytes_cut > 0) status_ = std::max<int>(status_, kExitDamage);
    ONCELOG_TRY_ASSIGN(const auto producers, log.producers());
    const auto open_count = std::ranges::count_if(producers, [](const ProducerInfo& info) {
      return info.transaction_first_offset.has_value();
    });
    flags_.json ? show_json(name, log, producers.size(), open_count)
                : show_text(name, log, producers.size(), open_count);
    return {};
  }

  void show_text(const std::string& name, const PartitionLog& log, std::size_t producers,
                 std::int64_t open_count) {
    const RecoveryReport& report = log.recovery_report();
    const LogEnds ends = log.ends();
    output_.write(fmt::format(
        "{}: log start {}, log end {}, high watermark {}; {} producers, {} open transactions; {}\n",
        name, ends.log_start.value(), ends.log_end.value(), ends.high_watermark.value(), producers,
        open_count, report.was_clean ? "was closed cleanly" : "was not closed cleanly"));
    for (const RecoveryCut& cut : report.cuts) {
      output_.write(fmt::format("  {}: {} position {}: {} bytes: {}; the log ends at offset {}\n",
                                red("cut", Stream::kOutput), last_name(cut.file), cut.position,
                                cut.bytes, cut.reason, cut.end.value()));
    }
    show_list("rebuilt", report.files_rebuilt);
    show_list("removed", report.files_removed);
    show_list("note", report.warnings);
  }

  void show_list(std::string_view label, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      output_.write(fmt::format("  {}: {}\n", label, label == "note" ? line : last_name(line)));
    }
  }

  void show_json(const std::string& name, const PartitionLog& log, std::size_t producers,
                 std::int64_t open_count) {
    const RecoveryReport& report = log.recovery_report();
    const LogEnds ends = log.ends();
    Json cuts = Json::array();
    for (const RecoveryCut& cut : report.cuts) {
      cuts.push_back({{"file", cut.file},
                      {"position", cut.position},
                      {"bytes", cut.bytes},
                      {"log_end", cut.end.value()},
                      {"reason", cut.reason}});
    }
    output_.write(json_line({{"partition", name},
                             {"was_clean", report.was_clean},
                             {"log_start", ends.log_start.value()},
                             {"high_watermark", ends.high_watermark.value()},
                             {"log_end", ends.log_end.value()},
                             {"producers", producers},
                             {"open_transactions", open_count},
                             {"bytes_cut", report.bytes_cut},
                             {"cuts", std::move(cuts)},
                             {"files_rebuilt", report.files_rebuilt},
                             {"files_removed", report.files_removed},
                             {"warnings", report.warnings},
                             {"error", nullptr},
                             {"dry_run", is_rehearsal_}}) +
                  "\n");
  }

  void show_refusal(const std::string& name, const Error& error) {
    output_.write(
        flags_.json
            ? json_line(
                  {{"partition", name}, {"error", error.text()}, {"dry_run", is_rehearsal_}}) +
                  "\n"
            : fmt::format("{}: {}: {}\n", name, red("refused", Stream::kOutput), error.text()));
  }

  /// Kafka believes the files only where the marker stands.
  [[nodiscard]] Result<void> check_released() const {
    ONCELOG_TRY_ASSIGN(const auto marker,
                       posix_vfs().status(flags_.directory + "/.kafka_cleanshutdown"));
    if (marker || status_ == kExitRefused) return {};
    return fail(ErrorCode::POLICY_VIOLATION, flags_.directory,
                ": not every partition was closed cleanly, Kafka may not have it");
  }

  void show_end(std::size_t count) {
    if (flags_.json) return;
    if (is_rehearsal_) {
      output_.write("nothing was changed\n");
    } else if (status_ == kExitRefused) {
      output_.write("what was refused is as it was: see oncelog repair --dry-run\n");
    } else {
      output_.write(
          fmt::format("{} {} partitions\n", flags_.is_release ? "released" : "adopted", count));
    }
  }

  const AdoptFlags& flags_;
  Output& output_;
  const bool is_rehearsal_;
  int status_ = kExitDone;
};

/// A store would make its files in any directory it is given.
Result<void> check_is_store(const std::string& directory) {
  ONCELOG_TRY_ASSIGN(const auto names, list_partitions(directory));
  if (!names.empty()) return {};
  return fail(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, directory,
              ": no partition lies in it; expected a data directory of Kafka, or a store");
}

int run_adopt(const AdoptFlags& flags) {
  if (const auto store = check_is_store(flags.directory); !store) return report(store.error());
  Output output;
  if (!flags.is_confirmed || flags.is_dry_run) {
    const auto rehearsed = Adoption(flags, output, true).run();
    if (!rehearsed) return report(rehearsed.error());
    const int finished = output.finish();
    if (finished != kExitDone) return finished;
    if (flags.is_dry_run || *rehearsed == kExitRefused) return *rehearsed;
    if (!confirm(flags.is_release ? "Recover it so, and close it for Kafka?"
                                  : "Take it over so? No broker may have it open.")) {
      return kExitRefused;
    }
  }
  const auto done = Adoption(flags, output, false).run();
  if (!done) {
    output.flush();
    return report(done.error());
  }
  return std::max(*done, output.finish());
}

}  // namespace

void add_adopt(CLI::App& app, Run& run) {
  CLI::App* const adopt = app.add_subcommand(
      "adopt", "Take over a data directory of Kafka, or give a store to Kafka; dry run first");
  const auto flags = std::make_shared<AdoptFlags>();
  adopt->add_option("DIR", flags->directory, "A data directory of Kafka, or a store, not in use")
      ->required();
  adopt->add_flag("--release", flags->is_release,
                  "Ready a store for Kafka: recover what was not closed, write snapshots of the "
                  "producers and the clean marker");
  adopt->add_flag("--dry-run", flags->is_dry_run,
                  "Say what recovery would do, change nothing; exit 1 if it would cut");
  adopt->add_flag("--yes", flags->is_confirmed, "No dry run first, and do not ask");
  adopt->add_flag("--json", flags->json, "One JSON object a line");
  adopt->footer(
      "Opens every partition once, as any open does: what lies behind the recovery point is read,\n"
      "and cut where it is torn; damage below it is refused, and left to `oncelog repair`. A dry\n"
      "run does the same on a picture of the directory in memory, without `.state`: producers\n"
      "that only that knows are not counted. Watermarks stay. Afterwards the directory is closed\n"
      "cleanly, for oncelog and for Kafka: a store that was not must be released so before a\n"
      "broker may have it. Exit status 1: bytes were cut; 5: a partition was refused, or nobody\n"
      "was there to ask.\n"
      "\n"
      "Examples:\n"
      "  oncelog adopt /var/lib/kafka/data --dry-run\n"
      "  oncelog adopt /var/lib/kafka/data --yes\n"
      "  oncelog adopt --release /tmp/store");
  adopt->callback([&run, flags] { run = [flags] { return run_adopt(*flags); }; });
}

}  // namespace oncelog::cli
