#include "args.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdio>

namespace oncelog::cli {

namespace {

constexpr std::array<std::string_view, 5> kCodecNames = {"none", "gzip", "snappy", "lz4", "zstd"};

}  // namespace

int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::NONE:
      return kExitDone;
    case ErrorCode::CORRUPT_MESSAGE:
    case ErrorCode::INVALID_RECORD:
      return kExitDamage;
    case ErrorCode::INVALID_CONFIG:
      return kExitUsage;
    case ErrorCode::STORE_IN_USE:
      return kExitInUse;
    case ErrorCode::UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode::KAFKA_STORAGE_ERROR:
    case ErrorCode::PARTITION_POISONED:
    case ErrorCode::STORAGE_FULL:
      return kExitIo;
    case ErrorCode::UNKNOWN_SERVER_ERROR:
    case ErrorCode::MISUSE:
      return kExitInternal;
    default:
      return kExitRefused;
  }
}

int report(const Error& error) {
  fmt::print(stderr, "oncelog: {}\n", error.text());
  return exit_status(error.code);
}

int report_usage(std::string_view context) {
  fmt::print(stderr, "oncelog: WRONG_USAGE: {} (see oncelog --help)\n", context);
  return kExitUsage;
}

int report_internal(std::string_view context) {
  fmt::print(stderr, "oncelog: INTERNAL_ERROR: {}\n", context);
  return kExitInternal;
}

std::optional<TopicPartition> parse_partition_name(std::string_view name) {
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0 || name.contains('/')) return {};
  const std::string_view digits = name.substr(dash + 1);
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return {};
  TopicPartition found{std::string(name.substr(0, dash)), 0};
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, found.partition);
  if (error != std::errc{} || rest != end || found.partition < 0) return {};
  return found;
}

std::string partition_name(const TopicPartition& partition) {
  return fmt::format("{}-{}", partition.topic, partition.partition);
}

std::string partition_path(const std::string& path, const std::string& partition) {
  return partition.empty() ? path : path + "/" + partition;
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || rest != end) return {};
  return number;
}

Result<void> set_config(TopicConfig& config, const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    const auto equals = entry.find('=');
    if (equals == std::string::npos) {
      return fail(ErrorCode::INVALID_CONFIG, "--config ", entry, ": expected NAME=VALUE");
    }
    const std::string_view text = entry;
    ONCELOG_TRY(config.set(text.substr(0, equals), text.substr(equals + 1)));
  }
  return {};
}

std::optional<Codec> parse_codec(std::string_view name) {
  for (std::size_t bits = 0; bits < kCodecNames.size(); ++bits) {
    if (kCodecNames[bits] == name) return static_cast<Codec>(bits);
  }
  return {};
}

std::string codec_name(std::uint8_t codec_bits) {
  if (codec_bits < kCodecNames.size()) return std::string(kCodecNames[codec_bits]);
  return fmt::format("unknown-{}", codec_bits);
}

}  // namespace oncelog::cli
