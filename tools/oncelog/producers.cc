// producers.cc: `oncelog producers`: what the batches of a partition say about their producers.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "args.h"
#include "commands.h"
#include "render.h"

namespace oncelog::cli {

namespace {

struct ProducersFlags {
  std::string path{};
  std::string partition{};
  bool json = false;
};

std::string json_row(const ProducerInfo& info) {
  return json_line({{"pid", info.producer_id.value()},
                    {"epoch", info.epoch.value()},
                    {"last_seq", info.last_sequence.value()},
                    {"last_offset", info.last_offset.value()},
                    {"coordinator_epoch", info.coordinator_epoch.value()},
                    {"txn_first", json_number(info.transaction_first_offset)},
                    {"timestamp", info.last_timestamp.value()}});
}

std::string table_row(const ProducerInfo& info) {
  return fmt::format("{:>12} {:>6} {:>11} {:>12} {:>12} {}", info.producer_id.value(),
                     info.epoch.value(), info.last_sequence.value(), info.last_offset.value(),
                     number_text(info.transaction_first_offset),
                     timestamp_text(info.last_timestamp));
}

int run_producers(const ProducersFlags& flags) {
  const std::string path = partition_path(flags.path, flags.partition);
  const auto reader = PartitionReader::open(path);
  if (!reader) return report(reader.error());

  Output output;
  if (!flags.json) {
    output.write("          id  epoch    last seq  last offset   open since last batch\n");
  }
  for (const ProducerInfo& info : (*reader)->producers()) {
    output.write((flags.json ? json_row(info) : table_row(info)) + "\n");
  }
  return output.finish();
}

}  // namespace

void add_producers(CLI::App& app, Run& run) {
  CLI::App* const producers = app.add_subcommand(
      "producers", "List the producers of a partition and their open transactions");
  const auto flags = std::make_shared<ProducersFlags>();
  producers->add_option("PATH", flags->path, "A partition's directory, or a store")->required();
  producers->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0");
  producers->add_flag("--json", flags->json, "One JSON object a line");
  producers->footer("Example:\n  oncelog producers /tmp/store orders-0");
  producers->callback([&run, flags] { run = [flags] { return run_producers(*flags); }; });
}

}  // namespace oncelog::cli
