// options.cc: Kafka's names for the fields of TopicConfig, and the ranges of both (semantics,
// Annex A).
#include "oncelog/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>
#include <vector>

namespace oncelog {

namespace {

constexpr std::int32_t kInt32Max = std::numeric_limits<std::int32_t>::max();

/// A number of TopicConfig: in [least, most], or the one value `also`.
template <class T>
struct NumberEntry {
  std::string_view name{};
  T TopicConfig::* field = nullptr;
  T least{};
  T most{};
  std::optional<T> also{};

  [[nodiscard]] bool allows(T value) const {
    return (value >= least && value <= most) || value == also;
  }
};

constexpr NumberEntry<std::int32_t> kInt32Entries[] = {
    {"segment.bytes", &TopicConfig::segment_bytes, 14, kInt32Max, {}},
    {"segment.index.bytes", &TopicConfig::segment_index_bytes, 12, kInt32Max, {}},
    {"index.interval.bytes", &TopicConfig::index_interval_bytes, 0, kInt32Max, {}},
    {"max.message.bytes", &TopicConfig::max_message_bytes, 0, kInt32Max, {}},
    {"compression.gzip.level", &TopicConfig::compression_gzip_level, 1, 9, -1},
    {"compression.lz4.level", &TopicConfig::compression_lz4_level, 1, 17, {}},
    {"compression.zstd.level", &TopicConfig::compression_zstd_level, -131072, 22, {}},
};

constexpr NumberEntry<std::int64_t> kInt64Entries[] = {
    {"segment.ms", &TopicConfig::segment_ms, 1, kUnlimited, {}},
    {"segment.jitter.ms", &TopicConfig::segment_jitter_ms, 0, kUnlimited, {}},
    {"message.timestamp.before.max.ms",
     &TopicConfig::message_timestamp_before_max_ms,
     0,
     kUnlimited,
     {}},
    {"message.timestamp.after.max.ms",
     &TopicConfig::message_timestamp_after_max_ms,
     0,
     kUnlimited,
     {}},
    {"retention.ms", &TopicConfig::retention_ms, -1, kUnlimited, {}},
    {"retention.bytes", &TopicConfig::retention_bytes, -1, kUnlimited, {}},
    {"delete.retention.ms", &TopicConfig::delete_retention_ms, 0, kUnlimited, {}},
    {"min.compaction.lag.ms", &TopicConfig::min_compaction_lag_ms, 0, kUnlimited, {}},
    {"max.compaction.lag.ms", &TopicConfig::max_compaction_lag_ms, 1, kUnlimited, {}},
    {"flush.messages", &TopicConfig::flush_messages, 1, kUnlimited, {}},
    {"flush.ms", &TopicConfig::flush_ms, 0, kUnlimited, {}},
    {"producer.id.expiration.ms", &TopicConfig::producer_id_expiration_ms, 1, kUnlimited, {}},
};

constexpr NumberEntry<double> kRatioEntries[] = {
    {"min.cleanable.dirty.ratio", &TopicConfig::min_cleanable_dirty_ratio, 0.0, 1.0, {}},
};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> parse_bool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

// Each parser of a word sets its field and says whether the value is one of its words.

bool set_preallocate(TopicConfig& config, std::string_view value) {
  const std::optional<bool> parsed = parse_bool(value);
  config.preallocate = parsed.value_or(config.preallocate);
  return parsed.has_value();
}

std::string_view word_of(bool value) { return value ? "true" : "false"; }

std::string get_preallocate(const TopicConfig& config) {
  return std::string(word_of(config.preallocate));
}

using CompressionType = std::pair<std::string_view, std::optional<Codec>>;
constexpr CompressionType kCompressionTypes[] = {
    {"producer", std::nullopt}, {"uncompressed", Codec::kNone}, {"gzip", Codec::kGzip},
    {"snappy", Codec::kSnappy}, {"lz4", Codec::kLz4},           {"zstd", Codec::kZstd},
};

std::string get_compression_type(const TopicConfig& config) {
  const auto* type =
      std::ranges::find(kCompressionTypes, config.compression_type, &CompressionType::second);
  return std::string(type == std::end(kCompressionTypes) ? "unknown" : type->first);
}

bool set_compression_type(TopicConfig& config, std::string_view value) {
  const auto* type = std::ranges::find(kCompressionTypes, value, &CompressionType::first);
  if (type == std::end(kCompressionTypes)) return false;
  config.compression_type = type->second;
  return true;
}

bool set_cleanup_policy(TopicConfig& config, std::string_view value) {
  bool compact = false;
  bool remove = false;
  for (bool is_last = false; !is_last;) {
    const std::size_t comma = value.find(',');
    const std::string_view policy = trim(value.substr(0, comma));
    if (policy != "compact" && policy != "delete") return false;
    (policy == "compact" ? compact : remove) = true;
    is_last = comma == value.npos;
    if (!is_last) value.remove_prefix(comma + 1);
  }
  config.cleanup_compact = compact;
  config.cleanup_delete = remove;
  return true;
}

std::string get_cleanup_policy(const TopicConfig& config) {
  std::string policy = config.cleanup_compact ? "compact" : "";
  if (config.cleanup_delete) policy += policy.empty() ? "delete" : ",delete";
  return policy;
}

bool set_timestamp_type(TopicConfig& config, std::string_view value) {
  if (value != "CreateTime" && value != "LogAppendTime") return false;
  config.message_timestamp_type =
      value == "CreateTime" ? TimestampType::kCreateTime : TimestampType::kLogAppendTime;
  return true;
}

std::string get_timestamp_type(const TopicConfig& config) {
  return config.message_timestamp_type == TimestampType::kCreateTime ? "CreateTime"
                                                                     : "LogAppendTime";
}

// Known to Kafka, without a meaning for one log: checked, and forgotten.

bool ignore_delay(TopicConfig& /*config*/, std::string_view value) {
  return parse_number<std::int64_t>(value).value_or(-1) >= 0;
}

bool ignore_count(TopicConfig& /*config*/, std::string_view value) {
  return parse_number<std::int32_t>(value).value_or(0) >= 1;
}

bool ignore_bool(TopicConfig& /*config*/, std::string_view value) {
  return parse_bool(value).has_value();
}

struct WordEntry {
  std::string_view name{};
  bool (*set)(TopicConfig&, std::string_view) = nullptr;
  std::string (*get)(const TopicConfig&) = nullptr;  ///< null: no field has it
};

constexpr WordEntry kWordEntries[] = {
    {"preallocate", set_preallocate, get_preallocate},
    {"compression.type", set_compression_type, get_compression_type},
    {"cleanup.policy", set_cleanup_policy, get_cleanup_policy},
    {"message.timestamp.type", set_timestamp_type, get_timestamp_type},
    {"file.delete.delay.ms", ignore_delay, nullptr},
    {"min.insync.replicas", ignore_count, nullptr},
    {"unclean.leader.election.enable", ignore_bool, nullptr},
};

template <class T>
std::string text_of(T value) {
  std::array<char, 32> text{};  // the longest number of any of the types, and more
  const auto written = std::to_chars(text.begin(), text.end(), value);
  return {text.begin(), written.ptr};
}

/// The value of the entry of this name, if the table has it.
template <class Table>
std::optional<std::string> get_number(const Table& table, const TopicConfig& config,
                                      std::string_view name) {
  const auto* entry = std::ranges::find(table, name, [](const auto& one) { return one.name; });
  if (entry == std::end(table)) return std::nullopt;
  return text_of(config.*(entry->field));
}

std::vector<std::string_view> names_of_fields() {
  std::vector<std::string_view> names;
  for (const auto& entry : kInt32Entries) names.push_back(entry.name);
  for (const auto& entry : kInt64Entries) names.push_back(entry.name);
  for (const auto& entry : kRatioEntries) names.push_back(entry.name);
  for (const auto& entry : kWordEntries) {
    if (entry.get != nullptr) names.push_back(entry.name);
  }
  return names;
}

std::unexpected<Error> refuse(std::string_view name, std::string_view value) {
  return fail(ErrorCode::INVALID_CONFIG, "config: ", name, " cannot be '", value, "'");
}

/// Sets the entry of this name, if the table has it.
template <class Table>
std::optional<Result<void>> set_number(const Table& table, TopicConfig& config,
                                       std::string_view name, std::string_view value) {
  for (const auto& entry : table) {
    if (entry.name != name) continue;
    using T = std::remove_reference_t<decltype(config.*entry.field)>;
    const std::optional<T> parsed = parse_number<T>(value);
    if (!parsed || !entry.allows(*parsed)) return Result<void>(refuse(name, value));
    config.*entry.field = *parsed;
    return Result<void>();
  }
  return std::nullopt;
}

template <class Table>
Result<void> check_ranges(const Table& table, const TopicConfig& config) {
  for (const auto& entry : table) {
    if (entry.allows(config.*entry.field)) continue;
    return refuse(entry.name, std::to_string(config.*entry.field));
  }
  return {};
}

}  // namespace

Result<void> TopicConfig::set(std::string_view kafka_name, std::string_view value) {
  value = trim(value);
  if (auto done = set_number(kInt32Entries, *this, kafka_name, value)) return *std::move(done);
  if (auto done = set_number(kInt64Entries, *this, kafka_name, value)) return *std::move(done);
  if (auto done = set_number(kRatioEntries, *this, kafka_name, value)) return *std::move(done);
  const auto* entry = std::ranges::find(kWordEntries, kafka_name, &WordEntry::name);
  if (entry == std::end(kWordEntries)) {
    return fail(ErrorCode::INVALID_CONFIG, "config: ", kafka_name, " is unknown");
  }
  if (!entry->set(*this, value)) return refuse(kafka_name, value);
  return {};
}

Result<std::string> TopicConfig::get(std::string_view kafka_name) const {
  if (auto found = get_number(kInt32Entries, *this, kafka_name)) return *std::move(found);
  if (auto found = get_number(kInt64Entries, *this, kafka_name)) return *std::move(found);
  if (auto found = get_number(kRatioEntries, *this, kafka_name)) return *std::move(found);
  const auto* entry = std::ranges::find(kWordEntries, kafka_name, &WordEntry::name);
  if (entry == std::end(kWordEntries) || entry->get == nullptr) {
    return fail(ErrorCode::INVALID_CONFIG, "config: no field is called ", kafka_name);
  }
  return entry->get(*this);
}

std::span<const std::string_view> TopicConfig::names() {
  static const std::vector<std::string_view> names = names_of_fields();
  return names;
}

bool TopicConfig::knows(std::string_view kafka_name) {
  const bool is_word =
      std::ranges::find(kWordEntries, kafka_name, &WordEntry::name) != std::end(kWordEntries);
  return is_word || std::ranges::find(names(), kafka_name) != names().end();
}

Result<void> TopicConfig::check() const {
  ONCELOG_TRY(check_ranges(kInt32Entries, *this));
  ONCELOG_TRY(check_ranges(kInt64Entries, *this));
  ONCELOG_TRY(check_ranges(kRatioEntries, *this));
  if (compression_type && *compression_type > Codec::kZstd) {
    return refuse("compression.type", std::to_string(std::to_underlying(*compression_type)));
  }
  if (min_compaction_lag_ms > max_compaction_lag_ms) {
    return fail(ErrorCode::INVALID_CONFIG, "config: min.compaction.lag.ms ", min_compaction_lag_ms,
                " is above max.compaction.lag.ms ", max_compaction_lag_ms);
  }
  return {};
}

Result<void> PartitionOptions::check() const {
  ONCELOG_TRY(config.check());
  if (leader_epoch < LeaderEpoch(0)) {
    return fail(ErrorCode::INVALID_CONFIG, "options: leader epoch ", leader_epoch);
  }
  const bool flushes = config.flush_ms != kUnlimited || config.flush_messages != kUnlimited;
  if (high_watermark == HighWatermarkPolicy::kDurable && level == Level::kWritten && !flushes) {
    return fail(ErrorCode::INVALID_CONFIG,
                "options: a durable high watermark over appends of level written never moves "
                "without flush.ms or flush.messages");
  }
  return {};
}

}  // namespace oncelog
