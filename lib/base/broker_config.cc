// broker_config.cc: the broker's names for what topics have by default (semantics, Annex A).
#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "oncelog/options.h"

namespace oncelog {

namespace {

/// A name of the broker, the topic's, and what the value is to be multiplied by. Of several for one
/// topic name the first that is given counts.
struct BrokerEntry {
  std::string_view broker_name{};
  std::string_view topic_name{};
  std::int64_t factor = 1;
};

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;

constexpr BrokerEntry kBrokerEntries[] = {
    {"log.segment.bytes", "segment.bytes"},
    {"log.roll.ms", "segment.ms"},
    {"log.roll.hours", "segment.ms", kHourMs},
    {"log.roll.jitter.ms", "segment.jitter.ms"},
    {"log.roll.jitter.hours", "segment.jitter.ms", kHourMs},
    {"log.index.size.max.bytes", "segment.index.bytes"},
    {"log.index.interval.bytes", "index.interval.bytes"},
    {"log.preallocate", "preallocate"},
    {"message.max.bytes", "max.message.bytes"},
    {"compression.type", "compression.type"},
    {"compression.gzip.level", "compression.gzip.level"},
    {"compression.lz4.level", "compression.lz4.level"},
    {"compression.zstd.level", "compression.zstd.level"},
    {"log.message.timestamp.type", "message.timestamp.type"},
    {"log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms"},
    {"log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms"},
    {"log.cleanup.policy", "cleanup.policy"},
    {"log.retention.ms", "retention.ms"},
    {"log.retention.minutes", "retention.ms", kMinuteMs},
    {"log.retention.hours", "retention.ms", kHourMs},
    {"log.retention.bytes", "retention.bytes"},
    {"log.segment.delete.delay.ms", "file.delete.delay.ms"},
    {"log.cleaner.delete.retention.ms", "delete.retention.ms"},
    {"log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"},
    {"log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"},
    {"log.cleaner.min.cleanable.ratio", "min.cleanable.dirty.ratio"},
    {"min.insync.replicas", "min.insync.replicas"},
    {"unclean.leader.election.enable", "unclean.leader.election.enable"},
    {"log.flush.interval.messages", "flush.messages"},
    {"log.flush.interval.ms", "flush.ms"},
    {"producer.id.expiration.ms", "producer.id.expiration.ms"},
};

/// A number of minutes or hours in milliseconds; −1 is no number of them, but "unlimited".
Result<std::string> scale(const BrokerEntry& entry, const std::string& value) {
  if (entry.factor == 1) return value;
  std::int64_t number = 0;
  const auto [end, status] = std::from_chars(value.data(), value.data() + value.size(), number);
  std::int64_t scaled = 0;
  const bool is_number = status == std::errc() && end == value.data() + value.size();
  if (is_number && number == -1) return std::string("-1");
  if (!is_number || __builtin_mul_overflow(number, entry.factor, &scaled)) {
    return fail(ErrorCode::INVALID_CONFIG, "config: ", entry.broker_name, " cannot be '", value,
                "'");
  }
  return std::to_string(scaled);
}

}  // namespace

Result<TopicConfig> read_broker_config(const std::map<std::string, std::string>& broker_config) {
  for (const auto& [name, value] : broker_config) {
    const auto* entry = std::ranges::find(kBrokerEntries, name, &BrokerEntry::broker_name);
    if (entry != std::end(kBrokerEntries)) continue;
    return fail(ErrorCode::INVALID_CONFIG, "config: no topic takes a default from ", name);
  }
  TopicConfig config;
  // From the last on: what stands first counts, and every value is checked.
  for (std::size_t i = std::size(kBrokerEntries); i-- > 0;) {
    const BrokerEntry& entry = kBrokerEntries[i];
    const auto given = broker_config.find(std::string(entry.broker_name));
    if (given == broker_config.end()) continue;
    ONCELOG_TRY_ASSIGN(const std::string value, scale(entry, given->second));
    if (const auto set = config.set(entry.topic_name, value); !set) {
      return fail(ErrorCode::INVALID_CONFIG, "config: ", entry.broker_name, ": ",
                  set.error().context);
    }
  }
  ONCELOG_TRY(config.check());
  return config;
}

}  // namespace oncelog
