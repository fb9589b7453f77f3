// state_entries.cc: the rows of `.state`. LMDB maps its file and trusts every byte, makes a lock
// file beside it and takes a slot in there: none of which is for a look at a damaged or a live one.
// So the pages are read as they lie (snapshot/lmdb_check.h).
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "inspect/entry_lists.h"
#include "inspect/producer_fields.h"
#include "snapshot/lmdb_check.h"
#include "snapshot/state_rows.h"

namespace oncelog::inspect {

namespace {

using snapshot::RowKind;

/// A life has no meaning as a number.
FieldBytes bytes_of(snapshot::Incarnation life) {
  FieldBytes bytes(sizeof(std::uint64_t));
  base::store_be(std::span(bytes), 0, life.value());
  return bytes;
}

FieldValue fields_of(const std::optional<snapshot::Anchor>& anchor) {
  if (!anchor) return {};
  return Fields{
      {"base", anchor->base_offset}, {"leader_epoch", anchor->leader_epoch}, {"crc", anchor->crc}};
}

FieldList window_of(const producer::ProducerEntry& entry) {
  FieldList window;
  for (const producer::RememberedBatch& batch : entry.window()) {
    window.emplace_back(Fields{{"last_seq", batch.last_sequence},
                               {"last_offset", batch.last_offset},
                               {"offset_delta", batch.offset_delta},
                               {"timestamp", batch.timestamp}});
  }
  return window;
}

Result<FileEntry> read_partition(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const snapshot::PartitionRow row, snapshot::decode_partition(key, value));
  constexpr std::size_t kBehindTopicBytes = 5;  // a zero byte, the partition
  if (key.size() < 1 + kBehindTopicBytes) {
    return fail(ErrorCode::CORRUPT_MESSAGE, "a partition's key of ", key.size(), " bytes");
  }
  const std::string_view topic = as_text(key.subspan(1, key.size() - 1 - kBehindTopicBytes));
  return FileEntry{.what = "partition",
                   .fields = {{"topic", topic},
                              {"partition", base::load_be<std::int32_t>(key, key.size() - 4)},
                              {"life", bytes_of(row.life)},
                              {"topic_id", row.topic_id}}};
}

Result<FileEntry> read_checkpoint(Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const snapshot::CheckpointInfo row, snapshot::decode_checkpoint(key, value));
  return FileEntry{.what = "checkpoint",
                   .fields = {{"life", bytes_of(*snapshot::life_of_key(key))},
                              {"offset", row.offset},
                              {"producers", row.producer_count},
                              {"anchor", fields_of(row.anchor)},
                              {"rebuilt_anchor", fields_of(row.rebuilt_anchor)},
                              {"noted_first_base", row.noted_first_base}}};
}

Result<FileEntry> read_producer(const snapshot::ProducerKey& parts, Bytes key, Bytes value) {
  ONCELOG_TRY_ASSIGN(const auto entry, snapshot::decode_producer(key, value));
  FileEntry shown{.what = "producer", .fields = {{"life", bytes_of(parts.life)}, {"at", parts.at}}};
  if (!entry) {
    shown.what = "forgotten_producer";
    shown.fields.push_back({"pid", parts.id});
    return shown;
  }
  for (Field& field : inspect::fields_of(parts.id, *entry)) {
    shown.fields.push_back(std::move(field));
  }
  shown.fields.push_back({"window", window_of(*entry)});
  return shown;
}

Result<FileEntry> read_row(Bytes key, Bytes value) {
  ONCELOG_TRY(snapshot::check_row(key, value));
  const auto parts = snapshot::parse_producer_key(key);
  switch (static_cast<RowKind>(std::to_integer<std::uint8_t>(key[0]))) {
    case RowKind::kStore: {
      ONCELOG_TRY_ASSIGN(const snapshot::StoreRow row, snapshot::decode_store(key, value));
      return FileEntry{.what = "store", .fields = {{"next_life", bytes_of(row.next_life)}}};
    }
    case RowKind::kPartition:
      return read_partition(key, value);
    case RowKind::kCheckpoint:
      return read_checkpoint(key, value);
    case RowKind::kProducer:
      return read_producer(*parts, key, value);
    case RowKind::kOpenTransaction: {
      ONCELOG_TRY_ASSIGN(const bool is_open, snapshot::decode_open_transaction(key, value));
      return FileEntry{.what = "transaction",
                       .fields = {{"life", bytes_of(parts->life)},
                                  {"at", parts->at},
                                  {"pid", parts->id},
                                  {"is_open", is_open}}};
    }
    case RowKind::kTime:
      return FileEntry{
          .what = "hour",
          .fields = {{"life", bytes_of(parts->life)}, {"hour", parts->hour}, {"pid", parts->id}}};
    case RowKind::kGarbage:
      return FileEntry{
          .what = "garbage",
          .fields = {{"life", bytes_of(parts->life)}, {"at", parts->at}, {"pid", parts->id}}};
    case RowKind::kUnfinished:
      return FileEntry{.what = "unfinished",
                       .fields = {{"life", bytes_of(*snapshot::life_of_key(key))}}};
  }
  return fail(ErrorCode::CORRUPT_MESSAGE, "a row of an unknown kind");
}

FileEntry entry_of(const snapshot::LmdbRow& row) {
  auto shown = read_row(row.key, row.value);
  FileEntry entry;
  if (shown) {
    entry = *std::move(shown);
  } else {
    entry.what = "row";
    entry.fields = {{"key", FieldBytes(row.key.begin(), row.key.end())}};
    entry.damage = shown.error().context;
  }
  entry.position = row.position;
  entry.bytes = std::ssize(row.key) + std::ssize(row.value);
  return entry;
}

constexpr std::int64_t kPageBytes = 4096;
constexpr std::size_t kMetaBytes = 2 * kPageBytes;
using Metas = std::array<std::byte, kMetaBytes>;

/// Every commit changes a meta page.
Result<Metas> read_metas(const File& file) {
  Metas metas{};
  ONCELOG_TRY(file.read_at(metas, 0));
  return metas;
}

}  // namespace

Result<void> list_producer_state(const EntrySource& source, const FileEntryVisitor& visit) {
  ONCELOG_TRY_ASSIGN(const Metas before, read_metas(source.file()));
  bool has_told = false;
  bool has_changed = false;
  const auto tell = [&](const snapshot::LmdbCheck& damage, std::int64_t bytes) {
    // What an owner wrote over meanwhile is no damage.
    const auto now = read_metas(source.file());
    has_changed = now && *now != before;
    has_told = true;
    return !has_changed && visit({"page", damage.position, bytes, {}, damage.reason});
  };
  const snapshot::LmdbVisitor visitor{
      [&](const snapshot::LmdbRow& row) { return visit(entry_of(row)); },
      [&](const snapshot::LmdbCheck& damage) {
        return tell(damage, kPageBytes - damage.position % kPageBytes);
      }};
  ONCELOG_TRY_ASSIGN(const auto check, snapshot::visit_lmdb_rows(source.file(), visitor));
  // Where the meta pages are wrong, no other page is found.
  if (check.verdict != snapshot::LmdbVerdict::kSound && !has_told) {
    tell(check, std::max<std::int64_t>(0, source.bytes() - check.position));
  }
  if (!has_changed) return {};
  return fail(ErrorCode::STORE_IN_USE, source.path(),
              ": its owner wrote to it while it was read: look again");
}

}  // namespace oncelog::inspect
