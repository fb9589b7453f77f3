// repair.cc: `oncelog repair`: says what is damaged in a store and what can be done about it, then
// does it; what it removes is kept aside.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

#include "args.h"
#include "commands.h"
#include "oncelog/repair.h"
#include "progress_vfs.h"
#include "render.h"
#include "terminal.h"

namespace oncelog::cli {

namespace {

struct RepairFlags {
  std::string path{};
  std::string partition{};
  std::string aside{};
  bool is_dry_run = false;
  bool json = false;
};

std::string_view kind_name(RepairKind kind) {
  switch (kind) {
    case RepairKind::kCutLog:
      return "cut";
    case RepairKind::kRemoveFile:
      return "remove";
    case RepairKind::kRebuildFile:
      return "rebuild";
    case RepairKind::kLowerCheckpoint:
      return "lower";
  }
  return "";
}

class PlanPrinter {
 public:
  PlanPrinter(Output& output, bool json) : output_(output), json_(json) {}

  void print(const RepairPlan& plan) {
    for (const RepairStep& step : plan.store_steps) print_step(step);
    for (const PartitionRepair& one : plan.partitions) print_partition(one);
    if (plan.has_steps() && !json_) {
      output_.write(fmt::format("what is removed is kept in {}\n", plan.aside));
    }
    if (plan.has_steps() && json_) {
      output_.write(json_line({{"aside", plan.aside}}) + "\n");
    }
  }

 private:
  void print_partition(const PartitionRepair& one) {
    for (const RepairStep& step : one.steps) print_step(step);
    for (const Problem& problem : one.left) print_problem(problem);
    if (one.refusal) print_refusal(one);
    if (json_) return;
    const bool is_sound = one.steps.empty() && one.left.empty() && !one.refusal;
    output_.write(is_sound ? fmt::format("{}: sound\n", one.directory)
                           : fmt::format("{}: ends at offset {} afterwards\n", one.directory,
                                         one.log_end.value()));
  }

  void print_step(const RepairStep& step) {
    if (json_) {
      output_.write(json_line({{"kind", kind_name(step.kind)},
                               {"file", step.file},
                               {"position", step.position},
                               {"bytes", step.bytes},
                               {"lost_begin", step.begin.value()},
                               {"lost_end", step.end.value()},
                               {"reason", step.reason},
                               {"action", step.action}}) +
                    "\n");
      return;
    }
    const std::string lost =
        step.begin == step.end
            ? "no offset is lost"
            : fmt::format("offsets {} to {} are lost", step.begin.value(), step.end.value() - 1);
    output_.write(fmt::format("{}: position {}, {} bytes: {}; {}; {}\n", step.file, step.position,
                              step.bytes, red(step.reason, Stream::kOutput), lost, step.action));
  }

  void print_problem(const Problem& problem) {
    output_.write(json_ ? json_line({{"kind", "left"},
                                     {"file", problem.file},
                                     {"position", problem.position},
                                     {"reason", problem.problem}}) +
                              "\n"
                        : fmt::format("{}: position {}: {}; left as it is\n", problem.file,
                                      problem.position, problem.problem));
  }

  void print_refusal(const PartitionRepair& one) {
    output_.write(json_ ? json_line({{"kind", "refused"},
                                     {"file", one.directory},
                                     {"reason", one.refusal->text()}}) +
                              "\n"
                        : fmt::format("{}: left alone: {}\n", one.directory, one.refusal->text()));
  }

  Output& output_;
  const bool json_;
};

/// Damage that is found is the answer of a dry run; of a repair it is damage that stays.
int status_of(const RepairPlan& plan, bool is_dry_run) {
  int status = is_dry_run && plan.has_steps() ? kExitDamage : kExitDone;
  for (const PartitionRepair& one : plan.partitions) {
    if (one.refusal) return kExitRefused;
    if (!one.left.empty()) status = kExitDamage;
  }
  return status;
}

int run_repair(const RepairFlags& flags) {
  const std::string path = partition_path(flags.path, flags.partition);
  Output output;
  PlanPrinter printer(output, flags.json);
  RepairOptions options;
  ProgressVfs progress("repair");
  options.aside = flags.aside;
  options.vfs = &progress;
  const auto show = [&](const RepairPlan& plan) {
    progress.clear();
    printer.print(plan);
    return output.flush();  // nothing is done that could not be said
  };
  const auto plan = flags.is_dry_run ? plan_repair(path, options) : repair(path, show, options);
  progress.clear();
  if (!plan) {
    output.flush();
    return report(plan.error());
  }
  if (flags.is_dry_run) show(*plan);
  if (!flags.json) {
    output.write(!plan->has_steps() ? "nothing to do\n"
                 : flags.is_dry_run ? "nothing was changed\n"
                                    : "done\n");
  }
  const int finished = output.finish();
  return finished == kExitDone ? status_of(*plan, flags.is_dry_run) : finished;
}

}  // namespace

void add_repair(CLI::App& app, Run& run) {
  CLI::App* const command = app.add_subcommand(
      "repair", "Bring a store back to what is sound; keep what is removed aside");
  const auto flags = std::make_shared<RepairFlags>();
  command->add_option("PATH", flags->path, "A store, or a partition's directory")->required();
  command->add_option("PARTITION", flags->partition, "Partition in the store, e.g. orders-0");
  command->add_flag("--dry-run", flags->is_dry_run,
                    "Say what would be done, change nothing; exit 1 if there is anything");
  command->add_option(
      "--aside", flags->aside,
      "Folder that takes what is removed; by default beside the store,\n"
      "STORE.aside-1 or the next free number. Outside of the store: a broker takes\n"
      "any folder in it for a partition");
  command->add_flag("--json", flags->json, "One JSON object a line");
  command->footer(
      "Reads every byte. The log of a damaged partition ends before the damage afterwards: "
      "restore\n"
      "from a replica or a backup instead, if there is one. It says first what it does: file,\n"
      "position, offsets that are lost, reason. Everything is copied and synced before it goes, "
      "so\n"
      "as much space is needed as is removed. What it cannot mend it names and leaves (exit 1).\n\n"
      "Example:\n  oncelog repair /tmp/store --dry-run\n  oncelog repair /tmp/store orders-0");
  command->callback([&run, flags] { run = [flags] { return run_repair(*flags); }; });
}

}  // namespace oncelog::cli
