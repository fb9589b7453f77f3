// find.cc: `oncelog find`: the records of a partition with a certain key, header, producer, offset
// or time.
#include <algorithm>
#include <expected>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "record_rows.h"

namespace oncelog::cli {

namespace {

struct FindFlags : PartitionFlags {
  std::optional<std::string> key{};
  std::string offset{};
  std::string timestamp{};
  std::optional<std::int64_t> producer_id{};
  std::string header{};
  std::int64_t records_max = -1;
};

/// `N`, `N..M`, `N..` or `..M`; half open.
struct NumberRange {
  std::optional<std::int64_t> begin{};
  std::optional<std::int64_t> end{};
};

std::optional<NumberRange> parse_range(std::string_view text) {
  const auto dots = text.find("..");
  NumberRange range{.begin = parse_number(text.substr(0, dots)), .end = {}};
  if (dots == std::string_view::npos) {
    if (!range.begin || range.begin == std::numeric_limits<std::int64_t>::max()) return {};
    range.end = range.begin.value() + 1;
    return range;
  }
  const std::string_view behind = text.substr(dots + 2);
  range.end = parse_number(behind);
  if ((dots > 0 && !range.begin) || (!behind.empty() && !range.end)) return {};
  return range;
}

/// What the flags ask for, or the flag that cannot be understood.
std::expected<RecordQuery, std::string> query_of(const FindFlags& flags) {
  RecordQuery query;
  query.key = flags.key;
  if (flags.producer_id) query.producer_id = ProducerId(*flags.producer_id);
  if (!flags.offset.empty()) {
    const auto range = parse_range(flags.offset);
    if (!range) return std::unexpected("--offset " + flags.offset);
    if (range->begin) query.offset_begin = Offset(*range->begin);
    if (range->end) query.offset_end = Offset(*range->end);
  }
  if (!flags.timestamp.empty()) {
    const auto range = parse_range(flags.timestamp);
    if (!range) return std::unexpected("--timestamp " + flags.timestamp);
    if (range->begin) query.timestamp_begin = Timestamp(*range->begin);
    if (range->end) query.timestamp_end = Timestamp(*range->end);
  }
  if (!flags.header.empty()) {
    const auto equals = flags.header.find('=');
    query.header_key = flags.header.substr(0, equals);
    if (equals != std::string::npos) query.header_value = flags.header.substr(equals + 1);
  }
  return query;
}

int run_find(const FindFlags& flags) {
  const auto query = query_of(flags);
  if (!query) return report_usage(query.error() + ": expected N, N..M, N.. or ..M");
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Output output;
  RecordRows rows(output, flags.json);
  std::int64_t rest = flags.records_max;
  const int status = look_at_all(*partitions, [&](const PartitionDirectory& at) {
    if (rest == 0) return int{kExitDone};
    const auto problems = find_records(at.path, *query, [&](const LocatedRecord& found) {
      return rows.show(found) && --rest != 0;
    });
    return problems ? report_problems(*problems) : report(problems.error());
  });
  rows.finish();
  return std::max(status, output.finish());
}

}  // namespace

void add_find(CLI::App& app, Run& run) {
  CLI::App* const find = app.add_subcommand(
      "find", "Find records by key, offset, time, producer or header, and say where they lie");
  const auto flags = std::make_shared<FindFlags>();
  add_partition_flags(*find, *flags);
  find->add_option("--key", flags->key, "Records with just this key");
  find->add_option("--offset", flags->offset, "N, or N..M without M, N.., ..M");
  find->add_option("--timestamp", flags->timestamp, "The same, in ms since 1970");
  find->add_option("--producer", flags->producer_id, "Records of this producer id");
  find->add_option("--header", flags->header, "NAME or NAME=VALUE: records with such a header");
  find->add_option("--max", flags->records_max, "Stop after so many records")
      ->check(CLI::PositiveNumber);
  find->footer(
      "Records must meet all conditions; committed or not makes no difference. `position` is that\n"
      "of the record's batch.\n"
      "\n"
      "Examples:\n"
      "  oncelog find /var/lib/kafka/data orders-0 --key order-17\n"
      "  oncelog find /tmp/store orders-0 --offset 100..200 --header trace-id --json");
  find->callback([&run, flags] { run = [flags] { return run_find(*flags); }; });
}

}  // namespace oncelog::cli
