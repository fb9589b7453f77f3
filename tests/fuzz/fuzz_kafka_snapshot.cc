// fuzz_kafka_snapshot.cc: Kafka's `<offset>.snapshot`. The rules:
// - what is accepted, encoded and decoded again is the same (Kafka's own files have forms of "no
//   batch" that we do not write, so the bytes may differ);
// - the writer that works piece by piece writes what the one in memory does.
//
// The input: the file.
#include <algorithm>

#include "fuzz/memory_vfs.h"
#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "snapshot/kafka_snapshot.h"

namespace oncelog::fuzz {

namespace {

Buffer written_by_pieces(const snapshot::ProducerEntries& entries) {
  MemoryVfs vfs;
  vfs.put("d/s", {});
  const auto file = vfs.open("d/s", OpenMode::kWrite);
  snapshot::KafkaSnapshotWriter writer(**file);
  for (const auto& [id, entry] : entries) ONCELOG_ASSERT(writer.add(id, entry).has_value());
  ONCELOG_ASSERT(writer.finish().has_value());
  return *vfs.find("d/s");
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  const auto entries = snapshot::decode_kafka_snapshot(bytes_of(data, size));
  if (!entries) return 0;
  const Buffer encoded = snapshot::encode_kafka_snapshot(*entries);
  ONCELOG_ASSERT(encoded.size() == size, encoded.size());
  const auto again = snapshot::decode_kafka_snapshot(encoded);
  ONCELOG_ASSERT(again.has_value());
  ONCELOG_ASSERT(*again == *entries);
  // The writer's buffer is large, which only makes it slow here: one file of 64, by its CRC.
  const bool is_chosen = std::to_integer<unsigned>(encoded[5]) % 64 == 0;
  if (is_chosen) ONCELOG_ASSERT(written_by_pieces(*entries) == encoded);
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  return mutate_in_front(data, size, size_max, 0, seed, [](Stretch& file, unsigned way) {
    file.mutate();
    if (way % 8 == 0) return;
    constexpr std::size_t kHeaderBytes = 10;
    constexpr std::size_t kEntryBytes = 46;
    const bool with_count = way % 8 != 1;
    if (with_count && file.size > kHeaderBytes) {  // whole entries
      file.size -= (file.size - kHeaderBytes) % kEntryBytes;
    }
    repair_kafka_snapshot(file.bytes(), with_count);
  });
}
