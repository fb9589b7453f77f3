// main.cc: the oncelog command. Dispatch only: every subcommand has a file of its own.
#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <string>

#include "args.h"
#include "commands.h"

#ifndef ONCELOG_VERSION
#define ONCELOG_VERSION "unknown"
#endif

namespace {

using namespace oncelog::cli;

constexpr const char* kAbout =
    "oncelog: partition logs in Apache Kafka's format, without a broker.\n"
    "\n"
    "Exit status: 0 done, 1 damage or a difference was found, 2 wrong usage, 3 cannot read or\n"
    "write, 4 the store has another owner, 5 refused, 6 internal error.";

int parse_and_run(int argc, char** argv) {
  CLI::App app(kAbout, "oncelog");
  // The schema is the number of JSON.md.
  app.set_version_flag("--version", "oncelog " ONCELOG_VERSION " (JSON schema 1)");
  app.require_subcommand(1);

  Run run;
  add_produce(app, run);
  add_consume(app, run);
  add_dump(app, run);
  add_verify(app, run);
  add_repair(app, run);
  add_producers(app, run);
  add_txns(app, run);
  add_why_lso(app, run);
  add_aborted(app, run);
  add_offsets(app, run);
  add_epochs(app, run);
  add_stats(app, run);
  add_find(app, run);
  add_tail(app, run);
  add_diff(app, run);
  add_abort(app, run);
  add_adopt(app, run);
  add_report(app, run);
  add_export_snapshots(app, run);
  add_shell(app, run);
  add_bench(app, run);
  add_completion(app, run);
  add_man(app, run);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
    return report_usage(error.what());
  }
  return run();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is seen as a failed write
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    return report_internal(error.what());
  }
}
