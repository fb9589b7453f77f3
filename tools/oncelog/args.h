// args.h: what all subcommands share on their way in and out: where a partition is, exit statuses,
// how an error is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oncelog/oncelog.h"

namespace oncelog::cli {

enum ExitStatus : int {
  kExitDone = 0,
  kExitDamage = 1,
  kExitUsage = 2,
  kExitIo = 3,
  kExitInUse = 4,
  kExitRefused = 5,
  kExitInternal = 6,
};

/// The exit status that says what kind of error this is.
[[nodiscard]] int exit_status(ErrorCode code);
/// One line on standard error, `oncelog: NAME: context`; answers the exit status.
int report(const Error& error);
/// The same for a wrong command line.
int report_usage(std::string_view context);
/// The same for what must not happen.
int report_internal(std::string_view context);

/// Splits a directory's name, `orders-0`, into topic and partition.
[[nodiscard]] std::optional<TopicPartition> parse_partition_name(std::string_view name);

/// The name of a partition's directory.
[[nodiscard]] std::string partition_name(const TopicPartition& partition);

/// Where a partition's files are: in a directory of their own, or in that of their store.
[[nodiscard]] std::string partition_path(const std::string& path, const std::string& partition);

/// A whole decimal number, nothing before or behind it.
[[nodiscard]] std::optional<std::int64_t> parse_number(std::string_view text);

/// Sets `name=value` entries, as given with --config, in a topic's configuration.
Result<void> set_config(TopicConfig& config, const std::vector<std::string>& entries);

/// The codec with Kafka's name for it, and the name of the codec with these attribute bits.
[[nodiscard]] std::optional<Codec> parse_codec(std::string_view name);
[[nodiscard]] std::string codec_name(std::uint8_t codec_bits);

}  // namespace oncelog::cli
