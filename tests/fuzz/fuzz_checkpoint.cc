// fuzz_checkpoint.cc: Kafka's text files: offset checkpoints, leader epochs, partition.metadata,
// each reader on the same text; and the names of files and partitions. The rules:
// - what a reader accepts, written and read again is the same;
// - leader epochs from a file answer every question in order;
// - a name that was parsed is the name that its parts give.
//
// The input: the file.
#include <algorithm>

#include "fuzz/memory_vfs.h"
#include "fuzz/target.h"
#include "log/checkpoint.h"
#include "log/leader_epochs.h"
#include "segment/segment_names.h"

namespace oncelog::fuzz {

namespace {

constexpr const char* kPath = "s/checkpoint";
constexpr const char* kAgain = "s/again";

void check_offsets(MemoryVfs& vfs) {
  const auto read = log::read_offset_checkpoint(vfs, kPath);
  if (!read) return;
  ONCELOG_ASSERT(log::write_offset_checkpoint(vfs, kAgain, *read).has_value());
  const auto again = log::read_offset_checkpoint(vfs, kAgain);
  ONCELOG_ASSERT(again.has_value(), again ? "" : again.error().context);
  const auto is_same = [](const log::OffsetCheckpointEntry& a,
                          const log::OffsetCheckpointEntry& b) {
    return a.name == b.name && a.offset == b.offset;
  };
  ONCELOG_ASSERT(std::ranges::equal(*read, *again, is_same));
}

void check_epochs(MemoryVfs& vfs) {
  const auto read = log::read_leader_epochs(vfs, kPath);
  if (!read) return;
  ONCELOG_ASSERT(log::write_leader_epochs(vfs, kAgain, *read).has_value());
  const auto again = log::read_leader_epochs(vfs, kAgain);
  ONCELOG_ASSERT(again && *again == *read);

  const log::LeaderEpochs epochs(*read);
  constexpr Offset kLogEnd{1'000'000};
  Offset last_end = kNoOffset;
  for (const LeaderEpochStart& entry : epochs.entries()) {
    ONCELOG_ASSERT(epochs.epoch_at(entry.start) == entry.epoch, entry.epoch);
    const LeaderEpochEnd end = epochs.end_of(entry.epoch, kLogEnd);
    ONCELOG_ASSERT(end.epoch == entry.epoch, entry.epoch, end.epoch);
    ONCELOG_ASSERT(end.end > last_end || end.end == kLogEnd, end.end, last_end);
    last_end = end.end;
  }
}

void check_topic_id(MemoryVfs& vfs) {
  const auto read = log::read_topic_id(vfs, kPath);
  if (!read) return;
  ONCELOG_ASSERT(read->size() == 22, read->size());
  ONCELOG_ASSERT(log::write_topic_id(vfs, kAgain, *read).has_value());
  const auto again = log::read_topic_id(vfs, kAgain);
  ONCELOG_ASSERT(again && *again == *read);
}

void check_names(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  if (const auto name = segment::parse_partition_directory(line)) {
    ONCELOG_ASSERT(segment::partition_directory_name(*name) == line);
  }
  if (const auto base = segment::offset_of_file_name(line, segment::kLogSuffix)) {
    ONCELOG_ASSERT(segment::segment_file_name(*base, segment::kLogSuffix) == line);
  }
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  const Bytes bytes = bytes_of(data, size);
  MemoryVfs vfs;
  vfs.put(kPath, {bytes.begin(), bytes.end()});
  check_offsets(vfs);
  check_epochs(vfs);
  check_topic_id(vfs);
  check_names(as_text(bytes));
  return 0;
}
