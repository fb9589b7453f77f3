// report.cc: `oncelog report`: a partition, or all of a store, as one page to look at in a browser.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "render.h"
#include "report_json.h"
#include "report_page.h"

#ifndef ONCELOG_VERSION
#define ONCELOG_VERSION "unknown"
#endif

namespace oncelog::cli {

namespace {

struct ReportFlags : PartitionFlags {
  std::string output_path{};
  std::int64_t hanging_ms = 900'000;  // a broker's transaction.max.timeout.ms
  std::optional<std::int64_t> now_ms{};
};

/// One partition in all detail is a few hundred kilobytes at most; those of a large store share
/// what a browser takes at once.
MapOptions bounds_for(std::int64_t partition_count) {
  MapOptions bounds;
  bounds.cells_max = std::clamp<std::int64_t>(4000 / partition_count, 50, 1000);
  bounds.transactions_max = std::clamp<std::int64_t>(4000 / partition_count, 20, 500);
  bounds.segments_max = bounds.transactions_max;
  if (partition_count > 50) bounds.lanes_max = 4;
  if (partition_count > 50) bounds.damages_max = 20;
  return bounds;
}

/// Written aside and renamed: who reloads a page never sees half of one. Not synced: it can be made
/// again.
Result<void> replace_file(const std::string& path, std::string_view text) {
  Vfs& vfs = posix_vfs();
  const std::string aside = fmt::format("{}.{}.tmp", path, ::getpid());
  const auto write = [&]() -> Result<void> {
    ONCELOG_TRY_ASSIGN(const auto file, vfs.open(aside, OpenMode::kCreateNew));
    const Bytes part = as_bytes(text);
    return file->write_at({&part, 1}, 0);
  };
  Result<void> written = write();
  if (written) written = vfs.rename(aside, path);
  if (!written) (void)vfs.remove(aside);
  return written;
}

class Report {
 public:
  Report(const ReportFlags& flags, std::int64_t partition_count)
      : flags_(flags), bounds_(bounds_for(partition_count)), partitions_(Json::array()) {}

  int look_at(const PartitionDirectory& at) {
    const auto map = map_partition(at.path, bounds_);
    if (!map) {
      partitions_.push_back({{"name", at.name}, {"error", map.error().text()}});
      return report(map.error());
    }
    const Timestamp now = flags_.now_ms ? Timestamp(*flags_.now_ms) : map->offsets.newest_timestamp;
    partitions_.push_back(json_partition(
        {.name = at.name, .path = at.path, .now = now, .hanging_ms = flags_.hanging_ms}, *map));
    is_any_readable_ = true;
    return report_problems(map->offsets.problems);
  }

  /// Nothing is written where there is nothing to see.
  int write() {
    if (!is_any_readable_) return kExitDone;
    const auto made = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    const Json data = {{"version", ONCELOG_VERSION},
                       {"made", made.count()},
                       {"path", flags_.path},
                       {"partitions", std::move(partitions_)}};
    const std::string page = make_page(data);
    if (flags_.output_path == "-") {
      Output output;
      output.write(page);
      return output.finish();
    }
    const auto written = replace_file(flags_.output_path, page);
    return written ? static_cast<int>(kExitDone) : report(written.error());
  }

 private:
  const ReportFlags& flags_;
  const MapOptions bounds_;
  Json partitions_;
  bool is_any_readable_ = false;
};

int run_report(const ReportFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Report page(flags, std::ssize(*partitions));
  const int status = look_at_all(*partitions, [&](const auto& at) { return page.look_at(at); });
  return std::max(status, page.write());
}

}  // namespace

void add_report(CLI::App& app, Run& run) {
  CLI::App* const page =
      app.add_subcommand("report", "Draw partitions by offset, on one page that needs no network");
  const auto flags = std::make_shared<ReportFlags>();
  add_partition_arguments(*page, *flags);
  page->add_option("-o,--output", flags->output_path,
                   "The page to write, - for standard output; one that is there is replaced")
      ->required();
  page->add_option("--hanging-ms", flags->hanging_ms,
                   "An open transaction older than this hangs; default 900000, a broker's "
                   "transaction.max.timeout.ms")
      ->check(CLI::NonNegativeNumber);
  page->add_option("--now", flags->now_ms,
                   "Measure ages up to this time, in ms since 1970, instead of the newest record");
  page->footer(
      "The page shows segments, batches by producer, transactions from their first offset to\n"
      "their marker, the ends of the log, what holds read_committed readers back, and damage. Of\n"
      "a large log neighbouring batches are drawn as one. Of several partitions it shows one, "
      "with\n"
      "a list to choose from. Exit status 1: written, and damage was found.\n"
      "\n"
      "Examples:\n"
      "  oncelog report /var/lib/kafka/data orders-0 -o report.html\n"
      "  oncelog report /tmp/store -o report.html --now $(date +%s000)");
  page->callback([&run, flags] { run = [flags] { return run_report(*flags); }; });
}

}  // namespace oncelog::cli
