// completion.cc: `oncelog completion`: the completion scripts of three shells.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "args.h"
#include "command_tree.h"
#include "commands.h"
#include "render.h"

namespace oncelog::cli {

namespace {

/// Within single quotes: a quote ends them, is escaped, and begins them again.
std::string quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c == '\n' ? ' ' : c;
    }
  }
  return quoted + "'";
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : std::string(between)) + word;
  return text;
}

std::vector<std::string> names_of(const std::vector<CommandText>& commands) {
  std::vector<std::string> names;
  for (const CommandText& command : commands) names.push_back(command.name);
  return names;
}

std::vector<std::string> flags_of(const CommandText& command) {
  std::vector<std::string> flags;
  for (const FlagText& option : command.options) {
    flags.insert(flags.end(), option.names.begin(), option.names.end());
  }
  return flags;
}

/// Choices of the first argument, where it has some: `completion` itself.
std::vector<std::string> words_of(const CommandText& command) {
  return command.arguments.empty() ? std::vector<std::string>{} : command.arguments[0].choices;
}

// --- bash ---

/// What may follow an option: its choices, or nothing known, which leaves files.
std::string bash_values(const CommandText& command) {
  std::string text;
  for (const FlagText& option : command.options) {
    if (option.value.empty()) continue;
    const std::string words = option.choices.empty()
                                  ? "compopt -o default"
                                  : fmt::format("COMPREPLY=($(compgen -W {} -- \"$word\"))",
                                                quote(join(option.choices, " ")));
    text += fmt::format("        {}) {}; return ;;\n", join(option.names, "|"), words);
  }
  return text;
}

std::string bash_script(const CLI::App& app, const std::vector<CommandText>& commands) {
  std::string text = fmt::format(
      "# bash completion of oncelog; made by `oncelog completion bash`\n"
      "_oncelog() {{\n"
      "  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    COMPREPLY=($(compgen -W {} -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n",
      quote(join(names_of(commands), " ") + " " + join(flags_of(describe_command(app)), " ")));
  for (const CommandText& command : commands) {
    text += fmt::format("    {})\n", command.name);
    const std::string values = bash_values(command);
    if (!values.empty()) text += "      case $before in\n" + values + "      esac\n";
    text += fmt::format(
        "      if [[ $word == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W {} -- \"$word\"))\n",
        quote(join(flags_of(command), " ")));
    const auto words = words_of(command);
    text += words.empty() ? "      else\n        compopt -o default\n"
                          : fmt::format(
                                "      else\n        COMPREPLY=($(compgen -W {} -- "
                                "\"$word\"))\n",
                                quote(join(words, " ")));
    text += "      fi\n      ;;\n";
  }
  return text + "  esac\n}\ncomplete -F _oncelog oncelog\n";
}

// --- zsh ---

/// Brackets and colons end parts of what _arguments takes.
std::string zsh_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string zsh_value(const FlagText& flag) {
  if (flag.value.empty()) return "";
  const std::string words =
      flag.choices.empty() ? "_files" : fmt::format("({})", join(flag.choices, " "));
  return fmt::format(":{}:{}", flag.value, words);
}

std::string zsh_specs(const CommandText& command) {
  std::vector<std::string> specs;
  for (const FlagText& option : command.options) {
    for (const std::string& name : option.names) {
      specs.push_back(quote(fmt::format("{}{}[{}]{}", option.is_repeatable ? "*" : "", name,
                                        zsh_escape(option.description), zsh_value(option))));
    }
  }
  for (const FlagText& argument : command.arguments) {
    specs.push_back(quote(fmt::format(
        "{}{}:{}", argument.is_required ? ":" : "::", argument.names.front(),
        argument.choices.empty() ? "_files" : fmt::format("({})", join(argument.choices, " ")))));
  }
  return join(specs, " \\\n        ");
}

std::string zsh_script(const CLI::App& app, const std::vector<CommandText>& commands) {
  std::string text =
      "#compdef oncelog\n"
      "# zsh completion of oncelog; made by `oncelog completion zsh`\n"
      "_oncelog() {\n"
      "  local -a commands\n"
      "  commands=(\n";
  for (const CommandText& command : commands) {
    text += "    " + quote(command.name + ":" + zsh_escape(command.description)) + "\n";
  }
  text += fmt::format(
      "  )\n"
      "  if ((CURRENT == 2)); then\n"
      "    _describe -t commands 'oncelog subcommand' commands\n"
      "    _arguments {}\n"
      "    return\n"
      "  fi\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "  case $words[1] in\n",
      zsh_specs(describe_command(app)));
  for (const CommandText& command : commands) {
    text += fmt::format("    {})\n      _arguments \\\n        {}\n      ;;\n", command.name,
                        zsh_specs(command));
  }
  // zsh calls a file in its path as the function itself; whoever reads it by `source` wants that
  // defined.
  return text +
         "  esac\n}\n"
         "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
         "  _oncelog \"$@\"\n"
         "else\n"
         "  compdef _oncelog oncelog\n"
         "fi\n";
}

// --- fish ---

std::string fish_option(const FlagText& option, const std::string& condition) {
  std::string line = fmt::format("complete -c oncelog -n {}", quote(condition));
  for (const std::string& name : option.names) {
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.value.empty()) line += " -r";
  if (!option.choices.empty()) line += " -f -a " + quote(join(option.choices, " "));
  return line + " -d " + quote(option.description) + "\n";
}

std::string fish_script(const CLI::App& app, const std::vector<CommandText>& commands) {
  std::string text = "# fish completion of oncelog; made by `oncelog completion fish`\n";
  const std::string first = "__fish_use_subcommand";
  for (const FlagText& option : describe_command(app).options) text += fish_option(option, first);
  for (const CommandText& command : commands) {
    text += fmt::format("complete -c oncelog -n {} -f -a {} -d {}\n", quote(first), command.name,
                        quote(command.description));
    const std::string seen = "__fish_seen_subcommand_from " + command.name;
    for (const FlagText& option : command.options) text += fish_option(option, seen);
    const auto words = words_of(command);
    if (words.empty()) continue;
    text +=
        fmt::format("complete -c oncelog -n {} -f -a {}\n", quote(seen), quote(join(words, " ")));
  }
  return text;
}

int run_completion(const CLI::App& app, const std::string& shell) {
  const std::vector<CommandText> commands = describe_subcommands(app);
  Output output;
  output.write(shell == "bash"  ? bash_script(app, commands)
               : shell == "zsh" ? zsh_script(app, commands)
                                : fish_script(app, commands));
  return output.finish();
}

}  // namespace

void add_completion(CLI::App& app, Run& run) {
  CLI::App* const completion =
      app.add_subcommand("completion", "Print a completion script for bash, zsh or fish");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer(
      "`cmake --install` puts them where the shells look.\n"
      "\n"
      "Examples:\n"
      "  source <(oncelog completion bash)     # or zsh, behind compinit\n"
      "  oncelog completion zsh > ~/.zsh/completions/_oncelog\n"
      "  oncelog completion fish > ~/.config/fish/completions/oncelog.fish");
  completion->callback(
      [&run, &app, shell] { run = [&app, shell] { return run_completion(app, *shell); }; });
}

}  // namespace oncelog::cli
