// epochs.cc: `oncelog epochs`: the leader epochs of a partition: its file beside its batches.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "table.h"

namespace oncelog::cli {

namespace {

std::string json_row(const std::string& partition, const ListedEpoch& listed) {
  return json_line({{"partition", partition},
                    {"epoch", listed.epoch.value()},
                    {"start", json_number(listed.start)},
                    {"first_offset", json_number(listed.first_offset)},
                    {"last_offset", json_number(listed.last_offset)},
                    {"batches", listed.batch_count}}) +
         "\n";
}

int run_epochs(const PartitionFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Output output;
  Table table(output, {{"partition", Align::kLeft},
                       {"epoch"},
                       {"start in file"},
                       {"first batch"},
                       {"last offset"},
                       {"batches"}});
  const int status = look_at_all(*partitions, [&](const PartitionDirectory& at) {
    const auto listing = list_epochs(at.path);
    if (!listing) return report(listing.error());
    for (const ListedEpoch& listed : listing->epochs) {
      if (flags.json) {
        output.write(json_row(at.name, listed));
      } else {
        table.add({at.name, std::to_string(listed.epoch.value()), number_text(listed.start),
                   number_text(listed.first_offset), number_text(listed.last_offset),
                   std::to_string(listed.batch_count)});
      }
    }
    return report_problems(listing->problems);
  });
  table.finish();
  return std::max(status, output.finish());
}

}  // namespace

void add_epochs(CLI::App& app, Run& run) {
  CLI::App* const epochs = app.add_subcommand(
      "epochs", "List leader epochs as file and batches have them; exit 1 if they differ");
  const auto flags = std::make_shared<PartitionFlags>();
  add_partition_flags(*epochs, *flags);
  epochs->footer(
      "Examples:\n"
      "  oncelog epochs /var/lib/kafka/data orders-0\n"
      "  oncelog epochs /tmp/store --json");
  epochs->callback([&run, flags] { run = [flags] { return run_epochs(*flags); }; });
}

}  // namespace oncelog::cli
