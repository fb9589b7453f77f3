// shell.cc: `oncelog shell`: one partition, driven by JSON lines: a request a line on standard
// input, an answer a line on standard output, in order, flushed at once.
#include <fmt/format.h>

#include <cstring>
#include <iostream>
#include <memory>
#include <string>

#include "args.h"
#include "commands.h"
#include "render.h"
#include "shell_session.h"

namespace oncelog::cli {

namespace {

Json json_error(const Error& error) {
  std::string message = error.context;
  if (error.os_errno != 0) message += fmt::format(": {}", std::strerror(error.os_errno));
  return {{"error", kafka_name(error.code)}, {"message", message}};
}

int run_shell(const std::string& directory) {
  ShellSession session;
  session.directory = directory;
  Output output;
  std::string line;
  while (output.is_open() && std::getline(std::cin, line)) {
    const Result<Json> answered = shell_answer(session, line);
    output.write(json_line(answered ? *answered : json_error(answered.error())));
    output.write("\n");
    output.flush();
  }
  if (const Result<void> closed = close_session(session); !closed) return report(closed.error());
  return output.finish();
}

}  // namespace

void add_shell(CLI::App& app, Run& run) {
  CLI::App* const shell = app.add_subcommand(
      "shell", "Drive one partition with JSON lines: a request a line in, an answer a line out");
  const auto directory = std::make_shared<std::string>();
  shell->add_option("DIR", *directory, "Store directory, made if it is missing")->required();
  shell->footer(
      "Example:\n"
      "  printf '%s\\n' '{\"op\":\"open\"}' '{\"op\":\"append\",\"n\":3}' \\\n"
      "      '{\"op\":\"hw\",\"to\":\"end\"}' '{\"op\":\"consume\",\"from\":0}' \\\n"
      "      | oncelog shell /tmp/store");
  shell->callback([&run, directory] { run = [directory] { return run_shell(*directory); }; });
}

}  // namespace oncelog::cli
