// fuzz_coordinator_record.cc: a record of `__consumer_offsets` or `__transaction_state`. The rules:
// - whatever the bytes, the decoder ends, and takes memory in proportion to them;
// - a part is shown whole or not at all, and what is not shown has a reason;
// - of what is shown, every text and every number was in the bytes: no value has more of them.
//
// The input: the value, the key, and from its end on: the topic (lowest bit), whether the value is
// null (second bit), whether the key is one of a sound type (others); the length of the key.
#include <algorithm>
#include <variant>

#include "fuzz/target.h"
#include "oncelog/inspect_coordinator.h"

namespace oncelog::fuzz {

namespace {

/// Bytes that a value must at least have been read from.
std::size_t bytes_behind(const FieldValue& value);

std::size_t bytes_behind(const Fields& fields) {
  std::size_t bytes = 0;
  for (const Field& field : fields) bytes += bytes_behind(field.value);
  return bytes;
}

std::size_t bytes_behind(const FieldValue& value) {
  const auto& held = value.value;
  if (const auto* text = std::get_if<std::string>(&held)) return text->size();
  if (const auto* bytes = std::get_if<FieldBytes>(&held)) return bytes->size();
  if (const auto* fields = std::get_if<Fields>(&held)) return bytes_behind(*fields);
  if (const auto* list = std::get_if<FieldList>(&held)) {
    std::size_t bytes = list->size();
    for (const FieldValue& element : *list) {
      bytes += std::max<std::size_t>(bytes_behind(element), 1) - 1;
    }
    return bytes;
  }
  return 0;
}

/// A key of a type that is known, so that values are read.
Buffer sound_key(CoordinatorTopic topic, std::uint8_t type) {
  constexpr std::uint8_t kTypes = 17;
  Buffer key{std::byte{0}, std::byte{0}};
  if (topic == CoordinatorTopic::kConsumerOffsets) key[1] = static_cast<std::byte>(type % kTypes);
  const auto add_text = [&] {
    for (const unsigned byte : {0U, 1U, 97U}) key.push_back(static_cast<std::byte>(byte));
  };
  add_text();
  if (topic == CoordinatorTopic::kTransactionState) return key;
  const unsigned number = type % kTypes;
  if (number <= 1) {
    add_text();
    key.resize(key.size() + 4);
  }
  for (const unsigned with_member : {5U, 7U, 8U, 10U, 13U, 14U, 16U}) {
    if (number == with_member) add_text();
  }
  return key;
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const std::uint8_t choice = input.choice();
  const auto topic =
      (choice & 1) != 0 ? CoordinatorTopic::kTransactionState : CoordinatorTopic::kConsumerOffsets;
  const bool is_null = (choice & 2) != 0;
  const std::uint8_t key_bytes = input.choice();
  const Bytes all = input.bytes();
  const std::size_t split = all.size() - std::min<std::size_t>(key_bytes, all.size());
  // Most bytes of the choice ask for a key that leads to the value.
  const Buffer sound = sound_key(topic, static_cast<std::uint8_t>(choice >> 2));
  const Bytes key = choice >> 2 >= 48 ? all.subspan(split) : Bytes(sound);
  const std::optional<Bytes> value = is_null ? std::nullopt : std::optional(all.first(split));

  const DecodedRecord record = decode_coordinator_record(topic, key, value);
  ONCELOG_ASSERT(record.is_tombstone == is_null);
  ONCELOG_ASSERT(!record.is_damaged || !record.not_decoded.empty());
  ONCELOG_ASSERT(record.not_decoded.empty() || record.value.empty());
  ONCELOG_ASSERT(bytes_behind(record.key) <= key.size());
  ONCELOG_ASSERT(bytes_behind(record.value) <= (value ? value->size() : 0));
  if (record.not_decoded.empty()) {
    ONCELOG_ASSERT(!record.type.empty());
    ONCELOG_ASSERT(!record.key.empty());
    ONCELOG_ASSERT(is_null != record.value_version.has_value());
  }
  return 0;
}
