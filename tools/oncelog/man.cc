// man.cc: `oncelog man`, hidden: writes the manual pages, `oncelog.1` and one for each subcommand,
// as the build wants them.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "args.h"
#include "command_tree.h"
#include "commands.h"

#ifndef ONCELOG_VERSION
#define ONCELOG_VERSION "unknown"
#endif

namespace oncelog::cli {

namespace {

/// Roff takes a backslash, and a dot or a quote at the front of a line, for commands; a plain dash
/// may become a hyphen, which nobody can copy into a shell.
std::string escape(std::string_view text) {
  std::string escaped;
  bool is_at_front = true;
  for (const char c : text) {
    if (is_at_front && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
    is_at_front = c == '\n';
  }
  return escaped;
}

std::string heading(const std::string& page, const std::string& title) {
  return fmt::format(".TH {} 1 \"\" \"oncelog {}\" \"{}\"\n", escape(page), ONCELOG_VERSION, title);
}

std::string synopsis(const CommandText& command) {
  std::string text = fmt::format("\\fBoncelog {}\\fR", escape(command.name));
  if (!command.options.empty()) text += " [\\fIOPTIONS\\fR]";
  for (const FlagText& argument : command.arguments) {
    const std::string name = "\\fI" + escape(argument.names.front()) + "\\fR";
    text += argument.is_required ? " " + name : " [" + name + "]";
  }
  return text + "\n";
}

std::string flag_text(const FlagText& flag) {
  std::string text = ".TP\n";
  for (std::size_t i = 0; i < flag.names.size(); ++i) {
    text += fmt::format("{}\\fB{}\\fR", i > 0 ? ", " : "", escape(flag.names[i]));
  }
  const bool is_option = flag.names.front().starts_with('-');
  if (is_option && !flag.value.empty()) text += " \\fI" + escape(flag.value) + "\\fR";
  text += "\n" + escape(flag.description) + "\n";
  if (!flag.choices.empty()) {
    std::string choices;
    for (const std::string& choice : flag.choices) {
      choices += fmt::format("{}\\fB{}\\fR", choices.empty() ? "" : ", ", escape(choice));
    }
    text += "One of: " + choices + ".\n";
  }
  return text;
}

/// The footer's paragraphs; from the line that says Example on, lines are left as they are.
std::string footer_text(const std::string& footer) {
  const auto example = footer.find("Example");
  std::string_view front = std::string_view(footer).substr(0, example);
  while (front.ends_with('\n')) front.remove_suffix(1);
  std::string text;
  if (!front.empty()) {
    text += ".SH NOTES\n";
    std::string paragraphs = escape(front);
    for (auto at = paragraphs.find("\n\n"); at != std::string::npos;
         at = paragraphs.find("\n\n", at)) {
      paragraphs.replace(at, 2, "\n.PP\n");
    }
    text += paragraphs + "\n";
  }
  if (example == std::string::npos) return text;
  const auto lines = footer.find('\n', example);
  text += ".SH EXAMPLES\n.nf\n" + escape(std::string_view(footer).substr(lines + 1)) + "\n.fi\n";
  return text;
}

constexpr std::string_view kExitStatus =
    ".SH EXIT STATUS\n"
    ".TP\n\\fB0\\fR\nsound, done\n"
    ".TP\n\\fB1\\fR\ndamage or a difference was found\n"
    ".TP\n\\fB2\\fR\nwrong usage\n"
    ".TP\n\\fB3\\fR\ncannot read or write\n"
    ".TP\n\\fB4\\fR\nthe store has another owner\n"
    ".TP\n\\fB5\\fR\nrefused for safety\n"
    ".TP\n\\fB6\\fR\ninternal error\n";

std::string command_page(const CommandText& command) {
  const std::string page = "oncelog-" + command.name;
  std::string text = heading(page, "oncelog " + command.name);
  text += fmt::format(".SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}", escape(page),
                      escape(command.description), synopsis(command));
  if (!command.arguments.empty()) text += ".SH ARGUMENTS\n";
  for (const FlagText& argument : command.arguments) text += flag_text(argument);
  text += ".SH OPTIONS\n";
  for (const FlagText& option : command.options) text += flag_text(option);
  text += footer_text(command.footer);
  text += kExitStatus;
  return text + ".SH SEE ALSO\n\\fBoncelog\\fR(1)\n";
}

std::string main_page(const CLI::App& app, const std::vector<CommandText>& commands) {
  std::string text = heading("oncelog", "oncelog");
  text +=
      ".SH NAME\noncelog \\- partition logs in the format of Apache Kafka, without a broker\n"
      ".SH SYNOPSIS\n\\fBoncelog\\fR \\fISUBCOMMAND\\fR [\\fIOPTIONS\\fR] ...\n"
      ".SH DESCRIPTION\nLooks at partition logs, writes and repairs them, and passes them between "
      "oncelog and Kafka. What only looks takes no lock and changes no byte, in directories that "
      "a broker has open as well.\n"
      ".SH SUBCOMMANDS\n";
  for (const CommandText& command : commands) {
    text += fmt::format(".TP\n\\fBoncelog\\-{}\\fR(1)\n{}\n", escape(command.name),
                        escape(command.description));
  }
  text += ".SH OPTIONS\n";
  for (const FlagText& option : describe_command(app).options) text += flag_text(option);
  text +=
      ".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nIf set, and not empty, nothing is coloured at a "
      "terminal.\n";
  return text + std::string(kExitStatus);
}

Result<void> write_page(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (file) return {};
  return fail(ErrorCode::KAFKA_STORAGE_ERROR, "write ", path);
}

Result<void> write_pages(const CLI::App& app, const std::string& directory) {
  const std::vector<CommandText> commands = describe_subcommands(app);
  ONCELOG_TRY(write_page(directory + "/oncelog.1", main_page(app, commands)));
  for (const CommandText& command : commands) {
    const std::string path = directory + "/oncelog-" + command.name + ".1";
    ONCELOG_TRY(write_page(path, command_page(command)));
  }
  return {};
}

}  // namespace

void add_man(CLI::App& app, Run& run) {
  CLI::App* const man = app.add_subcommand("man", "Write the manual pages into a directory");
  man->group("");  // for the build only
  const auto directory = std::make_shared<std::string>();
  man->add_option("DIR", *directory, "An existing directory")->required();
  man->callback([&run, &app, directory] {
    run = [&app, directory] {
      const auto written = write_pages(app, *directory);
      return written ? int{kExitDone} : report(written.error());
    };
  });
}

}  // namespace oncelog::cli
