#include "fuzz/store_files.h"

#include <array>

#include "base/assert.h"
#include "base/bytes.h"
#include "fuzz/repair.h"
#include "oncelog/clock.h"
#include "oncelog/record_builder.h"

namespace oncelog::fuzz {

namespace {

constexpr Timestamp kNow{1'700'000'000'000};

ManualClock& clock() {
  static ManualClock clock(kNow);
  return clock;
}

class Writer {
 public:
  explicit Writer(PartitionLog& log) : log_(log) {}

  void data(BatchFields fields, int records) {
    RecordBatchBuilder builder(fields);
    for (int i = 0; i < records; ++i) {
      const std::string value = "value " + std::to_string(count_++);
      ONCELOG_ASSERT(
          builder.add({.timestamp = kNow + count_, .key = as_bytes("k"), .value = as_bytes(value)})
              .has_value());
    }
    ONCELOG_ASSERT(log_.append_as_leader(*builder.build()).has_value());
  }
  void transaction(std::int64_t id, int batches, std::optional<MarkerType> end) {
    BatchFields fields{.is_transactional = true,
                       .producer_id = ProducerId(id),
                       .producer_epoch = ProducerEpoch(0)};
    for (int i = 0; i < batches; ++i) {
      fields.base_sequence = Sequence(sequences_[static_cast<std::size_t>(id)]);
      data(fields, 2);
      sequences_[static_cast<std::size_t>(id)] += 2;
    }
    if (!end) return;
    ONCELOG_ASSERT(log_.append_marker({.type = *end,
                                       .producer_id = ProducerId(id),
                                       .producer_epoch = ProducerEpoch(0),
                                       .timestamp = kNow})
                       .has_value());
  }

 private:
  PartitionLog& log_;
  int count_ = 0;
  std::array<std::int32_t, 4> sequences_{};
};

void write_story(PartitionLog& log) {
  Writer writer(log);
  writer.data({}, 3);
  writer.transaction(1, 2, MarkerType::kCommit);
  writer.transaction(2, 2, MarkerType::kAbort);
  writer.data({.codec = Codec::kLz4}, 5);
  ONCELOG_ASSERT(log.assign_leader_epoch(LeaderEpoch(3)).has_value());
  writer.transaction(1, 1, MarkerType::kAbort);
  ONCELOG_ASSERT(log.flush().has_value());
  writer.transaction(3, 1, std::nullopt);
  writer.data({.codec = Codec::kZstd}, 5);
  writer.transaction(2, 1, MarkerType::kCommit);
  writer.data({}, 1);
}

std::unique_ptr<MemoryVfs> make_files(Ending ending) {
  auto vfs = std::make_unique<MemoryVfs>();
  if (ending == Ending::kCrashedWithRing) vfs->allow_maps();
  {
    const auto store = Store::open(kStoreDirectory, store_options(*vfs));
    ONCELOG_ASSERT(store.has_value());
    const auto log = (*store)->open_partition({"t", 0}, partition_options(ending));
    ONCELOG_ASSERT(log.has_value());
    write_story(**log);
    const bool is_closed = ending == Ending::kClosed || ending == Ending::kClosedByKafka;
    if (is_closed) ONCELOG_ASSERT((*store)->close().has_value());
  }
  if (ending == Ending::kClosedByKafka) {
    ONCELOG_ASSERT(vfs->remove(std::string(kStoreDirectory) + "/.clean").has_value());
  }
  // A new topic id is random; nothing refers to it here. So is a ring's nonce.
  MemoryVfs::Content* const metadata =
      vfs->find(std::string(kPartitionDirectory) + "/partition.metadata");
  ONCELOG_ASSERT(metadata != nullptr);
  const Bytes fixed = as_bytes("version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw");
  metadata->assign(fixed.begin(), fixed.end());
  if (MemoryVfs::Content* const ring = vfs->find(std::string(kPartitionDirectory) + "/.tail")) {
    constexpr std::size_t kNonceAt = 16;
    base::store_be(*ring, kNonceAt, std::uint64_t{1});
    repair_ring(*ring, ring->size());
  }
  return vfs;
}

}  // namespace

StoreOptions store_options(MemoryVfs& vfs) {
  StoreOptions options;
  options.vfs = &vfs;
  options.clock = &clock();
  options.decompression.bytes_max = 1 << 16;
  options.append_ring_bytes = 1;  // the smallest
  return options;
}

PartitionOptions partition_options(Ending ending) {
  PartitionOptions options;
  options.config.segment_bytes = 600;
  options.config.index_interval_bytes = 100;
  options.config.segment_index_bytes = 240;
  options.config.preallocate = ending == Ending::kCrashedPreallocated;
  options.level = Level::kWritten;
  return options;
}

const MemoryVfs& store_files(Ending ending) {
  static const std::array<std::unique_ptr<MemoryVfs>, kEndings> kFiles = {
      make_files(Ending::kClosed), make_files(Ending::kCrashed), make_files(Ending::kClosedByKafka),
      make_files(Ending::kCrashedPreallocated), make_files(Ending::kCrashedWithRing)};
  return *kFiles[static_cast<std::size_t>(ending)];
}

}  // namespace oncelog::fuzz
