// `.options`: what is kept of a partition's options, and what a damaged file costs.
#include "store/kept_options.h"

#include <gmock/gmock.h>

#include "support/log_fixture.h"

namespace oncelog {
namespace {

using store::decode_kept_options;
using store::encode_kept_options;
using test::FailsWith;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr ErrorCode kStorageError = ErrorCode::KAFKA_STORAGE_ERROR;

KeptOptions example() {
  return {{{"cleanup.policy", "compact,delete"}, {"retention.ms", "-1"}},
          Level::kWritten,
          HighWatermarkPolicy::kManual};
}

TEST(KeptOptionsText, IsReadAsItWasWritten) {
  const std::string text = encode_kept_options(example());
  EXPECT_THAT(text, testing::StartsWith("version=1\nlevel=written\nhigh_watermark=manual\n"
                                        "config.cleanup.policy=compact,delete\n"
                                        "config.retention.ms=-1\nhash="));
  EXPECT_EQ(value_of(decode_kept_options(text)), example());
  EXPECT_EQ(value_of(decode_kept_options(encode_kept_options({}))), KeptOptions{});
}

TEST(KeptOptionsText, NoByteOfItMayBeAnother) {
  const std::string text = encode_kept_options(example());
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char mask : {'\x01', '\x20', '\x7f'}) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ mask);
      EXPECT_FALSE(decode_kept_options(damaged)) << damaged;
    }
    EXPECT_FALSE(decode_kept_options(std::string_view(text).substr(0, i))) << i;
  }
}

TEST(KeptOptionsText, RefusalsNameTheLine) {
  const auto refused = [](const std::string& text) { return decode_kept_options(text); };
  EXPECT_THAT(refused(""), FailsWith(kStorageError, "without a hash"));
  EXPECT_THAT(refused("level=written\n"), FailsWith(kStorageError, "line 1"));
  EXPECT_THAT(refused("version=2\n"), FailsWith(ErrorCode::UNSUPPORTED_VERSION, "version=2"));
  EXPECT_THAT(refused("version=1\nlevel=high\n"), FailsWith(kStorageError, "line 2: is no level"));
  EXPECT_THAT(refused("version=1\nhigh_watermark=low\n"), FailsWith(kStorageError, "is no policy"));
  EXPECT_THAT(refused("version=1\ncolour=red\n"), FailsWith(kStorageError, "unknown"));
  EXPECT_THAT(refused("version=1\nnothing\n"), FailsWith(kStorageError, "is no entry"));
  EXPECT_THAT(refused("version=1\nlevel=written"), FailsWith(kStorageError, "has no end"));
  EXPECT_THAT(refused("version=1\nconfig.retention.ms=soon\n"),
              FailsWith(kStorageError, "retention.ms cannot be 'soon'"));
  EXPECT_THAT(refused("version=1\nconfig.flush.ms=1\nconfig.flush.ms=2\n"),
              FailsWith(kStorageError, "line 3: has a name that came before"));
}

TEST(KeptOptionsOf, AreThoseThatDifferFromTheDefaults) {
  TopicConfig defaults;
  defaults.retention_ms = 5;
  PartitionOptions options;
  options.config.segment_bytes = 1000;
  options.level = Level::kDurable;
  const KeptOptions kept = store::describe_options(options, defaults);
  EXPECT_THAT(kept.overrides,
              ElementsAre(Pair("retention.ms", "604800000"), Pair("segment.bytes", "1000")));
  const PartitionOptions again = value_of(store::apply_kept_options(kept, defaults));
  EXPECT_EQ(again.config, options.config);
  EXPECT_EQ(again.level, options.level);
  EXPECT_EQ(again.high_watermark, options.high_watermark);
}

TEST(ConfigChanges, AreAllMadeOrNone) {
  const auto changed = [](const std::vector<ConfigChange>& changes) {
    return store::change_config(example(), changes);
  };
  EXPECT_THAT(
      value_of(changed({{"retention.ms", " 1000 "}, {"min.insync.replicas", "2"}})).overrides,
      ElementsAre(Pair("cleanup.policy", "compact,delete"), Pair("min.insync.replicas", "2"),
                  Pair("retention.ms", "1000")));
  EXPECT_THAT(value_of(changed({{"retention.ms", {}}, {"cleanup.policy", ""}})).overrides,
              IsEmpty());
  EXPECT_EQ(value_of(changed({{"segment.bytes", {}}})), example()) << "there was none";
  EXPECT_THAT(changed({{"flush.ms", "1"}, {"colour", "red"}}),
              FailsWith(ErrorCode::INVALID_CONFIG, "colour is unknown"));
  EXPECT_THAT(changed({{"colour", {}}}), FailsWith(ErrorCode::INVALID_CONFIG, "colour"));
  EXPECT_THAT(changed({{"flush.ms", "1"}, {"flush.ms", "2"}}),
              FailsWith(ErrorCode::INVALID_CONFIG, "flush.ms is to be changed twice"));
  EXPECT_THAT(changed({{"segment.bytes", "1"}}),
              FailsWith(ErrorCode::INVALID_CONFIG, "segment.bytes"));
}

/// Options of a partition over the ends of its store.
class KeptOptionsTest : public test::LogFixture {
 protected:
  [[nodiscard]] std::string options_path() const { return directory() + "/.options"; }
  void open_store() {
    crash();
    store_ = value_of(Store::open(store_path(), store_options_));
  }
  void open_kept() { log_ = value_of(store_->open_partition(name_)); }
};

TEST_F(KeptOptionsTest, AnOpenWithoutOptionsTakesThoseOfTheCreation) {
  options_.config.segment_bytes = 100;
  options_.level = Level::kWritten;
  options_.high_watermark = HighWatermarkPolicy::kManual;
  open();
  crash();
  open_store();
  open_kept();
  EXPECT_EQ(append().level, Level::kWritten);
  append();
  EXPECT_EQ(log_->segments().size(), 2u) << "segment.bytes";
  EXPECT_EQ(log_->ends().high_watermark, Offset(0)) << "manual";
  EXPECT_EQ(value_of(store_->kept_options(name_)).level, Level::kWritten);
}

TEST_F(KeptOptionsTest, DefaultsNeedNoFile) {
  store_options_.topic_defaults.segment_bytes = 100;
  open_store();
  open_kept();
  EXPECT_FALSE(std::filesystem::exists(options_path()));
  append();
  append();
  EXPECT_EQ(log_->segments().size(), 2u);
  EXPECT_EQ(value_of(store_->kept_options(name_)), KeptOptions{});
}

TEST_F(KeptOptionsTest, AllOfAStoreAreOpenedWithTheirOwn) {
  options_.config.segment_bytes = 100;
  open();
  value_of(store_->open_partition({"u", 0}, PartitionOptions{}));
  open_store();
  const auto opened = value_of(store_->open_all_partitions());
  ASSERT_EQ(opened.size(), 2u);
  EXPECT_EQ(value_of(store_->kept_options(name_)).overrides.at("segment.bytes"), "100");
  EXPECT_THAT(value_of(store_->kept_options({"u", 0})).overrides, IsEmpty());
  EXPECT_THAT(value_of(opened[1].log)->append_as_leader(test::make_batch()), Succeeds());
}

TEST_F(KeptOptionsTest, ADamagedFileIsRefusedByNameAndReplacedBehindAnOpenWithOptions) {
  options_.config.retention_ms = 1000;
  open();
  append();
  crash();
  test::flip_byte(options_path(), 60);
  const std::string before = test::read_text(options_path());
  open_store();
  EXPECT_THAT(store_->open_partition(name_), FailsWith(kStorageError, ".options: partition opt"));
  EXPECT_THAT(store_->kept_options(name_), FailsWith(kStorageError, ".options"));
  EXPECT_THAT(store_->alter_config(name_, {{"flush.ms", "1"}}),
              FailsWith(kStorageError, ".options"));
  EXPECT_EQ(test::read_text(options_path()), before);
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(1));
  EXPECT_EQ(test::read_text(options_path()), before);
  ASSERT_THAT(store_->alter_config(name_, {}), Succeeds());
  crash();
  open_store();
  open_kept();
  EXPECT_EQ(value_of(store_->kept_options(name_)).overrides.at("retention.ms"), "1000");
}

TEST_F(KeptOptionsTest, AFileOfAnySizeIsNotRead) {
  open();
  crash();
  test::write_text(options_path(), std::string(1 << 20, 'x'));
  open_store();
  EXPECT_THAT(store_->open_partition(name_), FailsWith(kStorageError));
}

TEST_F(KeptOptionsTest, GoWithTheirPartition) {
  options_.config.retention_ms = 1000;
  open();
  ASSERT_THAT(store_->delete_partition(name_), Succeeds());
  EXPECT_THAT(store_->kept_options(name_), FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
  log_ = value_of(store_->create_partition(name_));
  EXPECT_EQ(value_of(store_->kept_options(name_)), KeptOptions{});
}

TEST_F(KeptOptionsTest, OptionsOfALaterOpenHoldUntilItsEnd) {
  options_.config.retention_ms = 1000;
  open();
  close();
  options_.config.retention_ms = 2000;
  open();
  EXPECT_EQ(value_of(store_->kept_options(name_)).overrides.at("retention.ms"), "2000");
  open_store();
  open_kept();
  EXPECT_EQ(value_of(store_->kept_options(name_)).overrides.at("retention.ms"), "1000");
}

TEST_F(KeptOptionsTest, WithoutThemNoPartitionIsMade) {
  options_.config.retention_ms = 1000;
  vfs_.plan().add({.call = test::IoCall::kWrite, .path_part = ".options", .os_errno = ENOSPC});
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::STORAGE_FULL, ".options"));
  EXPECT_EQ(store_->find_partition(name_), nullptr);
  log_ = value_of(store_->create_partition(name_, options_));
  EXPECT_EQ(value_of(store_->kept_options(name_)).overrides.at("retention.ms"), "1000");
}

TEST_F(KeptOptionsTest, WhatAnInterruptedCreationLeftIsNotTaken) {
  options_.config.retention_ms = 1000;
  vfs_.plan().add({.call = test::IoCall::kOpen, .path_part = ".log"});
  EXPECT_THAT(try_open(), FailsWith(kStorageError));
  EXPECT_TRUE(std::filesystem::exists(options_path()));
  log_ = value_of(store_->create_partition(name_));
  EXPECT_EQ(value_of(store_->kept_options(name_)), KeptOptions{});
  open_store();
  open_kept();
  EXPECT_EQ(value_of(store_->kept_options(name_)), KeptOptions{});
}

}  // namespace
}  // namespace oncelog
