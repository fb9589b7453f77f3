// partitions.h: what the subcommands that look at partitions share: their arguments, the walk over
// a whole store, how damage is told.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "oncelog/oncelog.h"

namespace oncelog::cli {

struct PartitionFlags {
  std::string path{};
  std::string partition{};
  bool json = false;
};

/// PATH and PARTITION.
void add_partition_arguments(CLI::App& command, PartitionFlags& flags);
/// PATH, PARTITION and --json.
void add_partition_flags(CLI::App& command, PartitionFlags& flags);

/// A partition's directory and its name.
struct PartitionDirectory {
  std::string name{};
  std::string path{};
};

/// The partition that is named, all of the store at PATH, or PATH itself where that is none.
Result<std::vector<PartitionDirectory>> find_partitions(const PartitionFlags& flags);
/// The last part of a path.
[[nodiscard]] std::string last_name(std::string path);

/// Looks at one partition; answers an exit status.
using LookAt = std::function<int(const PartitionDirectory&)>;
/// All that find_partitions() names; the greatest exit status. One that cannot be read keeps no
/// other from being looked at.
int look_at_all(const std::vector<PartitionDirectory>& partitions, const LookAt& look);

/// A line each on standard error; the exit status for so many.
int report_problems(const std::vector<Problem>& problems);

}  // namespace oncelog::cli
