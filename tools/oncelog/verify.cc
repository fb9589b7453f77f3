// verify.cc: `oncelog verify`: compares the files of a partition with each other.
#include <fmt/format.h>

#include <memory>
#include <string>

#include "args.h"
#include "commands.h"
#include "progress_vfs.h"
#include "render.h"
#include "terminal.h"

namespace oncelog::cli {

namespace {

struct VerifyFlags {
  std::string path{};
  std::string partition{};
  bool no_records = false;
  bool json = false;
};

int run_verify(const VerifyFlags& flags) {
  const std::string path = partition_path(flags.path, flags.partition);
  ProgressVfs progress("verify");
  const auto problems =
      verify_partition(path, &progress, {.check_records = !flags.no_records, .thread_count = 0});
  progress.clear();
  if (!problems) return report(problems.error());

  Output output;
  for (const Problem& problem : *problems) {
    const Json json = {
        {"file", problem.file}, {"position", problem.position}, {"problem", problem.problem}};
    output.write(flags.json ? json_line(json) + "\n"
                            : fmt::format("{}: position {}: {}\n", problem.file, problem.position,
                                          red(problem.problem, Stream::kOutput)));
  }
  if (!flags.json) output.write(fmt::format("{} problems\n", problems->size()));
  const int finished = output.finish();
  return finished == kExitDone && !problems->empty() ? kExitDamage : finished;
}

}  // namespace

void add_verify(CLI::App& app, Run& run) {
  CLI::App* const verify = app.add_subcommand(
      "verify", "Compare the files of a partition with each other; exit 1 if they disagree");
  const auto flags = std::make_shared<VerifyFlags>();
  verify->add_option("PATH", flags->path, "A partition's directory, or a store")->required();
  verify->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0");
  verify->add_flag("--no-records", flags->no_records,
                   "Leave the records of each batch closed: their bytes are behind its CRC anyway");
  verify->add_flag("--json", flags->json, "One JSON object a line");
  verify->footer("Example:\n  oncelog verify /tmp/store orders-0");
  verify->callback([&run, flags] { run = [flags] { return run_verify(*flags); }; });
}

}  // namespace oncelog::cli
