// fuzz_state_rows.cc: a row of `.state`, which anybody may have written. The rules:
// - what check_row accepts is read by the reader of its kind, and what that gives is encoded to a
//   value that is read as the same;
// - the parts of a key make the same key.
//
// The input: the length of the key in a byte, the key, the value.
#include <algorithm>

#include "base/bytes.h"
#include "base/hash.h"
#include "fuzz/target.h"
#include "snapshot/state_rows.h"

namespace oncelog::fuzz {

namespace {

using snapshot::Row;
using snapshot::RowKind;

struct ParsedRow {
  Bytes key{};
  Bytes value{};
};

ParsedRow parse(Bytes input) {
  if (input.empty()) return {};
  const std::size_t key_bytes = std::min(std::to_integer<std::size_t>(input[0]), input.size() - 1);
  return {input.subspan(1, key_bytes), input.subspan(1 + key_bytes)};
}

/// A reader of one kind. Encoded and read again, what it gives must be the same.
template <class Decode, class Encode, class IsSame>
bool check_reader(const ParsedRow& row, Decode decode, Encode encode, IsSame is_same) {
  const auto read = decode(row.key, row.value);
  if (!read) return false;
  const Row value = encode(*read);
  const auto again = decode(row.key, value);
  ONCELOG_ASSERT(again.has_value());
  ONCELOG_ASSERT(is_same(*read, *again));
  return true;
}

bool check_store(const ParsedRow& row) {
  return check_reader(
      row, snapshot::decode_store,
      [&](const auto& read) { return snapshot::encode(row.key, read); },
      [](const auto& a, const auto& b) { return a.next_life == b.next_life; });
}

bool check_partition(const ParsedRow& row) {
  return check_reader(
      row, snapshot::decode_partition,
      [&](const auto& read) { return snapshot::encode(row.key, read); },
      [](const auto& a, const auto& b) { return a.life == b.life && a.topic_id == b.topic_id; });
}

bool check_checkpoint(const ParsedRow& row) {
  const auto life = snapshot::life_of_key(row.key);
  return check_reader(
      row, snapshot::decode_checkpoint,
      [&](const auto& read) {
        ONCELOG_ASSERT(std::ranges::equal(snapshot::checkpoint_key(*life, read.offset), row.key));
        return snapshot::encode(row.key, read);
      },
      [](const auto& a, const auto& b) { return a == b; });
}

bool check_producer(const ParsedRow& row) {
  return check_reader(
      row, snapshot::decode_producer,
      [&](const auto& read) { return snapshot::encode(row.key, read ? &*read : nullptr); },
      [](const auto& a, const auto& b) { return a == b; });
}

bool check_open_transaction(const ParsedRow& row) {
  return check_reader(
      row, snapshot::decode_open_transaction,
      [&](bool read) { return snapshot::encode_open_transaction(row.key, read); },
      [](bool a, bool b) { return a == b; });
}

void check_key(Bytes key) {
  const auto parts = snapshot::parse_producer_key(key);
  if (!parts) return;
  Row made;
  if (parts->kind == RowKind::kTime) {
    made = snapshot::time_key(parts->life, parts->hour, parts->id);
  } else if (parts->kind == RowKind::kGarbage) {
    made = snapshot::garbage_key(parts->life, parts->at, parts->id);
  } else if (parts->kind == RowKind::kProducer) {
    made = snapshot::producer_key(parts->life, parts->id, parts->at);
  } else {
    made = snapshot::open_transaction_key(parts->life, parts->id, parts->at);
  }
  ONCELOG_ASSERT(std::ranges::equal(made, key));
  ONCELOG_ASSERT(snapshot::life_of_key(key) == parts->life);
}

bool is_read(const ParsedRow& row, RowKind kind) {
  switch (kind) {
    case RowKind::kStore:
      return check_store(row);
    case RowKind::kPartition:
      return check_partition(row);
    case RowKind::kCheckpoint:
      return check_checkpoint(row);
    case RowKind::kProducer:
      return check_producer(row);
    case RowKind::kOpenTransaction:
      return check_open_transaction(row);
    case RowKind::kTime:
    case RowKind::kGarbage:
    case RowKind::kUnfinished:
      return std::ranges::equal(snapshot::encode_bare(row.key), row.value);
  }
  return false;
}

void repair_row(std::span<std::byte> input) {
  const ParsedRow row = parse(input);
  constexpr std::size_t kHashBytes = 8;
  if (row.value.size() < kHashBytes) return;
  const Bytes body = row.value.first(row.value.size() - kHashBytes);
  base::store_be(input, input.size() - kHashBytes, base::hash64(body, base::hash64(row.key)));
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  const ParsedRow row = parse(bytes_of(data, size));
  check_key(row.key);
  const bool is_accepted = snapshot::check_row(row.key, row.value).has_value();
  if (row.key.empty()) {
    ONCELOG_ASSERT(!is_accepted);
    return 0;
  }
  const auto kind = static_cast<RowKind>(std::to_integer<std::uint8_t>(row.key[0]));
  const bool was_read = is_read(row, kind);
  if (is_accepted) ONCELOG_ASSERT(was_read, static_cast<int>(kind));
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  return mutate_in_front(data, size, size_max, 0, seed, [](Stretch& row, unsigned way) {
    row.mutate();
    if (way % 8 != 0) repair_row(row.bytes());
  });
}
