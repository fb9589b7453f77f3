#include "command_tree.h"

#include <string_view>

namespace oncelog::cli {

namespace {

/// CLI11 has a validator's words only in the type: "TEXT:{open,hanging}", "INT:NONNEGATIVE".
std::vector<std::string> choices_of(std::string_view type) {
  const auto begin = type.find('{');
  if (begin == std::string_view::npos) return {};
  std::vector<std::string> choices;
  std::string choice;
  for (const char c : type.substr(begin + 1)) {
    if (c != ',' && c != '}') {
      choice += c;
      continue;
    }
    choices.push_back(choice);
    choice.clear();
    if (c == '}') break;
  }
  return choices;
}

FlagText describe(const CLI::Option& option) {
  FlagText text;
  for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  if (option.get_positional()) text.names = {option.get_name(true)};
  const std::string type = option.get_type_name();
  const bool has_value = option.get_items_expected_max() > 0;
  text.choices = choices_of(type);
  text.value = has_value ? type.substr(0, type.find(':')) : "";
  text.description = option.get_description();
  text.is_required = option.get_required();
  text.is_repeatable = option.get_items_expected_max() > 1;
  return text;
}

}  // namespace

CommandText describe_command(const CLI::App& command) {
  CommandText text{command.get_name(), command.get_description(), command.get_footer(), {}, {}};
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group().empty()) continue;  // hidden
    (option->get_positional() ? text.arguments : text.options).push_back(describe(*option));
  }
  return text;
}

std::vector<CommandText> describe_subcommands(const CLI::App& app) {
  std::vector<CommandText> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) commands.push_back(describe_command(*command));
  }
  return commands;
}

}  // namespace oncelog::cli
