// stats.cc: `oncelog stats`: what the segments of a partition hold, a row each and their sum.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "table.h"

namespace oncelog::cli {

namespace {

struct StatsFlags : PartitionFlags {
  StatsOptions options{};
};

/// "none", or "lz4:12,none:3".
std::string codecs_text(const SegmentStats& stats) {
  std::string text;
  const auto& counts = stats.codec_batch_counts;
  const bool is_one = std::ranges::count_if(counts, [](auto count) { return count > 0; }) == 1;
  for (std::size_t bits = 0; bits < counts.size(); ++bits) {
    if (counts[bits] == 0) continue;
    if (!text.empty()) text += ',';
    text += codec_name(static_cast<std::uint8_t>(bits));
    if (!is_one) text += fmt::format(":{}", counts[bits]);
  }
  return text.empty() ? "-" : text;
}

/// Plain bytes for each stored one.
std::optional<double> ratio_of(const SegmentStats& stats) {
  if (stats.stored_record_bytes == 0) return std::nullopt;
  return static_cast<double>(stats.plain_record_bytes) /
         static_cast<double>(stats.stored_record_bytes);
}

std::string time_text(Timestamp timestamp) {
  return timestamp <= kNoTimestamp ? "-" : timestamp_text(timestamp);
}

class Stats {
 public:
  Stats(const StatsFlags& flags, bool names_partitions)
      : flags_(flags), table_(output_, columns(), names_partitions) {}

  int look_at(const PartitionDirectory& partition) {
    const auto visit = [&](const SegmentStats& segment) {
      show(partition.name, std::to_string(segment.base.value()), segment);
      return output_.is_open();
    };
    const auto stats = collect_stats(partition.path, flags_.options, visit);
    if (!stats) return report(stats.error());
    show(partition.name, "total", stats->total);
    if (!stats->has_covered_all_keys) {
      fmt::print(stderr, "oncelog: {}: only {} keys fit --keys-bytes; the gain is a lower bound\n",
                 partition.name, stats->key_count);
    }
    return report_problems(stats->problems);
  }

  int finish() {
    table_.finish();
    return output_.finish();
  }

 private:
  [[nodiscard]] std::vector<Column> columns() const {
    std::vector<Column> all = {{"segment"},
                               {"bytes"},
                               {"batches"},
                               {"records"},
                               {"control"},
                               {"producers"},
                               {"codecs", Align::kLeft},
                               {"ratio"}};
    if (flags_.options.with_keys) {
      all.push_back({"superseded"});
      all.push_back({"gain"});
    }
    all.push_back({"first time", Align::kLeft});
    all.push_back({"last time", Align::kLeft});
    return all;
  }

  void show(const std::string& partition, const std::string& segment, const SegmentStats& stats) {
    flags_.json ? show_json(partition, segment, stats) : show_row(partition, segment, stats);
  }

  void show_row(const std::string& partition, const std::string& segment,
                const SegmentStats& stats) {
    const std::optional<double> ratio = ratio_of(stats);
    std::vector<std::string> cells = {segment,
                                      std::to_string(stats.bytes),
                                      std::to_string(stats.batch_count),
                                      std::to_string(stats.record_count),
                                      std::to_string(stats.control_batch_count),
                                      std::to_string(stats.producer_count),
                                      codecs_text(stats),
                                      ratio ? fmt::format("{:.2f}", *ratio) : "-"};
    if (flags_.options.with_keys) {
      cells.push_back(std::to_string(stats.superseded_record_count));
      cells.push_back(std::to_string(stats.superseded_bytes));
    }
    cells.push_back(time_text(stats.first_timestamp));
    cells.push_back(time_text(stats.last_timestamp));
    table_.add(partition, std::move(cells));
  }

  void show_json(const std::string& partition, const std::string& segment,
                 const SegmentStats& stats) {
    const bool is_total = stats.file.empty();
    Json codecs = Json::object();
    for (std::size_t bits = 0; bits < stats.codec_batch_counts.size(); ++bits) {
      const std::int64_t count = stats.codec_batch_counts[bits];
      if (count > 0) codecs[codec_name(static_cast<std::uint8_t>(bits))] = count;
    }
    Json line = {{"partition", partition},
                 {"segment", is_total ? Json(segment) : Json(stats.base.value())},
                 {"bytes", stats.bytes},
                 {"damaged_bytes", stats.damaged_bytes},
                 {"batches", stats.batch_count},
                 {"records", stats.record_count},
                 {"control_batches", stats.control_batch_count},
                 {"transactional_batches", stats.transactional_batch_count},
                 {"producers", stats.producer_count},
                 {"codecs", std::move(codecs)},
                 {"last_offset", json_number(stats.last_offset)},
                 {"first_timestamp", stats.first_timestamp.value()},
                 {"last_timestamp", stats.last_timestamp.value()},
                 {"stored_record_bytes", stats.stored_record_bytes},
                 {"plain_record_bytes", stats.plain_record_bytes}};
    if (flags_.options.with_keys) {
      line["superseded_records"] = stats.superseded_record_count;
      line["superseded_bytes"] = stats.superseded_bytes;
    }
    output_.write(json_line(line) + "\n");
  }

  const StatsFlags& flags_;
  Output output_{};
  PartitionTable table_;
};

int run_stats(const StatsFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Stats stats(flags, partitions->size() > 1);
  const int status =
      look_at_all(*partitions, [&](const PartitionDirectory& at) { return stats.look_at(at); });
  return std::max(status, stats.finish());
}

}  // namespace

void add_stats(CLI::App& app, Run& run) {
  CLI::App* const stats = app.add_subcommand(
      "stats", "Count batches, records, codecs, producers and times of each segment");
  const auto flags = std::make_shared<StatsFlags>();
  add_partition_flags(*stats, *flags);
  stats->add_flag("--keys", flags->options.with_keys,
                  "Estimate what a compaction of everything would gain: records with a later one "
                  "of their key, and aborted ones; reads everything three times");
  stats
      ->add_option("--keys-bytes", flags->options.key_map_bytes_max,
                   "Memory for --keys; default 128 MiB, enough for about 5 million keys")
      ->check(CLI::PositiveNumber);
  stats->footer(
      "`ratio` is uncompressed bytes for each stored byte of records.\n"
      "\n"
      "Examples:\n"
      "  oncelog stats /var/lib/kafka/data orders-0 --keys\n"
      "  oncelog stats /tmp/store --json");
  stats->callback([&run, flags] { run = [flags] { return run_stats(*flags); }; });
}

}  // namespace oncelog::cli
