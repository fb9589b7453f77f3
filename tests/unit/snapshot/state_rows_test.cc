// Keys and values of `.state`: their order, their round trips, and what is not believed.
#include "snapshot/state_rows.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/hash.h"
#include "support/matchers.h"

namespace oncelog::snapshot {
namespace {

using producer::ProducerEntry;
using test::FailsWith;
using test::Succeeds;
using test::value_of;
using testing::HasSubstr;

constexpr auto kCorrupt = ErrorCode::CORRUPT_MESSAGE;
constexpr auto kUnsupported = ErrorCode::UNSUPPORTED_VERSION;
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr Incarnation kLife{7};

/// As LMDB compares: bytes, then length.
bool is_before(const Row& a, const Row& b) { return std::ranges::lexicographical_compare(a, b); }

/// Every key comes before the next one.
void expect_ascending(const std::vector<Row>& keys) {
  for (std::size_t i = 1; i < keys.size(); ++i) {
    EXPECT_TRUE(is_before(keys[i - 1], keys[i])) << "key " << i - 1 << " and the one behind it";
  }
}

bool starts_with(const Row& key, const Row& prefix) {
  return key.size() >= prefix.size() && std::ranges::equal(Bytes(key).first(prefix.size()), prefix);
}

ProducerEntry make_entry(std::size_t batches) {
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(3);
  entry.coordinator_epoch = CoordinatorEpoch(11);
  entry.last_timestamp = Timestamp(-5);
  entry.transaction_first_offset = Offset(40);
  for (std::size_t i = 0; i < batches; ++i) {
    const auto step = static_cast<std::int32_t>(i);
    entry.remember({Sequence(10 + step), Offset(100 + step), step, Timestamp(1000 + step)});
  }
  return entry;
}

CheckpointInfo make_info() {
  CheckpointInfo info;
  info.offset = Offset(42);
  info.anchor = Anchor{Offset(40), LeaderEpoch(5), 0xDEADBEEF};
  info.noted_first_base = Offset(42);
  info.producer_count = 3;
  return info;
}

/// A row of each kind, and what decodes it.
struct Sample {
  std::string name{};
  Row key{};
  Row value{};
  Row other_key{};  ///< of the same kind
  std::function<Result<void>(Bytes, Bytes)> decode{};
};

template <class Decoder>
auto without_value(Decoder decoder) {
  return [decoder](Bytes key, Bytes value) -> Result<void> {
    ONCELOG_TRY(decoder(key, value));
    return {};
  };
}

std::vector<Sample> make_samples() {
  const ProducerEntry entry = make_entry(5);
  const ProducerId id(9);
  std::vector<Sample> samples;
  const auto add = [&](std::string name, Row key, Row other_key, auto decoder,
                       const auto& encode_at) {
    Row value = encode_at(key);
    samples.push_back({std::move(name), std::move(key), std::move(value), std::move(other_key),
                       without_value(decoder)});
  };
  add("partition", partition_key({"orders", 3}), partition_key({"orders", 4}), decode_partition,
      [](Bytes key) { return encode(key, PartitionRow{kLife, "a topic id"}); });
  add("checkpoint", checkpoint_key(kLife, Offset(42)), checkpoint_key(kLife, Offset(43)),
      decode_checkpoint, [](Bytes key) { return encode(key, make_info()); });
  add("producer", producer_key(kLife, id, Offset(42)), producer_key(kLife, id, Offset(43)),
      decode_producer, [&](Bytes key) { return encode(key, &entry); });
  add("forgotten producer", producer_key(kLife, id, Offset(44)),
      producer_key(kLife, id, Offset(45)), decode_producer,
      [](Bytes key) { return encode(key, static_cast<const ProducerEntry*>(nullptr)); });
  add("open transaction", open_transaction_key(kLife, id, Offset(42)),
      open_transaction_key(kLife, id, Offset(43)), decode_open_transaction,
      [](Bytes key) { return encode_open_transaction(key, true); });
  add("time", time_key(kLife, Hour(5), id), time_key(kLife, Hour(6), id), check_row,
      [](Bytes key) { return encode_bare(key); });
  add("garbage", garbage_key(kLife, Offset(42), id), garbage_key(kLife, Offset(43), id), check_row,
      [](Bytes key) { return encode_bare(key); });
  add("unfinished", unfinished_key(kLife), unfinished_key(Incarnation(8)), check_row,
      [](Bytes key) { return encode_bare(key); });
  return samples;
}

// ---- keys

TEST(StateRows, CheckpointsSortNewestFirstWithinALife) {
  expect_ascending({checkpoint_key(Incarnation(6), Offset(0)), checkpoint_key(kLife, Offset(kMax)),
                    checkpoint_key(kLife, Offset(kMax - 1)), checkpoint_key(kLife, Offset(65536)),
                    checkpoint_key(kLife, Offset(65535)), checkpoint_key(kLife, Offset(256)),
                    checkpoint_key(kLife, Offset(255)), checkpoint_key(kLife, Offset(1)),
                    checkpoint_key(kLife, Offset(0)),
                    checkpoint_key(Incarnation(8), Offset(kMax))});
}

TEST(StateRows, ProducersSortByIdThenNewestFirst) {
  for (const auto key : {producer_key, open_transaction_key}) {
    expect_ascending(
        {key(Incarnation(6), ProducerId(kMax), Offset(0)), key(kLife, ProducerId(0), Offset(kMax)),
         key(kLife, ProducerId(0), Offset(9)), key(kLife, ProducerId(0), Offset(0)),
         key(kLife, ProducerId(1), Offset(kMax)), key(kLife, ProducerId(255), Offset(0)),
         key(kLife, ProducerId(256), Offset(256)), key(kLife, ProducerId(256), Offset(255)),
         key(kLife, ProducerId(kMax), Offset(0)), key(Incarnation(kMax), ProducerId(0), Offset(0)),
         key(Incarnation(~std::uint64_t{0}), ProducerId(0), Offset(0))});
  }
}

TEST(StateRows, TimesSortByHourAlsoNegativeOnesThenById) {
  const auto at = [](std::int64_t hour, std::int64_t id) {
    return time_key(kLife, Hour(hour), ProducerId(id));
  };
  expect_ascending({at(kMin, 0), at(kMin + 1, 0), at(-256, 0), at(-255, 0), at(-1, kMax), at(0, 0),
                    at(1, 0), at(1, 1), at(255, 0), at(256, 0), at(kMax, 0), at(kMax, kMax)});
}

TEST(StateRows, HoursAreRoundedDownAndNeverLaterThanTheirTime) {
  constexpr std::int64_t kHourMs = 3'600'000;
  const auto hour = [](std::int64_t time) { return hour_of(Timestamp(time)).value(); };
  EXPECT_EQ(hour(0), 0);
  EXPECT_EQ(hour(kHourMs - 1), 0);
  EXPECT_EQ(hour(kHourMs), 1);
  EXPECT_EQ(hour(-1), -1);
  EXPECT_EQ(hour(-kHourMs), -1);
  EXPECT_EQ(hour(-kHourMs - 1), -2);
  EXPECT_EQ(hour(kMax), kMax / kHourMs);
  EXPECT_EQ(hour(kMin), kMin / kHourMs - 1);
}

TEST(StateRows, GarbageSortsByOffsetThenById) {
  expect_ascending({garbage_key(kLife, Offset(0), ProducerId(0)),
                    garbage_key(kLife, Offset(0), ProducerId(kMax)),
                    garbage_key(kLife, Offset(255), ProducerId(0)),
                    garbage_key(kLife, Offset(256), ProducerId(0)),
                    garbage_key(kLife, Offset(kMax), ProducerId(0))});
}

TEST(StateRows, ALookUpAtOrBelowIsOneSeek) {
  const std::vector<Row> rows{producer_key(kLife, ProducerId(1), Offset(30)),
                              producer_key(kLife, ProducerId(1), Offset(20)),
                              producer_key(kLife, ProducerId(1), Offset(10)),
                              producer_key(kLife, ProducerId(2), Offset(25))};
  const auto seek = [&](std::int64_t offset) {
    const auto found = std::ranges::lower_bound(
        rows, producer_key(kLife, ProducerId(1), Offset(offset)), is_before);
    return found - rows.begin();
  };
  EXPECT_EQ(seek(kMax), 0);
  EXPECT_EQ(seek(30), 0);
  EXPECT_EQ(seek(29), 1);
  EXPECT_EQ(seek(20), 1);
  EXPECT_EQ(seek(19), 2);
  EXPECT_EQ(seek(9), 3) << "the next producer: there is no row so old";
}

TEST(StateRows, KeysOfOneLifeBeginWithItsPrefixAndOthersDoNot) {
  const Row mine = producer_key(kLife, ProducerId(1), Offset(2));
  EXPECT_TRUE(starts_with(mine, key_prefix(RowKind::kProducer, kLife)));
  EXPECT_FALSE(starts_with(mine, key_prefix(RowKind::kProducer, Incarnation(8))));
  EXPECT_FALSE(starts_with(mine, key_prefix(RowKind::kTime, kLife)));
  EXPECT_TRUE(
      starts_with(checkpoint_key(kLife, Offset(1)), key_prefix(RowKind::kCheckpoint, kLife)));
  EXPECT_TRUE(
      starts_with(time_key(kLife, Hour(1), ProducerId(1)), key_prefix(RowKind::kTime, kLife)));
  EXPECT_TRUE(starts_with(open_transaction_key(kLife, ProducerId(1), Offset(1)),
                          key_prefix(RowKind::kOpenTransaction, kLife)));
}

TEST(StateRows, KindsDoNotMix) {
  std::vector<Row> keys{store_key()};
  for (const Sample& sample : make_samples()) keys.push_back(sample.key);
  std::vector<std::byte> kinds;
  for (const Row& key : keys) kinds.push_back(key.at(0));
  std::ranges::sort(kinds);
  kinds.erase(std::ranges::unique(kinds).begin(), kinds.end());
  EXPECT_EQ(kinds.size(), 8u);
}

TEST(StateRows, PartitionsWithSimilarNamesHaveDifferentKeys) {
  const std::vector<TopicPartition> names{{"a", 0},  {"a", 1},  {"a", 256}, {"a-1", 0},
                                          {"a.", 1}, {"a1", 0}, {"b", 0}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t k = 0; k < names.size(); ++k) {
      EXPECT_EQ(partition_key(names[i]) == partition_key(names[k]), i == k) << i << ' ' << k;
    }
  }
  // LMDB takes no longer keys, and its own build decides.
  EXPECT_LE(partition_key({std::string(249, 'x'), 1}).size(), 511u);
}

TEST(StateRows, KeysOfProducersSayTheirParts) {
  for (const std::int64_t id : {std::int64_t{0}, std::int64_t{1}, kMax}) {
    for (const std::int64_t at : {std::int64_t{0}, std::int64_t{77}, kMax}) {
      const auto producer = parse_producer_key(producer_key(kLife, ProducerId(id), Offset(at)));
      ASSERT_TRUE(producer);
      EXPECT_EQ(producer->kind, RowKind::kProducer);
      EXPECT_EQ(producer->life, kLife);
      EXPECT_EQ(producer->id, ProducerId(id));
      EXPECT_EQ(producer->at, Offset(at));
      const auto open = parse_producer_key(open_transaction_key(kLife, ProducerId(id), Offset(at)));
      ASSERT_TRUE(open);
      EXPECT_EQ(open->kind, RowKind::kOpenTransaction);
      EXPECT_EQ(open->id, ProducerId(id));
      EXPECT_EQ(open->at, Offset(at));
      for (const std::int64_t time : {kMin, std::int64_t{-1}, std::int64_t{0}, kMax}) {
        const auto timed = parse_producer_key(time_key(kLife, Hour(time), ProducerId(id)));
        ASSERT_TRUE(timed);
        EXPECT_EQ(timed->kind, RowKind::kTime);
        EXPECT_EQ(timed->hour, Hour(time));
        EXPECT_EQ(timed->id, ProducerId(id));
      }
    }
  }
}

TEST(StateRows, KeysOfAnotherFormHaveNoParts) {
  EXPECT_FALSE(parse_producer_key({}));
  EXPECT_FALSE(parse_producer_key(store_key()));
  EXPECT_FALSE(parse_producer_key(partition_key({"t", 0})));
  EXPECT_FALSE(parse_producer_key(checkpoint_key(kLife, Offset(1))));
  for (Row key : {producer_key(kLife, ProducerId(1), Offset(1)),
                  open_transaction_key(kLife, ProducerId(1), Offset(1)),
                  time_key(kLife, Hour(1), ProducerId(1))}) {
    for (std::size_t bytes = 0; bytes < key.size(); ++bytes) {
      EXPECT_FALSE(parse_producer_key(Bytes(key).first(bytes))) << bytes;
    }
    key.push_back({});
    EXPECT_FALSE(parse_producer_key(key));
  }
}

TEST(StateRows, TheLifeStandsInKeysOfALifeOnly) {
  for (const Sample& sample : make_samples()) {
    const auto life = life_of_key(sample.key);
    if (sample.name == "partition") {
      EXPECT_FALSE(life) << "a name is no life";
    } else {
      EXPECT_EQ(life, kLife) << sample.name;
    }
  }
  EXPECT_FALSE(life_of_key({}));
  EXPECT_FALSE(life_of_key(store_key()));
  const Row prefix = key_prefix(RowKind::kProducer, kLife);
  EXPECT_EQ(life_of_key(prefix), kLife);
  EXPECT_FALSE(life_of_key(Bytes(prefix).first(prefix.size() - 1)));
}

// ---- values: round trips

TEST(StateRows, TheStoreRowComesBack) {
  for (const std::uint64_t life : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    const Row value = encode(store_key(), StoreRow{Incarnation(life)});
    EXPECT_EQ(value_of(decode_store(store_key(), value)).next_life, Incarnation(life));
  }
}

TEST(StateRows, APartitionRowComesBack) {
  const Row key = partition_key({"t", 0});
  for (const std::string& topic_id : {std::string(), std::string("xLVEbHCcQGSmlQmMu4fMhw"),
                                      std::string("\0\xFF", 2), std::string(64, 'x')}) {
    const PartitionRow row =
        value_of(decode_partition(key, encode(key, PartitionRow{Incarnation(99), topic_id})));
    EXPECT_EQ(row.life, Incarnation(99));
    EXPECT_EQ(row.topic_id, topic_id);
  }
}

TEST(StateRows, ACheckpointRowComesBackWithTheOffsetOfItsKey) {
  CheckpointInfo plain;
  plain.offset = Offset(0);
  CheckpointInfo anchored;
  anchored.offset = Offset(kMax);
  anchored.anchor = Anchor{Offset(0), kNoLeaderEpoch, 0};
  CheckpointInfo noted;
  noted.offset = Offset(7);
  noted.noted_first_base = Offset(0);
  noted.producer_count = kMax;
  CheckpointInfo rebuilt = anchored;
  rebuilt.rebuilt_anchor = Anchor{Offset(7), LeaderEpoch(2), 3};
  CheckpointInfo emptied = noted;
  emptied.rebuilt_anchor = kNoBatchLeft;
  for (const CheckpointInfo& info : {make_info(), plain, anchored, noted, rebuilt, emptied}) {
    const Row key = checkpoint_key(kLife, info.offset);
    EXPECT_EQ(value_of(decode_checkpoint(key, encode(key, info))), info);
  }
}

TEST(StateRows, AProducerRowComesBackWithItsWholeWindow) {
  const Row key = producer_key(kLife, ProducerId(1), Offset(2));
  for (std::size_t batches = 0; batches <= producer::kWindowBatches; ++batches) {
    const ProducerEntry entry = make_entry(batches);
    const auto decoded = value_of(decode_producer(key, encode(key, &entry)));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, entry) << batches;
  }
  ProducerEntry extreme;
  extreme.epoch = ProducerEpoch(32767);
  extreme.last_timestamp = Timestamp(kMax);
  extreme.transaction_first_offset = Offset(0);
  extreme.remember({Sequence(2147483647), Offset(kMax - 1), 2147483647, Timestamp(kMin)});
  EXPECT_EQ(value_of(decode_producer(key, encode(key, &extreme))), extreme);
  const ProducerEntry nothing;
  EXPECT_EQ(value_of(decode_producer(key, encode(key, &nothing))), nothing);
}

TEST(StateRows, AForgottenProducerIsARowOfItsOwn) {
  const Row key = producer_key(kLife, ProducerId(1), Offset(2));
  const auto decoded =
      decode_producer(key, encode(key, static_cast<const ProducerEntry*>(nullptr)));
  ASSERT_THAT(decoded, Succeeds());
  EXPECT_EQ(*decoded, std::nullopt);
}

TEST(StateRows, WhetherATransactionIsOpenComesBack) {
  const Row key = open_transaction_key(kLife, ProducerId(1), Offset(2));
  EXPECT_TRUE(value_of(decode_open_transaction(key, encode_open_transaction(key, true))));
  EXPECT_FALSE(value_of(decode_open_transaction(key, encode_open_transaction(key, false))));
}

// ---- values: what is not believed

TEST(StateRows, EveryRowIsSoundAsItWasWritten) {
  for (const Sample& sample : make_samples()) {
    EXPECT_THAT(sample.decode(sample.key, sample.value), Succeeds()) << sample.name;
    EXPECT_THAT(check_row(sample.key, sample.value), Succeeds()) << sample.name;
  }
  EXPECT_THAT(check_row(store_key(), encode(store_key(), StoreRow{kLife})), Succeeds());
}

TEST(StateRows, EachFlippedBitOfAValueIsRefused) {
  for (const Sample& sample : make_samples()) {
    for (std::size_t bit = 0; bit < 8 * sample.value.size(); ++bit) {
      Row wrong = sample.value;
      wrong[bit / 8] ^= std::byte{1} << (bit % 8);
      EXPECT_THAT(sample.decode(sample.key, wrong), FailsWith(kCorrupt))
          << sample.name << ' ' << bit;
      EXPECT_THAT(check_row(sample.key, wrong), FailsWith(kCorrupt)) << sample.name << ' ' << bit;
    }
  }
}

TEST(StateRows, EachFlippedByteOfTheStoreRowIsRefusedAndItsVersionNamed) {
  const Row key = store_key();
  const Row value = encode(key, StoreRow{kLife});
  for (std::size_t i = 0; i < value.size(); ++i) {
    Row wrong = value;
    wrong[i] = ~wrong[i];
    const bool is_version = i == 4 || i == 5;
    EXPECT_THAT(decode_store(key, wrong), FailsWith(is_version ? kUnsupported : kCorrupt)) << i;
    EXPECT_THAT(check_row(key, wrong), FailsWith(is_version ? kUnsupported : kCorrupt)) << i;
  }
}

TEST(StateRows, AnotherVersionIsUnsupportedWhateverFollowsIt) {
  const Row key = store_key();
  Row later = encode(key, StoreRow{kLife});
  later.resize(6);
  base::store_be(std::span(later), 4, std::int16_t{2});
  for (int more = 0; more < 40; ++more) {
    EXPECT_THAT(decode_store(key, later), FailsWith(kUnsupported, "version 2")) << more;
    later.push_back(std::byte{0x5A});
  }
  base::store_be(std::span(later), 4, std::int16_t{0});
  EXPECT_THAT(decode_store(key, later), FailsWith(kUnsupported, "version 0"));
}

TEST(StateRows, AValueUnderAnotherKeyIsRefused) {
  for (const Sample& sample : make_samples()) {
    EXPECT_THAT(sample.decode(sample.other_key, sample.value), FailsWith(kCorrupt)) << sample.name;
    EXPECT_THAT(check_row(sample.other_key, sample.value), FailsWith(kCorrupt)) << sample.name;
    for (std::size_t i = 0; i < sample.key.size(); ++i) {
      Row other = sample.key;
      other[i] = ~other[i];
      EXPECT_THAT(check_row(other, sample.value), FailsWith(kCorrupt)) << sample.name << ' ' << i;
    }
  }
}

TEST(StateRows, AValueThatIsCutOrLengthenedIsRefused) {
  for (const Sample& sample : make_samples()) {
    for (std::size_t bytes = 0; bytes < sample.value.size(); ++bytes) {
      EXPECT_THAT(sample.decode(sample.key, Bytes(sample.value).first(bytes)), FailsWith(kCorrupt))
          << sample.name << ' ' << bytes;
    }
    Row longer = sample.value;
    longer.push_back({});
    EXPECT_THAT(sample.decode(sample.key, longer), FailsWith(kCorrupt)) << sample.name;
  }
}

/// A body with the hash that belongs to it: only its form is wrong.
Row seal(const Row& key, Row body) {
  const std::uint64_t hash = base::hash64(body, base::hash64(key));
  body.resize(body.size() + sizeof hash);
  base::store_be(std::span(body), body.size() - sizeof hash, hash);
  return body;
}

TEST(StateRows, ABodyOfAWrongSizeIsRefusedAlsoUnderItsHash) {
  for (const Sample& sample : make_samples()) {
    const Row body(sample.value.begin(), sample.value.end() - 8);
    ASSERT_EQ(seal(sample.key, body), sample.value) << sample.name << ": the hash of this test";
    Row longer = body;
    longer.resize(body.size() + 100);
    EXPECT_THAT(sample.decode(sample.key, seal(sample.key, longer)), FailsWith(kCorrupt))
        << sample.name;
    if (body.empty()) continue;
    if (sample.name == "partition") continue;  // a topic id may have any length
    const Row shorter(body.begin(), body.end() - 1);
    EXPECT_THAT(sample.decode(sample.key, seal(sample.key, shorter)), FailsWith(kCorrupt))
        << sample.name;
  }
  const Row key = store_key();
  Row body = encode(key, StoreRow{kLife});
  body.resize(body.size() - 8 + 1);
  EXPECT_THAT(decode_store(key, seal(key, body)), FailsWith(kCorrupt));
}

TEST(StateRows, AWindowOfMoreBatchesThanThereCanBeIsRefused) {
  const Row key = producer_key(kLife, ProducerId(1), Offset(2));
  const ProducerEntry entry = make_entry(5);
  const Row value = encode(key, &entry);
  const Row five(value.begin(), value.end() - 8);
  for (const int count : {-1, 4, 6, 32767}) {
    Row body = five;
    if (count == 6) body.resize(body.size() + 24);  // and the bytes to go with it
    base::store_be(std::span(body), 22, static_cast<std::int16_t>(count));
    EXPECT_THAT(decode_producer(key, seal(key, body)), FailsWith(kCorrupt)) << count;
  }
}

TEST(StateRows, KeysOfNoKindAreRefused) {
  for (int kind = 0; kind < 256; ++kind) {
    if (std::string("MPCROTGU").find(static_cast<char>(kind)) != std::string::npos) continue;
    Row key = key_prefix(RowKind::kProducer, kLife);
    key[0] = static_cast<std::byte>(kind);
    EXPECT_THAT(check_row(key, seal(key, {})), FailsWith(kCorrupt)) << kind;
  }
  EXPECT_THAT(check_row({}, seal({}, {})), FailsWith(kCorrupt));
}

TEST(StateRows, AProducersRowUnderAKeyOfAnotherLengthIsRefused) {
  Row key = producer_key(kLife, ProducerId(1), Offset(2));
  key.push_back({});
  EXPECT_THAT(check_row(key, seal(key, {})), FailsWith(kCorrupt, "key"));
  Row checkpoint = checkpoint_key(kLife, Offset(42));
  checkpoint.push_back({});
  EXPECT_THAT(check_row(checkpoint, encode(checkpoint, make_info())), FailsWith(kCorrupt));
}

}  // namespace
}  // namespace oncelog::snapshot
