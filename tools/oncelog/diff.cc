// diff.cc: `oncelog diff`: in what two copies of a partition or of a store differ.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "render.h"

namespace oncelog::cli {

namespace {

struct DiffFlags {
  std::string first{};
  std::string second{};
  bool json = false;
};

std::string text_of(const FileDifference& file) {
  if (!file.first_bytes) return file.name + ": only in the second";
  if (!file.second_bytes) return file.name + ": only in the first";
  return fmt::format("{}: {} and {} bytes, the first difference at position {}", file.name,
                     *file.first_bytes, *file.second_bytes, *file.position);
}

std::string place_text(const std::string& file, std::int64_t position) {
  return file.empty() ? "(ended)" : fmt::format("{} position {}", last_name(file), position);
}

std::string text_of(const LogDifference& log) {
  const std::string batch =
      log.batch ? fmt::format("batch at offset {}", log.batch->value()) : "damaged bytes";
  return fmt::format("first different {}{}: {}; {} | {}", batch,
                     log.record ? fmt::format(", record {}", log.record->value()) : "", log.what,
                     place_text(log.first_file, log.first_position),
                     place_text(log.second_file, log.second_position));
}

class Diff {
 public:
  explicit Diff(bool is_json) : is_json_(is_json) {}

  int compare(const std::string& name, const std::string& first, const std::string& second) {
    const auto difference = compare_partitions(first, second);
    if (!difference) return report(difference.error());
    if (difference->log) show_log(name, *difference->log);
    for (const FileDifference& file : difference->files) show_file(name, file);
    return difference->is_none() ? kExitDone : kExitDamage;
  }

  int show_missing(const std::string& name, bool is_in_first) {
    write({{"partition", name}, {"kind", "partition"}, {"only_in", is_in_first ? 1 : 2}},
          fmt::format("{}: only in the {}", name, is_in_first ? "first" : "second"));
    return kExitDamage;
  }

  int finish() { return output_.finish(); }

 private:
  void show_log(const std::string& name, const LogDifference& log) {
    write({{"partition", name},
           {"kind", "log"},
           {"batch", json_number(log.batch)},
           {"record", json_number(log.record)},
           {"what", log.what},
           {"first_file", last_name(log.first_file)},
           {"first_position", log.first_position},
           {"second_file", last_name(log.second_file)},
           {"second_position", log.second_position}},
          fmt::format("{}: {}", name, text_of(log)));
  }

  void show_file(const std::string& name, const FileDifference& file) {
    write({{"partition", name},
           {"kind", "file"},
           {"file", file.name},
           {"first_bytes", json_number(file.first_bytes)},
           {"second_bytes", json_number(file.second_bytes)},
           {"position", json_number(file.position)}},
          fmt::format("{}: {}", name, text_of(file)));
  }

  void write(const Json& json, const std::string& text) {
    output_.write((is_json_ ? json_line(json) : text) + "\n");
  }

  const bool is_json_;
  Output output_{};
};

int run_diff(const DiffFlags& flags) {
  const auto first = find_partitions({flags.first, "", false});
  if (!first) return report(first.error());
  const auto second = find_partitions({flags.second, "", false});
  if (!second) return report(second.error());
  Diff diff(flags.json);
  // Two partitions are compared whatever they are called.
  const auto is_partition = [](const auto& found, const std::string& path) {
    return found.size() == 1 && found.front().path == path;
  };
  if (is_partition(*first, flags.first) && is_partition(*second, flags.second)) {
    const int status = diff.compare(first->front().name, flags.first, flags.second);
    return std::max(status, diff.finish());
  }
  std::map<std::string, std::pair<std::string, std::string>> paths;
  for (const PartitionDirectory& at : *first) paths[at.name].first = at.path;
  for (const PartitionDirectory& at : *second) paths[at.name].second = at.path;
  int status = kExitDone;
  for (const auto& [name, both] : paths) {
    const bool is_in_both = !both.first.empty() && !both.second.empty();
    status = std::max(status, is_in_both ? diff.compare(name, both.first, both.second)
                                         : diff.show_missing(name, !both.first.empty()));
  }
  return std::max(status, diff.finish());
}

}  // namespace

void add_diff(CLI::App& app, Run& run) {
  CLI::App* const diff = app.add_subcommand(
      "diff", "Compare two partitions or stores by bytes and by batches; exit 1 if they differ");
  const auto flags = std::make_shared<DiffFlags>();
  diff->add_option("DIR1", flags->first, "A partition's directory, or a store")->required();
  diff->add_option("DIR2", flags->second, "Another one")->required();
  diff->add_flag("--json", flags->json, "One JSON object a line");
  diff->footer(
      "Batches are compared one by one, wherever segments begin. Files beside the partitions are\n"
      "not looked at.\n"
      "\n"
      "Examples:\n"
      "  oncelog diff /var/lib/kafka/data/orders-0 /backup/orders-0\n"
      "  oncelog diff /tmp/store /tmp/backup --json");
  diff->callback([&run, flags] { run = [flags] { return run_diff(*flags); }; });
}

}  // namespace oncelog::cli
