#include "snapshot/state_rows.h"

#include <bit>
#include <limits>

#include "base/bytes.h"
#include "base/hash.h"

namespace oncelog::snapshot {

namespace {

using producer::ProducerEntry;
using producer::RememberedBatch;

constexpr std::uint32_t kMagic = 0x4F4E434C;  // "ONCL"
constexpr std::int16_t kVersion = 1;
constexpr std::size_t kHashBytes = 8;
constexpr std::size_t kTopicIdBytesMax = 64;
constexpr std::size_t kCheckpointBytes = 32;
constexpr std::size_t kAnchorBytes = 16;
constexpr std::size_t kProducerFixedBytes = 24;
constexpr std::size_t kBatchBytes = 24;
constexpr std::size_t kLifeKeyBytes = 1 + 8;
constexpr std::size_t kProducerKeyBytes = kLifeKeyBytes + 2 * 8;

template <std::integral T>
void put(Row& row, T value) {
  const std::size_t begin = row.size();
  row.resize(begin + sizeof(T));
  base::store_be(std::span(row), begin, value);
}

void put(Row& row, Bytes bytes) {
  // Not insert(): GCC 12 warns of bounds inside it that nothing passes.
  for (const std::byte byte : bytes) row.push_back(byte);
}

/// Bytes of a complement sort against the number; offsets are not negative.
void put_descending(Row& row, Offset offset) {
  put(row, ~static_cast<std::uint64_t>(offset.value()));
}
Offset load_descending(Bytes key, std::size_t position) {
  return Offset(static_cast<std::int64_t>(~base::load_be<std::uint64_t>(key, position)));
}

/// With its sign turned over, a signed number sorts as bytes.
constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;
void put_signed(Row& row, std::int64_t value) {
  put(row, static_cast<std::uint64_t>(value) ^ kSignBit);
}
std::int64_t load_signed(Bytes key, std::size_t position) {
  return static_cast<std::int64_t>(base::load_be<std::uint64_t>(key, position) ^ kSignBit);
}

/// Of the value, seeded by the key: a row moved under another key is not believed.
std::uint64_t row_hash(Bytes key, Bytes body) { return base::hash64(body, base::hash64(key)); }

Row sealed(Bytes key, Row body) {
  put(body, row_hash(key, body));
  return body;
}

/// The value without its hash.
Result<Bytes> open_value(Bytes key, Bytes value) {
  if (value.size() >= kHashBytes) {
    const Bytes body = value.first(value.size() - kHashBytes);
    if (base::load_be<std::uint64_t>(value, body.size()) == row_hash(key, body)) return body;
  }
  return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: a row of kind ",
              key.empty() ? 0 : static_cast<int>(key[0]), " with ", value.size(),
              " bytes does not have its hash");
}

std::unexpected<Error> wrong_form(std::string_view what, Bytes body) {
  return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: ", what, " of ", body.size(), " bytes");
}

Result<void> check_bare(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const Bytes body, open_value(key, value));
  if (!body.empty()) return wrong_form("a row that is all key", body);
  return {};
}

RowKind kind_of(Bytes key) {
  return key.empty() ? RowKind{} : static_cast<RowKind>(std::to_integer<std::uint8_t>(key[0]));
}

Row begin_key(RowKind kind) { return {static_cast<std::byte>(kind)}; }

Row keyed_by_producer(RowKind kind, Incarnation life, ProducerId id, Offset at) {
  Row key = key_prefix(kind, life);
  put_signed(key, id.value());
  put_descending(key, at);
  return key;
}

}  // namespace

Hour hour_of(Timestamp time) {
  constexpr std::int64_t kHourMs = 3'600'000;
  const std::int64_t rounded_to_zero = time.value() / kHourMs;
  return Hour(rounded_to_zero - (time.value() % kHourMs < 0 ? 1 : 0));
}

Row store_key() { return begin_key(RowKind::kStore); }

Row partition_key(const TopicPartition& name) {
  Row key = begin_key(RowKind::kPartition);
  put(key, as_bytes(name.topic));
  put(key, std::uint8_t{0});
  put(key, name.partition);
  return key;
}

Row key_prefix(RowKind kind, Incarnation life) {
  Row key = begin_key(kind);
  put(key, life.value());
  return key;
}

Row checkpoint_key(Incarnation life, Offset at) {
  Row key = key_prefix(RowKind::kCheckpoint, life);
  put_descending(key, at);
  return key;
}

Row producer_key(Incarnation life, ProducerId id, Offset at) {
  return keyed_by_producer(RowKind::kProducer, life, id, at);
}

Row open_transaction_key(Incarnation life, ProducerId id, Offset at) {
  return keyed_by_producer(RowKind::kOpenTransaction, life, id, at);
}

Row time_key(Incarnation life, Hour hour, ProducerId id) {
  Row key = key_prefix(RowKind::kTime, life);
  put_signed(key, hour.value());
  put_signed(key, id.value());
  return key;
}

Row garbage_key(Incarnation life, Offset at, ProducerId id) {
  Row key = key_prefix(RowKind::kGarbage, life);
  put_signed(key, at.value());
  put_signed(key, id.value());
  return key;
}

Row unfinished_key(Incarnation life) { return key_prefix(RowKind::kUnfinished, life); }

std::optional<ProducerKey> parse_producer_key(Bytes key) {
  if (key.size() != kProducerKeyBytes) return std::nullopt;
  constexpr std::size_t kFirst = kLifeKeyBytes;
  constexpr std::size_t kSecond = kFirst + 8;
  ProducerKey parts;
  parts.kind = kind_of(key);
  parts.life = Incarnation(base::load_be<std::uint64_t>(key, 1));
  switch (parts.kind) {
    case RowKind::kProducer:
    case RowKind::kOpenTransaction:
      parts.id = ProducerId(load_signed(key, kFirst));
      parts.at = load_descending(key, kSecond);
      return parts;
    case RowKind::kTime:
      parts.hour = Hour(load_signed(key, kFirst));
      parts.id = ProducerId(load_signed(key, kSecond));
      return parts;
    case RowKind::kGarbage:
      parts.at = Offset(load_signed(key, kFirst));
      parts.id = ProducerId(load_signed(key, kSecond));
      return parts;
    case RowKind::kStore:
    case RowKind::kPartition:
    case RowKind::kCheckpoint:
    case RowKind::kUnfinished:
      break;
  }
  return std::nullopt;
}

std::optional<Incarnation> life_of_key(Bytes key) {
  const RowKind kind = kind_of(key);
  if (kind == RowKind::kStore || kind == RowKind::kPartition || key.size() < kLifeKeyBytes) {
    return std::nullopt;
  }
  return Incarnation(base::load_be<std::uint64_t>(key, 1));
}

Row encode(Bytes key, const StoreRow& row) {
  Row body;
  put(body, kMagic);
  put(body, kVersion);
  put(body, row.next_life.value());
  return sealed(key, std::move(body));
}

Result<StoreRow> decode_store(Bytes key, Bytes value) {
  // The version comes first: what follows may have any form in another one.
  if (value.size() < 6 || base::load_be<std::uint32_t>(value, 0) != kMagic) {
    return wrong_form("the store row", value);
  }
  if (const auto version = base::load_be<std::int16_t>(value, 4); version != kVersion) {
    return fail(ErrorCode::UNSUPPORTED_VERSION, "producer state: version ", version, ", expected ",
                kVersion);
  }
  ONCELOG_TRY_ASSIGN(const Bytes body, open_value(key, value));
  if (body.size() != 14) return wrong_form("the store row", body);
  return StoreRow{Incarnation(base::load_be<std::uint64_t>(body, 6))};
}

Row encode(Bytes key, const PartitionRow& row) {
  Row body;
  put(body, row.life.value());
  put(body, as_bytes(row.topic_id));
  return sealed(key, std::move(body));
}

Result<PartitionRow> decode_partition(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const Bytes body, open_value(key, value));
  if (body.size() < 8 || body.size() > 8 + kTopicIdBytesMax) {
    return wrong_form("a partition row", body);
  }
  return PartitionRow{Incarnation(base::load_be<std::uint64_t>(body, 0)),
                      std::string(as_text(body.subspan(8)))};
}

namespace {

void put_anchor(Row& row, const Anchor& anchor) {
  put(row, anchor.base_offset.value());
  put(row, anchor.leader_epoch.value());
  put(row, anchor.crc);
}

Anchor load_anchor(Bytes body, std::size_t position) {
  return {Offset(base::load_be<std::int64_t>(body, position)),
          LeaderEpoch(base::load_be<std::int32_t>(body, position + 8)),
          base::load_be<std::uint32_t>(body, position + 12)};
}

}  // namespace

Row encode(Bytes key, const CheckpointInfo& info) {
  const Anchor anchor = info.anchor.value_or(kNoBatchLeft);
  Row body;
  put_anchor(body, anchor);
  put(body, info.noted_first_base.value_or(kNoOffset).value());
  put(body, info.producer_count);
  if (info.rebuilt_anchor) put_anchor(body, *info.rebuilt_anchor);
  return sealed(key, std::move(body));
}

Result<CheckpointInfo> decode_checkpoint(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const Bytes body, open_value(key, value));
  const bool has_rebuilt = body.size() == kCheckpointBytes + kAnchorBytes;
  if ((body.size() != kCheckpointBytes && !has_rebuilt) || key.size() != 17) {
    return wrong_form("a checkpoint row", body);
  }
  CheckpointInfo info;
  info.offset = load_descending(key, 9);
  const Anchor anchor = load_anchor(body, 0);
  if (anchor.base_offset != kNoOffset) info.anchor = anchor;
  const Offset noted(base::load_be<std::int64_t>(body, 16));
  if (noted != kNoOffset) info.noted_first_base = noted;
  info.producer_count = base::load_be<std::int64_t>(body, 24);
  if (has_rebuilt) info.rebuilt_anchor = load_anchor(body, kCheckpointBytes);
  return info;
}

Row encode(Bytes key, const ProducerEntry* entry) {
  Row body;
  if (entry == nullptr) return sealed(key, std::move(body));
  put(body, entry->epoch.value());
  put(body, entry->coordinator_epoch.value());
  put(body, entry->last_timestamp.value());
  put(body, entry->transaction_first_offset.value_or(kNoOffset).value());
  put(body, static_cast<std::int16_t>(entry->window().size()));
  for (const RememberedBatch& batch : entry->window()) {
    put(body, batch.last_sequence.value());
    put(body, batch.last_offset.value());
    put(body, batch.offset_delta);
    put(body, batch.timestamp.value());
  }
  return sealed(key, std::move(body));
}

Result<std::optional<ProducerEntry>> decode_producer(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const Bytes body, open_value(key, value));
  if (body.empty()) return std::nullopt;
  if (body.size() < kProducerFixedBytes) return wrong_form("a producer row", body);
  const auto count = base::load_be<std::int16_t>(body, kProducerFixedBytes - 2);
  if (count < 0 || static_cast<std::size_t>(count) > producer::kWindowBatches ||
      body.size() != kProducerFixedBytes + static_cast<std::size_t>(count) * kBatchBytes) {
    return wrong_form("a producer row", body);
  }
  ProducerEntry entry;
  entry.epoch = ProducerEpoch(base::load_be<std::int16_t>(body, 0));
  entry.coordinator_epoch = CoordinatorEpoch(base::load_be<std::int32_t>(body, 2));
  entry.last_timestamp = Timestamp(base::load_be<std::int64_t>(body, 6));
  const Offset first(base::load_be<std::int64_t>(body, 14));
  if (first != kNoOffset) entry.transaction_first_offset = first;
  for (std::size_t at = kProducerFixedBytes; at < body.size(); at += kBatchBytes) {
    entry.remember({Sequence(base::load_be<std::int32_t>(body, at)),
                    Offset(base::load_be<std::int64_t>(body, at + 4)),
                    base::load_be<std::int32_t>(body, at + 12),
                    Timestamp(base::load_be<std::int64_t>(body, at + 16))});
  }
  return entry;
}

Row encode_open_transaction(Bytes key, bool is_open) {
  Row body;
  put(body, static_cast<std::uint8_t>(is_open));
  return sealed(key, std::move(body));
}

Result<bool> decode_open_transaction(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const Bytes body, open_value(key, value));
  if (body.size() != 1) return wrong_form("a transaction row", body);
  return body[0] != std::byte{0};
}

Row encode_bare(Bytes key) { return sealed(key, {}); }

Result<void> check_row(Bytes key, Bytes value) {
  switch (kind_of(key)) {
    case RowKind::kStore:
      ONCELOG_TRY(decode_store(key, value));
      return {};
    case RowKind::kPartition:
      ONCELOG_TRY(decode_partition(key, value));
      return {};
    case RowKind::kCheckpoint:
      ONCELOG_TRY(decode_checkpoint(key, value));
      return {};
    case RowKind::kProducer:
      if (!parse_producer_key(key)) return wrong_form("a producer's key", key);
      ONCELOG_TRY(decode_producer(key, value));
      return {};
    case RowKind::kOpenTransaction:
      if (!parse_producer_key(key)) return wrong_form("a transaction's key", key);
      ONCELOG_TRY(decode_open_transaction(key, value));
      return {};
    case RowKind::kTime:
    case RowKind::kGarbage:
      if (!parse_producer_key(key)) return wrong_form("a note's key", key);
      return check_bare(key, value);
    case RowKind::kUnfinished:
      if (key.size() != kLifeKeyBytes) return wrong_form("a life's key", key);
      return check_bare(key, value);
  }
  return fail(ErrorCode::CORRUPT_MESSAGE, "producer state: a row of kind ",
              static_cast<int>(kind_of(key)));
}

}  // namespace oncelog::snapshot
