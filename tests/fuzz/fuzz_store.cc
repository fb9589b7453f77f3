// fuzz_store.cc: a small store of which something has changed any file. The rules:
// - looking at it, before anything has opened it, costs an error at most;
// - an open refuses it, or gives a log whose parts agree, whose bytes can all be fetched, and that
//   takes appends;
// - what was closed cleanly has indexes that verify does not complain of (unless batches were
//   forged), and opens again with the same ends and the same producers.
//
// The input: changes, each a file (by its place in the list), what is done to it, a position (two
// bytes), a count and as many bytes; behind them how the store ended and how it is opened.
#include <algorithm>

#include "base/bytes.h"
#include "fuzz/repair.h"
#include "fuzz/store_files.h"
#include "fuzz/target.h"
#include "oncelog/inspect.h"
#include "oncelog/record_builder.h"

namespace oncelog::fuzz {

namespace {

constexpr DecompressionLimits kLimits{.bytes_max = 1 << 14, .ratio_max = 1024};

enum class Verb : std::uint8_t { kPut, kCut, kInsert, kErase, kReplace, kRemove, kZero, kRename };
constexpr std::uint8_t kVerbs = 8;
constexpr std::uint8_t kRepairBit = 0x80;

struct Change {
  Verb verb = Verb::kPut;
  bool is_repaired = false;
  std::size_t position = 0;
  Bytes bytes{};
};

void change_content(Buffer& content, const Change& change) {
  const std::size_t position = std::min(change.position, content.size());
  const auto at = content.begin() + static_cast<std::ptrdiff_t>(position);
  const std::size_t count = std::min(change.bytes.size(), content.size() - position);
  const auto end = at + static_cast<std::ptrdiff_t>(count);
  switch (change.verb) {
    case Verb::kPut:
      std::copy_n(change.bytes.begin(), count, at);
      break;
    case Verb::kCut:
      content.erase(at, content.end());
      break;
    case Verb::kInsert:
      content.insert(at, change.bytes.begin(), change.bytes.end());
      break;
    case Verb::kErase:
      content.erase(at, end);
      break;
    case Verb::kReplace:
      content.assign(change.bytes.begin(), change.bytes.end());
      break;
    case Verb::kZero:
      std::fill(at, content.end(), std::byte{0});
      break;
    case Verb::kRemove:
    case Verb::kRename:
      break;
  }
}

void apply(MemoryVfs& vfs, const std::vector<std::string>& files, std::size_t number,
           const Change& change) {
  const std::string& path = files[number % files.size()];
  MemoryVfs::Content* const content = vfs.find(path);
  if (content == nullptr) return;
  if (change.verb == Verb::kRemove) {
    ONCELOG_ASSERT(vfs.remove(path).has_value());
  } else if (change.verb == Verb::kRename) {
    ONCELOG_ASSERT(vfs.rename(path, files[change.position % files.size()]).has_value());
  } else {
    change_content(*content, change);
    if (change.is_repaired) repair_file(path, *content);
  }
}

/// Answers whether a batch may be forged: one that no writer writes, with a right CRC.
bool apply_changes(MemoryVfs& vfs, Bytes changes) {
  constexpr std::size_t kHeaderBytes = 5;
  bool is_forged = false;
  const std::vector<std::string> files = vfs.files();
  while (changes.size() >= kHeaderBytes) {
    const auto verb = std::to_integer<std::uint8_t>(changes[1]);
    const auto count =
        std::min(std::to_integer<std::size_t>(changes[4]), changes.size() - kHeaderBytes);
    apply(vfs, files, std::to_integer<std::size_t>(changes[0]),
          {.verb = static_cast<Verb>((verb & ~kRepairBit) % kVerbs),
           .is_repaired = (verb & kRepairBit) != 0,
           .position = base::load_be<std::uint16_t>(changes, 2),
           .bytes = changes.subspan(kHeaderBytes, count)});
    is_forged |= (verb & kRepairBit) != 0;
    changes = changes.subspan(kHeaderBytes + count);
  }
  return is_forged;
}

void consume(const Fetched& fetched, Bytes bytes, Offset from) {
  CommittedRecords records(bytes, fetched.aborted.value_or(std::vector<AbortedTransaction>()),
                           {.from = from, .limits = kLimits});
  for (auto record = records.next(); record && *record;) record = records.next();
}

/// Nothing is known of the files.
void look_at(MemoryVfs& vfs) {
  (void)scan_batches(kPartitionDirectory, [](const ScannedBatch&) { return true; }, &vfs);
  (void)verify_partition(kPartitionDirectory, &vfs);
  const auto reader = PartitionReader::open(kPartitionDirectory, &vfs);
  if (!reader) return;
  (void)(*reader)->producers();
  (void)(*reader)->refresh();
  const Offset from = (*reader)->ends().log_start;
  const auto fetched = (*reader)->fetch(from, {.isolation = Isolation::kReadCommitted});
  if (!fetched) return;
  if (const auto bytes = fetched->read()) consume(*fetched, *bytes, from);
}

void check_ends(const LogEnds& ends) {
  ONCELOG_ASSERT(ends.log_start <= ends.last_stable_offset, ends.log_start,
                 ends.last_stable_offset);
  ONCELOG_ASSERT(ends.last_stable_offset <= ends.high_watermark, ends.last_stable_offset,
                 ends.high_watermark);
  ONCELOG_ASSERT(ends.high_watermark <= ends.log_end, ends.high_watermark, ends.log_end);
  ONCELOG_ASSERT(ends.durable_end <= ends.log_end, ends.durable_end, ends.log_end);
}

/// All that a follower would get, and what consumers make of it.
void fetch_all(const PartitionLog& log) {
  const LogEnds ends = log.ends();
  Offset from = ends.log_start;
  while (from < ends.log_end) {
    const auto fetched = log.fetch(from, {.isolation = Isolation::kReplica, .bytes_max = 256});
    ONCELOG_ASSERT(fetched.has_value(), fetched ? "" : fetched.error().text());
    const auto bytes = fetched->read();
    ONCELOG_ASSERT(bytes.has_value());
    const Offset began = from;
    BatchCursor cursor(*bytes);
    for (auto batch = cursor.next(); batch && *batch; batch = cursor.next()) {
      ONCELOG_ASSERT((*batch)->check_crc().has_value(), (*batch)->base_offset());
      ONCELOG_ASSERT((*batch)->next_offset() > from, (*batch)->next_offset(), from);
      from = (*batch)->next_offset();
    }
    consume(*fetched, *bytes, began);
    if (from == began) break;  // nothing up to the end, as after a cut within a batch
  }
  const auto committed = log.fetch(ends.log_start, {.isolation = Isolation::kReadCommitted});
  ONCELOG_ASSERT(committed.has_value(), committed ? "" : committed.error().text());
  if (const auto bytes = committed->read()) consume(*committed, *bytes, ends.log_start);
  for (const Timestamp time :
       {kLatestTimestamp, kEarliestTimestamp, kMaxTimestamp, Timestamp(1'700'000'000'010)}) {
    (void)log.list_offsets(time, Isolation::kReadCommitted);
  }
}

void check_log(const PartitionLog& log) {
  for (const std::string& broken : log.check_invariants()) ONCELOG_ASSERT(broken.empty(), broken);
  check_ends(log.ends());
  fetch_all(log);
  ONCELOG_ASSERT(log.producers().has_value());
}

void change_log(PartitionLog& log, std::uint8_t choice) {
  RecordBatchBuilder builder({.producer_id = ProducerId(9),
                              .producer_epoch = ProducerEpoch(0),
                              .base_sequence = Sequence(0)});
  ONCELOG_ASSERT(
      builder.add({.timestamp = Timestamp(1'700'000'000'000), .value = as_bytes("v")}).has_value());
  (void)log.append_as_leader(*builder.build());
  const LogEnds ends = log.ends();
  const std::int64_t records = ends.log_end - ends.log_start;
  if ((choice & 1) != 0) {
    (void)log.append_marker({.type = MarkerType::kAbort,
                             .producer_id = ProducerId(3),
                             .producer_epoch = ProducerEpoch(0),
                             .timestamp = Timestamp(1'700'000'000'000)});
  }
  if ((choice & 2) != 0) (void)log.delete_records(ends.log_start + records / 3);
  if ((choice & 4) != 0) (void)log.truncate_to(ends.log_start + records / 2);
  if ((choice & 8) != 0) (void)log.apply_retention();
  if ((choice & 16) != 0) (void)log.roll();
}

/// What an open must find again.
struct Kept {
  Offset log_start{};
  Offset log_end{};
  std::vector<ProducerId> producers{};
};

Kept kept_of(const PartitionLog& log) {
  Kept kept{log.ends().log_start, log.ends().log_end};
  const auto producers = log.producers();
  ONCELOG_ASSERT(producers.has_value());
  for (const ProducerInfo& producer : *producers) kept.producers.push_back(producer.producer_id);
  return kept;
}

struct Opened {
  std::unique_ptr<Store> store{};
  std::shared_ptr<PartitionLog> log{};
};

Opened open_store(MemoryVfs& vfs, Ending ending, std::uint8_t choice) {
  StoreOptions options = store_options(vfs);
  options.refuse_any_damage = (choice & 0x80) != 0;
  auto store = Store::open(kStoreDirectory, options);
  if (!store) return {};
  auto log = (*store)->open_partition({"t", 0}, partition_options(ending));
  if (!log) return {};
  return {std::move(*store), std::move(*log)};
}

void check_indexes(MemoryVfs& vfs) {
  const auto problems = verify_partition(kPartitionDirectory, &vfs);
  ONCELOG_ASSERT(problems.has_value());
  for (const Problem& problem : *problems) {
    // Leader epochs of batches, which no CRC covers, are kept as they are.
    ONCELOG_ASSERT(!problem.file.ends_with("index"), problem.file, problem.position,
                   problem.problem);
  }
}

void check_closed(MemoryVfs& vfs, const Kept& kept, Ending ending, bool was_cut) {
  const Opened again = open_store(vfs, ending, 0);
  ONCELOG_ASSERT(again.log != nullptr);
  ONCELOG_ASSERT(again.log->recovery_report().was_clean);
  check_log(*again.log);
  const Kept now = kept_of(*again.log);
  if (was_cut) return;  // the end moves to that of a batch
  ONCELOG_ASSERT(now.log_start == kept.log_start, now.log_start, kept.log_start);
  ONCELOG_ASSERT(now.log_end == kept.log_end, now.log_end, kept.log_end);
  ONCELOG_ASSERT(now.producers == kept.producers, now.producers.size(), kept.producers.size());
}

}  // namespace

}  // namespace oncelog::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace oncelog;
  using namespace oncelog::fuzz;
  Input input(data, size);
  const auto ending = static_cast<Ending>(input.choice() % kEndings);
  const std::uint8_t choice = input.choice();
  const auto vfs = store_files(ending).clone();
  const bool is_forged = apply_changes(*vfs, input.bytes());
  look_at(*vfs);

  Opened opened = open_store(*vfs, ending, choice);
  if (!opened.log) return 0;
  check_log(*opened.log);
  if ((choice & 0x20) != 0) {
    change_log(*opened.log, choice);
    check_log(*opened.log);
  }
  const Kept kept = kept_of(*opened.log);
  const auto closed = opened.store->close();
  opened = {};
  if (!closed) return 0;
  // What verify and recovery make of transactions that contradict themselves may differ.
  if (!is_forged) check_indexes(*vfs);
  check_closed(*vfs, kept, ending, (choice & 0x24) == 0x24);
  return 0;
}
