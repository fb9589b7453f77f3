// coordinator_record.cc: the records of `__consumer_offsets` and `__transaction_state`, by the
// tables of formats 12 and 13.
#include <array>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "inspect/schema_reader.h"
#include "oncelog/inspect_coordinator.h"

namespace oncelog {

namespace {

using inspect::FieldSchema;
using inspect::FieldType;
using inspect::kNeverFlexible;
using inspect::MessageSchema;

constexpr std::size_t kVersionBytes = 2;
/// Decoded a value takes some eighty times its bytes. Far above what a broker accepts.
constexpr std::size_t kDecodedBytesMax = std::size_t{8} << 20;

constexpr FieldSchema text(std::string_view name) { return {name, FieldType::kString}; }
constexpr FieldSchema text_or_null(std::string_view name, std::int16_t since = 0) {
  return {.name = name, .type = FieldType::kString, .is_nullable = true, .since = since};
}
constexpr FieldSchema int32(std::string_view name) { return {name, FieldType::kInt32}; }
constexpr FieldSchema array_of(std::string_view name, FieldType type) {
  return {.name = name, .type = type, .is_array = true};
}
constexpr FieldSchema array_of(std::string_view name, std::span<const FieldSchema> fields) {
  return {.name = name, .type = FieldType::kStruct, .is_array = true, .fields = fields};
}
template <std::size_t N>
constexpr MessageSchema key_of(const std::array<FieldSchema, N>& fields) {
  return {fields, std::numeric_limits<std::int16_t>::max(), kNeverFlexible};
}
template <std::size_t N>
constexpr MessageSchema flexible(const std::array<FieldSchema, N>& fields) {
  return {fields, 0, 0};
}

// --- __transaction_state (formats 12) ---

constexpr std::array kTransactionKey{text("transactional_id")};
constexpr std::array kTransactionPartition{text("topic"),
                                           array_of("partition_ids", FieldType::kInt32)};
constexpr std::array<FieldSchema, 11> kTransactionValue{{
    {.name = "producer_id", .type = FieldType::kInt64},
    {.name = "producer_epoch", .type = FieldType::kInt16},
    {.name = "transaction_timeout_ms", .type = FieldType::kInt32},
    {.name = "transaction_status", .type = FieldType::kTransactionStatus},
    {.name = "transaction_partitions",
     .type = FieldType::kStruct,
     .is_array = true,
     .is_nullable = true,
     .fields = kTransactionPartition},
    {.name = "transaction_last_update_timestamp", .type = FieldType::kTimestamp},
    {.name = "transaction_start_timestamp", .type = FieldType::kTimestamp},
    {.name = "previous_producer_id", .type = FieldType::kInt64, .since = 1, .tag = 0},
    {.name = "next_producer_id", .type = FieldType::kInt64, .since = 1, .tag = 1},
    {.name = "client_transaction_version", .type = FieldType::kInt16, .since = 1, .tag = 2},
    {.name = "next_producer_epoch", .type = FieldType::kInt16, .since = 1, .tag = 3},
}};

// --- __consumer_offsets (formats 13) ---

constexpr std::array kOffsetKey{text("group"), text("topic"), int32("partition")};
constexpr std::array<FieldSchema, 5> kOffsetValue{{
    {.name = "offset", .type = FieldType::kInt64},
    {.name = "leader_epoch", .type = FieldType::kInt32, .since = 3},
    {.name = "metadata", .type = FieldType::kString},
    {.name = "commit_timestamp", .type = FieldType::kTimestamp},
    {.name = "expire_timestamp", .type = FieldType::kTimestamp, .since = 1, .until = 1},
}};

constexpr std::array kGroupKey{text("group")};
constexpr std::array<FieldSchema, 8> kGroupMember{{
    text("member_id"),
    text_or_null("group_instance_id", 3),
    text("client_id"),
    text("client_host"),
    {.name = "rebalance_timeout", .type = FieldType::kInt32, .since = 1},
    int32("session_timeout"),
    {.name = "subscription", .type = FieldType::kBytes},
    {.name = "assignment", .type = FieldType::kBytes},
}};
constexpr std::array<FieldSchema, 6> kGroupValue{{
    text("protocol_type"),
    int32("generation"),
    text_or_null("protocol"),
    text_or_null("leader"),
    {.name = "current_state_timestamp", .type = FieldType::kTimestamp, .since = 2},
    array_of("members", kGroupMember),
}};

constexpr std::array kMemberKey{text("group"), text("member")};
constexpr std::array kRegexKey{text("group"), text("regular_expression")};
constexpr std::array kEpochValue{int32("epoch")};
constexpr std::array kAssignmentEpochValue{int32("assignment_epoch")};

constexpr std::array kPartitionRacks{int32("partition"), array_of("racks", FieldType::kString)};
constexpr std::array<FieldSchema, 4> kTopicMetadata{{
    {"topic_id", FieldType::kUuid},
    text("topic_name"),
    int32("num_partitions"),
    array_of("partition_metadata", kPartitionRacks),
}};
constexpr std::array kTopicsValue{array_of("topics", kTopicMetadata)};

constexpr std::array<FieldSchema, 2> kClassicProtocol{
    {text("name"), {"metadata", FieldType::kBytes}}};
constexpr std::array kClassicMember{int32("session_timeout_ms"),
                                    array_of("supported_protocols", kClassicProtocol)};
constexpr std::array<FieldSchema, 9> kConsumerMemberValue{{
    text_or_null("instance_id"),
    text_or_null("rack_id"),
    text("client_id"),
    text("client_host"),
    array_of("subscribed_topic_names", FieldType::kString),
    text_or_null("subscribed_topic_regex"),
    int32("rebalance_timeout_ms"),
    text_or_null("server_assignor"),
    {.name = "classic_member_metadata",
     .type = FieldType::kStruct,
     .is_nullable = true,
     .tag = 0,
     .fields = kClassicMember},
}};

constexpr std::array<FieldSchema, 2> kTopicPartitions{
    {{"topic_id", FieldType::kUuid}, array_of("partitions", FieldType::kInt32)}};
constexpr std::array kTargetValue{array_of("topic_partitions", kTopicPartitions)};
constexpr std::array<FieldSchema, 5> kConsumerAssignmentValue{{
    int32("member_epoch"),
    int32("previous_member_epoch"),
    {"state", FieldType::kInt8},
    array_of("assigned_partitions", kTopicPartitions),
    array_of("partitions_pending_revocation", kTopicPartitions),
}};

constexpr std::array kShareMemberValue{text_or_null("rack_id"), text("client_id"),
                                       text("client_host"),
                                       array_of("subscribed_topic_names", FieldType::kString)};
constexpr std::array<FieldSchema, 4> kShareAssignmentValue{{
    int32("member_epoch"),
    int32("previous_member_epoch"),
    {"state", FieldType::kInt8},
    array_of("assigned_partitions", kTopicPartitions),
}};
constexpr std::array<FieldSchema, 3> kInitializedTopic{{{"topic_id", FieldType::kUuid},
                                                        text("topic_name"),
                                                        array_of("partitions", FieldType::kInt32)}};
constexpr std::array<FieldSchema, 2> kDeletingTopic{
    {{"topic_id", FieldType::kUuid}, text("topic_name")}};
constexpr std::array kShareStateValue{array_of("initialized_topics", kInitializedTopic),
                                      array_of("deleting_topics", kDeletingTopic)};
constexpr std::array<FieldSchema, 3> kRegexValue{{
    array_of("topics", FieldType::kString),
    {"version", FieldType::kInt64},
    {"timestamp", FieldType::kTimestamp},
}};

struct RecordType {
  std::string_view name{};
  MessageSchema key{};
  MessageSchema value{};
};

/// By the type in the key.
constexpr std::array<RecordType, 17> kOffsetTypes{{
    {"offset_commit", key_of(kOffsetKey), {kOffsetValue, 4, 4}},
    {"offset_commit", key_of(kOffsetKey), {kOffsetValue, 4, 4}},
    {"group_metadata", key_of(kGroupKey), {kGroupValue, 4, 4}},
    {"consumer_group_metadata", key_of(kGroupKey), flexible(kEpochValue)},
    {"consumer_group_partition_metadata", key_of(kGroupKey), flexible(kTopicsValue)},
    {"consumer_group_member_metadata", key_of(kMemberKey), flexible(kConsumerMemberValue)},
    {"consumer_group_target_assignment_metadata", key_of(kGroupKey),
     flexible(kAssignmentEpochValue)},
    {"consumer_group_target_assignment_member", key_of(kMemberKey), flexible(kTargetValue)},
    {"consumer_group_current_member_assignment", key_of(kMemberKey),
     flexible(kConsumerAssignmentValue)},
    {"share_group_partition_metadata", key_of(kGroupKey), flexible(kTopicsValue)},
    {"share_group_member_metadata", key_of(kMemberKey), flexible(kShareMemberValue)},
    {"share_group_metadata", key_of(kGroupKey), flexible(kEpochValue)},
    {"share_group_target_assignment_metadata", key_of(kGroupKey), flexible(kAssignmentEpochValue)},
    {"share_group_target_assignment_member", key_of(kMemberKey), flexible(kTargetValue)},
    {"share_group_current_member_assignment", key_of(kMemberKey), flexible(kShareAssignmentValue)},
    {"share_group_state_partition_metadata", key_of(kGroupKey), flexible(kShareStateValue)},
    {"consumer_group_regular_expression", key_of(kRegexKey), flexible(kRegexValue)},
}};
constexpr std::array<RecordType, 1> kTransactionTypes{
    {{"transaction", key_of(kTransactionKey), {kTransactionValue, 1, 1}}}};

std::span<const RecordType> types_of(CoordinatorTopic topic) {
  if (topic == CoordinatorTopic::kTransactionState) return kTransactionTypes;
  return kOffsetTypes;
}

/// Fills the key's fields; the type that the key is of, or null.
const RecordType* decode_key(CoordinatorTopic topic, const std::optional<Bytes>& key,
                             DecodedRecord& record) {
  if (!key || key->size() < kVersionBytes) {
    record.not_decoded = "the key has no type";
    record.is_damaged = true;
    return nullptr;
  }
  const auto types = types_of(topic);
  const auto number = base::load_be<std::int16_t>(*key, 0);
  if (number < 0 || std::cmp_greater_equal(number, types.size())) {
    record.not_decoded = "unknown type " + std::to_string(number);
    return nullptr;
  }
  const RecordType& type = types[static_cast<std::size_t>(number)];
  record.type = type.name;
  auto message = inspect::read_message(type.key, 0, key->subspan(kVersionBytes));
  if (message.problem.empty()) {
    record.key = std::move(message.fields);
    return &type;
  }
  record.not_decoded = "key, " + message.problem;
  record.is_damaged = true;
  return nullptr;
}

void decode_value(const MessageSchema& schema, Bytes value, DecodedRecord& record) {
  if (value.size() < kVersionBytes) {
    record.not_decoded = "the value has no version";
    record.is_damaged = true;
    return;
  }
  const auto version = base::load_be<std::int16_t>(value, 0);
  record.value_version = version;
  if (version < 0 || version > schema.version_max) {
    record.not_decoded = "unknown version " + std::to_string(version);
    return;
  }
  auto message = inspect::read_message(schema, version, value.subspan(kVersionBytes));
  if (message.problem.empty()) {
    record.value = std::move(message.fields);
    return;
  }
  record.not_decoded = "value, " + message.problem;
  record.is_damaged = true;
}

}  // namespace

std::optional<CoordinatorTopic> coordinator_topic_of(std::string_view topic) {
  if (topic == "__consumer_offsets") return CoordinatorTopic::kConsumerOffsets;
  if (topic == "__transaction_state") return CoordinatorTopic::kTransactionState;
  return std::nullopt;
}

DecodedRecord decode_coordinator_record(CoordinatorTopic topic, const std::optional<Bytes>& key,
                                        const std::optional<Bytes>& value) {
  DecodedRecord record;
  record.is_tombstone = !value;
  const std::size_t bytes = (key ? key->size() : 0) + (value ? value->size() : 0);
  if (bytes > kDecodedBytesMax) {
    record.not_decoded = std::to_string(bytes) + " bytes are too many for a coordinator's record";
    return record;
  }
  const RecordType* const type = decode_key(topic, key, record);
  if (type != nullptr && value) decode_value(type->value, *value, record);
  return record;
}

}  // namespace oncelog
