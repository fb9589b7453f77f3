// why_lso.cc: `oncelog why-lso`: why read_committed consumers get no further: what holds the last
// stable offset, since when, and what would release it.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "args.h"
#include "commands.h"
#include "partitions.h"
#include "render.h"

namespace oncelog::cli {

namespace {

struct WhyLsoFlags : PartitionFlags {
  std::optional<std::int64_t> now_ms{};
};

std::string watermark_text(const PartitionOffsets& offsets) {
  return fmt::format("the high watermark, {} by replication-offset-checkpoint",
                     offsets.high_watermark.value());
}

std::string since_text(const ListedTransaction& holder, Timestamp now) {
  if (holder.first_timestamp <= kNoTimestamp) return "a time that is not known";
  const std::int64_t age_ms = std::max<std::int64_t>(now - holder.first_timestamp, 0);
  return fmt::format("{} ({})", timestamp_text(holder.first_timestamp), duration_text(age_ms));
}

std::string open_text(const ListedTransaction& holder, Timestamp now) {
  return fmt::format(
      "producer {} (epoch {}) has had a transaction open since {}, with {} records from offset {} "
      "to {}; a commit or abort marker of producer {} with epoch {} or above releases it",
      holder.producer_id.value(), holder.producer_epoch.value(), since_text(holder, now),
      holder.record_count, holder.first_offset->value(), holder.last_offset->value(),
      holder.producer_id.value(), holder.producer_epoch.value());
}

std::string unreplicated_text(const PartitionOffsets& offsets) {
  const ListedTransaction& holder = *offsets.holder;
  const bool is_abort = holder.state == TransactionState::kAborted;
  return fmt::format(
      "the transaction of producer {} (epoch {}) from offset {} on was {} by the marker at {}, but "
      "{}, is not above that; a high watermark of {} or more releases it",
      holder.producer_id.value(), holder.producer_epoch.value(), holder.first_offset->value(),
      is_abort ? "aborted" : "committed", holder.marker_offset->value(), watermark_text(offsets),
      holder.marker_offset->value() + 1);
}

/// Of a high watermark that is not at the log end.
std::string behind_text(const PartitionOffsets& offsets) {
  std::string text = fmt::format(
      "no transaction below it is undecided, but {}, is not at the log end, {}; its checkpoint may "
      "be older than it",
      watermark_text(offsets), offsets.log_end.value());
  if (offsets.holder) {
    text += fmt::format(
        "; when it has risen, the transaction of producer {} from offset {} on is {}",
        offsets.holder->producer_id.value(), offsets.holder->first_offset->value(),
        offsets.holder->marker_offset ? "next, until it is above its marker" : "next: it is open");
  }
  return text;
}

}  // namespace

std::string why_sentence(const PartitionOffsets& offsets, Timestamp now) {
  const std::int64_t stable = offsets.last_stable_offset.value();
  const std::string front = fmt::format("the last stable offset is {}", stable);
  switch (offsets.bound) {
    case StableOffsetBound::kOpenTransaction:
      return fmt::format("{}: {}.", front, open_text(*offsets.holder, now));
    case StableOffsetBound::kUnreplicatedTransaction:
      return fmt::format("{}: {}.", front, unreplicated_text(offsets));
    case StableOffsetBound::kHighWatermark:
      return fmt::format("{}: {}.", front, behind_text(offsets));
    case StableOffsetBound::kNothing:
      break;
  }
  return front + ", the log end: nothing holds it.";
}

std::string bound_name(StableOffsetBound bound) {
  switch (bound) {
    case StableOffsetBound::kOpenTransaction:
      return "open_transaction";
    case StableOffsetBound::kUnreplicatedTransaction:
      return "unreplicated_transaction";
    case StableOffsetBound::kHighWatermark:
      return "high_watermark";
    case StableOffsetBound::kNothing:
      break;
  }
  return "nothing";
}

std::string remedy_command(const std::string& partition, const PartitionOffsets& offsets) {
  const auto name = parse_partition_name(partition);
  if (offsets.bound != StableOffsetBound::kOpenTransaction || !name) return {};
  return fmt::format(
      "kafka-transactions.sh --bootstrap-server HOST:PORT abort --topic {} --partition {} "
      "--start-offset {}",
      name->topic, name->partition, offsets.holder->first_offset->value());
}

namespace {

Json json_holder(const ListedTransaction& holder) {
  return {{"pid", holder.producer_id.value()},
          {"epoch", holder.producer_epoch.value()},
          {"coordinator_epoch", holder.coordinator_epoch.value()},
          {"first_offset", json_number(holder.first_offset)},
          {"last_offset", json_number(holder.last_offset)},
          {"marker_offset", json_number(holder.marker_offset)},
          {"records", holder.record_count},
          {"first_timestamp", holder.first_timestamp.value()}};
}

std::string json_facts(const std::string& partition, const PartitionOffsets& offsets,
                       Timestamp now) {
  return json_line({{"partition", partition},
                    {"bound", bound_name(offsets.bound)},
                    {"why", why_sentence(offsets, now)},
                    {"log_start", offsets.log_start.value()},
                    {"last_stable_offset", offsets.last_stable_offset.value()},
                    {"high_watermark", offsets.high_watermark.value()},
                    {"high_watermark_known", offsets.stored_high_watermark.has_value()},
                    {"log_end", offsets.log_end.value()},
                    {"open_transactions", offsets.open_transaction_count},
                    {"problems", offsets.problems.size()},
                    {"holder", offsets.holder ? json_holder(*offsets.holder) : Json(nullptr)}}) +
         "\n";
}

std::string remedy_text(const std::string& partition, const PartitionOffsets& offsets) {
  const std::string command = remedy_command(partition, offsets);
  return command.empty() ? command : fmt::format("  in Kafka:           {}\n", command);
}

std::string damage_text(const PartitionOffsets& offsets) {
  if (offsets.problems.empty()) return {};
  return fmt::format(
      "  damaged places:     {} (named on standard error; a marker may have been there)\n",
      offsets.problems.size());
}

std::string text_facts(const std::string& partition, const PartitionOffsets& offsets,
                       Timestamp now) {
  return fmt::format(
             "{}: {}\n"
             "  log start:          {}\n"
             "  last stable offset: {}\n"
             "  high watermark:     {} ({})\n"
             "  log end:            {}\n"
             "  open transactions:  {}\n",
             partition, why_sentence(offsets, now), offsets.log_start.value(),
             offsets.last_stable_offset.value(), offsets.high_watermark.value(),
             offsets.stored_high_watermark ? "replication-offset-checkpoint"
                                           : "no checkpoint has it: taken for the log end",
             offsets.log_end.value(), offsets.open_transaction_count) +
         remedy_text(partition, offsets) + damage_text(offsets);
}

int explain(const WhyLsoFlags& flags, const PartitionDirectory& partition, Output& output) {
  const auto offsets = read_offsets(partition.path);
  if (!offsets) return report(offsets.error());
  const Timestamp now = flags.now_ms ? Timestamp(*flags.now_ms) : offsets->newest_timestamp;
  output.write(flags.json ? json_facts(partition.name, *offsets, now)
                          : text_facts(partition.name, *offsets, now));
  return report_problems(offsets->problems);
}

int run_why_lso(const WhyLsoFlags& flags) {
  const auto partitions = find_partitions(flags);
  if (!partitions) return report(partitions.error());
  Output output;
  const int status = look_at_all(
      *partitions, [&](const PartitionDirectory& at) { return explain(flags, at, output); });
  return std::max(status, output.finish());
}

}  // namespace

void add_why_lso(CLI::App& app, Run& run) {
  CLI::App* const why = app.add_subcommand(
      "why-lso", "Say what holds the last stable offset back, and what would release it");
  const auto flags = std::make_shared<WhyLsoFlags>();
  add_partition_flags(*why, *flags);
  why->add_option("--now", flags->now_ms,
                  "Measure ages up to this time, in ms since 1970, instead of the newest record");
  why->footer(
      "The high watermark is that of replication-offset-checkpoint in the parent directory, which\n"
      "a broker writes every five seconds and oncelog at a checkpoint or a close.\n"
      "\n"
      "Examples:\n"
      "  oncelog why-lso /var/lib/kafka/data orders-0\n"
      "  oncelog why-lso /tmp/store --json");
  why->callback([&run, flags] { run = [flags] { return run_why_lso(*flags); }; });
}

}  // namespace oncelog::cli
