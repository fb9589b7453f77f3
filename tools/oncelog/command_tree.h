// command_tree.h: the subcommands and their flags as data, read off the application itself, so that
// manual pages and completions cannot say anything else than it does.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace oncelog::cli {

struct FlagText {
  std::vector<std::string> names{};  ///< with their dashes; of an argument its one name
  std::string value{};               ///< "TEXT", "INT"; empty for a flag without one
  std::vector<std::string> choices{};
  std::string description{};
  bool is_required = false;
  bool is_repeatable = false;
};

struct CommandText {
  std::string name{};
  std::string description{};
  std::string footer{};
  std::vector<FlagText> arguments{};  ///< in their order
  std::vector<FlagText> options{};
};

[[nodiscard]] CommandText describe_command(const CLI::App& command);
/// All subcommands that are not hidden, in the order in which they were added.
[[nodiscard]] std::vector<CommandText> describe_subcommands(const CLI::App& app);

}  // namespace oncelog::cli
