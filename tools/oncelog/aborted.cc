// aborted.cc: `oncelog aborted`: the aborted transactions that the indexes of a partition list,
// each compared with the batches.
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

/// What both say, or one of them: stored is what a broker would answer fetches with.
const AbortedTransactionEntry& entry_of(const ListedAbort& found) {
  return found.stored ? *found.stored : *found.replayed;
}

std::string verdict_of(const ListedAbort& found) {
  if (!found.problem.empty()) return found.problem;
  if (found.stored && found.replayed) {
    // A range that begins earlier, or another stable offset, may be true: see list_aborted().
    const bool is_same = found.stored->first_offset == found.replayed->first_offset &&
                         found.stored->last_stable_offset == found.replayed->last_stable_offset;
    return is_same ? "agrees" : "agrees as far as batches are left";
  }
  return found.stored ? "its batches are gone or damaged" : "not in the index, and need not be";
}

class Aborted {
 public:
  Aborted(bool is_json, bool names_partitions)
      : is_json_(is_json), table_(output_, columns(), names_partitions) {}

  int look_at(const PartitionDirectory& partition) {
    bool has_difference = false;
    const auto problems = list_aborted(partition.path, [&](const ListedAbort& found) {
      has_difference |= !found.problem.empty();
      is_json_ ? show_json(partition.name, found) : show_row(partition.name, found);
      return output_.is_open();
    });
    if (!problems) return report(problems.error());
    return std::max(report_problems(*problems), has_difference ? int{kExitDamage} : kExitDone);
  }

  int finish() {
    table_.finish();
    return output_.finish();
  }

 private:
  static std::vector<Column> columns() {
    return {{"segment"},
            {"position"},
            {"pid"},
            {"first"},
            {"marker"},
            {"lso"},
            {"index and batches", Align::kLeft}};
  }

  void show_row(const std::string& partition, const ListedAbort& found) {
    const AbortedTransactionEntry& entry = entry_of(found);
    table_.add(partition, {std::to_string(entry.segment.value()), number_text(found.position),
                           std::to_string(entry.producer_id.value()),
                           std::to_string(entry.first_offset.value()),
                           std::to_string(entry.last_offset.value()),
                           std::to_string(entry.last_stable_offset.value()), verdict_of(found)});
  }

  void show_json(const std::string& partition, const ListedAbort& found) {
    const AbortedTransactionEntry& entry = entry_of(found);
    output_.write(
        json_line({{"partition", partition},
                   {"file", found.file},
                   {"position", json_number(found.position)},
                   {"pid", entry.producer_id.value()},
                   {"first_offset", entry.first_offset.value()},
                   {"marker_offset", entry.last_offset.value()},
                   {"last_stable_offset", entry.last_stable_offset.value()},
                   {"in_index", found.stored.has_value()},
                   {"in_batches", found.replayed.has_value()},
                   {"problem", found.problem.empty() ? Json(nullptr) : Json(found.problem)}}) +
        "\n");
  }

  const bool is_json_;
  Output output_{};
  PartitionTable table_;
};

int run_aborted(const PartitionFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Aborted aborted(flags.json, partitions->size() > 1);
  const int status =
      look_at_all(*partitions, [&](const PartitionDirectory& at) { return aborted.look_at(at); });
  return std::max(status, aborted.finish());
}

}  // namespace

void add_aborted(CLI::App& app, Run& run) {
  CLI::App* const aborted = app.add_subcommand(
      "aborted",
      "List aborted transactions as indexes and batches have them; exit 1 if they differ");
  const auto flags = std::make_shared<PartitionFlags>();
  add_partition_flags(*aborted, *flags);
  aborted->footer(
      "Examples:\n"
      "  oncelog aborted /var/lib/kafka/data orders-0\n"
      "  oncelog aborted /tmp/store --json");
  aborted->callback([&run, flags] { run = [flags] { return run_aborted(*flags); }; });
}

}  // namespace oncelog::cli
