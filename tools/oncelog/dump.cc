// dump.cc: `oncelog dump`: what lies in the files of a partition or of a data directory. Its flags,
// those of kafka-dump-log among them, and which part shows which file.
#include "dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "terminal.h"

namespace oncelog::cli {

void DamageLines::show(const Place& place, const std::string& damage) {
  ++count_;
  bytes_ += place.bytes;
  const std::int64_t next = place.position + place.bytes;
  if (is_json_) {
    output_.write(json_line({{"file", place.file},
                             {"position", place.position},
                             {"bytes", place.bytes},
                             {"damage", damage},
                             {"next_position", next}}) +
                  "\n");
    return;
  }
  const auto status = posix_vfs().status(place.file);
  const bool is_last = status && *status && next >= (*status)->bytes;
  const std::string text =
      fmt::format("DAMAGED: {}; {}", damage,
                  is_last ? "nothing is behind it in this file"
                          : fmt::format("reading goes on at position {}", next));
  output_.write(
      fmt::format("{:>10} {:>8} {}\n", place.position, place.bytes, red(text, Stream::kOutput)));
}

std::string DamageLines::summary() const {
  return fmt::format("{} damaged stretches, {} damaged bytes", count_, bytes_);
}

namespace {

/// kafka-dump-log's own defaults mean what is done anyway; other classes are Java's.
int check_decoder_class(const char* flag, const std::string& name) {
  const bool is_plain = name.empty() || name.ends_with("StringDecoder") ||
                        name.ends_with("DefaultDecoder") || name.ends_with("StringDeserializer");
  if (is_plain) return kExitDone;
  return report_usage(
      fmt::format("{} {}: cannot load a Java class; of internal topics --offsets-decoder and "
                  "--transaction-log-decoder decode keys and values, --hex shows any bytes",
                  flag, name));
}

std::string kind_names() {
  std::string names;
  for (int i = 0; i <= static_cast<int>(FileKind::kCleanRecord); ++i) {
    if (i > 0) names += ", ";
    names += name_of(static_cast<FileKind>(i));
  }
  return names;
}

/// A store means all of its partitions.
int dump_directory(Output& output, const DumpFlags& flags, const std::string& path) {
  const auto partitions = list_partitions(path);
  if (!partitions) return report(partitions.error());
  if (partitions->empty()) return dump_batches(output, flags, path);
  int status = kExitDone;
  for (const TopicPartition& partition : *partitions) {
    const std::string directory = partition_path(path, partition_name(partition));
    status = std::max(status, dump_batches(output, flags, directory));
  }
  return status;
}

int dump_path(Output& output, const DumpFlags& flags, const std::string& path) {
  const auto found = posix_vfs().status(path);
  if (!found) return report(found.error());
  if (*found && (*found)->is_directory) return dump_directory(output, flags, path);
  const auto kind = flags.kind.empty() ? file_kind_of(path) : parse_file_kind(flags.kind);
  if (!flags.kind.empty() && !kind) {
    return report_usage(fmt::format("--as {}: is none of {}", flags.kind, kind_names()));
  }
  if (!kind && *found) {
    return report_usage(fmt::format("{}: its name tells no kind of file: say by --as which of {}",
                                    path, kind_names()));
  }
  // One that is missing is named by whoever cannot open it.
  if (!kind || *kind == FileKind::kLog) return dump_batches(output, flags, path);
  return dump_entries(output, flags, path, *kind);
}

int run_dump(const DumpFlags& flags) {
  if (flags.path.empty() == flags.files.empty()) {
    return report_usage("dump: give a PATH, or --files");
  }
  if (flags.offsets_decoder && flags.transaction_log_decoder) {
    return report_usage("dump: --offsets-decoder and --transaction-log-decoder exclude each other");
  }
  for (const auto& [flag, name] : {std::pair{"--key-decoder-class", flags.key_decoder_class},
                                   std::pair{"--value-decoder-class", flags.value_decoder_class}}) {
    if (const int refused = check_decoder_class(flag, name); refused != kExitDone) return refused;
  }
  Output output;
  int status = kExitDone;
  if (!flags.path.empty()) {
    status = dump_path(output, flags, partition_path(flags.path, flags.partition));
  }
  for (const std::string& file : flags.files) {
    status = std::max(status, dump_path(output, flags, file));
  }
  return std::max(status, output.finish());
}

/// Those of kafka-dump-log, by its names.
void add_kafka_flags(CLI::App& dump, DumpFlags& flags) {
  dump.option_defaults()->group("As kafka-dump-log");
  dump.add_option("--files", flags.files, "Files, separated by commas, in place of PATH")
      ->delimiter(',');
  dump.add_flag("--deep-iteration", flags.deep_iteration,
                "Read the records of each batch, also where they are not shown");
  dump.add_flag("--skip-record-metadata", flags.skip_record_metadata,
                "Of records, show keys and values only");
  dump.add_flag("--verify-index-only", flags.verify_index_only,
                "Compare an index with its .log; show what is wrong only");
  dump.add_flag("--index-sanity-check", flags.index_sanity_check,
                "Compare the entries of an index with each other; show what is wrong only");
  dump.add_flag("--offsets-decoder", flags.offsets_decoder,
                "Show records, decoded as those of __consumer_offsets");
  dump.add_flag("--transaction-log-decoder", flags.transaction_log_decoder,
                "Show records, decoded as those of __transaction_state");
  dump.add_option("--max-bytes", flags.max_bytes,
                  "Show what ends within so many bytes of each .log; 0: all")
      ->check([](const std::string& text) {
        const bool is_count = parse_number(text).value_or(-1) >= 0;
        return is_count ? std::string() : text + " is no number of bytes";
      });
  dump.add_option("--max-message-size", flags.max_message_size,
                  "Accepted and not needed: batches of any size are read");
  for (auto [name, value] : {std::pair{"--key-decoder-class", &flags.key_decoder_class},
                             std::pair{"--value-decoder-class", &flags.value_decoder_class}}) {
    dump.add_option(name, *value, "Kafka's default classes only: Java's cannot be loaded");
  }
}

}  // namespace

void add_dump(CLI::App& app, Run& run) {
  CLI::App* const dump = app.add_subcommand(
      "dump", "Show what lies in a file or in the segments of a partition; exit 1 on damage");
  const auto flags = std::make_shared<DumpFlags>();
  dump->add_option("PATH", flags->path,
                   "A file: .log, .index, .timeindex, .txnindex, .snapshot, a checkpoint, "
                   "partition.metadata, .seal, .tail, .state, .clean; or a partition's directory; "
                   "or a store");
  dump->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0");
  dump->add_flag("--records,--print-data-log", flags->records,
                 "Show the records, too; those of internal topics decoded");
  dump->add_flag("--hex", flags->hex, "Keys and values in hexadecimal");
  dump->add_option("--as", flags->kind,
                   "What kind of file it is, whatever its name: " + kind_names());
  dump->add_flag("--json", flags->json, "One JSON object a line");
  add_kafka_flags(*dump, *flags);
  dump->footer(
      "Examples:\n"
      "  oncelog dump /tmp/store orders-0 --records\n"
      "  oncelog dump /var/lib/kafka/data/orders-0/00000000000000000000.timeindex\n"
      "  oncelog dump /var/lib/kafka/data __consumer_offsets-7 --records --json\n"
      "  oncelog dump --files 00000000000000000000.log,00000000000000000000.index "
      "--print-data-log");
  dump->callback([&run, flags] {
    flags->records |= flags->offsets_decoder || flags->transaction_log_decoder;
    run = [flags] { return run_dump(*flags); };
  });
}

}  // namespace oncelog::cli
