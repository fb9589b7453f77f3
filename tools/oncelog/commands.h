// commands.h: what main.cc knows of the subcommands: one function each, which adds the subcommand
// with its flags to the application and, when it was chosen, leaves in `run` what to run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace oncelog::cli {

/// Runs a subcommand whose flags are parsed; answers the exit status.
using Run = std::function<int()>;

void add_produce(CLI::App& app, Run& run);
void add_consume(CLI::App& app, Run& run);
void add_dump(CLI::App& app, Run& run);
void add_verify(CLI::App& app, Run& run);
void add_repair(CLI::App& app, Run& run);
void add_producers(CLI::App& app, Run& run);
void add_txns(CLI::App& app, Run& run);
void add_why_lso(CLI::App& app, Run& run);
void add_aborted(CLI::App& app, Run& run);
void add_offsets(CLI::App& app, Run& run);
void add_epochs(CLI::App& app, Run& run);
void add_stats(CLI::App& app, Run& run);
void add_find(CLI::App& app, Run& run);
void add_tail(CLI::App& app, Run& run);
void add_diff(CLI::App& app, Run& run);
void add_abort(CLI::App& app, Run& run);
void add_adopt(CLI::App& app, Run& run);
void add_report(CLI::App& app, Run& run);
void add_export_snapshots(CLI::App& app, Run& run);
void add_shell(CLI::App& app, Run& run);
void add_bench(CLI::App& app, Run& run);
void add_completion(CLI::App& app, Run& run);
void add_man(CLI::App& app, Run& run);

}  // namespace oncelog::cli
