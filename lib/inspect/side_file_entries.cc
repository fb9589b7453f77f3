// side_file_entries.cc: our own files beside the segments: seals, the append ring, the clean
// record.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "inspect/entry_lists.h"
#include "oncelog/record.h"
#include "segment/append_ring.h"
#include "segment/seal.h"
#include "store/clean_record.h"

namespace oncelog::inspect {

namespace {

constexpr std::int64_t kSideFileBytesMax = std::int64_t{256} << 20;

/// A hash is shown as it would be written down.
FieldBytes bytes_of(std::uint64_t number) {
  FieldBytes bytes(sizeof number);
  base::store_be(std::span(bytes), 0, number);
  return bytes;
}

Fields fields_of(const segment::SealedFile& file) {
  FieldBytes hash = bytes_of(file.hash.high);
  for (const std::byte byte : bytes_of(file.hash.low)) hash.push_back(byte);
  return {{"bytes", file.bytes}, {"hash", std::move(hash)}};
}

Fields fields_of(const segment::Seal& seal) {
  FieldValue last;
  if (seal.last_batch) {
    last = Fields{{"base", seal.last_batch->base_offset},
                  {"leader_epoch", seal.last_batch->leader_epoch},
                  {"crc", seal.last_batch->crc}};
  }
  FieldList open;
  for (const segment::OpenTransaction& transaction : seal.open_transactions) {
    open.emplace_back(
        Fields{{"pid", transaction.producer_id}, {"first_offset", transaction.first_offset}});
  }
  return {{"base", seal.base_offset},
          {"next_offset", seal.next_offset},
          {"inode", seal.inode},
          {"modified", Timestamp(seal.modified_ms)},
          {"log", fields_of(seal.log)},
          {"header_chain", bytes_of(seal.header_chain)},
          {"offset_index", fields_of(seal.offset_index)},
          {"time_index", fields_of(seal.time_index)},
          {"txn_index", fields_of(seal.txn_index)},
          {"last_batch", std::move(last)},
          {"max_timestamp", seal.max_timestamp},
          {"offset_of_max_timestamp", seal.offset_of_max_timestamp},
          {"first_batch_timestamp", seal.first_batch_timestamp},
          {"bytes_since_index_entry", seal.bytes_since_index_entry},
          {"open_transactions", std::move(open)}};
}

Fields fields_of(const segment::RingEntry& entry) {
  return {{"log_position", entry.position},
          {"base", entry.base_offset},
          {"leader_epoch", entry.leader_epoch},
          {"crc", entry.crc}};
}

FileEntry ring_batch(const segment::RingEntry& entry, Bytes batch, Bytes file) {
  FileEntry shown{"batch", batch.data() - file.data(), entry.bytes, fields_of(entry), {}};
  const auto view = RecordBatchView::parse(batch);
  if (!view) {
    shown.damage = view.error().text();
    return shown;
  }
  const Fields more = {{"last", view->last_offset()},
                       {"count", view->record_count()},
                       {"pid", view->producer_id()},
                       {"epoch", view->producer_epoch()},
                       {"seq", view->base_sequence()}};
  shown.fields.insert(shown.fields.end(), more.begin(), more.end());
  return shown;
}

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

Result<void> list_seal(const EntrySource& source, const FileEntryVisitor& visit) {
  ONCELOG_TRY_ASSIGN(const auto content, source.read_whole(kSideFileBytesMax));
  FileEntry shown{"seal", 0, source.bytes(), {}, {}};
  const auto seal = segment::decode_seal(content);
  if (seal) {
    shown.fields = fields_of(*seal);
    if (source.base() && *source.base() != seal->base_offset) {
      shown.damage =
          "it is the seal of the segment with base " + std::to_string(seal->base_offset.value());
    }
  } else {
    shown.damage = seal.error().text();
  }
  visit(shown);
  return {};
}

Result<void> list_append_ring(const EntrySource& source, const FileEntryVisitor& visit) {
  ONCELOG_TRY_ASSIGN(const auto content, source.read_whole(segment::kRingBytesMax));
  const Bytes file(content);
  FileEntry header{"fill", 0, std::ssize(segment::encode(segment::RingFill{})), {}, {}};
  if (std::ssize(file) < segment::kRingBytesMin) {
    header.bytes = source.bytes();
    header.damage =
        "an append ring has at least " + std::to_string(segment::kRingBytesMin) + " bytes";
    visit(header);
    return {};
  }
  const auto ring = segment::read_ring(file);
  if (!ring) {
    header.bytes = source.bytes();
    header.what = "unused";
    // Made, and never filled.
    if (!is_zero(file.first(segment::kRingFillBytes))) {
      header.damage = "its header is no sound one: magic, version or hash are wrong";
    }
    visit(header);
    return {};
  }
  FieldValue anchor;
  if (ring->fill.anchor) anchor = fields_of(*ring->fill.anchor);
  header.fields = {{"nonce", bytes_of(ring->fill.nonce)},
                   {"segment", ring->fill.segment_base},
                   {"anchor", std::move(anchor)},
                   {"batches", std::ssize(ring->entries)}};
  bool goes_on = visit(header);
  for (std::size_t i = 0; i < ring->entries.size() && goes_on; ++i) {
    goes_on = visit(ring_batch(ring->entries[i], ring->batches[i], file));
  }
  return {};
}

Result<void> list_clean_record(const EntrySource& source, const FileEntryVisitor& visit) {
  ONCELOG_TRY_ASSIGN(const auto content, source.read_whole(kSideFileBytesMax));
  const auto record = store::decode_clean_record(content);
  if (!record) {
    visit({"record", 0, source.bytes(), {}, record.error().text()});
    return {};
  }
  // Magic, version and hash; then each list behind its count.
  constexpr std::int64_t kHeaderBytes = 14;
  constexpr std::int64_t kCountBytes = 4;
  constexpr std::int64_t kWitnessFixedBytes = 18;
  constexpr std::int64_t kPartitionFixedBytes = 38;
  std::int64_t position = kHeaderBytes + kCountBytes;
  for (const store::WitnessFile& witness : record->witnesses) {
    const std::int64_t bytes = kWitnessFixedBytes + std::ssize(witness.name);
    const bool goes_on =
        visit({"witness",
               position,
               bytes,
               {{"name", witness.name}, {"inode", witness.inode}, {"hash", bytes_of(witness.hash)}},
               {}});
    if (!goes_on) return {};
    position += bytes;
  }
  position += kCountBytes;
  for (const auto& [name, end] : record->partitions) {
    const std::int64_t bytes = kPartitionFixedBytes + std::ssize(name.topic);
    const bool goes_on = visit({"partition",
                                position,
                                bytes,
                                {{"topic", name.topic},
                                 {"partition", name.partition},
                                 {"next_offset", end.next_offset},
                                 {"active_bytes", end.active_bytes},
                                 {"last_batch_crc", end.last_batch_crc},
                                 {"segments", end.segment_count},
                                 {"log_bytes", end.log_bytes}},
                                {}});
    if (!goes_on) return {};
    position += bytes;
  }
  visit({"state",
         position,
         std::int64_t{sizeof record->state_close_record},
         {{"close_record", bytes_of(record->state_close_record)}},
         {}});
  return {};
}

}  // namespace oncelog::inspect
