#include "oncelog/options.h"

#include <gtest/gtest.h>

namespace oncelog {
namespace {

ErrorCode set(TopicConfig& config, std::string_view name, std::string_view value) {
  const Result<void> result = config.set(name, value);
  return result ? ErrorCode::NONE : result.error().code;
}

bool takes(std::string_view name, std::string_view value) {
  TopicConfig config;
  return set(config, name, value) == ErrorCode::NONE;
}

TEST(TopicConfig, DefaultsAreSound) { EXPECT_TRUE(TopicConfig().check()); }

TEST(TopicConfig, SetsTheFieldOfEachNumber) {
  TopicConfig config;
  EXPECT_EQ(set(config, "segment.bytes", "14"), ErrorCode::NONE);
  EXPECT_EQ(config.segment_bytes, 14);
  EXPECT_EQ(set(config, "segment.index.bytes", "36"), ErrorCode::NONE);
  EXPECT_EQ(config.segment_index_bytes, 36);
  EXPECT_EQ(set(config, "retention.ms", "-1"), ErrorCode::NONE);
  EXPECT_EQ(config.retention_ms, -1);
  EXPECT_EQ(set(config, "segment.ms", "9223372036854775807"), ErrorCode::NONE);
  EXPECT_EQ(config.segment_ms, kUnlimited);
  EXPECT_EQ(set(config, "min.cleanable.dirty.ratio", "0.9"), ErrorCode::NONE);
  EXPECT_EQ(config.min_cleanable_dirty_ratio, 0.9);
  EXPECT_EQ(set(config, "producer.id.expiration.ms", "1000"), ErrorCode::NONE);
  EXPECT_EQ(config.producer_id_expiration_ms, 1000);
  EXPECT_EQ(set(config, "compression.zstd.level", "-131072"), ErrorCode::NONE);
  EXPECT_EQ(config.compression_zstd_level, -131072);
}

TEST(TopicConfig, SetsTheFieldOfEachWord) {
  TopicConfig config;
  EXPECT_EQ(set(config, "preallocate", "true"), ErrorCode::NONE);
  EXPECT_TRUE(config.preallocate);
  EXPECT_EQ(set(config, "message.timestamp.type", "LogAppendTime"), ErrorCode::NONE);
  EXPECT_EQ(config.message_timestamp_type, TimestampType::kLogAppendTime);
  EXPECT_EQ(set(config, "message.timestamp.type", "CreateTime"), ErrorCode::NONE);
  EXPECT_EQ(config.message_timestamp_type, TimestampType::kCreateTime);
}

TEST(TopicConfig, UncompressedIsACodecAndProducerIsNone) {
  TopicConfig config;
  EXPECT_EQ(set(config, "compression.type", "uncompressed"), ErrorCode::NONE);
  EXPECT_EQ(config.compression_type, Codec::kNone);
  EXPECT_EQ(set(config, "compression.type", "zstd"), ErrorCode::NONE);
  EXPECT_EQ(config.compression_type, Codec::kZstd);
  EXPECT_EQ(set(config, "compression.type", "producer"), ErrorCode::NONE);
  EXPECT_EQ(config.compression_type, std::nullopt);
  EXPECT_EQ(set(config, "compression.type", "none"), ErrorCode::INVALID_CONFIG);
}

TEST(TopicConfig, TakesBothCleanupPoliciesInAnyOrder) {
  TopicConfig config;
  EXPECT_EQ(set(config, "cleanup.policy", "compact"), ErrorCode::NONE);
  EXPECT_TRUE(config.cleanup_compact && !config.cleanup_delete);
  EXPECT_EQ(set(config, "cleanup.policy", "delete, compact"), ErrorCode::NONE);
  EXPECT_TRUE(config.cleanup_compact && config.cleanup_delete);
  EXPECT_EQ(set(config, "cleanup.policy", "delete"), ErrorCode::NONE);
  EXPECT_TRUE(!config.cleanup_compact && config.cleanup_delete);
  EXPECT_EQ(set(config, "cleanup.policy", "compact,delete"), ErrorCode::NONE);
  EXPECT_TRUE(config.cleanup_compact && config.cleanup_delete);
  for (const std::string_view wrong : {"", ",", "compact,", "compacted", "compact;delete"}) {
    EXPECT_EQ(set(config, "cleanup.policy", wrong), ErrorCode::INVALID_CONFIG) << wrong;
  }
}

TEST(TopicConfig, RefusesValuesJustOutOfRange) {
  struct Edge {
    std::string_view name, inside, outside;
  };
  const Edge edges[] = {
      {"segment.bytes", "14", "13"},
      {"segment.bytes", "2147483647", "2147483648"},
      {"segment.ms", "1", "0"},
      {"segment.jitter.ms", "0", "-1"},
      {"segment.index.bytes", "12", "11"},
      {"index.interval.bytes", "0", "-1"},
      {"max.message.bytes", "0", "-1"},
      {"compression.gzip.level", "-1", "0"},
      {"compression.gzip.level", "9", "10"},
      {"compression.lz4.level", "1", "0"},
      {"compression.lz4.level", "17", "18"},
      {"compression.zstd.level", "22", "23"},
      {"compression.zstd.level", "-131072", "-131073"},
      {"message.timestamp.before.max.ms", "0", "-1"},
      {"message.timestamp.after.max.ms", "0", "-1"},
      {"retention.ms", "-1", "-2"},
      {"retention.bytes", "-1", "-2"},
      {"delete.retention.ms", "0", "-1"},
      {"min.compaction.lag.ms", "0", "-1"},
      {"max.compaction.lag.ms", "1", "0"},
      {"min.cleanable.dirty.ratio", "0", "-0.1"},
      {"min.cleanable.dirty.ratio", "1", "1.1"},
      {"min.cleanable.dirty.ratio", "0.5", "nan"},
      {"flush.messages", "1", "0"},
      {"flush.ms", "0", "-1"},
      {"producer.id.expiration.ms", "1", "0"},
      {"file.delete.delay.ms", "0", "-1"},
      {"min.insync.replicas", "1", "0"},
      {"unclean.leader.election.enable", "true", "yes"},
      {"preallocate", "false", "False?"},
  };
  for (const Edge& edge : edges) {
    EXPECT_TRUE(takes(edge.name, edge.inside)) << edge.name << '=' << edge.inside;
    EXPECT_FALSE(takes(edge.name, edge.outside)) << edge.name << '=' << edge.outside;
  }
}

TEST(TopicConfig, RefusesWhatIsNoNumber) {
  for (const std::string_view value :
       {"", "x", "1x", "1.5", "0x10", "1 2", "99999999999999999999"}) {
    EXPECT_FALSE(takes("segment.ms", value)) << value;
  }
  EXPECT_TRUE(takes("segment.ms", " 5 "));
}

TEST(TopicConfig, RefusesUnknownNames) {
  for (const std::string_view name : {"", "segment", "segment_bytes", "SEGMENT.BYTES"}) {
    EXPECT_FALSE(takes(name, "100")) << name;
  }
}

TEST(TopicConfig, IsAsBeforeAfterARefusal) {
  TopicConfig config;
  EXPECT_EQ(set(config, "segment.bytes", "3"), ErrorCode::INVALID_CONFIG);
  EXPECT_EQ(set(config, "cleanup.policy", "compact,x"), ErrorCode::INVALID_CONFIG);
  EXPECT_EQ(set(config, "preallocate", "x"), ErrorCode::INVALID_CONFIG);
  EXPECT_EQ(config.segment_bytes, 1 << 30);
  EXPECT_FALSE(config.cleanup_compact);
  EXPECT_FALSE(config.preallocate);
}

TEST(TopicConfig, ChecksFieldsThatWereSetDirectly) {
  TopicConfig config;
  config.segment_bytes = 13;
  EXPECT_EQ(config.check().error().code, ErrorCode::INVALID_CONFIG);
  config = {};
  config.compression_gzip_level = 0;
  EXPECT_FALSE(config.check());
  config = {};
  config.compression_type = static_cast<Codec>(5);
  EXPECT_FALSE(config.check());
}

TEST(TopicConfig, RefusesAMinimumLagAboveTheMaximum) {
  TopicConfig config;
  config.min_compaction_lag_ms = 11;
  config.max_compaction_lag_ms = 10;
  EXPECT_EQ(config.check().error().code, ErrorCode::INVALID_CONFIG);
  config.min_compaction_lag_ms = 10;
  EXPECT_TRUE(config.check());
}

TEST(PartitionOptions, DefaultsAreSound) { EXPECT_TRUE(PartitionOptions().check()); }

TEST(PartitionOptions, RefusesADurableWatermarkThatNothingFlushes) {
  PartitionOptions options;
  options.level = Level::kWritten;
  options.high_watermark = HighWatermarkPolicy::kDurable;
  EXPECT_EQ(options.check().error().code, ErrorCode::INVALID_CONFIG);
  options.config.flush_ms = 100;
  EXPECT_TRUE(options.check());
  options.config.flush_ms = kUnlimited;
  options.config.flush_messages = 100;
  EXPECT_TRUE(options.check());
  options.config.flush_messages = kUnlimited;
  options.level = Level::kDurable;
  EXPECT_TRUE(options.check());
}

TEST(PartitionOptions, RefusesANegativeLeaderEpoch) {
  PartitionOptions options;
  options.leader_epoch = LeaderEpoch(-1);
  EXPECT_EQ(options.check().error().code, ErrorCode::INVALID_CONFIG);
}

TEST(PartitionOptions, RefusesAnUnsoundConfig) {
  PartitionOptions options;
  options.config.flush_messages = 0;
  EXPECT_EQ(options.check().error().code, ErrorCode::INVALID_CONFIG);
}

TEST(TopicConfig, GivesEachFieldAsSetTakesIt) {
  TopicConfig config;
  ASSERT_EQ(set(config, "segment.bytes", "1234"), ErrorCode::NONE);
  ASSERT_EQ(set(config, "retention.ms", "-1"), ErrorCode::NONE);
  ASSERT_EQ(set(config, "min.cleanable.dirty.ratio", "0.1"), ErrorCode::NONE);
  ASSERT_EQ(set(config, "preallocate", "true"), ErrorCode::NONE);
  ASSERT_EQ(set(config, "compression.type", "zstd"), ErrorCode::NONE);
  ASSERT_EQ(set(config, "cleanup.policy", "delete, compact"), ErrorCode::NONE);
  ASSERT_EQ(set(config, "message.timestamp.type", "LogAppendTime"), ErrorCode::NONE);
  EXPECT_EQ(config.get("cleanup.policy").value(), "compact,delete");
  EXPECT_EQ(config.get("min.cleanable.dirty.ratio").value(), "0.1");
  TopicConfig copy;
  EXPECT_NE(copy, config);
  for (const std::string_view name : TopicConfig::names()) {
    EXPECT_TRUE(TopicConfig::knows(name));
    EXPECT_EQ(set(copy, name, config.get(name).value()), ErrorCode::NONE) << name;
  }
  EXPECT_EQ(copy, config) << "a field has no name, or two";
}

TEST(TopicConfig, KnowsNamesThatItForgets) {
  EXPECT_TRUE(TopicConfig::knows("min.insync.replicas"));
  EXPECT_EQ(TopicConfig().get("min.insync.replicas").error().code, ErrorCode::INVALID_CONFIG);
  EXPECT_FALSE(TopicConfig::knows("colour"));
  EXPECT_EQ(TopicConfig().get("colour").error().code, ErrorCode::INVALID_CONFIG);
}

TEST(BrokerConfig, GivesTopicsTheirDefaults) {
  const TopicConfig config = read_broker_config({{"log.segment.bytes", "1000"},
                                                 {"log.cleaner.min.cleanable.ratio", "0.2"}})
                                 .value();
  EXPECT_EQ(config.segment_bytes, 1000);
  EXPECT_EQ(config.min_cleanable_dirty_ratio, 0.2);
  EXPECT_EQ(read_broker_config({}).value(), TopicConfig());
}

TEST(BrokerConfig, TheFinerUnitCounts) {
  const auto retention = [](std::map<std::string, std::string> given) {
    return read_broker_config(given).value().retention_ms;
  };
  EXPECT_EQ(retention({{"log.retention.hours", "2"}}), 7'200'000);
  EXPECT_EQ(retention({{"log.retention.hours", "2"}, {"log.retention.minutes", "3"}}), 180'000);
  EXPECT_EQ(retention({{"log.retention.minutes", "3"}, {"log.retention.ms", "4"}}), 4);
  EXPECT_EQ(retention({{"log.retention.hours", "-1"}}), -1);
}

TEST(BrokerConfig, RefusalsHaveTheNameThatWasGiven) {
  const auto refusal = [](std::map<std::string, std::string> given) {
    const auto read = read_broker_config(given);
    EXPECT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::INVALID_CONFIG);
    return read.error().context;
  };
  EXPECT_NE(refusal({{"segment.bytes", "1000"}}).find("segment.bytes"), std::string::npos);
  EXPECT_NE(refusal({{"log.segment.bytes", "1"}}).find("log.segment.bytes"), std::string::npos);
  EXPECT_NE(refusal({{"log.retention.hours", "9223372036854775807"}}).find("log.retention.hours"),
            std::string::npos);
  EXPECT_NE(refusal({{"log.retention.hours", "soon"}, {"log.retention.ms", "1"}})
                .find("log.retention.hours"),
            std::string::npos)
      << "one that does not count is checked, too";
  refusal({{"log.cleaner.min.compaction.lag.ms", "9"}, {"log.cleaner.max.compaction.lag.ms", "8"}});
}

}  // namespace
}  // namespace oncelog
