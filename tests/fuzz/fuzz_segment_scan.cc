// fuzz_segment_scan.cc: a `.log` that may be anything. The rules:
// - the scan gives the same batches with small and with large reads, and with each batch that has a
//   right CRC without checking it;
// - HeaderWalk and BatchCursor walk those batches, too;
// - a dump leaves no byte out: batches and damaged stretches follow each other up to the end, and
//   behind a damaged stretch stands a batch;
// - what verify and a reader make of it costs an error at most.
//
// The input: the file.
#include <algorithm>

#include "base/crc32c.h"
#include "fuzz/memory_vfs.h"
#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "oncelog/inspect.h"
#include "segment/batch_scan.h"
#include "segment/header_walk.h"

namespace oncelog::fuzz {

namespace {

constexpr const char* kDirectory = "s/t-0";
constexpr const char* kPath = "s/t-0/00000000000000000000.log";

struct Scanned {
  std::vector<std::int64_t> positions{};
  std::int64_t end = 0;
  std::string damage{};
  friend bool operator==(const Scanned&, const Scanned&) = default;
};

Scanned scan(const File& file, segment::BatchScan::Options options) {
  segment::BatchScan scan(file, options);
  Scanned scanned;
  for (auto batch = scan.next(); batch && *batch; batch = scan.next()) {
    scanned.positions.push_back(scan.batch_position());
  }
  scanned.end = scan.position();
  scanned.damage = scan.damage();
  return scanned;
}

void check_walks(const File& file, Bytes bytes, const Scanned& scanned) {
  const std::string path = kPath;
  segment::HeaderWalk walk(file, path, 0, scanned.end);
  BatchCursor cursor(bytes);
  for (const std::int64_t position : scanned.positions) {
    const auto header = walk.next();
    ONCELOG_ASSERT(header && *header && walk.position() == position, position);
    ONCELOG_ASSERT(cursor.position() == position, position);
    const auto batch = cursor.next();
    ONCELOG_ASSERT(batch && *batch, position);
    ONCELOG_ASSERT((*batch)->base_offset() == (*header)->base_offset, position);
    ONCELOG_ASSERT((*batch)->last_offset() == (*header)->last_offset(), position);
  }
  const auto behind = walk.next();
  ONCELOG_ASSERT(behind && !*behind);
  ONCELOG_ASSERT(cursor.position() == scanned.end, cursor.position(), scanned.end);
}

void check_dump(MemoryVfs& vfs, std::int64_t file_bytes, const Scanned& scanned) {
  std::int64_t end = 0;
  bool was_damaged = false;
  std::size_t count = 0;
  const auto dumped = scan_batches(
      kPath,
      [&](const ScannedBatch& found) {
        ONCELOG_ASSERT(found.position == end && found.bytes > 0, found.position, end, found.bytes);
        end += found.bytes;
        ONCELOG_ASSERT(found.batch.has_value() == found.damage.empty(), found.damage);
        ONCELOG_ASSERT(found.batch || !was_damaged, found.position);
        if (found.batch) {
          ONCELOG_ASSERT(std::ssize(found.batch->bytes()) == found.bytes, found.bytes);
          ONCELOG_ASSERT(found.batch->check_crc().has_value(), found.position);
        }
        if (count < scanned.positions.size()) {
          ONCELOG_ASSERT(found.batch && found.position == scanned.positions[count], count);
        }
        ++count;
        was_damaged = !found.batch;
        return true;
      },
      &vfs);
  ONCELOG_ASSERT(dumped.has_value());
  ONCELOG_ASSERT(end == file_bytes, end, file_bytes);
  ONCELOG_ASSERT(count >= scanned.positions.size(), count);
}

void read_as_partition(MemoryVfs& vfs) {
  (void)verify_partition(kDirectory, &vfs);
  const auto reader = PartitionReader::open(kDirectory, &vfs);
  if (!reader) return;
  const LogEnds ends = (*reader)->ends();
  ONCELOG_ASSERT(ends.log_start <= ends.last_stable_offset, ends.log_start);
  ONCELOG_ASSERT(ends.last_stable_offset <= ends.high_watermark, ends.last_stable_offset);
  ONCELOG_ASSERT(ends.high_watermark <= ends.log_end, ends.high_watermark, ends.log_end);
  (void)(*reader)->producers();
  (void)(*reader)->list_offsets(kMaxTimestamp, Isolation::kReadUncommitted);
  const auto fetched = (*reader)->fetch(ends.log_start, {.isolation = Isolation::kReadCommitted});
  if (!fetched) return;
  const auto bytes = fetched->read();
  if (!bytes) return;
  CommittedRecords records(*bytes, fetched->aborted.value_or(std::vector<AbortedTransaction>()),
                           {.from = ends.log_start, .limits = {.bytes_max = 1 << 14}});
  for (auto record = records.next(); record && *record;) record = records.next();
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  const Bytes bytes = bytes_of(data, size);
  const std::int64_t file_bytes = std::ssize(bytes);
  MemoryVfs vfs;
  vfs.put(kPath, {bytes.begin(), bytes.end()});
  const auto file = vfs.open(kPath, OpenMode::kRead);

  const Scanned scanned = scan(**file, {.end = file_bytes});
  ONCELOG_ASSERT(scanned == scan(**file, {.end = file_bytes, .read_bytes = 61}));
  const Scanned unchecked = scan(**file, {.end = file_bytes, .check_crc = false});
  ONCELOG_ASSERT(unchecked.end >= scanned.end, unchecked.end, scanned.end);
  ONCELOG_ASSERT(scanned.damage.empty() == (scanned.end == file_bytes), scanned.end);
  check_walks(**file, bytes, scanned);
  check_dump(vfs, file_bytes, scanned);
  // A reader and verify read everything several times: one file of 8, by its bytes.
  if (base::crc32c(bytes) % 8 == 0) read_as_partition(vfs);
  return 0;
}

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
  using namespace oncelog::fuzz;
  return mutate_in_front(data, size, size_max, 0, seed, [](Stretch& file, unsigned way) {
    if (way % 2 == 0) return file.mutate();
    // Right again up to some place, or all of it.
    file.mutate();
    const std::size_t end = way % 4 == 1 ? file.size : (way / 4) % (file.size + 1);
    repair_batches(file.bytes().first(end));
  });
}
