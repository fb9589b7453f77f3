// offsets.cc: `oncelog offsets`: where each partition begins, ends and is stable, a row each.
#include <fmt/format.h>

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

std::string holder_text(const PartitionOffsets& offsets) {
  if (offsets.bound == StableOffsetBound::kHighWatermark) return "high watermark";
  if (offsets.holder) {
    return fmt::format("{} transaction of producer {}",
                       offsets.holder->marker_offset ? "unreplicated" : "open",
                       offsets.holder->producer_id.value());
  }
  return "-";
}

std::string json_row(const std::string& partition, const PartitionOffsets& offsets) {
  const bool has_holder = offsets.holder && offsets.bound != StableOffsetBound::kHighWatermark;
  return json_line({{"partition", partition},
                    {"log_start", offsets.log_start.value()},
                    {"last_stable_offset", offsets.last_stable_offset.value()},
                    {"high_watermark", json_number(offsets.stored_high_watermark)},
                    {"log_end", offsets.log_end.value()},
                    {"recovery_point", json_number(offsets.recovery_point)},
                    {"cleaned_to", json_number(offsets.cleaned_to)},
                    {"first_segment", offsets.first_segment.value()},
                    {"stored_log_start", json_number(offsets.stored_log_start)},
                    {"open_transactions", offsets.open_transaction_count},
                    {"held_by_pid",
                     has_holder ? Json(offsets.holder->producer_id.value()) : Json(nullptr)}}) +
         "\n";
}

std::vector<std::string> table_row(const std::string& partition, const PartitionOffsets& offsets) {
  return {partition,
          std::to_string(offsets.log_start.value()),
          std::to_string(offsets.last_stable_offset.value()),
          number_text(offsets.stored_high_watermark),
          std::to_string(offsets.log_end.value()),
          number_text(offsets.recovery_point),
          number_text(offsets.cleaned_to),
          std::to_string(offsets.open_transaction_count),
          holder_text(offsets)};
}

int run_offsets(const PartitionFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Output output;
  Table table(output, {{"partition", Align::kLeft},
                       {"log start"},
                       {"stable"},
                       {"watermark"},
                       {"log end"},
                       {"recovery point"},
                       {"cleaned to"},
                       {"open"},
                       {"stable offset held by", Align::kLeft}});
  const int status = look_at_all(*partitions, [&](const PartitionDirectory& at) {
    const auto offsets = read_offsets(at.path);
    if (!offsets) return report(offsets.error());
    if (flags.json) {
      output.write(json_row(at.name, *offsets));
    } else {
      table.add(table_row(at.name, *offsets));
    }
    return report_problems(offsets->problems);
  });
  table.finish();
  return std::max(status, output.finish());
}

}  // namespace

void add_offsets(CLI::App& app, Run& run) {
  CLI::App* const offsets = app.add_subcommand(
      "offsets", "Show log start, stable offset, high watermark, log end and recovery point");
  const auto flags = std::make_shared<PartitionFlags>();
  add_partition_flags(*offsets, *flags);
  offsets->footer(
      "Watermark, recovery point and log start come from the checkpoint files in the store, the\n"
      "others from the batches; a checkpoint behind the log end is damage: exit 1.\n"
      "\n"
      "Examples:\n"
      "  oncelog offsets /var/lib/kafka/data\n"
      "  oncelog offsets /tmp/store orders-0 --json");
  offsets->callback([&run, flags] { run = [flags] { return run_offsets(*flags); }; });
}

}  // namespace oncelog::cli
