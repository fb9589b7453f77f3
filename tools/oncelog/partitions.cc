#include "partitions.h"

#include <fmt/format.h>

#include <algorithm>

#include "args.h"
#include "terminal.h"

namespace oncelog::cli {

void add_partition_arguments(CLI::App& command, PartitionFlags& flags) {
  command.add_option("PATH", flags.path, "A store or data directory, or a partition's directory")
      ->required();
  command.add_option("PARTITION", flags.partition,
                     "Partition in the store, e.g. orders-0; all of them if there is none");
}

void add_partition_flags(CLI::App& command, PartitionFlags& flags) {
  add_partition_arguments(command, flags);
  command.add_flag("--json", flags.json, "One JSON object a line");
}

Result<std::vector<PartitionDirectory>> find_partitions(const PartitionFlags& flags) {
  if (!flags.partition.empty()) {
    return std::vector{
        PartitionDirectory{flags.partition, partition_path(flags.path, flags.partition)}};
  }
  ONCELOG_TRY_ASSIGN(const std::vector<TopicPartition> listed, list_partitions(flags.path));
  std::vector<PartitionDirectory> found;
  for (const TopicPartition& partition : listed) {
    const std::string name = partition_name(partition);
    found.push_back({name, partition_path(flags.path, name)});
  }
  if (found.empty()) found.push_back({last_name(flags.path), flags.path});
  return found;
}

std::string last_name(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.substr(path.rfind('/') + 1);
}

int look_at_all(const std::vector<PartitionDirectory>& partitions, const LookAt& look) {
  int status = kExitDone;
  for (const PartitionDirectory& partition : partitions) status = std::max(status, look(partition));
  return status;
}

int report_problems(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    fmt::print(stderr, "oncelog: {}: {}: position {}: {}\n", red("DAMAGE", Stream::kErrors),
               problem.file, problem.position, problem.problem);
  }
  return problems.empty() ? kExitDone : kExitDamage;
}

}  // namespace oncelog::cli
