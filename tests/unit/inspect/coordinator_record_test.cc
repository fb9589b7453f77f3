// The examples of formats 12 and 13, and what is not as it should be.
#include <gmock/gmock.h>

#include <random>
#include <string>

#include "oncelog/inspect_coordinator.h"
#include "support/batches.h"

namespace oncelog {
namespace {

using test::from_hex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr auto kOffsets = CoordinatorTopic::kConsumerOffsets;
constexpr auto kTransactions = CoordinatorTopic::kTransactionState;
constexpr const char* kOffsetKey = "00010002673100017400000003";
constexpr const char* kTransactionKey = "000000066d792d74786e";

/// name=value, lists in brackets, bytes as hexadecimal.
std::string text_of(const FieldValue& value);
std::string text_of(const Fields& fields) {
  std::string text;
  for (const Field& field : fields) {
    text += (text.empty() ? "" : " ") + std::string(field.name) + "=" + text_of(field.value);
  }
  return text;
}
std::string text_of(const FieldValue& value) {
  const auto& held = value.value;
  if (const auto* number = std::get_if<std::int64_t>(&held)) return std::to_string(*number);
  if (const auto* time = std::get_if<Timestamp>(&held)) return std::to_string(time->value());
  if (const auto* text = std::get_if<std::string>(&held)) return *text;
  if (const auto* bytes = std::get_if<FieldBytes>(&held)) return test::to_hex(*bytes);
  if (const auto* fields = std::get_if<Fields>(&held)) return "{" + text_of(*fields) + "}";
  if (const auto* list = std::get_if<FieldList>(&held)) {
    std::string text;
    for (const FieldValue& element : *list) text += text_of(element) + ",";
    return "[" + text + "]";
  }
  return "null";
}

DecodedRecord decode(CoordinatorTopic topic, std::string_view key, std::string_view value) {
  const auto key_bytes = from_hex(key);
  const auto value_bytes = from_hex(value);
  return decode_coordinator_record(topic, Bytes(key_bytes), Bytes(value_bytes));
}

std::string value_text(CoordinatorTopic topic, std::string_view key, std::string_view value) {
  const DecodedRecord record = decode(topic, key, value);
  EXPECT_THAT(record.not_decoded, IsEmpty());
  EXPECT_FALSE(record.is_tombstone);
  return text_of(record.value);
}

TEST(CoordinatorRecord, TopicsAreKnownByName) {
  EXPECT_EQ(coordinator_topic_of("__consumer_offsets"), kOffsets);
  EXPECT_EQ(coordinator_topic_of("__transaction_state"), kTransactions);
  EXPECT_EQ(coordinator_topic_of("orders"), std::nullopt);
}

TEST(CoordinatorRecord, OffsetCommitsOfAllVersions) {
  const auto value = [](std::string_view hex) { return value_text(kOffsets, kOffsetKey, hex); };
  EXPECT_EQ(value("0000000000000000002a00000000018bcfe56800"),
            "offset=42 metadata= commit_timestamp=1700000000000");
  EXPECT_EQ(value("0001000000000000002a00000000018bcfe568000000018bcfe56be8"),
            "offset=42 metadata= commit_timestamp=1700000000000 expire_timestamp=1700000001000");
  EXPECT_EQ(value("0002000000000000002a00000000018bcfe56800"),
            "offset=42 metadata= commit_timestamp=1700000000000");
  EXPECT_EQ(value("0003000000000000002a0000000700000000018bcfe56800"),
            "offset=42 leader_epoch=7 metadata= commit_timestamp=1700000000000");
  EXPECT_EQ(value("0004000000000000002a00000007010000018bcfe5680000"),
            "offset=42 leader_epoch=7 metadata= commit_timestamp=1700000000000");
  const DecodedRecord record = decode(kOffsets, kOffsetKey, "");
  EXPECT_EQ(record.type, "offset_commit");
  EXPECT_EQ(text_of(record.key), "group=g1 topic=t partition=3");
}

TEST(CoordinatorRecord, ClassicGroups) {
  EXPECT_EQ(value_text(
                kOffsets, "000200026731",
                "00030008636f6e73756d657200000001000572616e676500036d2d310000018bcfe568000000000100"
                "036d2d31ffff00016300092f31302e302e302e31000493e00000afc800000002010200000001"
                "03"),
            "protocol_type=consumer generation=1 protocol=range leader=m-1 "
            "current_state_timestamp=1700000000000 members=[{member_id=m-1 group_instance_id=null "
            "client_id=c client_host=/10.0.0.1 rebalance_timeout=300000 session_timeout=45000 "
            "subscription=0102 assignment=03},]");
  EXPECT_EQ(value_text(kOffsets, "000200026731",
                       "00030008636f6e73756d657200000002ffffffff0000018bcfe5680000000000"),
            "protocol_type=consumer generation=2 protocol=null leader=null "
            "current_state_timestamp=1700000000000 members=[]");
  // Versions 0 and 4 by hand: a member of each.
  EXPECT_EQ(value_text(kOffsets, "000200026731",
                       "0000 000163 00000001 ffff ffff 00000001 00016d 000163 000168 00000005 "
                       "00000000 00000000"),
            "protocol_type=c generation=1 protocol=null leader=null members=[{member_id=m "
            "client_id=c client_host=h session_timeout=5 subscription= assignment=},]");
  EXPECT_EQ(value_text(kOffsets, "000200026731",
                       "0004 0263 00000001 00 00 ffffffffffffffff 02 026d 00 0263 0268 00000004 "
                       "00000005 0201 01 00 00"),
            "protocol_type=c generation=1 protocol=null leader=null current_state_timestamp=-1 "
            "members=[{member_id=m group_instance_id=null client_id=c client_host=h "
            "rebalance_timeout=4 session_timeout=5 subscription=01 assignment=},]");
}

TEST(CoordinatorRecord, NewGroups) {
  const auto text = [](std::string_view type, std::string_view rest_of_key,
                       std::string_view value) {
    return value_text(kOffsets, std::string(type) + std::string(rest_of_key), value);
  };
  constexpr const char* kUuid = "000102030405060708090a0b0c0d0e0f";
  EXPECT_EQ(text("0003", "00026731", "0000 00000009 00"), "epoch=9");
  EXPECT_EQ(text("0008", "00026731 00016d",
                 std::string("0000 00000002 00000001 01 02") + kUuid + "02 00000003 00 01 00"),
            "member_epoch=2 previous_member_epoch=1 state=1 assigned_partitions=[{topic_id=" +
                std::string(kUuid) + " partitions=[3,]},] partitions_pending_revocation=[]");
  EXPECT_EQ(text("0005", "00026731 00016d",
                 "0000 00 00 0263 0268 02 0274 00 00000007 00 01 00 0c 01 00000005 02 0270 02ff 00 "
                 "00"),
            "instance_id=null rack_id=null client_id=c client_host=h subscribed_topic_names=[t,] "
            "subscribed_topic_regex=null rebalance_timeout_ms=7 server_assignor=null "
            "classic_member_metadata={session_timeout_ms=5 supported_protocols=[{name=p "
            "metadata=ff},]}");
  EXPECT_EQ(text("0010", "00026731 000161", "0000 02 0274 0000000000000001 0000000000000002 00"),
            "topics=[t,] version=1 timestamp=2");
}

TEST(CoordinatorRecord, TransactionsOfBothVersions) {
  const auto value = [](std::string_view hex) {
    return value_text(kTransactions, kTransactionKey, hex);
  };
  EXPECT_EQ(value("00000000000000000fa000020000ea6001000000010001740000000200000000000000030000018b"
                  "cfe568010000018bcfe56800"),
            "producer_id=4000 producer_epoch=2 transaction_timeout_ms=60000 "
            "transaction_status=Ongoing transaction_partitions=[{topic=t partition_ids=[0,3,]},] "
            "transaction_last_update_timestamp=1700000000001 "
            "transaction_start_timestamp=1700000000000");
  EXPECT_THAT(value("00000000000000000fa000000000ea6000ffffffff0000018bcfe56800ffffffffffffffff"),
              HasSubstr("transaction_status=Empty transaction_partitions=null"));
  EXPECT_THAT(value("00010000000000000fa07ffe0000ea6002010000018bcfe568010000018bcfe568000300080000"
                    "000000000f9f0108000000000000100402020002"),
              HasSubstr("transaction_partitions=[] transaction_last_update_timestamp=1700000000001 "
                        "transaction_start_timestamp=1700000000000 previous_producer_id=3999 "
                        "next_producer_id=4100 client_transaction_version=2"));
  EXPECT_THAT(value("00010000000000000fa000000000ea6000000000018bcfe56800ffffffffffffffff00"),
              HasSubstr("transaction_status=Empty"));
  EXPECT_THAT(value("00010000000000000fa000030000ea6002020274030000000000000003000000018bcfe56801"
                    "0000018bcfe568000102020002"),
              HasSubstr("partition_ids=[0,3,]"));
  EXPECT_EQ(text_of(decode(kTransactions, kTransactionKey, "").key), "transactional_id=my-txn");
}

TEST(CoordinatorRecord, ANullValueIsATombstone) {
  const auto key = from_hex(kOffsetKey);
  const DecodedRecord record = decode_coordinator_record(kOffsets, Bytes(key), std::nullopt);
  EXPECT_TRUE(record.is_tombstone);
  EXPECT_THAT(record.not_decoded, IsEmpty());
  EXPECT_EQ(record.type, "offset_commit");
}

TEST(CoordinatorRecord, LaterTypesAndVersionsAreSaidToBeUnknown) {
  DecodedRecord record = decode(kOffsets, "0011 00026731", "0000 00");
  EXPECT_EQ(record.not_decoded, "unknown type 17");
  EXPECT_FALSE(record.is_damaged);
  record = decode(kOffsets, kOffsetKey, "0005 00");
  EXPECT_EQ(record.not_decoded, "unknown version 5");
  EXPECT_EQ(record.value_version, 5);
  EXPECT_FALSE(record.is_damaged);
  EXPECT_EQ(decode(kTransactions, "0001 0000", "0000").not_decoded, "unknown type 1");
  EXPECT_EQ(decode(kOffsets, "ffff", "0000").not_decoded, "unknown type -1");
}

TEST(CoordinatorRecord, WrongBytesAreDamage) {
  for (const auto& [key, value] : {std::pair{"00", "0000"},
                                   {kOffsetKey, "00"},
                                   {kOffsetKey, "0003000000000000002a"},
                                   {kOffsetKey, "0000000000000000002a00000000018bcfe5680000"},
                                   {"0001000267310001740000000399", "0000"},
                                   {"00010002", "0000"}}) {
    const DecodedRecord record = decode(kOffsets, key, value);
    EXPECT_TRUE(record.is_damaged) << key << " " << value;
    EXPECT_THAT(record.value, IsEmpty());
  }
  EXPECT_TRUE(decode_coordinator_record(kOffsets, std::nullopt, std::nullopt).is_damaged);
}

TEST(CoordinatorRecord, FlipsBreakNothing) {
  auto value = from_hex(
      "00030008636f6e73756d657200000001000572616e676500036d2d310000018bcfe568000000000100036d2d31"
      "ffff00016300092f31302e302e302e31000493e00000afc80000000201020000000103");
  const auto key = from_hex("000200026731");
  std::mt19937 random(3);
  for (int i = 0; i < 20'000; ++i) {
    auto changed = value;
    for (int k = 0; k < 3; ++k)
      changed[random() % changed.size()] = static_cast<std::byte>(random());
    changed.resize(random() % (changed.size() + 1));
    const auto record = decode_coordinator_record(kOffsets, Bytes(key), Bytes(changed));
    EXPECT_TRUE(record.not_decoded.empty() || record.value.empty());
  }
}

}  // namespace
}  // namespace oncelog
