// export_snapshots.cc: `oncelog export-snapshots`: gives a store to Apache Kafka: recovers what was
// not closed, and writes each partition's `<end>.snapshot` and the clean marker.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "args.h"
#include "commands.h"
#include "render.h"

namespace oncelog::cli {

namespace {

/// Opens a partition, so that the store's close writes its snapshot; answers a line about it.
Result<std::string> open_for_export(Store& store, const TopicPartition& name) {
  PartitionOptions options;
  options.level = Level::kWritten;
  options.high_watermark = HighWatermarkPolicy::kManual;
  options.create_if_missing = false;
  ONCELOG_TRY_ASSIGN(const auto log, store.open_partition(name, options));
  ONCELOG_TRY_ASSIGN(const auto producers, log->producers());
  return fmt::format("{}/{:020}.snapshot: {} producers\n", partition_name(name),
                     log->ends().log_end.value(), producers.size());
}

Result<void> export_all(const std::string& directory, Output& output) {
  StoreOptions options;
  options.create_if_missing = false;
  options.kafka_handover = true;
  ONCELOG_TRY_ASSIGN(const auto store, Store::open(directory, options));
  ONCELOG_TRY_ASSIGN(const auto names, store->partitions());
  std::string lines;
  for (const TopicPartition& name : names) {
    ONCELOG_TRY_ASSIGN(const std::string line, open_for_export(*store, name));
    lines += line;
  }
  ONCELOG_TRY(store->close());
  output.write(lines);
  return {};
}

int run_export(const std::string& directory) {
  Output output;
  if (const auto exported = export_all(directory, output); !exported) {
    return report(exported.error());
  }
  return output.finish();
}

}  // namespace

void add_export_snapshots(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand(
      "export-snapshots",
      "Give a store to Apache Kafka: write producer snapshots and the clean marker");
  const auto directory = std::make_shared<std::string>();
  command->add_option("STORE", *directory, "Store directory, not in use")->required();
  command->footer(
      "A store that was closed cleanly has them already. Kafka may have the directory afterwards,\n"
      "until oncelog opens it again.\n\n"
      "Example:\n  oncelog export-snapshots /tmp/store");
  command->callback([&run, directory] { run = [directory] { return run_export(*directory); }; });
}

}  // namespace oncelog::cli
